"""SQLite's one writer: statements run here and now, and so does all that takes no longer than the way to a thread.

A look-up by an index takes SQLite some microseconds, and a way to another thread and back many times that, while the
file stays locked. So the statements of a transaction run on the event loop's own thread. The end, which waits for the
disk, runs there too where the disk is quick, and else in a thread. For another process that writes the loop is not
kept: it looks again and again.
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

from sqlalchemy import Connection, CursorResult, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")
Apart = Callable[[Callable[[], CursorResult[Any]]], Awaitable[CursorResult[Any]]]

SLOW = 0.002  # seconds for the disk from which on the loop is not kept waiting
MEMORY = 8  # ends of which the last counts one part
AGAIN = 0.005  # seconds between two looks whether another process is done


class Writer:
    """Transactions one after the other: writers of this process queue here, so that none waits for the file's lock."""

    def __init__(self, engine: Engine, readers: AsyncEngine, patience: float) -> None:
        """`engine` gives up at once when another process writes, and is tried again for `patience` seconds."""
        self.engine = engine
        self._glances = engine.execution_options(readonly=True)
        self._readers = readers
        self._patience = patience
        self._queue = _Queue()
        self._thread = ThreadPoolExecutor(1, "sqlite-writer")
        self._disk = SLOW  # seconds that the end of a transaction lately took

    @asynccontextmanager
    async def transaction(self, *, is_urgent: bool, is_long: bool) -> AsyncIterator[AsyncConnection]:
        """Commits at the end, or rolls back when anything is raised; the lock of the file is held from the start.

        `is_long`: each statement may take its time, in the thread.
        """
        async with self._queue.turn(is_urgent=is_urgent):
            connection = await self._begin()
            try:
                yield _Apart(self._readers, connection, self.apart) if is_long else _AtOnce(self._readers, connection)
            except BaseException:
                connection.close()  # rolls back
                raise
            if is_long or self._disk >= SLOW:
                await self.apart(partial(self._commit, connection))
            else:
                self._commit(connection)
        await asyncio.sleep(0)  # whoever writes again and again lets others in between

    async def _begin(self) -> Connection:
        now = asyncio.get_running_loop().time
        give_up_at = now() + self._patience
        while True:
            try:
                return self._begun()
            except OperationalError as fault:
                if not _is_locked(fault) or now() >= give_up_at:
                    raise
            await asyncio.sleep(AGAIN)

    def _begun(self) -> Connection:
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
            transaction.rollback()  # or SQLAlchemy takes it for over when it closes, and the file stays locked for ever
            raise
        finally:
            connection.close()
        self._disk += (time.monotonic() - start - self._disk) / MEMORY

    @contextmanager
    def quick_read(self) -> Iterator[AsyncConnection]:
        """Reads here and now, on a connection of its own: in write-ahead mode no writer is in its way."""
        with self._glances.connect() as connection, connection.begin():
            yield _AtOnce(self._readers, connection)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Nobody of this process writes meanwhile."""
        async with self._queue.turn():
            yield

    async def close(self) -> None:
        await self.apart(self.engine.dispose)
        self._thread.shutdown()

    async def apart(self, work: Callable[[], T]) -> T:
        """The work in the writer's thread. It ends before this does: whoever is cancelled meanwhile waits for it."""
        going = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(going)
        except asyncio.CancelledError:
            while not going.done():
                try:
                    await asyncio.wait({going})
                except asyncio.CancelledError:
                    continue
            raise


class _Queue:
    """One at a time, in the order in which they came; whoever is in a hurry goes before those who are not."""

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
            self._call_next()

    async def _wait(self, is_urgent: bool) -> None:
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        heappush(self._waiting, (not is_urgent, self._number, called))
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():  # it was our turn just then
                self._is_taken = False
                self._call_next()
            raise

    def _call_next(self) -> None:
        while self._waiting:
            *_, called = heappop(self._waiting)
            if not called.done():
                self._is_taken = True  # until whoever was called goes on, nobody else comes in between
                called.set_result(None)
                return


def _is_locked(fault: OperationalError) -> bool:
    return getattr(fault.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


class _AtOnce(AsyncConnection):
    """A connection whose statements do not wait: SQLAlchemy's own, without the way to a driver's thread."""

    async def execute(
        self, statement: Any, parameters: Any = None, *, execution_options: Any = None
    ) -> CursorResult[Any]:
        return self.sync_connection.execute(statement, parameters, execution_options=execution_options)  # type: ignore[union-attr]

    async def exec_driver_sql(
        self, statement: str, parameters: Any = None, execution_options: Any = None
    ) -> CursorResult[Any]:
        return self.sync_connection.exec_driver_sql(statement, parameters, execution_options)  # type: ignore[union-attr]


class _Apart(_AtOnce):
    """The same with each statement in the writer's thread: nobody waits for it but whoever asked."""

    def __init__(self, engine: AsyncEngine, connection: Connection, apart: Apart) -> None:
        super().__init__(engine, connection)
        self._apart = apart

    async def execute(
        self, statement: Any, parameters: Any = None, *, execution_options: Any = None
    ) -> CursorResult[Any]:
        run = partial(self.sync_connection.execute, statement, parameters, execution_options=execution_options)  # type: ignore[union-attr]
        return await self._apart(run)
