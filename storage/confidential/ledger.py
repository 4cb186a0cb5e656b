"""The ledger: who opened or answered what, and in which hour; each row holds the keyed hash of the one before.

Whoever can write to the table but has no audit key cannot make a row that fits. Rows cut off at the end are
told only by comparing with a head that was noted elsewhere (`Head`): print it, or keep it with the backup.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, insert, select, text

from storage import schema
from storage.advisory_locks import Lock
from storage.database import Transaction

BEGINNING = "0" * 64
PAGE = 1000  # rows read at once


class Verb(StrEnum):
    """What is written down."""

    OPEN = "open"  # an officer's browser was given the sealed letters
    ANSWER = "answer"  # an officer's sealed answer was stored
    SIGN_UP = "sign-up"  # an officer made keys
    SIGN_KEYS = "sign-keys"  # the unit signed a list of readers


@dataclass(frozen=True, slots=True)
class Head:
    """The last row: its place and hash."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One row, as officers may read it."""

    seq: int
    day: date
    hour: int
    officer_id: str
    verb: str
    case_id: str


def _link(audit_key: bytes, entry: LedgerEntry, previous: str) -> str:
    row = [
        entry.seq,
        entry.day.isoformat(),
        entry.hour,
        entry.officer_id,
        entry.verb,
        entry.case_id,
        previous,
    ]
    words = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(audit_key, words.encode(), hashlib.sha256).hexdigest()


async def head(tx: Transaction) -> Head:
    """The last row; place 0 when nothing is written yet."""
    table = schema.ledger
    row = (await tx.execute(select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1))).one_or_none()
    return Head(0, BEGINNING) if row is None else Head(row.seq, row.hash)


async def append(
    tx: Transaction,
    audit_key: bytes,
    officer_id: str,
    verb: Verb,
    case_id: str,
    at: datetime,
) -> None:
    """Write one row; `at` is local time, of which day and hour are kept. `case_id` is empty for keys."""
    if tx.dialect.name == "postgresql":
        await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": Lock.LEDGER})
    last = await head(tx)
    entry = LedgerEntry(last.seq + 1, at.date(), at.hour, officer_id, verb.value, case_id)
    await tx.execute(
        insert(schema.ledger).values(
            seq=entry.seq,
            day=entry.day,
            hour=entry.hour,
            officer_id=entry.officer_id,
            verb=entry.verb,
            case_id=entry.case_id,
            previous=last.hash,
            hash=_link(audit_key, entry, last.hash),
        )
    )


async def of_case(tx: Transaction, case_id: str) -> list[LedgerEntry]:
    """Everything that was done with a case, oldest first."""
    rows = await tx.execute(
        select(schema.ledger).where(schema.ledger.c.case_id == case_id).order_by(schema.ledger.c.seq)
    )
    return [_entry(row) for row in rows]


async def first_invalid(tx: Transaction, audit_key: bytes, known: Head | None = None) -> int | None:
    """The place of the first row that does not fit, or None when all do.

    With a head noted earlier, rows missing at the end are told too.
    """
    previous, expected = BEGINNING, 1
    async for row in _rows(tx):
        link = _link(audit_key, _entry(row), previous)
        is_sound = row.seq == expected and row.previous == previous and hmac.compare_digest(row.hash, link)
        if is_sound and known is not None and row.seq == known.seq:
            is_sound = hmac.compare_digest(row.hash, known.hash)
        if not is_sound:
            return expected
        previous, expected = row.hash, expected + 1
    return expected if known is not None and known.seq >= expected else None


async def _rows(tx: Transaction) -> AsyncIterator[Row[Any]]:
    """All of it by its numbers, some at a time."""
    statement = following = select(schema.ledger).order_by(schema.ledger.c.seq).limit(PAGE)
    while page := (await tx.execute(following)).all():
        for row in page:
            yield row
        following = statement.where(schema.ledger.c.seq > page[-1].seq)


def _entry(row: Row[tuple[object, ...]]) -> LedgerEntry:
    return LedgerEntry(row.seq, row.day, row.hour, row.officer_id, row.verb, row.case_id)
