"""The way from a platform to the stored updates: everything is kept before it is acknowledged."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from bot.channels.arrivals import Arrival, Bulletin, Fate, Receipt, Topic, Untranslated
from bot.strongbox import Strongbox
from handlers.message import Kind, Update
from storage import updates
from storage.database import Database

Readable = Update | Receipt | Bulletin
NAMES: dict[str, type[Readable]] = {"update": Update, "receipt": Receipt, "bulletin": Bulletin}
_KINDS: dict[str, Callable[[str], Any]] = {"kind": Kind, "fate": Fate, "topic": Topic}


class Inbox:
    """Keeps updates durably and wakes whoever handles them.

    A waiting body is encrypted under the server's inbox key, so that no typed word stands on the disk or in a
    backup of it; `arrived` is set whenever something new was kept.
    """

    def __init__(self, database: Database, key: bytes, clock: Callable[[], datetime]) -> None:
        self._database = database
        self.box = Strongbox(key)
        self._clock = clock
        self.arrived = asyncio.Event()

    async def keep(self, arrivals: Iterable[Arrival]) -> int:
        """Store them in one transaction; give how many were new. After it returns, acknowledge.

        Raises DatabaseUnavailable: nothing was stored, and the platform must repeat.
        """
        now = self._clock()
        rows = [self._row(one) for one in arrivals]
        async with self._database.write() as tx:
            new = await updates.keep(tx, rows, now)
        if new:
            self.arrived.set()
        return new

    def _row(self, one: Arrival) -> updates.New:
        if isinstance(one, Untranslated):
            return updates.New(one.channel, one.key, "", None, one.fault)
        return updates.New(one.channel, one.key, _lane(one), self._close(one))

    def _close(self, one: Readable) -> bytes:
        name = next(name for name, kind in NAMES.items() if isinstance(one, kind))
        return self.box.close(json.dumps({"is": name} | asdict(one), ensure_ascii=False).encode(), one.channel)

    def open(self, waiting: updates.Waiting) -> Readable:
        """What is in a stored row.

        Raises cryptography.exceptions.InvalidTag when the key changed meanwhile.
        """
        fields = json.loads(self.box.open(waiting.body, waiting.channel))
        made = NAMES[fields.pop("is", "update")]  # what waited through an upgrade says nothing: an update
        return made(**{name: _KINDS[name](value) if name in _KINDS else value for name, value in fields.items()})


def _lane(one: Readable) -> str:
    """What is handled one after the other: a person's updates, the words about one message, the bulletins."""
    if isinstance(one, Update):
        return one.address
    return f"receipt:{one.ref}"[:160] if isinstance(one, Receipt) else "bulletin"
