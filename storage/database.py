"""Engines, transactions, and the few differences between SQLite and PostgreSQL."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sqlalchemy import DateTime, Dialect, Engine, ExceptionContext, create_engine, event, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.schema import Table
from sqlalchemy.types import TypeDecorator

from storage import postgres
from storage.sqlite_writer import Writer
from storage.transaction import Transaction as Transaction

DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")
BUSY_SECONDS = 30
INSUFFICIENT_PRIVILEGE = "42501"  # PostgreSQL
UNAVAILABLE = ("08", "53", "58", "57", "25006", "40001", "40P01", "55P03")
"""Prefixes of PostgreSQL's error codes that do not concern the statement, so that it may be retried: connection errors,
insufficient resources, system errors, shutdown and cancellation (by an administrator, or by a timeout of the server for
all statements), read-only transaction (after a failover), serialization failure, deadlock, lock not available.
Source: PostgreSQL, appendix A.
"""
_writing: ContextVar[bool] = ContextVar("writing", default=False)


class DatabaseUnavailable(Exception):
    """The database is unreachable, locked or refuses us: nothing was stored; the message contains no secret."""


DatabaseUrl = URL
DatabaseError = DBAPIError
"""Any other error of the database: it concerns the statement, and its class names the fault."""


class PermissionDenied(DatabaseUnavailable):
    """The database user lacks a privilege that an administrator must grant."""


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A moment in UTC. SQLite returns naive values; a naive value is never stored."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        if value is None or value.tzinfo:
            return value  # type: ignore[no-any-return]
        return value.replace(tzinfo=dt.UTC)  # type: ignore[no-any-return]


class Database:
    """One database. On SQLite all writes go through one writer, and reads never wait for it.

    On PostgreSQL statements have a timeout, except on the engine `without_timeout`.
    """

    def __init__(
        self, engine: AsyncEngine, writer: Writer | None = None, without_timeout: AsyncEngine | None = None
    ) -> None:
        self.engine = engine
        self._writer = writer
        self._without_timeout = without_timeout or engine
        self._readers = engine if writer else engine.execution_options(isolation_level="REPEATABLE READ")
        self._autocommit = engine if writer else engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def is_sqlite(self) -> bool:
        return self._writer is not None

    @property
    def sqlite_file(self) -> Path | None:
        """The file of an SQLite database; None: in memory, or PostgreSQL."""
        return sqlite_file(self.engine.url)

    @property
    def engines(self) -> list[Engine]:
        """All engines that run statements, for event listeners."""
        other = self._without_timeout.sync_engine if self._writer is None else self._writer.engine
        return [self.engine.sync_engine, other]

    @asynccontextmanager
    async def write(self, *, is_urgent: bool = False, is_long: bool = False) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end, or rolls back when anything is raised.

        `is_long`: for statements that read many rows. On SQLite they do not block the event loop, as others do; on
        PostgreSQL they do not time out, as others do after a minute.
        `is_urgent`: on SQLite, wait only for the running transaction, not for those queued before.
        Raises DatabaseUnavailable; RuntimeError when the same task is already writing (it would deadlock).
        """
        if _writing.get():
            raise RuntimeError("a write transaction is already open in this task")
        mark = _writing.set(True)
        try:
            engine, writer = self._without_timeout if is_long else self.engine, self._writer
            async with (
                _translated(),
                writer.transaction(is_urgent=is_urgent, is_long=is_long) if writer else engine.begin() as tx,
            ):
                yield tx
        finally:
            _writing.reset(mark)

    @asynccontextmanager
    async def write_statement(self, *, is_urgent: bool = False) -> AsyncIterator[Transaction]:
        """A transaction of one statement: one round trip to PostgreSQL instead of three.

        Raises DatabaseUnavailable.
        """
        if self._writer is not None:
            async with self.write(is_urgent=is_urgent) as tx:
                yield tx
        else:
            async with _translated(), self._autocommit.connect() as tx:
                yield tx

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """A read-only transaction on a snapshot taken at its first statement."""
        async with _translated(), self._readers.begin() as tx:
            yield tx

    @asynccontextmanager
    async def quick_read(self) -> AsyncIterator[Transaction]:
        """A transaction that reads a few rows by an index.

        On SQLite it blocks the event loop, for less time than a hop to another thread would take.
        """
        if self._writer is None:
            async with _translated(), self.engine.begin() as tx:
                yield tx
        else:
            async with _translated():
                with self._writer.quick_read() as tx:
                    yield tx

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """PostgreSQL: a connection without a transaction and without a timeout, for the steps of a migration."""
        async with _translated(), self._without_timeout.connect() as connection:
            yield connection

    async def checkpoint_wal(self) -> None:
        """SQLite: write the write-ahead log into the file and truncate it, so that deleted content is gone.

        When a reader holds it up for more than a second, the log stays until the next call, since writers are waiting.
        Nothing to do on PostgreSQL.
        Source: sqlite.org, PRAGMA wal_checkpoint.
        """
        if self._writer is None:
            return
        async with self._writer.exclusive(), _translated(), self.engine.connect() as connection:
            raw = await connection.get_raw_connection()  # outside a transaction, which would block the checkpoint
            driver = raw.driver_connection
            assert driver is not None
            for pragma in ("busy_timeout=1000", "wal_checkpoint(TRUNCATE)", f"busy_timeout={BUSY_SECONDS * 1000}"):
                await (await driver.execute("PRAGMA " + pragma)).close()

    async def close(self) -> None:
        for engine in (self.engine, self._without_timeout):
            await engine.dispose()
        if self._writer is not None:
            await self._writer.close()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except DBAPIError as fault:
        if getattr(fault.orig, "sqlstate", "") == INSUFFICIENT_PRIVILEGE:
            raise PermissionDenied("permission denied") from fault
        if _is_unavailable(fault):
            cause = fault.orig and (fault.orig.__cause__ or fault.orig)
            raise DatabaseUnavailable(type(cause).__name__) from fault
        raise
    except PoolExhausted as fault:  # all connections were in use for too long
        raise DatabaseUnavailable("no free connection") from fault
    except OSError as fault:  # refused, timed out, no such socket, no such host
        raise DatabaseUnavailable(type(fault).__name__) from fault


def _is_unavailable(fault: DBAPIError) -> bool:
    if isinstance(fault, IntegrityError):
        return False
    if str(getattr(fault.orig, "sqlstate", "") or "").startswith(UNAVAILABLE):
        return True
    # Without a statement it was the connection: unknown database, role or password, or not a SQLite file.
    return isinstance(fault, OperationalError) or fault.connection_invalidated or fault.statement is None


def parse_url(text: str) -> DatabaseUrl:
    """Parse the URL of a database; raises ValueError with the expected form (the text may contain a password)."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # not as the cause: its message may contain a part of the password
        raise ValueError(f"not a database address; expected {' or '.join(DRIVERS)}://...") from None
    if url.drivername not in DRIVERS:
        raise ValueError(f"driver {url.drivername!r}; expected {' or '.join(DRIVERS)}")
    return url


def sqlite_file(url: DatabaseUrl) -> Path | None:
    """The file of an SQLite database; None: in memory, or PostgreSQL."""
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(url.database or "") if is_file else None


def open_database(text: str, *, foreign_keys: bool = True) -> Database:
    """Open (and for SQLite create) the database at a SQLAlchemy URL, without connecting yet.

    Raises ValueError when the URL is invalid, DatabaseUnavailable when SQLite's folder cannot be created.
    """
    url = parse_url(text)
    return _sqlite(url, foreign_keys=foreign_keys) if url.get_backend_name() == "sqlite" else _postgres(url)


def _sqlite(url: URL, *, foreign_keys: bool) -> Database:
    if file := sqlite_file(url):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise DatabaseUnavailable(type(fault).__name__) from fault
    reading: dict[str, Any] = {"timeout": BUSY_SECONDS, "isolation_level": None}
    readers = create_async_engine(url, connect_args=reading, hide_parameters=True, execution_options={"readonly": True})
    writing = reading | {"check_same_thread": False, "timeout": 0}  # in two threads, never at once; it must not block
    writer = create_engine(url.set(drivername="sqlite+pysqlite"), connect_args=writing, hide_parameters=True)
    for engine, busy in ((readers.sync_engine, BUSY_SECONDS), (writer, 0)):
        _tune_sqlite(engine, busy, foreign_keys=foreign_keys)
    return Database(readers, Writer(writer, BUSY_SECONDS))


def _postgres(url: URL) -> Database:
    without_timeout = _engine(url, postgres.connect_args(None), pool_size=1)
    return Database(_engine(url, postgres.connect_args()), without_timeout=without_timeout)


def _engine(url: URL, connect_args: dict[str, Any], **pool: float) -> AsyncEngine:
    # hide_parameters: an exception never shows the values that were being stored.
    engine = create_async_engine(url, connect_args=connect_args, hide_parameters=True, pool_pre_ping=True, **pool)
    event.listen(engine.sync_engine, "handle_error", _hide_details)
    return engine


def _hide_details(context: ExceptionContext) -> None:
    """Remove the detail of an error: PostgreSQL repeats the row there, which `hide_parameters` does not cover."""
    fault: BaseException | None = context.original_exception
    while fault is not None:
        if hasattr(fault, "detail"):
            fault.detail = None
        fault = fault.__cause__


def _tune_sqlite(engine: Engine, busy: float, *, foreign_keys: bool) -> None:
    pragmas = (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
        f"busy_timeout={busy * 1000:g}",
        "secure_delete=ON",  # deleted content is overwritten in the file
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute("PRAGMA " + pragma)
        cursor.close()

    # SQLAlchemy would begin lazily and deferred: a read followed by a write would not be one transaction.
    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        is_reading = connection.get_execution_options().get("readonly")
        connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


def day_of(moment: dt.datetime) -> dt.datetime:
    """The moment at which its day, of UTC, began."""
    return moment.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def dialect_insert(tx: Transaction, table: Table) -> Any:
    """An insert for `table` with `on_conflict_do_nothing` / `on_conflict_do_update`, in the transaction's dialect."""
    return insert_for_dialect(tx.dialect.name, table)


def insert_for_dialect(dialect: str, table: Table) -> Any:
    """The same for a dialect by name, for statements that are built once for each dialect."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    if dialect == "sqlite":
        return sqlite.insert(table)
    return insert(table)
