"""Advisory locks on PostgreSQL: one holder at a time, taken over when the holder ends or loses its connection."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from storage import advisory_locks
from storage.advisory_locks import Lock
from storage.database import Database, DatabaseUnavailable

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


async def test_a_lock_has_one_holder_and_the_next_one_takes_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advisory_locks, "RETRY_SECONDS", 0.01)
    order: list[str] = []
    first_is_in, first_may_go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with advisory_locks.acquire(database, Lock.POLLING):
            order.append("first in")
            first_is_in.set()
            await first_may_go.wait()
            order.append("first out")

    async def second() -> None:
        await first_is_in.wait()
        first_may_go.set()
        async with advisory_locks.acquire(database, Lock.POLLING):
            order.append("second in")

    await asyncio.gather(first(), second())
    assert order == ["first in", "first out", "second in"]


async def test_a_connection_lost_while_acquiring_a_lock_is_retried(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advisory_locks, "RETRY_SECONDS", 0.01)
    fetchval = asyncpg.Connection.fetchval
    faults = [asyncpg.ConnectionDoesNotExistError("gone")]

    async def failing(connection: asyncpg.Connection, *arguments: object) -> object:
        if faults:
            raise faults.pop()
        return await fetchval(connection, *arguments)

    monkeypatch.setattr(asyncpg.Connection, "fetchval", failing)
    async with asyncio.timeout(5), advisory_locks.acquire(database, Lock.POLLING):
        assert not faults


# ---------------------------------------------------------------- locks that are acquired at once or not at all


async def test_a_held_lock_cannot_be_acquired_and_another_lock_can(database: Database) -> None:
    async with advisory_locks.try_acquire(database, Lock.PLANNING) as first:
        async with (
            advisory_locks.try_acquire(database, Lock.PLANNING) as second,
            advisory_locks.try_acquire(database, Lock.WEBHOOK_MONITORING) as another,
        ):
            assert (first is None, second is None, another is None) == (False, True, False)
        assert first is not None
        await first.keep_alive()
    async with advisory_locks.try_acquire(database, Lock.PLANNING) as again:
        assert again is not None


async def test_a_holder_whose_connection_was_terminated_gets_an_error_and_the_next_one_has_the_lock(
    database: Database,
) -> None:
    async def terminated() -> None:
        async with advisory_locks.try_acquire(database, Lock.PLANNING) as lost:
            assert lost is not None
            await terminate_lock_holder(database, Lock.PLANNING)
            async with advisory_locks.try_acquire(database, Lock.PLANNING) as next_one:
                assert next_one is not None
            await lost.keep_alive()

    with pytest.raises(DatabaseUnavailable):
        await terminated()


async def terminate_lock_holder(database: Database, lock: int) -> None:
    """Terminate the server process whose session holds a lock."""
    terminate = "select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and objid = :lock"
    async with database.write() as tx:
        await tx.execute(text(terminate), {"lock": lock})


async def test_an_exception_releases_the_lock(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with advisory_locks.try_acquire(database, Lock.PLANNING):
            raise ZeroDivisionError
    async with advisory_locks.try_acquire(database, Lock.PLANNING) as again:
        assert again is not None
