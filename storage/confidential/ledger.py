"""The ledger: who opened or answered what, and on which day; each row holds the keyed hash of the previous one.

Forging a valid row needs the audit key. Rows deleted at the end are detected only by comparing with a head that was
recorded elsewhere (`Head`): print it, or store it with the backup.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, func, insert, select, text

from storage import schema
from storage.advisory_locks import Lock
from storage.database import Transaction

FIRST_PREVIOUS = "0" * 64  # stands for the hash before the first row
PAGE_SIZE = 1000  # rows
MOST_FAILURES = 10  # rows a day and officer: where there are as many there were as many or more


class Verb(StrEnum):
    """Recorded actions."""

    OPEN = "open"  # the sealed letters were returned to an officer's browser
    ANSWER = "answer"  # an officer's sealed answer was stored
    SIGN_UP = "sign-up"  # an officer registered keys
    SIGN_IN = "sign-in"  # an officer began a session, or was told of failed attempts in one
    SIGN_IN_FAILED = "sign-in-failed"  # words, code or factor were wrong; at most MOST_FAILURES a day and officer
    VOUCH = "vouch"  # an officer compared the fingerprint of one who joins
    REMOVE = "remove"  # the administrator lets the officer in no more
    SIGN_KEYS = "sign-keys"  # the unit signed a list of readers
    SUSPEND = "suspend"  # the unit signed that an officer reads no more for now
    HAND_OVER = "hand-over"  # an officer gave a colleague the key of a case
    RECUSE = "recuse"  # an officer gave up the key of a case
    NEW_WORDS = "new-words"  # an officer replaced words or recovery code
    LOST_WORDS = "lost-words"  # an officer came back in with the recovery code
    ADD_FACTOR = "add-factor"  # an officer added a second factor, at sign-up the first
    REMOVE_FACTOR = "remove-factor"  # an officer removed a second factor
    LOST_FACTOR = "lost-factor"  # an officer replaced all second factors, with words and recovery code
    RESET_FACTOR = "reset-factor"  # the administrator removed an officer's second factors
    END_SESSIONS = "end-sessions"  # an officer signed out on all devices
    SHARE_UNIT_KEY = "share-unit-key"  # another officer holds the unit's key too
    INVITE_CUSTODIAN = "invite-custodian"  # a custodian was sent a link
    CUSTODY = "custody"  # a recovery key was sealed to three custodians
    REHEARSE = "rehearse"  # custodians showed that their codes open the recovery key
    USE_RECOVERY = "use-recovery"  # two custodians used the recovery key
    SUCCEED = "succeed"  # another key of the unit follows


@dataclass(frozen=True, slots=True)
class Head:
    """Sequence number and hash of the last row."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed attempts on one account on one day; MOST_FAILURES stands for as many or more."""

    day: date
    count: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One row, as officers may read it."""

    seq: int
    day: date
    officer_id: str
    verb: str
    case_id: str


def _row_hash(audit_key: bytes, entry: LedgerEntry, previous: str) -> str:
    row = [
        entry.seq,
        entry.day.isoformat(),
        entry.officer_id,
        entry.verb,
        entry.case_id,
        previous,
    ]
    canonical = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(audit_key, canonical.encode(), hashlib.sha256).hexdigest()


async def head(tx: Transaction) -> Head:
    """The last row; sequence number 0 when the ledger is empty."""
    table = schema.ledger
    row = (await tx.execute(select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1))).one_or_none()
    return Head(0, FIRST_PREVIOUS) if row is None else Head(row.seq, row.hash)


async def append(
    tx: Transaction,
    audit_key: bytes,
    officer_id: str,
    verb: Verb,
    case_id: str,
    at: datetime,
) -> None:
    """Append one row; of `at`, a local time, the day is stored. `case_id` is empty for actions on keys."""
    if tx.dialect.name == "postgresql":
        await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": Lock.LEDGER})
    last = await head(tx)
    entry = LedgerEntry(last.seq + 1, at.date(), officer_id, verb.value, case_id)
    await tx.execute(
        insert(schema.ledger).values(
            seq=entry.seq,
            day=entry.day,
            officer_id=entry.officer_id,
            verb=entry.verb,
            case_id=entry.case_id,
            previous=last.hash,
            hash=_row_hash(audit_key, entry, last.hash),
        )
    )


async def append_failure(tx: Transaction, audit_key: bytes, officer_id: str, at: datetime) -> None:
    """Append that an attempt on an officer's account failed, unless there are MOST_FAILURES of that day."""
    table = schema.ledger
    same = (table.c.officer_id == officer_id, table.c.verb == Verb.SIGN_IN_FAILED.value, table.c.day == at.date())
    count = await tx.scalar(select(func.count()).select_from(table).where(*same))
    if count is None or count < MOST_FAILURES:
        await append(tx, audit_key, officer_id, Verb.SIGN_IN_FAILED, "", at)


async def failures_since_sign_in(tx: Transaction, officer_id: str) -> list[Failures]:
    """The failed attempts on an officer's account since the last time that the officer signed in, by day."""
    table = schema.ledger
    own = table.c.officer_id == officer_id
    last = select(func.max(table.c.seq)).where(own, table.c.verb == Verb.SIGN_IN.value).scalar_subquery()
    later = (own, table.c.verb == Verb.SIGN_IN_FAILED.value, table.c.seq > func.coalesce(last, 0))
    statement = select(table.c.day, func.count().label("count")).where(*later).group_by(table.c.day)
    rows = await tx.execute(statement.order_by(table.c.day))
    return [Failures(row.day, row[1]) for row in rows]


async def of_case(tx: Transaction, case_id: str) -> list[LedgerEntry]:
    """All rows of a case, oldest first. No page shows them yet: that of a case will."""
    rows = await tx.execute(
        select(schema.ledger).where(schema.ledger.c.case_id == case_id).order_by(schema.ledger.c.seq)
    )
    return [_entry(row) for row in rows]


async def newest_of(tx: Transaction, officer_id: str, verbs: Collection[Verb]) -> LedgerEntry | None:
    """An officer's newest entry with one of these verbs."""
    table = schema.ledger
    wanted = select(table).where(table.c.officer_id == officer_id, table.c.verb.in_([verb.value for verb in verbs]))
    row = (await tx.execute(wanted.order_by(table.c.seq.desc()).limit(1))).one_or_none()
    return None if row is None else _entry(row)


async def first_invalid(tx: Transaction, audit_key: bytes, known: Head | None = None) -> int | None:
    """The sequence number of the first invalid row; None: all are valid.

    With a head recorded earlier, rows missing at the end are detected too.
    """
    previous, expected = FIRST_PREVIOUS, 1
    async for row in _rows(tx):
        row_hash = _row_hash(audit_key, _entry(row), previous)
        is_valid = row.seq == expected and row.previous == previous and hmac.compare_digest(row.hash, row_hash)
        if is_valid and known is not None and row.seq == known.seq:
            is_valid = hmac.compare_digest(row.hash, known.hash)
        if not is_valid:
            return expected
        previous, expected = row.hash, expected + 1
    return expected if known is not None and known.seq >= expected else None


def is_hashed_with(audit_key: bytes, row: Row[Any]) -> bool:
    """Whether a row of the table was appended, and not changed since, with this key."""
    return hmac.compare_digest(row.hash, _row_hash(audit_key, _entry(row), row.previous))


async def _rows(tx: Transaction) -> AsyncIterator[Row[Any]]:
    """All rows in order, read by pages."""
    statement = following = select(schema.ledger).order_by(schema.ledger.c.seq).limit(PAGE_SIZE)
    while page := (await tx.execute(following)).all():
        for row in page:
            yield row
        following = statement.where(schema.ledger.c.seq > page[-1].seq)


def _entry(row: Row[tuple[object, ...]]) -> LedgerEntry:
    return LedgerEntry(row.seq, row.day, row.officer_id, row.verb, row.case_id)
