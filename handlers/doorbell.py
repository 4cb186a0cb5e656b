"""Tell those who asked in confidence that there is news: constant words, no case, apart from everything else."""

import secrets
from dataclasses import replace
from datetime import datetime

from content.library import Library
from handlers import letters, openings, speak
from handlers.message import Button, Knock, Message
from handlers.speak import Occasion
from handlers.visit import House
from storage import outbox
from storage.database import Transaction


async def ring(tx: Transaction, library: Library, house: House, now: datetime) -> int:
    """Put a notice into the outbox for everybody who has news; give how many. Due at the slots of the clock only."""
    listeners = await letters.ring(tx, house, now)
    for listener in listeners:
        occasion = Occasion(f"news:{secrets.token_urlsafe(12)}", outbox.Kind.NOTICE, now)
        manner = house.manner(listener.channel)
        message = replace(news(house, listener.language), knock=Knock(openings.NEWS, {}, ("consult:read",)))
        await speak.say(tx, library, listener, occasion, [message], manner=manner)
    return len(listeners)


def news(house: House, language: str) -> Message:
    """That there is something to read, and the way there."""
    way_in = Button("button.consult_read", url=f"{house.public_url}/c#l={language}")
    return Message("consult.news", {}, ((way_in,),))
