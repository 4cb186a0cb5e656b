"""The way from a platform to the stored updates: everything is kept before it is acknowledged."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from bot.batching import Batcher, BatchOptions
from bot.channels.events import AccountEvent, AccountEventKind, DeliveryStatus, PlatformEvent, Receipt, UnreadableEvent
from bot.encryption import SecretBox
from handlers.message import Update, UpdateKind
from storage.database import Database, Transaction
from storage.queue import updates

Readable = Update | Receipt | AccountEvent
NAMES: dict[str, type[Readable]] = {"update": Update, "receipt": Receipt, "bulletin": AccountEvent}
REST = 0.002  # seconds between two writes: a platform waits longer than that for its answer anyway

_encode = json.JSONEncoder(ensure_ascii=False).encode
_IS = {kind: name for name, kind in NAMES.items()}
_KINDS: dict[str, Callable[[str], Any]] = {"kind": UpdateKind, "status": DeliveryStatus, "topic": AccountEventKind}


class Inbox:
    """Keeps updates durably and wakes whoever handles them.

    A waiting body is encrypted under the server's inbox key, so that no typed word stands on the disk or in a
    backup of it; `arrived` is set whenever something new was kept.
    """

    def __init__(self, database: Database, key: bytes, clock: Callable[[], datetime]) -> None:
        self.box = SecretBox(key)
        self._clock = clock
        self._gathering = Batcher(database, self._write, options=BatchOptions(REST, is_urgent=True, is_single=True))
        self.arrived = asyncio.Event()

    async def store(self, arrivals: Iterable[PlatformEvent]) -> int:
        """Store them in one transaction, which others may share; give how many were new. Then acknowledge.

        Raises DatabaseUnavailable: nothing was stored, and the platform must repeat.
        """
        new = await self._gathering.add([self._row(one) for one in arrivals])
        if new:
            self.arrived.set()
        return new

    async def _write(self, tx: Transaction, batches: Sequence[Sequence[updates.NewUpdate]]) -> Sequence[int]:
        new = set(await updates.keep(tx, [row for batch in batches for row in batch], self._clock()))
        found = []
        for batch in batches:
            own = new & {(row.channel, row.key) for row in batch}
            new -= own  # of those who brought the same, one brought something new
            found.append(len(own))
        return found

    def _row(self, one: PlatformEvent) -> updates.NewUpdate:
        if isinstance(one, UnreadableEvent):
            return updates.NewUpdate(one.channel, one.key, "", None, one.fault)
        return updates.NewUpdate(one.channel, one.key, _lane(one), self._close(one))

    def _close(self, one: Readable) -> bytes:
        fields = {name: getattr(one, name) for name in one.__slots__}
        return self.box.close(_encode({"is": _IS[type(one)]} | fields).encode(), one.channel)

    def open(self, waiting: updates.StoredUpdate) -> Readable:
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
