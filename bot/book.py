"""Notes what became of deliveries: whatever ended while the last note was written goes into the next one together."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from storage import outbox
from storage.database import Database, DatabaseUnavailable
from storage.outbox import Ending

PAUSE = 1.0  # seconds between two tries to note something ...
TRIES = 30  # ... which end before the lease does


class Book:
    """One writer for all that a process sends. A note is durable once `end` returns."""

    def __init__(
        self,
        database: Database,
        worker: str,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._sleep = sleep
        self._worker = worker
        self._clock = clock
        self._waiting: list[tuple[Ending, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def end(self, ending: Ending) -> None:
        """Raises DatabaseUnavailable: then the lease gives the delivery back."""
        noted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ending, noted))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await noted

    async def _write(self) -> None:
        try:
            while self._waiting:
                taken, self._waiting = self._waiting, []
                fault = await self._note([ending for ending, _ in taken])
                for _, noted in taken:
                    if noted.done():
                        continue
                    if fault is None:
                        noted.set_result(None)
                    else:
                        noted.set_exception(fault)
        finally:
            self._writing = None

    async def _note(self, endings: list[Ending]) -> Exception | None:
        """What the platform took must be noted, or it is sent again: a database that is away is waited for, as long as
        the lease lasts. What else goes wrong is given to whoever waits."""
        for _ in range(TRIES):
            try:
                async with self._database.write() as tx:
                    await outbox.end_all(tx, self._worker, endings, self._clock())
            except DatabaseUnavailable as fault:
                failure: Exception = fault
                await self._sleep(PAUSE)
            except Exception as fault:
                return fault
            else:
                return None
        return failure
