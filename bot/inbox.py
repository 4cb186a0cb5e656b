"""The way from a platform to the stored updates: everything is kept before it is acknowledged."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from bot.strongbox import Strongbox
from handlers.message import Kind, Update
from storage import updates
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Untranslated:
    """An update that a channel could not read: kept by its key and the kind of the fault, never its content."""

    channel: str
    key: str
    fault: str


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

    async def keep(self, arrivals: Iterable[Update | Untranslated]) -> int:
        """Store them in one transaction; give how many were new. After it returns, acknowledge.

        Raises DatabaseUnavailable: nothing was stored, and the platform must repeat.
        """
        now = self._clock()
        new = 0
        async with self._database.write() as tx:
            for one in arrivals:
                if isinstance(one, Update):
                    new += await updates.keep(tx, one.channel, one.key, one.address, self._close(one), now)
                else:
                    await updates.set_aside(tx, one.channel, one.key, one.fault, now)
        if new:
            self.arrived.set()
        return new

    def _close(self, update: Update) -> bytes:
        return self.box.close(json.dumps(asdict(update), ensure_ascii=False).encode(), update.channel)

    def open(self, waiting: updates.Waiting) -> Update:
        """The update of a stored row.

        Raises cryptography.exceptions.InvalidTag when the key changed meanwhile.
        """
        fields = json.loads(self.box.open(waiting.body, waiting.channel))
        return Update(**{**fields, "kind": Kind(fields["kind"])})
