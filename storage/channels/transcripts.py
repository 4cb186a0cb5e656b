"""Transcripts of the web chat: messages sent and received, edits included.

The `body` of a message is JSON whose meaning belongs to the channel. Rows have a keyed name of their chat, no address,
and the day alone, so that they do not tell whose chat it is. `revision` numbers the changes of all chats, and so does
not count those of one: a client that remembers the last one it saw can ask for everything newer, edits included.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, select, text, update

from storage import envelopes
from storage.database import Transaction, day_of, dialect_insert
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
    on: datetime  # midnight of UTC of the day on which it was added


async def add(tx: Transaction, address: str, token: str, body: JSON, at: datetime, *, is_mine: bool) -> int:
    """Append a message to a chat and return its id; a token that is known already adds nothing.

    `is_mine`: from the visitor.
    """
    await _lock(tx)
    token = envelopes.of(tx).name("token", token)
    known = await tx.scalar(select(_columns.id).where(_columns.token == token))
    if known is not None:
        return int(known)
    row = {
        "address": _name(tx, address),
        "token": token,
        "is_mine": is_mine,
        "body": _dump(body),
        "revision": await _next_revision(tx),
        "at": day_of(at),
    }
    statement = dialect_insert(tx, transcript_messages).values(row).on_conflict_do_nothing(index_elements=["token"])
    added = await tx.scalar(statement.returning(_columns.id))
    if added is None:  # the same token in another chat at the same moment: the caller chose a token that is not unique
        added = await tx.scalar(select(_columns.id).where(_columns.token == token))
    return int(added)


async def change(tx: Transaction, address: str, message_id: int, body: JSON, *, is_mine: bool) -> bool:
    """Change the body of a message of this chat and side; False when there is none."""
    await _lock(tx)
    is_target = (_columns.address == _name(tx, address)) & (_columns.id == message_id) & _columns.is_mine.is_(is_mine)
    present = await tx.scalar(select(_columns.body).where(is_target))
    if present is None:
        return False
    if present != _dump(body):
        values = {"body": _dump(body), "revision": await _next_revision(tx)}
        await tx.execute(update(transcript_messages).where(is_target).values(values))
    return True


async def find(tx: Transaction, address: str, message_id: int) -> TranscriptMessage | None:
    """A message by its id, only if it is in this chat."""
    statement = select(transcript_messages).where(_columns.address == _name(tx, address), _columns.id == message_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else _message(row)


async def latest(tx: Transaction, address: str, limit: int) -> Sequence[TranscriptMessage]:
    """The last messages of a chat, in the order in which they were added."""
    statement = select(transcript_messages).where(_columns.address == _name(tx, address))
    rows = await tx.execute(statement.order_by(_columns.id.desc()).limit(limit))
    return [_message(row) for row in rows][::-1]


async def since(tx: Transaction, address: str, revision: int, limit: int) -> Sequence[TranscriptMessage]:
    """Messages added or edited after a revision, oldest change first."""
    statement = select(transcript_messages).where(_columns.address == _name(tx, address), _columns.revision > revision)
    rows = await tx.execute(statement.order_by(_columns.revision).limit(limit))
    return [_message(row) for row in rows]


async def newest_revision(tx: Transaction, address: str) -> int:
    """The last revision of a chat; 0 when it is empty."""
    return int(await tx.scalar(select(func.max(_columns.revision)).where(_columns.address == _name(tx, address))) or 0)


async def _next_revision(tx: Transaction) -> int:
    return int(await tx.scalar(select(func.max(_columns.revision))) or 0) + 1


async def delete_all(tx: Transaction, address: str) -> None:
    """Delete all messages of a chat."""
    await tx.execute(delete(transcript_messages).where(_columns.address == _name(tx, address)))


async def _lock(tx: Transaction) -> None:
    # Revisions must become visible in their order, or a reader that asks for "newer than n" could miss one. SQLite has
    # one writer anyway; on PostgreSQL writers queue until they commit.
    if tx.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(b"transcript").digest()[:8], "big", signed=True)
        await tx.execute(text("select pg_advisory_xact_lock(:number)"), {"number": number})


def _name(tx: Transaction, address: str) -> str:
    return envelopes.of(tx).name("transcript", address)


def _dump(body: JSON) -> str:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _message(row: Row[Any]) -> TranscriptMessage:
    return TranscriptMessage(row.id, row.is_mine, json.loads(row.body), row.revision, row.at)
