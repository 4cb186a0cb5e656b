"""The single writer for SQLite: statements run on the event loop's own thread unless they would block it for too long.

A look-up by an index takes SQLite a few microseconds; a hop to another thread and back takes many times that, while the
file stays locked. So the statements of a transaction run on the event loop. The commit, which waits for the disk, runs
there too where the disk is fast, and in a thread otherwise. While another process is writing, the event loop is not
blocked: the writer retries.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from heapq import heappop, heappush
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, Executable, ScalarResult
from sqlalchemy.exc import OperationalError

from storage.transaction import Rows, Transaction

T = TypeVar("T")
RunInThread = Callable[[Callable[[], Rows]], Awaitable[Rows]]

SLOW_COMMIT = 0.002  # seconds for a commit, from which on it no longer runs on the event loop
AVERAGED_COMMITS = 8  # weight of the moving average: the last commit counts for one part of so many
RETRY_SECONDS = 0.005  # between two tries while another process is writing


class Writer:
    """Transactions one after the other: writers of this process queue here instead of waiting for the file's lock."""

    def __init__(self, engine: Engine, busy_seconds: float) -> None:
        """`engine` fails at once when another process is writing; the writer retries for `busy_seconds`."""
        self.engine = engine
        self._quick_readers = engine.execution_options(readonly=True)
        self._busy_seconds = busy_seconds
        self._queue = _Queue()
        self._thread = ThreadPoolExecutor(1, "sqlite-writer")
        self._commit_seconds = SLOW_COMMIT  # moving average

    @asynccontextmanager
    async def transaction(self, *, is_urgent: bool, is_long: bool) -> AsyncIterator[Transaction]:
        """Commit at the end, or roll back when anything is raised; the file is locked from the start.

        `is_long`: statements may take long and run in the thread.
        """
        async with self._queue.turn(is_urgent=is_urgent):
            connection = await self._begin()
            try:
                if is_long:
                    yield _ThreadedTransaction(connection, self.run_in_thread)
                else:
                    yield _DirectTransaction(connection)
            except BaseException:
                connection.close()  # rolls back
                raise
            if is_long or self._commit_seconds >= SLOW_COMMIT:
                await self.run_in_thread(partial(self._commit, connection))
            else:
                self._commit(connection)
        await asyncio.sleep(0)  # a task that writes in a loop lets others run in between

    async def _begin(self) -> Connection:
        now = asyncio.get_running_loop().time
        give_up_at = now() + self._busy_seconds
        while True:
            try:
                return self._begin_once()
            except OperationalError as fault:
                if not _is_locked(fault) or now() >= give_up_at:
                    raise
            await asyncio.sleep(RETRY_SECONDS)

    def _begin_once(self) -> Connection:
        connection = self.engine.connect()
        try:
            connection.begin()
        except BaseException:
            connection.close()
            raise
        return connection

    def _commit(self, connection: Connection) -> None:
        start, transaction = time.monotonic(), connection.get_transaction()
        assert transaction is not None
        try:
            transaction.commit()
        except BaseException:
            transaction.rollback()  # else SQLAlchemy takes it for ended when closing: the file stays locked
            raise
        finally:
            connection.close()
        self._commit_seconds += (time.monotonic() - start - self._commit_seconds) / AVERAGED_COMMITS

    @contextmanager
    def quick_read(self) -> Iterator[Transaction]:
        """Read on the event loop, on a connection of its own: in write-ahead mode no writer blocks it."""
        with self._quick_readers.connect() as connection, connection.begin():
            yield _DirectTransaction(connection)

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """No other writer of this process runs meanwhile."""
        async with self._queue.turn():
            yield

    async def close(self) -> None:
        await self.run_in_thread(self.engine.dispose)
        self._thread.shutdown()

    async def run_in_thread(self, work: Callable[[], T]) -> T:
        """Run the work in the writer's thread and wait until it has ended, also when cancelled meanwhile."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done():
                try:
                    await asyncio.wait({running})
                except asyncio.CancelledError:
                    continue
            raise


class _Queue:
    """One holder at a time, first come first served; urgent waiters go before the others."""

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []  # a heap
        self._number = 0

    @asynccontextmanager
    async def turn(self, *, is_urgent: bool = False) -> AsyncIterator[None]:
        if self._is_taken:
            await self._wait(is_urgent)
        self._is_taken = True
        try:
            yield
        finally:
            self._is_taken = False
            self._wake_next()

    async def _wait(self, is_urgent: bool) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        heappush(self._waiting, (not is_urgent, self._number, woken))
        try:
            await woken
        except asyncio.CancelledError:
            if woken.done() and not woken.cancelled():  # it had just become our turn
                self._is_taken = False
                self._wake_next()
            raise

    def _wake_next(self) -> None:
        while self._waiting:
            *_, woken = heappop(self._waiting)
            if not woken.done():
                self._is_taken = True  # until the woken task runs, no other one gets in between
                woken.set_result(None)
                return


def _is_locked(fault: OperationalError) -> bool:
    return getattr(fault.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


class _DirectTransaction:
    """A transaction whose statements run on the event loop instead of in a driver's thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        return self._connection.dialect

    async def execute(self, statement: Executable, parameters: Any = None) -> Rows:
        return self._connection.execute(statement, parameters)

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        return (await self.execute(statement, parameters)).scalar()

    async def scalars(self, statement: Executable, parameters: Any = None) -> ScalarResult[Any]:
        return (await self.execute(statement, parameters)).scalars()

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> Rows:
        return self._connection.exec_driver_sql(statement, parameters)

    async def run_sync(self, work: Callable[[Connection], T]) -> T:
        return work(self._connection)


class _ThreadedTransaction(_DirectTransaction):
    """The same, running each statement in the writer's thread: only the caller waits for it."""

    def __init__(self, connection: Connection, run_in_thread: RunInThread) -> None:
        super().__init__(connection)
        self._run_in_thread = run_in_thread

    async def execute(self, statement: Executable, parameters: Any = None) -> Rows:
        return await self._run_in_thread(partial(self._connection.execute, statement, parameters))
