"""Write batching: items that arrive while a write is in progress share the next transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from storage.database import Database, DatabaseUnavailable, Transaction

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How many times an item is tried while the database is unavailable, and `delay`, seconds between two tries."""

    attempts: int = 1
    delay: float = 0.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a batcher writes.

    `interval`: least seconds between two writes, so that more items share one; an item that arrives after a longer
    pause is written at once. `is_urgent`: write before other waiting writers. `is_single`: each write is a single
    statement.
    """

    interval: float = 0.0
    is_urgent: bool = False
    is_single: bool = False


@dataclass(slots=True)
class _PendingItem(Generic[Item, Result]):
    """An item whose caller waits until it is written; the caller may have been cancelled meanwhile."""

    item: Item
    done: "asyncio.Future[Result]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    attempts: int = 0  # tries that failed because the database was unavailable

    def succeed(self, result: Result) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Batcher(Generic[Item, Result]):
    """One writer for many callers: `write` gets a transaction and items, and returns one result per item, in order.

    An item that cannot be written never fails the others: after an error each item is written in its own transaction.
    """

    def __init__(
        self,
        database: Database,
        write: Callable[[Transaction, Sequence[Item]], Awaitable[Sequence[Result]]],
        retry_policy: RetryPolicy = RetryPolicy(),
        options: BatchOptions = BatchOptions(),
    ) -> None:
        self._database = database
        self._write = write
        self._retry_policy = retry_policy
        self._options = options
        self._next_write_at = 0.0  # by the loop's clock
        self._pending: list[_PendingItem[Item, Result]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """Write an item; it is durable once this returns.

        Raises DatabaseUnavailable after the last try, and whatever `write` raises for this item.
        """
        pending: _PendingItem[Item, Result] = _PendingItem(item)
        self._pending.append(pending)
        if self._task is None:
            self._task = asyncio.create_task(self._write_until_empty())
        return await pending.done

    async def _write_until_empty(self) -> None:
        now = asyncio.get_running_loop().time
        try:
            while self._pending:
                if (wait := self._next_write_at - now()) > 0:
                    await asyncio.sleep(wait)
                await self._write_batch()
                self._next_write_at = now() + self._options.interval
        finally:
            self._task = None

    async def _write_batch(self) -> None:
        batch: list[_PendingItem[Item, Result]] = []
        try:
            async with self._transaction() as tx:
                batch = self._take_pending()  # includes items that arrived while we waited for the transaction
                results = await self._write(tx, [pending.item for pending in batch])
        except DatabaseUnavailable as error:
            await self._retry([*batch, *self._take_pending()], error)
        except Exception as error:
            # An empty batch means that the transaction did not begin: nothing was taken yet.
            await self._write_individually(batch or self._take_pending(), error)
        else:
            for pending, result in zip(batch, results, strict=True):
                pending.succeed(result)

    def _transaction(self) -> AbstractAsyncContextManager[Transaction]:
        begin = self._database.write_statement if self._options.is_single else self._database.write
        return begin(is_urgent=self._options.is_urgent)

    def _take_pending(self) -> list[_PendingItem[Item, Result]]:
        taken, self._pending = self._pending, []
        return taken

    async def _write_individually(self, batch: Sequence[_PendingItem[Item, Result]], error: Exception) -> None:
        if len(batch) == 1:
            batch[0].fail(error)
            return
        for index, pending in enumerate(batch):
            try:
                async with self._transaction() as tx:
                    (result,) = await self._write(tx, [pending.item])
            except DatabaseUnavailable as unavailable:
                await self._retry(batch[index:], unavailable)
                return
            except Exception as own_fault:
                pending.fail(own_fault)
            else:
                pending.succeed(result)

    async def _retry(self, unwritten: Sequence[_PendingItem[Item, Result]], error: DatabaseUnavailable) -> None:
        """Queue items again, ahead of newer ones; fail those that have had all attempts of the retry policy."""
        retried = []
        for pending in unwritten:
            pending.attempts += 1
            if pending.attempts < self._retry_policy.attempts:
                retried.append(pending)
            else:
                pending.fail(error)
        if retried:
            self._pending = retried + self._pending
            await self._retry_policy.sleep(self._retry_policy.delay)
