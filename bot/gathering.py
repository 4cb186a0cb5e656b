"""Writes together what came while the last write was going on: one transaction for many."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from storage.database import Database, DatabaseUnavailable, Transaction

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a database that is away is tried, with so many seconds between two tries."""

    tries: int = 1
    pause: float = 0.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Manner:
    """`rest` is how many seconds pass between two writes, so that more of what comes shares one; whatever comes after
    a longer silence is written at once. `is_urgent`: before whoever else waits to write."""

    rest: float = 0.0
    is_urgent: bool = False


class Gathering(Generic[Item, Result]):
    """One writer for many: `write` gets a transaction and items, and gives a result for each, in their order.

    An item that cannot be written never takes the others down with it: then each is written by itself.
    """

    def __init__(
        self,
        database: Database,
        write: Callable[[Transaction, Sequence[Item]], Awaitable[Sequence[Result]]],
        patience: Patience = Patience(),
        manner: Manner = Manner(),
    ) -> None:
        self._database = database
        self._write = write
        self._patience = patience
        self._manner = manner
        self._rested_at = 0.0  # by the loop's clock
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._going: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """Durable once it returns. Raises DatabaseUnavailable, and whatever `write` raises for this item."""
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._going is None:
            self._going = asyncio.create_task(self._go())
        return await done

    async def _go(self) -> None:
        tried = 0
        now = asyncio.get_running_loop().time
        try:
            while self._waiting:
                if (rest := self._rested_at - now()) > 0:
                    await asyncio.sleep(rest)
                taken: list[tuple[Item, asyncio.Future[Result]]] = []
                try:
                    async with self._database.write(is_urgent=self._manner.is_urgent) as tx:
                        taken = self._take()  # also what came while we waited for the transaction
                        results = await self._write(tx, [item for item, _ in taken])
                except DatabaseUnavailable as fault:
                    tried += 1
                    self._waiting = taken + self._waiting
                    if tried < self._patience.tries:
                        await self._patience.sleep(self._patience.pause)
                    else:
                        tried = 0
                        _tell(self._take(), fault)
                except Exception as fault:
                    await self._each_alone(taken, fault)
                else:
                    tried = 0
                    for (_, done), result in zip(taken, results, strict=True):
                        if not done.done():  # whoever waited may have been cancelled
                            done.set_result(result)
                self._rested_at = now() + self._manner.rest
        finally:
            self._going = None

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        taken, self._waiting = self._waiting, []
        return taken

    async def _each_alone(self, taken: list[tuple[Item, asyncio.Future[Result]]], fault: Exception) -> None:
        if len(taken) == 1:
            _tell(taken, fault)
            return
        for item, done in taken:
            try:
                async with self._database.write() as tx:
                    (result,) = await self._write(tx, [item])
            except Exception as own:
                _tell([(item, done)], own)
            else:
                if not done.done():
                    done.set_result(result)


def _tell(taken: Sequence[tuple[Item, "asyncio.Future[Result]"]], fault: Exception) -> None:
    for _, done in taken:
        if not done.done():
            done.set_exception(fault)
