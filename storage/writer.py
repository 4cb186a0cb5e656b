"""SQLite's one writer: statements run here and now; what may wait, for the lock or for the disk, waits in a thread.

A look-up by an index takes SQLite some microseconds, and a way to another thread and back many times that. So the
statements of a transaction run on the event loop's own thread, one after the other, and only its beginning (another
process may hold the file) and its end (the disk) leave the loop free for others.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, RootTransaction
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")


class Writer:
    """Transactions one after the other: writers of this process queue here, so that none waits for the file's lock."""

    def __init__(self, engine: Engine, readers: AsyncEngine) -> None:
        self.engine = engine
        self._readers = readers
        self._queue = _Queue()
        self._thread = ThreadPoolExecutor(1, "sqlite-writer")

    @asynccontextmanager
    async def transaction(self, *, is_urgent: bool = False) -> AsyncIterator[AsyncConnection]:
        """Commits at the end, or rolls back when anything is raised; the lock of the file is held from the start."""
        async with self._queue.turn(is_urgent=is_urgent):
            connection = await self._apart(self._begin)
            try:
                yield _AtOnce(self._readers, connection)
            except BaseException:
                await self._apart(lambda: _end(connection, is_good=False))
                raise
            await self._apart(lambda: _end(connection, is_good=True))

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Nobody of this process writes meanwhile."""
        async with self._queue.turn():
            yield

    async def close(self) -> None:
        await self._apart(self.engine.dispose)
        self._thread.shutdown()

    def _begin(self) -> Connection:
        connection = self.engine.connect()
        try:
            connection.begin()
        except BaseException:
            connection.close()
            raise
        return connection

    async def _apart(self, work: Callable[[], T]) -> T:
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
            if not going.cancelled() and going.exception() is None and isinstance(left := going.result(), Connection):
                _end(left, is_good=False)  # nobody will use it
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


def _end(connection: Connection, *, is_good: bool) -> None:
    try:
        transaction = connection.get_transaction()
        if transaction is None:
            return
        if is_good:
            _commit(transaction)
        else:
            transaction.rollback()
    finally:
        connection.close()  # rolls back what could not be committed


def _commit(transaction: RootTransaction) -> None:
    try:
        transaction.commit()
    except BaseException:
        transaction.rollback()  # or SQLAlchemy takes it for over when it closes, and the file stays locked for ever
        raise


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
