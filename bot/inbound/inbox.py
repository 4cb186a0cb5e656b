"""Store platform events durably before they are acknowledged."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import TypeAdapter

from bot.batching import Batcher, BatchOptions
from bot.channels.events import AccountEvent, PlatformEvent, Receipt, UnreadableEvent
from bot.encryption import SecretBox
from handlers.message import Update
from storage.database import Database, Transaction
from storage.queue import updates

ReadableEvent = Update | Receipt | AccountEvent
TYPES: dict[str, type[ReadableEvent]] = {"update": Update, "receipt": Receipt, "account_event": AccountEvent}
"""The type of a stored event, by the tag in its body."""
WRITE_INTERVAL = 0.002  # seconds between two writes: far less than a platform takes to get our answer anyway
NAME_LABEL = b"integra/2/inbox\nname"
NAME_LENGTH = 32  # hexadecimal digits

_encode = json.JSONEncoder(ensure_ascii=False).encode
_TAGS = {event_type: tag for tag, event_type in TYPES.items()}
_DECODERS: dict[str, TypeAdapter[ReadableEvent]] = {tag: TypeAdapter(event_type) for tag, event_type in TYPES.items()}


class Inbox:
    """Stores platform events and wakes the update workers of this process.

    A body is encrypted under the server's inbox key while it waits, and its sender has a keyed name, so that neither
    typed text nor address is on disk or in a backup of it in the clear. `arrived` is set whenever something new was
    stored.
    """

    def __init__(self, database: Database, key: bytes, clock: Callable[[], datetime]) -> None:
        self.box = SecretBox(key)
        self._name_key = HKDF(SHA256(), len(key), salt=None, info=NAME_LABEL).derive(key)
        self._clock = clock
        options = BatchOptions(WRITE_INTERVAL, is_urgent=True, is_single=True)
        self._batcher = Batcher(database, self._write, options=options)
        self.arrived = asyncio.Event()

    async def store(self, events: Iterable[PlatformEvent]) -> int:
        """Store events in one transaction, which other callers may share; return how many were new.

        Acknowledge to the platform only after this returned. Raises DatabaseUnavailable: nothing was stored, and the
        platform must send again.
        """
        new = await self._batcher.add([self._row(event) for event in events])
        if new:
            self.arrived.set()
        return new

    async def _write(self, tx: Transaction, batches: Sequence[Sequence[updates.NewUpdate]]) -> Sequence[int]:
        new = set(await updates.store(tx, [row for batch in batches for row in batch], self._clock()))
        counts = []
        for batch in batches:
            own = new & {(row.channel, row.key) for row in batch}
            new -= own  # a key that several batches brought counts as new in the first one only
            counts.append(len(own))
        return counts

    def _row(self, event: PlatformEvent) -> updates.NewUpdate:
        key = self.key_of(event.channel, event.key)
        if isinstance(event, UnreadableEvent):
            return updates.NewUpdate(event.channel, key, "", None, event.fault)
        return updates.NewUpdate(event.channel, key, self._sender(event), self._encrypt(event))

    def key_of(self, channel: str, key: str) -> str:
        """The name under which an event is stored; the platforms' own keys count up, and would show the order."""
        return self._name("key", channel, key)

    def _sender(self, event: ReadableEvent) -> str:
        """Events with the same name are handled in order."""
        return self._name("sender", event.channel, _ordering_key(event))

    def _name(self, *parts: str) -> str:
        return hmac.digest(self._name_key, json.dumps(parts).encode(), hashlib.sha256).hex()[:NAME_LENGTH]

    def _encrypt(self, event: ReadableEvent) -> bytes:
        values = {name: getattr(event, name) for name in event.__slots__}
        if isinstance(event, Update):
            values["received_at"] = self._clock().timestamp()
        return self.box.encrypt(_encode({"is": _TAGS[type(event)]} | values).encode(), event.channel)

    def read(self, row: updates.StoredUpdate) -> ReadableEvent:
        """Decrypt the event in a stored row.

        Raises cryptography.exceptions.InvalidTag when the key changed meanwhile, pydantic.ValidationError for a body
        that is no such event; fields that only a later version knows are ignored.
        """
        values = json.loads(self.box.decrypt(row.body, row.channel))
        tag = values.pop("is", "update")  # a body stored by a version without tags is an update
        return _DECODERS[tag].validate_python(values)


def _ordering_key(event: ReadableEvent) -> str:
    """Events with the same key are handled one after the other: those of a person, of a message, of the account."""
    if isinstance(event, Update):
        return event.address
    return f"receipt:{event.ref}" if isinstance(event, Receipt) else "account"
