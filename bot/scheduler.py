"""Run what is due by the clock: plan prompts, announce news, delete expired rows, close the week's numbers."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from content.library import Library
from handlers.administration import closing
from handlers.context import Installation, WorkContext
from handlers.learning import daily
from storage import advisory_locks
from storage.advisory_locks import Lock
from storage.confidential import custody, link_counts, officers, routes
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.people import linking, refusals
from storage.people.due import DueGroup
from storage.queue import retention, wrong_clock

INTERVAL = 20.0  # seconds between two looks at the clock, and between two tries while the database is unavailable
PLAN_BATCH = 25  # prompts planned in one transaction, some 7 ms: an update that arrives at that moment waits for it
PLAN_PAUSE = 0.005  # seconds between two such transactions, in which all other waiting writers have their turn
DEFER_BATCH = 250  # servants deferred in one transaction
LOCK_RETRY = 1.0  # seconds between two tries to plan while another process plans
PERIOD_MINUTES = 15  # all work is due at the start of a period; news are announced together, in random order

log = structlog.get_logger()


class Scheduler:
    """The scheduler of one process; several do no harm, as every prompt and delivery has its unique key."""

    def __init__(
        self,
        database: Database,
        library: Library,
        installation: Installation,
        clock: Callable[[], datetime],
        wake_dispatcher: Callable[[], None],
        announce_news: Callable[[], None],
    ) -> None:
        self._database = database
        self._library = library
        self._installation = installation
        self._clock = clock
        self._wake_dispatcher = wake_dispatcher
        self._announce_news = announce_news

    async def run(self) -> None:
        """Run what is due until cancelled; while the database is unavailable, retry."""
        planned_period: datetime | None = None  # the last one whose prompts are planned, as far as this process knows
        announced_period: datetime | None = None  # the last one whose news are announced, or wait for the next
        cleaned_period: datetime | None = None  # the last one in which expired rows are deleted
        while True:
            now = self._clock()
            try:
                current = _period_start(now)
                if announced_period != current:
                    self._announce_news()
                    announced_period = current
                if planned_period != current:
                    await self.mend(now)
                    if await self.plan(now) is not None:
                        planned_period = current
                if cleaned_period != current:
                    await self.delete_expired(now)
                    await self.close_week(now)
                    cleaned_period = current
            except DatabaseUnavailable as error:
                log.warning("scheduler_database_unavailable", fault=str(error))
            await asyncio.sleep(INTERVAL)

    async def tick(self, now: datetime) -> int:
        """Run all that is due at `now` once; return how many prompts were planned. Raises DatabaseUnavailable."""
        await self.mend(now)
        planned = await self.plan(now)
        while planned is None:
            await asyncio.sleep(LOCK_RETRY)
            planned = await self.plan(now)
        self._announce_news()
        await self.delete_expired(now)
        await self.close_week(now)
        return planned

    async def mend(self, now: datetime) -> None:
        """Undo what a clock that was ahead has left, and end the refusals of people who were reached since."""
        async with self._database.write() as tx:
            withdrawn = await daily.withdraw_later_days(self._work(tx, now))
            await wrong_clock.release_far(tx, now)
            await refusals.clear_reached(tx, now)
        if withdrawn:
            log.warning("prompts_of_later_days_withdrawn", count=withdrawn)

    async def plan(self, now: datetime) -> int | None:
        """Plan all prompts that are due, in batches with a transaction each, so that a restart after a crash resumes.

        Returns how many; None: another process is planning. If that one dies, the next call of any process resumes.
        """
        async with advisory_locks.try_acquire(self._database, Lock.PLANNING) as lock:
            if lock is None:
                return None
            async with lock.read() as tx:
                groups = await daily.find_due(self._work(tx, now))
            count = 0
            for batch in (batch for group in groups for batch in group.batches(PLAN_BATCH)):
                await lock.keep_alive()
                count += await self._plan_batch(batch, now)
                await asyncio.sleep(PLAN_PAUSE)
            await self._defer_unplanned(lock, now)
            return count

    async def _plan_batch(self, batch: DueGroup, now: datetime) -> int:
        async with self._database.write() as tx:
            count = await daily.plan_prompts(self._work(tx, now), batch)
        if count:
            self._wake_dispatcher()
        return count

    async def _defer_unplanned(self, lock: advisory_locks.HeldLock, now: datetime) -> None:
        async with lock.read() as tx:
            groups = await daily.find_unplanned(self._work(tx, now))
        for batch in (batch for group in groups for batch in group.batches(DEFER_BATCH)):
            await lock.keep_alive()
            async with self._database.write() as tx:
                await daily.defer(self._work(tx, now), batch)

    async def delete_expired(self, now: datetime) -> None:
        """Delete updates and deliveries after their retention, sent replies, and expired rows of officers and links."""
        for delete_some, before in (
            (retention.delete_updates_set_aside, now - retention.UPDATE_RETENTION),
            (retention.delete_ended_deliveries, now - retention.DELIVERY_RETENTION),
        ):
            last: int | None = 0
            while last is not None:
                async with self._database.write() as tx:
                    last = await delete_some(tx, before, last)
        are_left = True
        while are_left:
            async with self._database.write() as tx:
                are_left = await retention.delete_keys_of_updates(tx, now - retention.UPDATE_RETENTION)
        are_left = True
        while are_left:
            async with self._database.write() as tx:
                are_left = await retention.delete_sent_replies(tx)
        async with self._database.write() as tx:
            await officers.delete_expired(tx, now)
            await custody.delete_expired(tx, now)
            await routes.delete_expired(tx, now, self._work(tx, now).today)
            await link_counts.delete_before(tx, self._work(tx, now).today)
            await linking.delete_expired_codes(tx, now)
        await self._database.checkpoint_wal()

    async def close_week(self, now: datetime) -> None:
        """Count what waits into blocks, in one transaction, if a week is over since that was done last."""
        async with self._database.read() as tx:
            if not await closing.is_due(self._work(tx, now)):
                return
        async with self._database.write(is_long=True) as tx:
            number = await closing.close_week(self._work(tx, now))
        if number is not None:
            log.info("week_closed", closing=number)

    def _work(self, tx: Transaction, now: datetime) -> WorkContext:
        return WorkContext(tx, self._library, self._installation, now)


def _period_start(now: datetime) -> datetime:
    return now - timedelta(minutes=now.minute % PERIOD_MINUTES, seconds=now.second, microseconds=now.microsecond)
