import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import text

from storage import notifications
from storage.advisory_locks import Lock
from storage.database import Database, DatabaseUnavailable
from storage.queue import outbox, rate_limits, updates
from tests.cast import MONDAY_NINE as NOW

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[dict[str, asyncio.Event]]:
    """Somebody who listens, and has heard the first call (of what was there before)."""
    rung = {table: asyncio.Event() for table in ("deliveries", "updates", "paces")}
    task = asyncio.create_task(notifications.listen(database, {table: event.set for table, event in rung.items()}))
    for event in rung.values():
        await event.wait()
        event.clear()
    try:
        yield rung
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_whoever_listens_is_called_at_each_commit_and_only_then(database: Database) -> None:
    async with listening(database) as rung:
        async with database.write() as tx:
            await outbox.add(tx, [outbox.NewDelivery("a", "telegram", "ana", outbox.DeliveryKind.REPLY, "[]", NOW)])
            assert not rung["deliveries"].is_set()
        await rung["deliveries"].wait()
        assert not rung["updates"].is_set()
        async with database.write() as tx:
            await updates.store(tx, [updates.NewUpdate("telegram", "1", "ana", b"")], NOW)
        await rung["updates"].wait()


async def test_a_refusal_is_told_at_once_and_a_slot_is_not(database: Database) -> None:
    async with listening(database) as rung:
        async with database.write() as tx:
            await rate_limits.take_slots(tx, await rate_limits.lock(tx, "telegram", NOW), 3, 1.0)
        async with database.write() as tx:
            await outbox.add(tx, [outbox.NewDelivery("a", "telegram", "ana", outbox.DeliveryKind.REPLY, "[]", NOW)])
        await rung["deliveries"].wait()
        assert not rung["paces"].is_set()
        async with database.write() as tx:
            await rate_limits.record_refusal(tx, "telegram", 30, NOW)
        await rung["paces"].wait()


async def test_only_one_may_do_what_one_alone_can_and_the_next_takes_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "RETRY", 0.01)
    order: list[str] = []
    first_is_in, first_may_go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with notifications.alone(database, Lock.POLLING):
            order.append("first in")
            first_is_in.set()
            await first_may_go.wait()
            order.append("first out")

    async def second() -> None:
        await first_is_in.wait()
        first_may_go.set()
        async with notifications.alone(database, Lock.POLLING):
            order.append("second in")

    await asyncio.gather(first(), second())
    assert order == ["first in", "first out", "second in"]


async def test_a_server_that_goes_away_while_we_ask_to_listen_ends_nobody(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "RETRY", 0.01)
    asked = asyncpg.Connection.add_listener
    faults = [asyncpg.ConnectionDoesNotExistError("gone"), asyncpg.AdminShutdownError("stopping"), OSError()]
    through = asyncio.Event()

    async def shaky(connection: asyncpg.Connection, channel: str, call: Callable[..., None]) -> None:
        if faults:
            connection.terminate()
            raise faults.pop()
        await asked(connection, channel, call)
        if channel == "integra_updates":
            through.set()

    monkeypatch.setattr(asyncpg.Connection, "add_listener", shaky)
    async with listening(database) as rung:
        await through.wait()
        for event in rung.values():
            event.clear()
        async with database.write() as tx:
            await updates.store(tx, [updates.NewUpdate("telegram", "1", "ana", b"")], NOW)
        async with asyncio.timeout(5):
            await rung["updates"].wait()


async def test_a_server_that_goes_away_while_we_ask_for_a_right_ends_nobody(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "RETRY", 0.01)
    asked = asyncpg.Connection.fetchval
    faults = [asyncpg.ConnectionDoesNotExistError("gone")]

    async def shaky(connection: asyncpg.Connection, *arguments: object) -> object:
        if faults:
            raise faults.pop()
        return await asked(connection, *arguments)

    monkeypatch.setattr(asyncpg.Connection, "fetchval", shaky)
    async with asyncio.timeout(5), notifications.alone(database, Lock.POLLING):
        assert not faults


# ---------------------------------------------------------------- a right that is had at once or not at all


async def test_while_one_has_a_right_nobody_else_has_it(database: Database) -> None:
    async with notifications.right(database, Lock.PLANNING) as first:
        async with (
            notifications.right(database, Lock.PLANNING) as second,
            notifications.right(database, Lock.WEBHOOK_MONITORING) as another,
        ):
            assert (first is None, second is None, another is None) == (False, True, False)
        assert first is not None
        await first.keep()
    async with notifications.right(database, Lock.PLANNING) as again:
        assert again is not None


async def test_whoever_is_given_up_is_told_and_the_next_has_the_right(database: Database) -> None:
    async def given_up() -> None:
        async with notifications.right(database, Lock.PLANNING) as lost:
            assert lost is not None
            await end_whoever_has(database, Lock.PLANNING)
            async with notifications.right(database, Lock.PLANNING) as next_one:
                assert next_one is not None
            await lost.keep()

    with pytest.raises(DatabaseUnavailable):
        await given_up()


async def end_whoever_has(database: Database, what: int) -> None:
    """PostgreSQL gives up the process that has a right."""
    theirs = "select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and objid = :what"
    async with database.write() as tx:
        await tx.execute(text(theirs), {"what": what})


async def test_a_fault_gives_the_right_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with notifications.right(database, Lock.PLANNING):
            raise ZeroDivisionError
    async with notifications.right(database, Lock.PLANNING) as again:
        assert again is not None
