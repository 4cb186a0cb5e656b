"""The browser chat channel: a platform of our own, whose messages are database rows that a page shows."""

import asyncio
import base64
import json
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidTag

from bot.channels.channel import Unreachable
from bot.encryption import SecretBox
from handlers.message import Action, Parcel, RenderedButton
from storage.channels import transcripts
from storage.database import Database, DatabaseUnavailable, Transaction

NAME = "webchat"
ENCRYPTION_CONTEXT = "bubbles"  # what an encrypted body is bound to
ERASED_BODY: Mapping[str, Any] = {"note": "erased"}
"""Body of a user's own message after it was erased."""
PADDED = 512
"""Bodies are padded to a multiple of so many bytes: their sizes do not tell what was asked or answered."""


class ChangeSubscription:
    """Wakes one subscriber when their chat changes; a change between two waits is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until a change (True) or the timeout (False)."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class ChangeFeed:
    """Notifies the pages served by this process that something changed in a chat."""

    def __init__(self) -> None:
        self._subscriptions: defaultdict[str, set[ChangeSubscription]] = defaultdict(set)
        self.is_closed = False

    def notify(self, address: str) -> None:
        for subscription in self._subscriptions.get(address, ()):
            subscription.notify()

    @contextmanager
    def subscribe(self, address: str) -> Iterator[ChangeSubscription]:
        subscription = ChangeSubscription()
        self._subscriptions[address].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[address].discard(subscription)
            if not self._subscriptions[address]:
                del self._subscriptions[address]

    def close(self) -> None:
        """Wake all subscribers: the server stops."""
        self.is_closed = True
        for address in list(self._subscriptions):
            self.notify(address)


class Webchat:
    """Delivers into the table of bubbles; the parcel's token is the idempotency key."""

    name = NAME

    def __init__(
        self, database: Database, clock: Callable[[], datetime], box: SecretBox, changes: ChangeFeed | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._box = box
        self.changes = changes or ChangeFeed()

    async def send(self, parcel: Parcel) -> str:
        """Show the parcel in the chat and return the bubble's id. Raises Unreachable when the database is down."""
        if parcel.action is Action.ACKNOWLEDGE:
            return ""  # the page showed the press by itself
        try:
            async with self._database.write() as tx:
                ref = await self._write_bubble(tx, parcel)
        except DatabaseUnavailable as error:
            # Not in doubt: a bubble with a known token is not added again.
            raise Unreachable("the database is unavailable", in_doubt=False) from error
        self.changes.notify(parcel.address)
        return ref

    async def _write_bubble(self, tx: Transaction, parcel: Parcel) -> str:
        ref = parse_number(parcel.ref) or 0  # no bubble has the id 0
        is_edit, is_mine = parcel.action is not Action.SEND, parcel.action is Action.ERASE
        present = await transcripts.find(tx, parcel.address, ref) if is_edit else None
        body = ERASED_BODY if is_mine else pack(parcel.text, parcel.rows)
        if present is not None and present.is_mine == is_mine:
            shown, at = decrypted(present.body, self._box)
            if shown != body:  # an edit that changes nothing makes no new revision
                closed = encrypted(body, self._box, at or self._clock())
                await transcripts.change(tx, parcel.address, ref, closed, is_mine=is_mine)
            return parcel.ref
        if is_mine:
            return ""
        token, now = parcel.token or secrets.token_urlsafe(16), self._clock()
        closed = encrypted(body, self._box, now)
        return str(await transcripts.add(tx, parcel.address, token, closed, now, is_mine=False))


def pack(text: str, rows: Iterable[Iterable[RenderedButton]] = ()) -> dict[str, Any]:
    """A bubble's body: its text and its rows of buttons, without empty fields."""
    buttons = [[{name: value for name, value in asdict(button).items() if value} for button in row] for row in rows]
    return {"text": text, "rows": buttons} if buttons else {"text": text}


def encrypted(body: Mapping[str, Any], box: SecretBox, at: datetime) -> Mapping[str, Any]:
    """A body and its time as they are stored: words, answers in buttons and links are not readable on the disk."""
    plain = json.dumps({"at": at.timestamp(), "body": body}, ensure_ascii=False).encode()
    padded = plain.ljust(-(-len(plain) // PADDED) * PADDED)
    return {"closed": base64.urlsafe_b64encode(box.encrypt(padded, ENCRYPTION_CONTEXT)).decode()}


def decrypted(stored: Mapping[str, Any], box: SecretBox) -> tuple[Mapping[str, Any], datetime | None]:
    """The body and the time that were given to `encrypted`; an empty body and None when the key has changed since."""
    try:
        plain = json.loads(box.decrypt(base64.urlsafe_b64decode(stored["closed"]), ENCRYPTION_CONTEXT))
    except (InvalidTag, KeyError, ValueError):
        return {}, None
    return plain["body"], datetime.fromtimestamp(plain["at"], UTC)


def button_rows(body: Mapping[str, Any]) -> tuple[tuple[RenderedButton, ...], ...]:
    """The rows of buttons in a bubble's body."""
    return tuple(tuple(RenderedButton(**button) for button in row) for row in body.get("rows", ()))


def parse_number(ref: str) -> int | None:
    """Parse a bubble's id or a revision as browsers send it back; None for anything that cannot be one."""
    return int(ref) if ref.isascii() and ref.isdigit() and len(ref) <= 18 else None
