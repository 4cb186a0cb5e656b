"""Notes what became of deliveries: whatever ended while the last note was written goes into the next one together."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from storage import outbox
from storage.database import Database
from storage.outbox import Ending


class Book:
    """One writer for all that a process sends. A note is durable once `end` returns."""

    def __init__(self, database: Database, worker: str, clock: Callable[[], datetime]) -> None:
        self._database = database
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
                try:
                    async with self._database.write() as tx:
                        await outbox.end_all(tx, self._worker, [ending for ending, _ in taken], self._clock())
                except Exception as fault:  # whoever waits for its note is told, whatever it was
                    for _, noted in taken:
                        if not noted.done():
                            noted.set_exception(fault)
                    continue
                for _, noted in taken:
                    if not noted.done():
                        noted.set_result(None)
        finally:
            self._writing = None
