"""Notify askers that there is news of a confidential query.

The notice has a constant text that names no case. It is enqueued on its own and only at fixed times of day, so that
the chat shows neither case nor minute. The rows of outbox and ledger, joined, still point to the case.
"""

import secrets
from dataclasses import replace
from datetime import datetime

from handlers import outgoing
from handlers.context import Installation, WorkContext
from handlers.learning import template_messages
from handlers.message import Button, Message, TemplateMessage
from handlers.outgoing import Recipient, Trigger
from storage.confidential import routes
from storage.confidential.addresses import open_address
from storage.confidential.protocol.errors import Altered
from storage.people import servants
from storage.queue import outbox

KEY_PREFIX = "news:"  # of the idempotency keys of notices
FALLBACK_LANGUAGE = "es"  # of an asker who is not enrolled, when a notice is sent again


async def notify_askers(work: WorkContext) -> int:
    """Enqueue a notice for every asker who has news; return how many. Call only at the fixed times of day."""
    recipients = await _claim(work)
    for recipient in recipients:
        trigger = Trigger(f"{KEY_PREFIX}{secrets.token_urlsafe(12)}", outbox.DeliveryKind.NOTICE)
        await outgoing.enqueue(work, recipient, trigger, [notice(work.installation, recipient.language)])
    return len(recipients)


async def _claim(work: WorkContext) -> list[Recipient]:
    """Claim all pending news and return the recipients, each once and in random order.

    Claimed news are not returned again: the caller enqueues the notices in the same transaction.
    """
    recipients = set()
    for route in await routes.claim_news(work.tx):
        try:
            address = open_address(work.installation.route_key, route.sealed_address, route.row)
            recipients.add(Recipient(address["channel"], address["address"], address["language"]))
        except (Altered, KeyError):
            continue  # the route key was changed or the row was altered: the address is lost
    ordered = sorted(recipients, key=lambda recipient: (recipient.channel, recipient.address))
    secrets.SystemRandom().shuffle(ordered)
    return ordered


async def notify_again(work: WorkContext, channel: str, address: str, until: datetime, key: str) -> None:
    """Enqueue a notice again, due at `until`, after the platform accepted and then refused it; `key`: of this try."""
    servant = await servants.by_address(work.tx, channel, address)
    recipient = Recipient(channel, address, servant.language if servant else FALLBACK_LANGUAGE)
    trigger = Trigger(key, outbox.DeliveryKind.NOTICE)
    again = outgoing.deliveries(work, recipient, trigger, [notice(work.installation, recipient.language)])
    await outbox.add(work.tx, [replace(delivery, due_at=until) for delivery in again])


def notice(installation: Installation, language: str) -> Message:
    """The message with the template that takes its place outside the reply window."""
    template = TemplateMessage(template_messages.NEWS_TEMPLATE, {}, ("consult:read",))
    return replace(news_message(installation, language), template_message=template)


def news_message(installation: Installation, language: str) -> Message:
    """There is something to read, with the link to the letterbox."""
    open_letterbox = Button("button.consult_read", url=f"{installation.public_url}/c#l={language}")
    return Message("consult.news", {}, ((open_letterbox,),))
