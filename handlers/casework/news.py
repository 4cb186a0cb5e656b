"""Notify askers that there is news of a confidential query.

The notice has a constant text that names no case. It is enqueued on its own and only at fixed times of day, so that
the chat shows neither case nor minute. The rows of outbox and ledger, joined, still point to the case.
"""

import secrets
from dataclasses import replace

from handlers import outgoing
from handlers.casework import letters
from handlers.context import Installation, WorkContext
from handlers.learning import template_messages
from handlers.message import Button, Message, TemplateMessage
from handlers.outgoing import Trigger
from storage.queue import outbox


async def notify_askers(work: WorkContext) -> int:
    """Enqueue a notice for every asker who has news; return how many. Call only at the fixed times of day."""
    recipients = await letters.claim_news(work)
    for recipient in recipients:
        trigger = Trigger(f"news:{secrets.token_urlsafe(12)}", outbox.DeliveryKind.NOTICE)
        message = replace(
            news_message(work.installation, recipient.language),
            template_message=TemplateMessage(template_messages.NEWS_TEMPLATE, {}, ("consult:read",)),
        )
        await outgoing.enqueue(work, recipient, trigger, [message])
    return len(recipients)


def news_message(installation: Installation, language: str) -> Message:
    """There is something to read, with the link to the letterbox."""
    open_letterbox = Button("button.consult_read", url=f"{installation.public_url}/c#l={language}")
    return Message("consult.news", {}, ((open_letterbox,),))
