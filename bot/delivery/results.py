"""Record the results of deliveries in batches: results that arrive while one batch is written share the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from bot.batching import Batcher, BatchOptions, RetryPolicy
from storage.database import Database, Transaction
from storage.queue import outbox, tuning
from storage.queue.outbox import FinishedDelivery, PostponedDelivery


class ResultWriter:
    """One writer for all deliveries of a process. A result is durable once `record` returns.

    A message that the platform accepted must be recorded, or it is sent again: while the database is unavailable,
    writes are retried for as long as the lease lasts.
    """

    def __init__(
        self,
        database: Database,
        worker_id: str,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._worker_id = worker_id
        self._clock = clock
        retry_policy = RetryPolicy(tuning.RESULT_ATTEMPTS, tuning.RESULT_RETRY, sleep)
        self._batcher = Batcher(database, self._write, retry_policy, BatchOptions(tuning.RESULT_INTERVAL))

    async def record(self, result: FinishedDelivery | PostponedDelivery) -> None:
        """Write a result with the next batch.

        Raises DatabaseUnavailable: then the delivery waits again when its lease expires.
        """
        await self._batcher.add(result)

    async def _write(self, tx: Transaction, results: Sequence[FinishedDelivery | PostponedDelivery]) -> Sequence[None]:
        finished = [result for result in results if isinstance(result, FinishedDelivery)]
        postponed = [result for result in results if isinstance(result, PostponedDelivery)]
        await outbox.finish_all(tx, self._worker_id, finished, self._clock())
        await outbox.postpone_all(tx, self._worker_id, postponed)
        return [None] * len(results)
