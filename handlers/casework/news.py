"""Tell those who asked in confidence that there is news: constant words, no case, apart from everything else."""

import secrets
from dataclasses import replace
from datetime import datetime

from content.library import Library
from handlers import outgoing
from handlers.casework import letters
from handlers.context import Installation
from handlers.learning import template_messages
from handlers.message import Button, Message, TemplateMessage
from handlers.outgoing import Occasion
from storage.database import Transaction
from storage.queue import outbox


async def ring(tx: Transaction, library: Library, installation: Installation, now: datetime) -> int:
    """Put a notice into the outbox for everybody who has news; give how many. Due at the slots of the clock only."""
    listeners = await letters.ring(tx, installation, now)
    for listener in listeners:
        occasion = Occasion(f"news:{secrets.token_urlsafe(12)}", outbox.DeliveryKind.NOTICE, now)
        capabilities = installation.capabilities(listener.channel)
        message = replace(
            news(installation, listener.language),
            template_message=TemplateMessage(template_messages.NEWS, {}, ("consult:read",)),
        )
        await outgoing.say(tx, library, listener, occasion, [message], capabilities=capabilities)
    return len(listeners)


def news(installation: Installation, language: str) -> Message:
    """That there is something to read, and the way there."""
    way_in = Button("button.consult_read", url=f"{installation.public_url}/c#l={language}")
    return Message("consult.news", {}, ((way_in,),))
