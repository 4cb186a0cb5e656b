"""Evidence of the keys of a database without fingerprints: one row in any table shows that it is used."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Table, delete, insert

from storage import key_evidence
from storage.database import Database
from storage.key_evidence import NEWEST, UNUSED
from storage.schema import channel_facts, closings, institutions, key_fingerprints, routes, updates
from tests.cast import MONDAY_NINE as NOW

ROWS: dict[Table, dict[str, object]] = {
    institutions: {"code": "LEON", "name": "León", "sphere": "municipal"},
    updates: {"channel": "telegram", "key": "1", "address": "1", "state": "waiting", "received_at": NOW},
    channel_facts: {"channel": "telegram", "name": "stopped", "value": "x", "noted_at": NOW},
    closings: {"n": 1, "day": NOW.date(), "last_prompt": 0},
}


def is_used(connection: Connection) -> bool:
    return key_evidence.read_by_connection(connection).is_used


@pytest.mark.parametrize("table", ROWS, ids=lambda table: table.name)
async def test_a_row_in_one_table_alone_shows_that_a_database_is_used(database: Database, table: Table) -> None:
    async with database.write() as tx:
        await tx.execute(insert(table).values(ROWS[table]))
        assert await tx.run_sync(is_used)
        await tx.execute(delete(table))
        assert await tx.run_sync(key_evidence.read_by_connection) == UNUSED


async def test_fingerprints_alone_show_nothing(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(insert(key_fingerprints).values(name="inbox", fingerprint="x"))
        assert await tx.run_sync(key_evidence.read_by_connection) == UNUSED


async def test_the_newest_of_the_updates_that_wait_are_evidence(database: Database) -> None:
    """Older ones may have been written with a key that was lost and replaced."""
    async with database.write() as tx:
        for number in range(NEWEST + 3):
            row = ROWS[updates] | {"key": str(number), "body": str(number).encode()}
            await tx.execute(insert(updates).values(row))
        evidence = await key_evidence.read(tx)
        assert [row.body for row in evidence.rows["inbox"]] == [str(n).encode() for n in range(NEWEST + 2, 2, -1)]


async def test_the_newest_of_the_addresses_that_wait_for_news_are_evidence(database: Database) -> None:
    """An address that has had its last notice has an expiry in the past, and counts as the oldest."""
    async with database.write() as tx:
        for number in range(NEWEST + 3):
            row = {"row": f"{number * 7 % 13}", "sealed_address": f"{number}"}
            await tx.execute(insert(routes).values(row | {"expires_on": NOW.date() + timedelta(days=number)}))
        evidence = await key_evidence.read(tx)
        assert [row.sealed_address for row in evidence.rows["route"]] == [f"{n}" for n in range(NEWEST + 2, 2, -1)]
