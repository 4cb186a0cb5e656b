"""What stands in each person's web chat: what was said to them, what they did, and what was edited since.

A bubble's `body` is JSON whose meaning belongs to the channel. `revision` counts the changes of one chat:
whoever remembers the last one they saw can ask for everything newer, edits included.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, select, text, update

from storage.database import Transaction, dialect_insert
from storage.schema import transcript_messages

JSON = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TranscriptMessage:
    """One bubble as it reads now."""

    id: int
    is_mine: bool
    body: JSON
    revision: int
    at: datetime


async def add(tx: Transaction, address: str, token: str, body: JSON, at: datetime, *, is_mine: bool) -> int:
    """Put a bubble at the end of a chat and give its id; a token that is known already adds nothing."""
    await _take_turn(tx, address)
    known = await tx.scalar(select(transcript_messages.c.id).where(transcript_messages.c.token == token))
    if known is not None:
        return int(known)
    row = {
        "address": address,
        "token": token,
        "is_mine": is_mine,
        "body": _dump(body),
        "revision": await newest_revision(tx, address) + 1,
        "at": at,
    }
    added = await tx.scalar(
        dialect_insert(tx, transcript_messages)
        .values(row)
        .on_conflict_do_nothing(index_elements=["token"])
        .returning(transcript_messages.c.id)
    )
    if added is None:  # the same token in another chat at the same moment: a fault of whoever chose it
        added = await tx.scalar(select(transcript_messages.c.id).where(transcript_messages.c.token == token))
    return int(added)


async def change(tx: Transaction, address: str, bubble_id: int, body: JSON, *, is_mine: bool) -> bool:
    """Make a bubble of this chat and side read otherwise; False when there is none."""
    await _take_turn(tx, address)
    mine = (
        (transcript_messages.c.address == address)
        & (transcript_messages.c.id == bubble_id)
        & transcript_messages.c.is_mine.is_(is_mine)
    )
    present = await tx.scalar(select(transcript_messages.c.body).where(mine))
    if present is None:
        return False
    if present != _dump(body):
        values = {"body": _dump(body), "revision": await newest_revision(tx, address) + 1}
        await tx.execute(update(transcript_messages).where(mine).values(values))
    return True


async def find(tx: Transaction, address: str, bubble_id: int) -> TranscriptMessage | None:
    """A bubble by its id, only if it stands in this chat."""
    found = select(transcript_messages).where(
        transcript_messages.c.address == address, transcript_messages.c.id == bubble_id
    )
    row = (await tx.execute(found)).one_or_none()
    return None if row is None else _bubble(row)


async def latest(tx: Transaction, address: str, limit: int) -> Sequence[TranscriptMessage]:
    """The last bubbles of a chat, in the order in which they were added."""
    rows = await tx.execute(
        select(transcript_messages)
        .where(transcript_messages.c.address == address)
        .order_by(transcript_messages.c.id.desc())
        .limit(limit)
    )
    return [_bubble(row) for row in rows][::-1]


async def since(tx: Transaction, address: str, revision: int, limit: int) -> Sequence[TranscriptMessage]:
    """What was added or edited after a revision, oldest change first."""
    rows = await tx.execute(
        select(transcript_messages)
        .where(transcript_messages.c.address == address, transcript_messages.c.revision > revision)
        .order_by(transcript_messages.c.revision)
        .limit(limit)
    )
    return [_bubble(row) for row in rows]


async def newest_revision(tx: Transaction, address: str) -> int:
    """The last revision of a chat; 0 when it is empty."""
    return int(
        await tx.scalar(
            select(func.max(transcript_messages.c.revision)).where(transcript_messages.c.address == address)
        )
        or 0
    )


async def delete_all(tx: Transaction, address: str) -> None:
    """Empty a chat for good."""
    await tx.execute(delete(transcript_messages).where(transcript_messages.c.address == address))


async def _take_turn(tx: Transaction, address: str) -> None:
    # Revisions of one chat must become visible in their order, or a reader that asks for "newer than n" could
    # miss one. SQLite has one writer anyway; on PostgreSQL writers of one chat queue until they commit.
    if tx.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(b"bubbles|" + address.encode()).digest()[:8], "big", signed=True)
        await tx.execute(text("select pg_advisory_xact_lock(:number)"), {"number": number})


def _dump(body: JSON) -> str:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _bubble(row: Row[Any]) -> TranscriptMessage:
    return TranscriptMessage(row.id, row.is_mine, json.loads(row.body), row.revision, row.at)
