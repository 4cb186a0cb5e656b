"""Advisory locks on PostgreSQL: work that one process at a time may do. On SQLite there is no other process."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from enum import IntEnum, unique
from typing import Any

from sqlalchemy import func, select

from storage import postgres
from storage.database import Database, DatabaseUnavailable, Transaction

RETRY_SECONDS = 5.0  # between two tries to acquire a lock


@unique
class Lock(IntEnum):
    """The numbers of all advisory locks in one place: two uses of the same number would block each other for ever."""

    LEDGER = 0x1E_D6E4  # append to the ledger after its last row
    MIGRATION = 4_637_112  # migrate the schema
    POLLING = 4_637_113  # poll a platform for updates: it allows one poller
    PLANNING = 4_637_114  # plan the prompts of the day
    WEBHOOK_MONITORING = 4_637_115  # check that a platform reaches its webhook
    SENDING = 4_637_116  # send on a platform credential: one lock for each


@asynccontextmanager
async def acquire(database: Database, lock: Lock) -> AsyncIterator[asyncio.Event]:
    """Wait until no other process holds the lock, and hold it; the event is set when the lock is lost.

    It is a session lock on a connection of its own: a process that dies releases it with its connection.
    """
    lost = asyncio.Event()
    if database.is_sqlite:
        yield lost
        return
    while True:
        async with postgres.dedicated_connection(database.engine) as connection:
            if connection is not None:
                acquiring = connection.fetchval("select pg_try_advisory_lock($1)", lock)
                if await postgres.none_if_disconnected(acquiring):
                    connection.add_termination_listener(lambda _: lost.set())
                    yield lost
                    return
        await asyncio.sleep(RETRY_SECONDS)


class HeldLock:
    """A lock that this process holds; it is released at the end of the transaction that acquired it."""

    def __init__(self, database: Database, tx: Transaction | None = None) -> None:
        self._database = database
        self._tx = tx

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Read under the lock, for as long as it takes."""
        if self._tx is not None:
            yield self._tx
        else:
            async with self._database.read() as tx:
                yield tx

    async def keep_alive(self) -> None:
        """Run a statement, since PostgreSQL ends a transaction that is idle for a minute.

        Raises DatabaseUnavailable when the lock has been lost that way.
        """
        if self._tx is not None:
            await self._tx.execute(select(1))


@asynccontextmanager
async def try_acquire(database: Database, lock: Lock) -> AsyncIterator[HeldLock | None]:
    """Try to acquire the lock without waiting; yields None if another process holds it. There is no fixed leader.

    Raises DatabaseUnavailable, also on exit if the lock was lost.
    """
    if database.is_sqlite:
        yield HeldLock(database)
        return
    async with database.quick_read() as tx:
        is_acquired = await tx.scalar(select(func.pg_try_advisory_xact_lock(lock)))
        yield HeldLock(database, tx) if is_acquired else None


class LockSession:
    """Locks of one kind, one for each name, held by a connection of its own; `on_lost` is called when it breaks.

    A process that dies releases them with its connection, and one that the server has not heard from for
    `silence` seconds loses them: it is frozen, or its machine has vanished. On SQLite every lock is free.
    """

    def __init__(self, database: Database, lock: Lock, silence: float, on_lost: Callable[[], None]) -> None:
        self._database = database
        self._lock = lock
        self._silence = silence
        self._on_lost = on_lost
        self._stack = AsyncExitStack()
        self._connection: Any = None
        self._held: frozenset[str] = frozenset()
        self._in_use = asyncio.Lock()  # a connection runs one statement at a time

    @property
    def held(self) -> frozenset[str]:
        """The names of the locks that are held, as far as is known."""
        return self._held

    async def try_acquire(self, names: Collection[str]) -> frozenset[str]:
        """Try to acquire those that are not held, without waiting; return all that are held then.

        Also a sign of life for the server. Raises DatabaseUnavailable: then none is held.
        """
        if self._database.is_sqlite:
            self._held = frozenset(names)
            return self._held
        async with self._in_use:
            if self._connection is None:
                await self._connect()
            wanted = sorted(set(names) - self._held)
            acquired = await self._run("fetch", _TRY, self._lock, wanted, [_number(name) for name in wanted])
            self._held |= {row["name"] for row in acquired}
            return self._held

    async def release(self, channel: str) -> None:
        """Release all locks, then notify the processes that listen on `channel`: one of them may acquire them.

        The next try opens another connection.
        """
        async with self._in_use:
            with suppress(DatabaseUnavailable):  # then they are released already
                if self._connection is not None:
                    await self._run("execute", "select pg_advisory_unlock_all()")
                    await self._run("execute", "select pg_notify($1, '')", channel)
            await self._close()

    async def unlock(self, name: str) -> None:
        """Release one lock. Raises DatabaseUnavailable: then none is held."""
        async with self._in_use:
            if name in self._held and self._connection is not None:
                await self._run("execute", "select pg_advisory_unlock($1::int, $2::int)", self._lock, _number(name))
            self._held -= {name}

    async def _connect(self) -> None:
        await self._close()
        connection = await self._stack.enter_async_context(postgres.dedicated_connection(self._database.engine))
        if connection is None:
            raise DatabaseUnavailable("no connection for locks")
        limiting = connection.execute(_LIMIT_SILENCE, f"{self._silence:g}s")
        if await postgres.none_if_disconnected(limiting) is None:
            raise DatabaseUnavailable("the connection for locks was lost")
        connection.add_termination_listener(self._terminated)
        self._connection = connection  # only now: without the limit it would hold locks for ever, once frozen

    async def _run(self, method: str, *arguments: object) -> Any:
        """The result of a method of the connection. Raises DatabaseUnavailable when it was lost, or is silent."""
        running = getattr(self._connection, method)(*arguments, timeout=self._silence / 2)
        result = await postgres.none_if_disconnected(running)
        if result is None:
            self._terminated(self._connection)
            await self._close()
            raise DatabaseUnavailable("the connection for locks was lost")
        return result

    async def _close(self) -> None:
        self._connection, self._held = None, frozenset()
        await self._stack.aclose()

    def _terminated(self, connection: Any) -> None:
        """The connection broke, or is given up."""
        if connection is self._connection:  # not one that we have closed
            self._connection, self._held = None, frozenset()
            self._on_lost()


_TRY = """
select wanted.name from unnest($2::text[], $3::int[]) as wanted (name, number)
where pg_try_advisory_lock($1::int, wanted.number)
"""
_LIMIT_SILENCE = "select set_config(name, $1, false) from pg_settings where name = 'idle_session_timeout'"
"""PostgreSQL 13 and older have no such setting: there a vanished machine holds its locks until TCP gives it up, and a
frozen process for as long as it is frozen."""


def _number(name: str) -> int:
    """The number of a name among the locks of one kind: a signed 32-bit integer."""
    return zlib.crc32(name.encode()) - 2**31
