"""Calls between processes on PostgreSQL: that something was stored, and who of them may do what only one can.

Calls are told once a transaction, when it commits, by triggers, or by whoever met a refusal (see storage/queue/rate_limits.py).
SQLite has one process, which calls itself. Whoever listens looks every few seconds all the same: a call is lost while
the connection is away. asyncpg is an extra, so it is imported where it is used.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from sqlalchemy import func, select

from storage import postgres
from storage.advisory_locks import Lock
from storage.database import Database, Transaction

RETRY = 5.0  # seconds between two tries

log = structlog.get_logger()


async def listen(database: Database, calls: Mapping[str, Callable[[], None]]) -> None:
    """Call back whenever rows were added to a table (deliveries, updates), or a refusal to paces, until cancelled."""
    while True:
        async with _connection(database) as connection:
            if connection is not None:
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                for table, call in calls.items():
                    await _asked(connection.add_listener(f"integra_{table}", lambda *_, call=call: call()))
                    call()  # what was stored before we listened
                if not connection.is_closed():
                    await lost.wait()
        await asyncio.sleep(RETRY)


@asynccontextmanager
async def alone(database: Database, what: Lock) -> AsyncIterator[asyncio.Event]:
    """Wait until no other process does `what`, and do it; the event is set when the right to it is lost.

    A process that dies loses it with its connection. On SQLite there is no other process.
    """
    lost = asyncio.Event()
    if database.is_sqlite:
        yield lost
        return
    while True:
        async with _connection(database) as connection:
            is_free = connection and await _asked(connection.fetchval("select pg_try_advisory_lock($1)", what))
            if is_free:
                connection.add_termination_listener(lambda _: lost.set())
                yield lost
                return
        await asyncio.sleep(RETRY)


class Right:
    """The right to do what one process alone may do at a time; it ends with the transaction that holds it."""

    def __init__(self, database: Database, tx: Transaction | None = None) -> None:
        self._database = database
        self._tx = tx

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Transaction]:
        """Read what is to be done, for as long as it takes."""
        if self._tx is not None:
            yield self._tx
        else:
            async with self._database.read() as tx:
                yield tx

    async def keep(self) -> None:
        """Say that we are alive: PostgreSQL gives up whoever has not spoken for a minute. Raises when it has."""
        if self._tx is not None:
            await self._tx.execute(select(1))


@asynccontextmanager
async def right(database: Database, what: Lock) -> AsyncIterator[Right | None]:
    """The right to do `what` now; None: another process is doing it. Nobody waits, and no process is first for good.

    Raises DatabaseUnavailable, also when the right was lost meanwhile. On SQLite there is no other process.
    """
    if database.is_sqlite:
        yield Right(database)
        return
    async with database.glance() as tx:
        is_free = await tx.scalar(select(func.pg_try_advisory_xact_lock(what)))
        yield Right(database, tx) if is_free else None


async def _asked(work: Awaitable[Any]) -> Any:
    """What the server answers; None when it went away meanwhile, which is no reason for anybody to end."""
    import asyncpg

    try:
        return await work
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        log.warning("listener_waits", fault=type(fault).__name__)
        return None


@asynccontextmanager
async def _connection(database: Database) -> AsyncIterator[Any]:
    """A connection of its own, outside the pool; None while there is none to be had."""
    import asyncpg

    arguments, options = database.engine.dialect.create_connect_args(database.engine.url)
    own = {name: value for name, value in options.items() if not name.startswith("prepared_statement")}
    try:
        connection = await asyncpg.connect(*arguments, **own, **postgres.connect_args())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        log.warning("listener_waits", fault=type(fault).__name__)
        connection = None
    try:
        yield connection
    finally:
        if connection is not None:
            connection.terminate()
