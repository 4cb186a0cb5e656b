"""One packed row a servant: written by planning and by answers, locked by answers, on both databases."""

import asyncio

import pytest

from storage.database import Database, Transaction, open_database
from storage.learning import memories
from storage.learning.memories import PackedMemory
from storage.people import servants
from tests.storage.learning.test_record import add_servant

PATIENCE = 20.0  # seconds until something counts as blocked


async def add_two(database: Database) -> tuple[int, int]:
    async with database.write() as tx:
        return (await add_servant(tx))[0], (await add_servant(tx))[0]


async def rows(database: Database, *servant_ids: int) -> dict[int, PackedMemory]:
    async with database.read() as tx:
        return await memories.of(tx, servant_ids)


async def test_bytes_come_back_as_they_were_stored(database: Database) -> None:
    ana, beto = await add_two(database)
    new = {ana: PackedMemory(bytes(range(256)), b"\0"), beto: PackedMemory(b"", b"")}
    async with database.write() as tx:
        await memories.store(tx, new)
    assert await rows(database, ana, beto, 4711) == new
    assert await rows(database, beto) == {beto: new[beto]}


async def test_planning_and_answering_overwrite_nothing_of_each_other(database: Database) -> None:
    ana, beto = await add_two(database)
    async with database.write() as tx:
        await memories.store(tx, {ana: PackedMemory(b"old", b"old"), beto: PackedMemory(b"old", b"old")})
        await memories.store_memories(tx, {ana: b"new"})
        await memories.store_sent(tx, {beto: b"new"})
    assert await rows(database, ana, beto) == {ana: PackedMemory(b"new", b"old"), beto: PackedMemory(b"old", b"new")}


async def test_a_row_without_memory_has_to_be_rebuilt(database: Database) -> None:
    ana, beto = await add_two(database)
    async with database.write() as tx:
        await memories.store_sent(tx, {ana: b"sent"})
        await memories.store(tx, {beto: PackedMemory(b"b", b"b")})
        assert await memories.lock(tx, [beto, ana]) == {beto: PackedMemory(b"b", b"b")}
        await memories.store_memories(tx, {ana: b"rebuilt"})
    assert (await rows(database, ana))[ana] == PackedMemory(b"rebuilt", b"sent")


@pytest.mark.parametrize("how", ["discarded", "left"])
async def test_a_row_goes_when_it_is_discarded_and_when_its_servant_leaves(database: Database, how: str) -> None:
    ana, beto = await add_two(database)
    kept = PackedMemory(b"kept", b"kept")
    async with database.write() as tx:
        await memories.store(tx, {ana: kept, beto: kept})
        await (memories.discard(tx, [ana]) if how == "discarded" else servants.leave(tx, ana))
    assert await rows(database, ana, beto) == {beto: kept}


@pytest.mark.parametrize("stored", [b"-", None])
async def test_two_answers_of_one_servant_are_learned_one_after_the_other(
    database: Database, database_url: str, stored: bytes | None
) -> None:
    """Every transaction appends one byte to what it reads; without the lock some would be lost."""
    ana, beto = await add_two(database)
    if stored is not None:
        async with database.write() as tx:
            await memories.store(tx, {ana: PackedMemory(stored, b""), beto: PackedMemory(stored, b"")})
    other = open_database(database_url)

    async def learn(tx: Transaction, order: tuple[int, int]) -> None:
        found = await memories.lock(tx, order)
        await asyncio.sleep(0)  # lets the other transactions in
        empty = PackedMemory(b"-", b"")
        await memories.store_memories(tx, {id: found.get(id, empty).memory + b"+" for id in order})

    async def answer(mine: Database, order: tuple[int, int]) -> None:
        async with mine.write() as tx:
            await learn(tx, order)

    async with asyncio.timeout(PATIENCE):  # they wait for each other in one order and never in a circle
        await asyncio.gather(
            *(answer(mine, order) for mine in (database, other) * 4 for order in ((ana, beto), (beto, ana)))
        )
    await other.close()
    found = await rows(database, ana, beto)
    assert {row.memory for row in found.values()} == {b"-" + b"+" * 16}
