"""Record what becomes of a claimed delivery: sent, refused, dropped, or to be tried again, and when."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum

from bot.delivery.results import ResultWriter
from storage.database import Database
from storage.people import refusals
from storage.queue import outbox, tuning
from storage.queue.outbox import Delivery, DeliveryKind, DeliveryState, FinishedDelivery, PostponedDelivery


class SendOutcome(Enum):
    """The outcome of an attempt, as far as it concerns the later deliveries to the same recipient."""

    FINISHED = "finished"  # sent, dropped, refused or in doubt: the next delivery may start
    WAITING = "waiting"  # it is retried later, or its result was not recorded: later ones must not overtake it
    UNREACHABLE = "unreachable"  # the recipient cannot be written to: later ones are dropped


class DeliveryOutcomes:
    """Records the outcomes of one process's deliveries. All methods raise DatabaseUnavailable."""

    def __init__(self, database: Database, results: ResultWriter, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._results = results
        self._clock = clock

    async def release(self, delivery: Delivery) -> SendOutcome:
        """Release the claim of a delivery that was not tried; a newer claim by another worker is left alone."""
        await self._results.record(PostponedDelivery(delivery.id, None, is_attempt=False))
        return SendOutcome.WAITING

    async def postpone(self, delivery: Delivery, seconds: float, fault: str, *, is_attempt: bool = True) -> SendOutcome:
        """Let it wait for some seconds; `is_attempt`: whether the claim counts as an attempt."""
        until = self._clock() + timedelta(seconds=seconds)
        return await self.wait_until(delivery, until, fault, is_attempt=is_attempt)

    async def wait_until(
        self, delivery: Delivery, until: datetime, fault: str, *, is_attempt: bool = True
    ) -> SendOutcome:
        """Let it wait until a moment."""
        await self._results.record(PostponedDelivery(delivery.id, until, fault, is_attempt=is_attempt))
        return SendOutcome.WAITING

    async def retry_recipient(self, delivery: Delivery) -> SendOutcome:
        """Count the refusal, and let the delivery wait for the recipient's next try, if its deadline allows one."""
        async with self._database.write() as tx:
            series = await refusals.count(tx, delivery.channel, delivery.address, self._clock())
        if series is None:
            return await self.drop_recipient(delivery)
        until = series.retry_at
        if delivery.deadline is not None:
            until = min(until, delivery.deadline - timedelta(seconds=tuning.LAST_TRY))
        if delivery.kind is DeliveryKind.PROMPT or until <= self._clock():
            return await self.finish(delivery, DeliveryState.DROPPED, fault=refusals.NOT_REACHED)
        return await self.wait_until(delivery, until, refusals.NOT_REACHED)

    async def drop_recipient(self, delivery: Delivery) -> SendOutcome:
        """Drop it, and all that waits for a recipient who cannot be written to."""
        now = self._clock()
        async with self._database.write() as tx:
            await outbox.drop_unreachable(tx, delivery.channel, delivery.address, now)
        await self.finish(delivery, DeliveryState.DROPPED, fault="blocked")
        return SendOutcome.UNREACHABLE

    async def finish(self, delivery: Delivery, state: DeliveryState, *, ref: str = "", fault: str = "") -> SendOutcome:
        """Record that it has ended."""
        await self._results.record(FinishedDelivery(delivery.id, state, ref, fault))
        return SendOutcome.FINISHED
