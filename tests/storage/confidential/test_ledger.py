"""The ledger shows tampering: whatever is altered, removed or reordered, the first bad row is named."""

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select, text, update

from storage import schema
from storage.confidential import ledger
from storage.confidential.ledger import Verb
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


async def test_a_row_holds_day_and_hour_and_no_finer_time(written: Database) -> None:
    async with written.read() as tx:
        (entry,) = await ledger.of_case(tx, "case-2")
    assert (entry.seq, str(entry.day), entry.hour) == (3, "2026-11-23", 21)
    assert (entry.officer_id, entry.verb) == ("officer-0", "open")


async def test_an_untouched_ledger_is_sound(written: Database) -> None:
    async with written.read() as tx:
        assert await ledger.first_invalid(tx, KEY) is None
        assert (await ledger.head(tx)).seq == ROWS


async def test_an_empty_ledger_is_sound(database: Database) -> None:
    async with database.read() as tx:
        assert await ledger.first_invalid(tx, KEY) is None


@pytest.mark.attack
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("day", AT.date().replace(day=1)),
        ("hour", 9),
        ("officer_id", "officer-9"),
        ("verb", "answer"),
        ("case_id", "case-9"),
        ("previous", "0" * 64),
        ("hash", "0" * 64),
    ],
)
async def test_an_altered_cell_is_named_by_its_row(written: Database, column: str, value: object) -> None:
    async with written.write() as tx:
        await tx.execute(update(schema.ledger).where(schema.ledger.c.seq == 4).values({column: value}))
        assert await ledger.first_invalid(tx, KEY) == 4


@pytest.mark.attack
@pytest.mark.parametrize("seq", range(1, ROWS))
async def test_a_removed_row_is_named(written: Database, seq: int) -> None:
    async with written.write() as tx:
        await tx.execute(delete(schema.ledger).where(schema.ledger.c.seq == seq))
        assert await ledger.first_invalid(tx, KEY) == seq


@pytest.mark.attack
async def test_rows_in_another_order_are_named(written: Database) -> None:
    async with written.write() as tx:
        for old, new in ((2, 99), (3, 2), (99, 3)):
            await tx.execute(update(schema.ledger).where(schema.ledger.c.seq == old).values(seq=new))
        assert await ledger.first_invalid(tx, KEY) == 2


@pytest.mark.attack
async def test_a_chain_written_anew_without_the_audit_key_does_not_fit(written: Database) -> None:
    async with written.write() as tx:
        await tx.execute(delete(schema.ledger))
        for place in range(ROWS):
            await ledger.append(tx, b"guess", "officer-0", Verb.OPEN, f"case-{place}", AT)
        assert await ledger.first_invalid(tx, KEY) == 1


@pytest.mark.attack
async def test_rows_cut_off_at_the_end_are_told_by_a_head_noted_before(written: Database) -> None:
    async with written.write() as tx:
        known = await ledger.head(tx)
        await tx.execute(delete(schema.ledger).where(schema.ledger.c.seq > 4))
        assert await ledger.first_invalid(tx, KEY) is None
        assert await ledger.first_invalid(tx, KEY, known) == 5


async def test_a_head_noted_before_still_fits_when_rows_were_added(written: Database) -> None:
    async with written.write() as tx:
        known = await ledger.head(tx)
        await ledger.append(tx, KEY, "officer-0", Verb.ANSWER, "case-7", AT)
        assert await ledger.first_invalid(tx, KEY, known) is None


async def test_rows_written_at_the_same_time_stand_in_one_chain(database: Database) -> None:
    async def write(place: int) -> None:
        async with database.write() as tx:
            await tx.execute(text("SELECT 1"))
            await ledger.append(tx, KEY, "officer-0", Verb.OPEN, f"case-{place}", AT)

    await asyncio.gather(*(write(place) for place in range(8)))
    async with database.read() as tx:
        assert await ledger.first_invalid(tx, KEY) is None
        assert len((await tx.execute(select(schema.ledger.c.seq))).all()) == 8
