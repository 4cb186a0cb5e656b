"""Advisory locks on PostgreSQL: work that one process at a time may do. On SQLite there is no other process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum, unique

from sqlalchemy import func, select

from storage import postgres
from storage.database import Database, Transaction

RETRY_SECONDS = 5.0  # between two tries to acquire a lock


@unique
class Lock(IntEnum):
    """The numbers of all advisory locks in one place: two uses of the same number would block each other for ever."""

    LEDGER = 0x1E_D6E4  # append to the ledger after its last row
    MIGRATION = 4_637_112  # migrate the schema
    POLLING = 4_637_113  # poll a platform for updates: it allows one poller
    PLANNING = 4_637_114  # plan the prompts of the day
    WEBHOOK_MONITORING = 4_637_115  # check that a platform reaches its webhook


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
