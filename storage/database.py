"""The engine, the transaction, and the few places where SQLite and PostgreSQL differ."""

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

Transaction = AsyncConnection
"""What storage functions take first: whoever opened it closes it."""

DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")
BUSY_SECONDS = 30
FORBIDDEN = "42501"  # PostgreSQL: insufficient_privilege
AWAY = ("08", "53", "58", "57", "25006", "40001", "40P01", "55P03")
"""How PostgreSQL's codes begin that say nothing against what was asked: it may be asked again. Connections, no room,
its own faults, stopping, cancelling (by an administrator, or by a limit of the server for all statements), only reading
(another server took over), two who waited for each other, a lock not had.
Source: PostgreSQL, appendix A.
"""
_writing: ContextVar[bool] = ContextVar("writing", default=False)


class DatabaseUnavailable(Exception):
    """The database is away, locked or refuses us: nothing was recorded; the text holds no secret."""


class PermissionDenied(DatabaseUnavailable):
    """The database answers, and its user may not do what is needed: an administrator must grant it."""


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A moment in UTC. SQLite gives naive values back; a naive value is never stored."""

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
    """One database. On SQLite all that is written goes through one writer, and reading never waits for it.

    On PostgreSQL a statement that takes too long is given up, but for those of `patient`.
    """

    def __init__(self, engine: AsyncEngine, writer: Writer | None = None, patient: AsyncEngine | None = None) -> None:
        self.engine = engine
        self._writer = writer
        self._patient = patient or engine
        self._readers = engine if writer else engine.execution_options(isolation_level="REPEATABLE READ")
        self._notes = engine if writer else engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def is_sqlite(self) -> bool:
        return self._writer is not None

    @property
    def engines(self) -> list[Engine]:
        """All by which statements go, for whoever listens to them."""
        other = self._patient.sync_engine if self._writer is None else self._writer.engine
        return [self.engine.sync_engine, other]

    @asynccontextmanager
    async def write(self, *, is_urgent: bool = False, is_long: bool = False) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end, or rolls back when anything is raised.

        On SQLite its statements keep the event loop until they are done, but for one that `is_long`, which may read
        many rows; there it waits for the transactions before it; one that `is_urgent`, only for the one going on. On
        PostgreSQL only a statement that `is_long` may take longer than a minute.
        Raises DatabaseUnavailable; RuntimeError when the same task already writes (it would wait for itself).
        """
        if _writing.get():
            raise RuntimeError("a write transaction is already open in this task")
        mark = _writing.set(True)
        try:
            engine, writer = self._patient if is_long else self.engine, self._writer
            async with (
                _translated(),
                writer.transaction(is_urgent=is_urgent, is_long=is_long) if writer else engine.begin() as tx,
            ):
                yield tx
        finally:
            _writing.reset(mark)

    @asynccontextmanager
    async def write_statement(self, *, is_urgent: bool = False) -> AsyncIterator[Transaction]:
        """A transaction of one statement: PostgreSQL is asked once instead of three times.

        Raises DatabaseUnavailable.
        """
        if self._writer is not None:
            async with self.write(is_urgent=is_urgent) as tx:
                yield tx
        else:
            async with _translated(), self._notes.connect() as tx:
                yield tx

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """A transaction that only reads, all of it as it was at its first statement."""
        async with _translated(), self._readers.begin() as tx:
            yield tx

    @asynccontextmanager
    async def quick_read(self) -> AsyncIterator[Transaction]:
        """A transaction that reads a few rows by their indexes.

        On SQLite it keeps the event loop until it is done, which takes less than the way to another thread would.
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
        """PostgreSQL: a connection in no transaction, for whoever needs several or none; it may take its time."""
        async with _translated(), self._patient.connect() as connection:
            yield connection

    async def checkpoint_wal(self) -> None:
        """SQLite: bring the write-ahead log into the file and cut it to nothing, so that what was deleted is gone.

        Where somebody reads for longer than a second, the log stays until the next time: writers are waiting.
        PostgreSQL looks after its own.
        Source: sqlite.org, PRAGMA wal_checkpoint.
        """
        if self._writer is None:
            return
        async with self._writer.alone(), _translated(), self.engine.connect() as connection:
            raw = await connection.get_raw_connection()  # not in a transaction, which would be in its own way
            driver = raw.driver_connection
            assert driver is not None
            for pragma in ("busy_timeout=1000", "wal_checkpoint(TRUNCATE)", f"busy_timeout={BUSY_SECONDS * 1000}"):
                await (await driver.execute("PRAGMA " + pragma)).close()

    async def close(self) -> None:
        for engine in (self.engine, self._patient):
            await engine.dispose()
        if self._writer is not None:
            await self._writer.close()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except DBAPIError as fault:
        if getattr(fault.orig, "sqlstate", "") == FORBIDDEN:
            raise PermissionDenied("permission denied") from fault
        if _is_away(fault):
            cause = fault.orig and (fault.orig.__cause__ or fault.orig)
            raise DatabaseUnavailable(type(cause).__name__) from fault
        raise
    except PoolExhausted as fault:  # all connections are taken, and stay so
        raise DatabaseUnavailable("no free connection") from fault
    except OSError as fault:  # refused, timed out, no such socket, no such host
        raise DatabaseUnavailable(type(fault).__name__) from fault


def _is_away(fault: DBAPIError) -> bool:
    if isinstance(fault, IntegrityError):
        return False
    if str(getattr(fault.orig, "sqlstate", "") or "").startswith(AWAY):
        return True
    # Without a statement it was the connection: no such database, role or password, or a file of another kind.
    return isinstance(fault, OperationalError) or fault.connection_invalidated or fault.statement is None


def parse_url(text: str) -> URL:
    """The address of a database; raises ValueError with what is expected (the text itself may hold a password)."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # not as the cause: its text may hold a part of the password
        raise ValueError(f"not a database address; expected {' or '.join(DRIVERS)}://...") from None
    if url.drivername not in DRIVERS:
        raise ValueError(f"driver {url.drivername!r}; expected {' or '.join(DRIVERS)}")
    return url


def open_database(text: str, *, foreign_keys: bool = True) -> Database:
    """Open (and for SQLite create) the database at an address of SQLAlchemy's form.

    Raises ValueError when the address is none, DatabaseUnavailable when SQLite's folder cannot be made. Nothing is
    connected yet.
    """
    url = parse_url(text)
    return _sqlite(url, foreign_keys=foreign_keys) if url.get_backend_name() == "sqlite" else _postgres(url)


def _sqlite(url: URL, *, foreign_keys: bool) -> Database:
    if url.database and url.database != ":memory:":
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise DatabaseUnavailable(type(fault).__name__) from fault
    how: dict[str, Any] = {"timeout": BUSY_SECONDS, "isolation_level": None}
    readers = create_async_engine(url, connect_args=how, hide_parameters=True, execution_options={"readonly": True})
    across = how | {"check_same_thread": False, "timeout": 0}  # used in two threads, never at once; nobody waits in it
    writer = create_engine(url.set(drivername="sqlite+pysqlite"), connect_args=across, hide_parameters=True)
    for engine, busy in ((readers.sync_engine, BUSY_SECONDS), (writer, 0)):
        _tune_sqlite(engine, busy, foreign_keys=foreign_keys)
    return Database(readers, Writer(writer, readers, BUSY_SECONDS))


def _postgres(url: URL) -> Database:
    return Database(
        _engine(url, postgres.connect_args()), patient=_engine(url, postgres.connect_args(None), pool_size=1)
    )


def _engine(url: URL, connect_args: dict[str, Any], **pool: float) -> AsyncEngine:
    # hide_parameters: an exception never shows what was being stored.
    engine = create_async_engine(url, connect_args=connect_args, hide_parameters=True, pool_pre_ping=True, **pool)
    event.listen(engine.sync_engine, "handle_error", _hide_details)
    return engine


def _hide_details(context: ExceptionContext) -> None:
    """PostgreSQL repeats the row in the detail of a fault, where `hide_parameters` does not reach."""
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
        "secure_delete=ON",  # what is deleted leaves no bytes in the file
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute("PRAGMA " + pragma)
        cursor.close()

    # SQLAlchemy would begin lazily and deferred: a look-up followed by a change would not be one transaction.
    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        is_reading = connection.get_execution_options().get("readonly")
        connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


def dialect_insert(tx: Transaction, table: Table) -> Any:
    """An insert for `table` with `on_conflict_do_nothing` / `on_conflict_do_update`, in the dialect at hand."""
    return insert_for_dialect(tx.dialect.name, table)


def insert_for_dialect(dialect: str, table: Table) -> Any:
    """The same for a dialect by name: what is built once is built for each."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    if dialect == "sqlite":
        return sqlite.insert(table)
    return insert(table)
