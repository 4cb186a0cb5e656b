"""Tampering with the ledger is detected: the first altered, removed or reordered row is reported."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select, text, update

from storage import schema
from storage.confidential import ledger
from storage.confidential.ledger import MOST_FAILURES, Failures, Verb
from storage.database import Database

KEY = b"a" * 32
AT = datetime(2026, 11, 24, 3, 30, tzinfo=UTC).astimezone(ZoneInfo("America/Mexico_City"))
ROWS = 6


@pytest.fixture
async def written(database: Database) -> Database:
    """A ledger of six rows."""
    for place in range(ROWS):
        async with database.write() as tx:
            await ledger.append(tx, KEY, f"officer-{place % 2}", Verb.OPEN, f"case-{place}", AT)
    return database


async def test_a_row_stores_the_local_day_and_no_finer_time(written: Database) -> None:
    async with written.read() as tx:
        (entry,) = await ledger.of_case(tx, "case-2")
    assert (entry.seq, str(entry.day)) == (3, "2026-11-23")
    assert (entry.officer_id, entry.verb) == ("officer-0", "open")


async def test_the_hash_of_a_row_is_that_of_its_written_form(database: Database) -> None:
    """HMAC-SHA256 of the JSON array [1,"2026-11-23","oficial-ñ","open","case-0","000..."] without spaces, in UTF-8.

    Rows of earlier versions, and copies of their heads, are checked with it for years.
    """
    async with database.write() as tx:
        await ledger.append(tx, KEY, "oficial-ñ", Verb.OPEN, "case-0", AT)
        assert (await ledger.head(tx)).hash == "25e9bb7d0b0e91c6b041555de712b890c0521a65364bfc83f8452a6762542c92"


async def test_an_untouched_ledger_is_valid(written: Database) -> None:
    async with written.read() as tx:
        assert await ledger.first_invalid(tx, KEY) is None
        assert (await ledger.head(tx)).seq == ROWS


async def test_an_empty_ledger_is_valid(database: Database) -> None:
    async with database.read() as tx:
        assert await ledger.first_invalid(tx, KEY) is None


@pytest.mark.attack
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("day", AT.date().replace(day=1)),
        ("officer_id", "officer-9"),
        ("verb", "answer"),
        ("case_id", "case-9"),
        ("previous", "0" * 64),
        ("hash", "0" * 64),
    ],
)
async def test_an_altered_column_makes_its_row_invalid(written: Database, column: str, value: object) -> None:
    async with written.write() as tx:
        await tx.execute(update(schema.ledger).where(schema.ledger.c.seq == 4).values({column: value}))
        assert await ledger.first_invalid(tx, KEY) == 4


@pytest.mark.attack
@pytest.mark.parametrize("seq", range(1, ROWS))
async def test_a_removed_row_is_detected(written: Database, seq: int) -> None:
    async with written.write() as tx:
        await tx.execute(delete(schema.ledger).where(schema.ledger.c.seq == seq))
        assert await ledger.first_invalid(tx, KEY) == seq


@pytest.mark.attack
async def test_reordered_rows_are_detected(written: Database) -> None:
    async with written.write() as tx:
        for old, new in ((2, 99), (3, 2), (99, 3)):
            await tx.execute(update(schema.ledger).where(schema.ledger.c.seq == old).values(seq=new))
        assert await ledger.first_invalid(tx, KEY) == 2


@pytest.mark.attack
async def test_a_chain_rewritten_without_the_audit_key_is_invalid(written: Database) -> None:
    async with written.write() as tx:
        await tx.execute(delete(schema.ledger))
        for place in range(ROWS):
            await ledger.append(tx, b"guess", "officer-0", Verb.OPEN, f"case-{place}", AT)
        assert await ledger.first_invalid(tx, KEY) == 1


@pytest.mark.attack
async def test_rows_deleted_at_the_end_are_detected_with_an_earlier_head(written: Database) -> None:
    async with written.write() as tx:
        known = await ledger.head(tx)
        await tx.execute(delete(schema.ledger).where(schema.ledger.c.seq > 4))
        assert await ledger.first_invalid(tx, KEY) is None
        assert await ledger.first_invalid(tx, KEY, known) == 5


async def test_an_earlier_head_is_still_valid_after_rows_were_appended(written: Database) -> None:
    async with written.write() as tx:
        known = await ledger.head(tx)
        await ledger.append(tx, KEY, "officer-0", Verb.ANSWER, "case-7", AT)
        assert await ledger.first_invalid(tx, KEY, known) is None


async def test_rows_written_concurrently_form_one_chain(database: Database) -> None:
    async def write(place: int) -> None:
        async with database.write() as tx:
            await tx.execute(text("SELECT 1"))
            await ledger.append(tx, KEY, "officer-0", Verb.OPEN, f"case-{place}", AT)

    await asyncio.gather(*(write(place) for place in range(8)))
    async with database.read() as tx:
        assert await ledger.first_invalid(tx, KEY) is None
        assert len((await tx.execute(select(schema.ledger.c.seq))).all()) == 8


# ---------------------------------------------------------------- failed attempts


async def test_failed_attempts_are_counted_by_day_since_the_officer_signed_in_last(database: Database) -> None:
    carmen, dora = "carmen", "dora"
    async with database.write() as tx:
        await ledger.append_failure(tx, KEY, carmen, AT)
        await ledger.append(tx, KEY, carmen, Verb.SIGN_IN, "", AT)
        assert await ledger.failures_since_sign_in(tx, carmen) == []
        for officer, days in ((carmen, 0), (dora, 0), (carmen, 1), (carmen, 1)):
            await ledger.append_failure(tx, KEY, officer, AT + timedelta(days=days))
        await ledger.append(tx, KEY, dora, Verb.SIGN_IN, "", AT)
        await ledger.append(tx, KEY, carmen, Verb.OPEN, "case", AT)
        found = await ledger.failures_since_sign_in(tx, carmen)
        assert found == [Failures(date(2026, 11, 23), 1), Failures(date(2026, 11, 24), 2)]
        assert await ledger.failures_since_sign_in(tx, dora) == []
        assert await ledger.first_invalid(tx, KEY) is None


@pytest.mark.attack
async def test_no_flood_of_attempts_fills_the_ledger(database: Database) -> None:
    async with database.write() as tx:
        for days in (0, 1):
            for _ in range(MOST_FAILURES + 5):
                await ledger.append_failure(tx, KEY, "carmen", AT + timedelta(days=days))
        await ledger.append_failure(tx, KEY, "dora", AT)
        assert (await ledger.head(tx)).seq == 2 * MOST_FAILURES + 1
        assert [one.count for one in await ledger.failures_since_sign_in(tx, "carmen")] == [MOST_FAILURES] * 2
