"""The inbox: stored once, claimed in order, retried, emptied, on both databases."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.database import Database, Transaction, open_database
from storage.queue import updates
from storage.schema import handled_updates
from storage.schema import updates as table
from tests.cast import MONDAY_NINE as NOW

CANARY = b"canary-of-a-body-that-must-go"

on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


async def store(tx: Transaction, *arrived: str) -> None:
    """Store updates, each given as `address:key`."""
    for arrival in arrived:
        address, _, key = arrival.partition(":")
        assert await updates.store(tx, [updates.NewUpdate("telegram", key, address, f"body {key}".encode())], NOW)


async def handle_all(database: Database) -> list[str]:
    keys: list[str] = []
    while True:
        async with database.write() as tx:
            taken = await updates.claim(tx)
            if taken is None:
                return keys
            keys.append(taken.key)
            await updates.finish(tx, NOW, taken.id)


async def state_of(database: Database, key: str) -> tuple[str, bytes | None, int, str | None]:
    async with database.read() as tx:
        found = select(table.c.state, table.c.body, table.c.attempts, table.c.fault).where(table.c.key == key)
        row = (await tx.execute(found)).one()
        return row.state, row.body, row.attempts, row.fault


async def test_an_update_is_stored_once_however_often_the_platform_repeats_it(database: Database) -> None:
    async with database.write() as tx:
        assert await updates.store(tx, [updates.NewUpdate("telegram", "7", "ana", b"first")], NOW)
        assert not await updates.store(tx, [updates.NewUpdate("telegram", "7", "ana", b"again")], NOW)
        taken = await updates.claim(tx)
        assert taken is not None
        assert taken.body == b"first"
        await updates.finish(tx, NOW, taken.id)
    async with database.write() as tx:
        assert not await updates.store(tx, [updates.NewUpdate("telegram", "7", "ana", b"much later")], NOW), (
            "handled long ago"
        )
        assert await updates.claim(tx) is None


async def test_the_same_key_on_another_channel_is_another_update(database: Database) -> None:
    async with database.write() as tx:
        assert await updates.store(tx, [updates.NewUpdate("telegram", "7", "ana", b"")], NOW)
        assert await updates.store(tx, [updates.NewUpdate("webchat", "7", "ana", b"")], NOW)
        assert await updates.count_waiting(tx) == 2


async def test_updates_are_claimed_in_the_order_of_arrival(database: Database) -> None:
    async with database.write() as tx:
        await store(tx, "ana:1", "beto:2", "ana:3", "ana:4", "beto:5")
    assert await handle_all(database) == ["1", "2", "3", "4", "5"]


async def test_an_update_claimed_by_a_process_that_died_is_claimed_again(database: Database) -> None:
    async with database.write() as tx:
        await store(tx, "ana:1")

    async def claim_and_die() -> None:
        async with database.write() as tx:
            assert await updates.claim(tx) is not None
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await claim_and_die()
    assert await handle_all(database) == ["1"]


@on_postgres  # SQLite has one writer at a time: there is no second worker
async def test_while_one_sender_is_handled_another_worker_handles_another_sender(
    database: Database, database_url: str
) -> None:
    async with database.write() as tx:
        await store(tx, "ana:1", "ana:2", "beto:3", "ana:4")
    others = [open_database(database_url) for _ in range(2)]
    async with database.write() as first:
        held = await updates.claim(first)
        assert held is not None
        assert held.key == "1"
        async with asyncio.timeout(30), AsyncExitStack() as stack:  # no worker waits for another's lock
            # The guard is against one task writing twice to one database: here each database is another process.
            second = await stack.enter_async_context(others[0].engine.begin())
            third = await stack.enter_async_context(others[1].engine.begin())
            other = await updates.claim(second)
            assert other is not None
            assert other.key == "3", "the next one of Ana waits for her first"
            assert await updates.claim(third) is None
            await updates.finish(second, NOW, other.id)
        await updates.finish(first, NOW, held.id)
    assert await handle_all(database) == ["2", "4"]
    for one in others:
        await one.close()


async def test_an_update_that_cannot_be_handled_is_set_aside_at_the_third_attempt(database: Database) -> None:
    async with database.write() as tx:
        await store(tx, "ana:1", "ana:2")
        taken = await updates.claim(tx)
        assert taken is not None
    for attempt, is_aside in enumerate((False, False, True), start=1):
        async with database.write() as tx:
            again = await updates.claim(tx)
            assert again is not None
            assert again.key == "1", "the order of one sender is preserved while it is retried"
            assert await updates.fail(tx, NOW, taken.id, "KeyError" * 40) is is_aside
        state, body, attempts, fault = await state_of(database, "1")
        assert (state, attempts) == ("aside" if is_aside else "waiting", attempt)
        assert (body is None) is is_aside
        assert fault is not None
        assert len(fault) == 80
    assert await handle_all(database) == ["2"]


async def test_an_unreadable_update_is_stored_and_never_claimed(database: Database) -> None:
    async with database.write() as tx:
        assert not await updates.store(tx, [updates.NewUpdate("telegram", "9", "", None, "ValidationError")], NOW), (
            "nothing to handle"
        )
        assert not await updates.store(tx, [updates.NewUpdate("telegram", "9", "", None, "ValidationError")], NOW)
        assert not await updates.store(tx, [updates.NewUpdate("telegram", "9", "ana", b"")], NOW)
        assert await updates.claim(tx) is None
        assert await updates.count_waiting(tx) == 0


async def test_of_a_handled_update_only_its_key_and_the_day_stay(database: Database) -> None:
    async with database.write() as tx:
        await store(tx, "ana:1")
    await handle_all(database)
    async with database.read() as tx:
        assert (await tx.execute(select(table))).all() == []
        assert [tuple(row) for row in await tx.execute(select(handled_updates))] == [("1", NOW.date())]


@on_postgres
async def test_an_update_that_is_repeated_while_another_worker_handles_it_is_not_handled_again(
    database: Database, database_url: str
) -> None:
    async with database.write() as tx:
        await store(tx, "ana:1", "beto:2")
    other, asked = open_database(database_url), asyncio.Event()

    async def repeat() -> frozenset[tuple[str, str]]:
        async with other.write() as tx:
            asked.set()
            again = [updates.NewUpdate("telegram", key, "ana", b"again") for key in ("1", "3")]
            return await updates.store(tx, again, NOW)

    repeating = asyncio.create_task(repeat())  # before any transaction is open in this task
    async with database.write() as tx:
        held = await updates.claim(tx)
        assert held is not None
        await updates.finish(tx, NOW, held.id)
        await asked.wait()
    async with asyncio.timeout(30):
        is_new = await repeating
    assert is_new == {("telegram", "3")}
    assert await handle_all(database) == ["2", "3"]
    await other.close()


def bytes_of(url: str) -> dict[str, bytes]:
    """The content on disk: the file, its log, its shared memory."""
    path = Path(url.partition("///")[2])
    return {one.name: one.read_bytes() for one in path.parent.glob(path.name + "*")}


@pytest.mark.parametrize("how", ["finish", "fail"])
async def test_the_bytes_of_a_handled_body_are_gone_from_the_disk(sqlite_url: str, how: str) -> None:
    database = open_database(sqlite_url)
    async with database.write() as tx:
        for number in range(40):
            await updates.store(tx, [updates.NewUpdate("telegram", str(number), f"address {number}", CANARY * 30)], NOW)
    assert any(CANARY in content for content in bytes_of(sqlite_url).values()), "the canary must be found before"
    while True:
        async with database.write() as tx:
            taken = await updates.claim(tx)
            if taken is None:
                break
            if how == "finish":
                await updates.finish(tx, NOW, taken.id)
            else:
                await updates.fail(tx, NOW, taken.id, "KeyError")
    await database.checkpoint_wal()  # while the process keeps running
    found = bytes_of(sqlite_url)
    assert found
    assert [name for name, content in found.items() if CANARY in content] == []
    await database.close()


async def test_an_update_that_was_set_aside_tells_neither_who_sent_it_nor_when_on_that_day(database: Database) -> None:
    async with database.write() as tx:
        await store(tx, "ana:1", "beto:2", "carmen:3")
        for _ in range(updates.ATTEMPTS):
            await updates.fail(tx, NOW, 2, "KeyError")
        await updates.finish(tx, NOW, 1)
        await updates.store(tx, [updates.NewUpdate("telegram", "4", "dora", None, "KeyError")], NOW)
    async with database.read() as tx:
        rows = [
            tuple(row)
            for row in await tx.execute(select(table.c.key, table.c.address, table.c.received_at).order_by(table.c.id))
        ]
    day = NOW.replace(hour=0, minute=0)
    assert rows == [("2", "", day), ("3", "carmen", NOW), ("4", "", day)]
