"""Tell those who asked in confidence that there is news: constant words, no case, apart from everything else."""

import secrets
from datetime import datetime

from content.library import Library
from handlers import letters, speak
from handlers.message import Button, Message
from handlers.speak import Occasion
from handlers.visit import House
from storage import outbox
from storage.database import Transaction


async def ring(tx: Transaction, library: Library, house: House, now: datetime) -> int:
    """Put a notice into the outbox for everybody who has news; give how many. Due at the slots of the clock only."""
    listeners = await letters.ring(tx, house, now)
    for listener in listeners:
        occasion = Occasion(f"news:{secrets.token_urlsafe(12)}", outbox.Kind.NOTICE, now)
        open_letterbox = Button("button.consult_read", url=f"{house.public_url}/c#l={listener.language}")
        await speak.say(tx, library, listener, occasion, [Message("consult.news", {}, ((open_letterbox,),))])
    return len(listeners)
