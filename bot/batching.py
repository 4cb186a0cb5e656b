"""Writes together what came while the last write was going on: one transaction for many."""

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
    """How often a database that is away is tried, with so many seconds between two tries."""

    tries: int = 1
    pause: float = 0.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """`rest` is how many seconds pass between two writes, so that more of what comes shares one; whatever comes after
    a longer silence is written at once. `is_urgent`: before whoever else waits to write. `is_single`: each write is a
    single statement."""

    rest: float = 0.0
    is_urgent: bool = False
    is_single: bool = False


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    """Somebody waits until their item is written; they may have been cancelled."""

    item: Item
    done: "asyncio.Future[Result]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    tried: int = 0  # how often the database was away

    def give(self, result: Result) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, fault: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(fault)


class Batcher(Generic[Item, Result]):
    """One writer for many: `write` gets a transaction and items, and gives a result for each, in their order.

    An item that cannot be written never takes the others down with it: then each is written by itself.
    """

    def __init__(
        self,
        database: Database,
        write: Callable[[Transaction, Sequence[Item]], Awaitable[Sequence[Result]]],
        patience: RetryPolicy = RetryPolicy(),
        options: BatchOptions = BatchOptions(),
    ) -> None:
        self._database = database
        self._write = write
        self._patience = patience
        self._options = options
        self._rested_at = 0.0  # by the loop's clock
        self._waiting: list[_Waiting[Item, Result]] = []
        self._going: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """Durable once it returns. Raises DatabaseUnavailable, and whatever `write` raises for this item."""
        one: _Waiting[Item, Result] = _Waiting(item)
        self._waiting.append(one)
        if self._going is None:
            self._going = asyncio.create_task(self._go())
        return await one.done

    async def _go(self) -> None:
        now = asyncio.get_running_loop().time
        try:
            while self._waiting:
                if (rest := self._rested_at - now()) > 0:
                    await asyncio.sleep(rest)
                await self._together()
                self._rested_at = now() + self._options.rest
        finally:
            self._going = None

    async def _together(self) -> None:
        taken: list[_Waiting[Item, Result]] = []
        try:
            async with self._transaction() as tx:
                taken = self._take()  # also what came while we waited for the transaction
                results = await self._write(tx, [one.item for one in taken])
        except DatabaseUnavailable as fault:
            await self._put_off([*taken, *self._take()], fault)
        except Exception as fault:
            await self._each_alone(taken or self._take(), fault)  # none was taken: not even the transaction began
        else:
            for one, result in zip(taken, results, strict=True):
                one.give(result)

    def _transaction(self) -> AbstractAsyncContextManager[Transaction]:
        begin = self._database.write_statement if self._options.is_single else self._database.write
        return begin(is_urgent=self._options.is_urgent)

    def _take(self) -> list[_Waiting[Item, Result]]:
        taken, self._waiting = self._waiting, []
        return taken

    async def _each_alone(self, taken: Sequence[_Waiting[Item, Result]], fault: Exception) -> None:
        if len(taken) == 1:
            taken[0].fail(fault)
            return
        for place, one in enumerate(taken):
            try:
                async with self._transaction() as tx:
                    (result,) = await self._write(tx, [one.item])
            except DatabaseUnavailable as away:
                await self._put_off(taken[place:], away)
                return
            except Exception as own:
                one.fail(own)
            else:
                one.give(result)

    async def _put_off(self, missed: Sequence[_Waiting[Item, Result]], fault: DatabaseUnavailable) -> None:
        """They are tried again, each as often as we have patience."""
        again = []
        for one in missed:
            one.tried += 1
            if one.tried < self._patience.tries:
                again.append(one)
            else:
                one.fail(fault)
        if again:
            self._waiting = again + self._waiting
            await self._patience.sleep(self._patience.pause)
