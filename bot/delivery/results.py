"""Notes what became of deliveries: whatever is over while the last note is written goes into the next one together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from bot.batching import Batcher, BatchOptions, RetryPolicy
from storage.database import Database, Transaction
from storage.queue import outbox
from storage.queue.outbox import FinishedDelivery, PostponedDelivery

PAUSE = 1.0  # seconds between two tries to note something ...
REST = 0.01  # seconds between two notes; what dies meanwhile is said twice
TRIES = 30  # ... which end before the lease does


class ResultWriter:
    """One writer for all that a process sends. A note is durable once `note` returns.

    What the platform took must be noted, or it is sent again: a database that is away is waited for, as long as the
    lease lasts.
    """

    def __init__(
        self,
        database: Database,
        worker: str,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._worker = worker
        self._clock = clock
        self._gathering = Batcher(database, self._write, RetryPolicy(TRIES, PAUSE, sleep), BatchOptions(rest=REST))

    async def note(self, what: FinishedDelivery | PostponedDelivery) -> None:
        """Raises DatabaseUnavailable: then the lease gives the delivery back."""
        await self._gathering.add(what)

    async def _write(self, tx: Transaction, notes: Sequence[FinishedDelivery | PostponedDelivery]) -> Sequence[None]:
        endings = [one for one in notes if isinstance(one, FinishedDelivery)]
        returns = [one for one in notes if isinstance(one, PostponedDelivery)]
        await outbox.finish_all(tx, self._worker, endings, self._clock())
        await outbox.postpone_all(tx, self._worker, returns)
        return [None] * len(notes)
