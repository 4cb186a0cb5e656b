"""Transcripts of the web chat: messages sent and received, edits included.

The `body` of a message is JSON whose meaning belongs to the channel. `revision` counts the changes of one chat: a
client that remembers the last one it saw can ask for everything newer, edits included.
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
_columns = transcript_messages.c


@dataclass(frozen=True, slots=True)
class TranscriptMessage:
    """One message in its current revision."""

    id: int
    is_mine: bool
    body: JSON
    revision: int
    at: datetime


async def add(tx: Transaction, address: str, token: str, body: JSON, at: datetime, *, is_mine: bool) -> int:
    """Append a message to a chat and return its id; a token that is known already adds nothing.

    `is_mine`: from the visitor.
    """
    await _lock_chat(tx, address)
    known = await tx.scalar(select(_columns.id).where(_columns.token == token))
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
    statement = dialect_insert(tx, transcript_messages).values(row).on_conflict_do_nothing(index_elements=["token"])
    added = await tx.scalar(statement.returning(_columns.id))
    if added is None:  # the same token in another chat at the same moment: the caller chose a token that is not unique
        added = await tx.scalar(select(_columns.id).where(_columns.token == token))
    return int(added)


async def change(tx: Transaction, address: str, message_id: int, body: JSON, *, is_mine: bool) -> bool:
    """Change the body of a message of this chat and side; False when there is none."""
    await _lock_chat(tx, address)
    is_target = (_columns.address == address) & (_columns.id == message_id) & _columns.is_mine.is_(is_mine)
    present = await tx.scalar(select(_columns.body).where(is_target))
    if present is None:
        return False
    if present != _dump(body):
        values = {"body": _dump(body), "revision": await newest_revision(tx, address) + 1}
        await tx.execute(update(transcript_messages).where(is_target).values(values))
    return True


async def find(tx: Transaction, address: str, message_id: int) -> TranscriptMessage | None:
    """A message by its id, only if it is in this chat."""
    statement = select(transcript_messages).where(_columns.address == address, _columns.id == message_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else _message(row)


async def latest(tx: Transaction, address: str, limit: int) -> Sequence[TranscriptMessage]:
    """The last messages of a chat, in the order in which they were added."""
    statement = select(transcript_messages).where(_columns.address == address)
    rows = await tx.execute(statement.order_by(_columns.id.desc()).limit(limit))
    return [_message(row) for row in rows][::-1]


async def since(tx: Transaction, address: str, revision: int, limit: int) -> Sequence[TranscriptMessage]:
    """Messages added or edited after a revision, oldest change first."""
    statement = select(transcript_messages).where(_columns.address == address, _columns.revision > revision)
    rows = await tx.execute(statement.order_by(_columns.revision).limit(limit))
    return [_message(row) for row in rows]


async def newest_revision(tx: Transaction, address: str) -> int:
    """The last revision of a chat; 0 when it is empty."""
    return int(await tx.scalar(select(func.max(_columns.revision)).where(_columns.address == address)) or 0)


async def delete_all(tx: Transaction, address: str) -> None:
    """Delete all messages of a chat."""
    await tx.execute(delete(transcript_messages).where(_columns.address == address))


async def _lock_chat(tx: Transaction, address: str) -> None:
    # Revisions of one chat must become visible in their order, or a reader that asks for "newer than n" could
    # miss one. SQLite has one writer anyway; on PostgreSQL writers of one chat queue until they commit.
    if tx.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(b"transcript|" + address.encode()).digest()[:8], "big", signed=True)
        await tx.execute(text("select pg_advisory_xact_lock(:number)"), {"number": number})


def _dump(body: JSON) -> str:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _message(row: Row[Any]) -> TranscriptMessage:
    return TranscriptMessage(row.id, row.is_mine, json.loads(row.body), row.revision, row.at)
