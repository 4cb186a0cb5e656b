"""The chat in the browser: a platform of our own, whose messages are rows that a page shows."""

import asyncio
import json
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag

from bot.channels.channel import Unreachable
from bot.encryption import SecretBox
from handlers.message import Action, Parcel, RenderedButton
from storage.channels import transcripts
from storage.database import Database, DatabaseUnavailable, Transaction

NAME = "webchat"
PLACE = "bubbles"  # what a closed body is bound to
GONE: Mapping[str, Any] = {"note": "erased"}
"""What is left of a person's own message that was taken out of the chat."""


class ChangeSubscription:
    """Rings for one listener when their chat changes; a ring between two waits is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Until it rings (True) or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class ChangeFeed:
    """Tells the pages of this process that something changed in a chat."""

    def __init__(self) -> None:
        self._bells: defaultdict[str, set[ChangeSubscription]] = defaultdict(set)
        self.is_closed = False

    def tell(self, address: str) -> None:
        for bell in self._bells.get(address, ()):
            bell.ring()

    @contextmanager
    def listening(self, address: str) -> Iterator[ChangeSubscription]:
        bell = ChangeSubscription()
        self._bells[address].add(bell)
        try:
            yield bell
        finally:
            self._bells[address].discard(bell)
            if not self._bells[address]:
                del self._bells[address]

    def close(self) -> None:
        """Let everybody go who waits: the server stops."""
        self.is_closed = True
        for address in list(self._bells):
            self.tell(address)


class Webchat:
    """Delivers into the table of bubbles, once by the parcel's token."""

    name = NAME

    def __init__(
        self, database: Database, clock: Callable[[], datetime], box: SecretBox, changes: ChangeFeed | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._box = box
        self.changes = changes or ChangeFeed()

    async def send(self, parcel: Parcel) -> str:
        """Show it in the chat and give the bubble's id. Raises Unreachable when the database is away."""
        if parcel.act is Action.ACKNOWLEDGE:
            return ""  # the page showed the press by itself
        try:
            async with self._database.write() as tx:
                ref = await self._put(tx, parcel)
        except DatabaseUnavailable as fault:
            # Not in doubt: a bubble whose token is known is not added again.
            raise Unreachable("the database is away", in_doubt=False) from fault
        self.changes.tell(parcel.address)
        return ref

    async def _put(self, tx: Transaction, parcel: Parcel) -> str:
        ref = number(parcel.ref) or 0  # no bubble has the id 0
        if parcel.act is Action.ERASE:
            return parcel.ref if await transcripts.change(tx, parcel.address, ref, GONE, is_mine=True) else ""
        plain = pack(parcel.text, parcel.rows)
        body = closed(plain, self._box)
        is_edit = parcel.act is Action.REPLACE
        present = await transcripts.find(tx, parcel.address, ref) if is_edit else None
        if present is not None and not present.is_mine and opened(present.body, self._box) == plain:
            return parcel.ref  # it reads so already
        if is_edit and await transcripts.change(tx, parcel.address, ref, body, is_mine=False):
            return parcel.ref
        token = parcel.token or secrets.token_urlsafe(16)
        return str(await transcripts.add(tx, parcel.address, token, body, self._clock(), is_mine=False))


def pack(text: str, rows: Iterable[Iterable[RenderedButton]] = ()) -> dict[str, Any]:
    """A bubble's body: its text and its rows of buttons, without what is empty."""
    keys = [[{name: value for name, value in asdict(key).items() if value} for key in row] for row in rows]
    return {"text": text, "rows": keys} if keys else {"text": text}


def closed(body: Mapping[str, Any], box: SecretBox) -> Mapping[str, Any]:
    """A body as it stands on the disk: typed words, answers in buttons and one-time links are not to be read there."""
    return {"closed": box.encrypt_text(json.dumps(body, ensure_ascii=False), PLACE)}


def opened(body: Mapping[str, Any], box: SecretBox) -> Mapping[str, Any]:
    """A body as it was before `closed`; empty when the key is another by now."""
    if "closed" not in body:
        return body
    try:
        found: Mapping[str, Any] = json.loads(box.decrypt_text(str(body["closed"]), PLACE))
    except InvalidTag:
        return {}
    return found


def rows_of(body: Mapping[str, Any]) -> tuple[tuple[RenderedButton, ...], ...]:
    """The rows of buttons in a bubble's body."""
    return tuple(tuple(RenderedButton(**key) for key in row) for row in body.get("rows", ()))


def number(ref: str) -> int | None:
    """A bubble's id as people's browsers send it back; None for anything that cannot be one."""
    return int(ref) if ref.isascii() and ref.isdigit() and len(ref) <= 18 else None
