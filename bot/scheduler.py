"""The clock: says when it is time to plan prompts, ring for news, forget what is old, count what is over; no more."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from content.library import Library
from handlers import daily, doorbell
from handlers.visit import House
from storage import joining, kept, officers, pruning
from storage.database import Database, DatabaseUnavailable

BEAT = 20.0  # seconds between two looks at the clock, and to whether the database is back
CHUNK = 10  # prompts planned in one transaction: whoever presses or leaves at its moment waits for it
SLOT = timedelta(minutes=15)  # all begins with one; notices leave together, so that their moment tells nothing
REPEATED = timedelta(days=8)  # no platform repeats an update for longer (WhatsApp: up to 7 days)
KEPT = timedelta(days=8)  # how long an ended delivery is kept for statuses and questions

log = structlog.get_logger()


class Scheduler:
    """One clock of this process; several do no harm, as every occasion has its unique key."""

    def __init__(
        self,
        database: Database,
        library: Library,
        house: House,
        clock: Callable[[], datetime],
        spoken: Callable[[], None],
    ) -> None:
        self._database = database
        self._library = library
        self._house = house
        self._clock = clock
        self._spoken = spoken

    async def run(self) -> None:
        """Until cancelled. A database that is away is waited for."""
        slot: datetime | None = None
        is_behind = False
        while True:
            now = self._clock()
            try:
                if slot != (current := _slot(now)):
                    await self.plan(now)
                    await self.ring(now)
                    await self.forget(now)
                    slot, is_behind = current, True
                if is_behind:  # one at a time: prompts do not wait for a long past
                    is_behind = await self.fold(now)
            except DatabaseUnavailable as fault:
                log.warning("scheduler_waits", fault=str(fault))
            await asyncio.sleep(BEAT)

    async def tick(self, now: datetime) -> int:
        """All that is due at `now`, once; give how many prompts were planned. Raises DatabaseUnavailable."""
        planned = await self.plan(now)
        await self.ring(now)
        await self.forget(now)
        while await self.fold(now):
            pass
        return planned

    async def plan(self, now: datetime) -> int:
        """All prompts that are due, in portions of their own transactions: a start after a crash goes on."""
        count, last = 0, 0
        while True:
            async with self._database.write(is_long=True) as tx:  # who is due may take a while to find
                portion = await daily.plan_portion(tx, self._library, self._house, now, CHUNK, last)
            count += portion.count
            if portion.count:
                self._spoken()
            if portion.last is None:
                return count
            last = portion.last

    async def ring(self, now: datetime) -> None:
        async with self._database.write() as tx:
            rung = await doorbell.ring(tx, self._library, self._house, now)
        if rung:
            self._spoken()

    async def forget(self, now: datetime) -> None:
        for some, before in ((pruning.some_updates, now - REPEATED), (pruning.some_deliveries, now - KEPT)):
            last: int | None = 0
            while last is not None:
                async with self._database.write() as tx:
                    last = await some(tx, before, last)
        async with self._database.write() as tx:
            await officers.sweep(tx, now)
            await joining.sweep(tx, now)
        await self._database.merge_log()

    async def fold(self, now: datetime) -> bool:
        """Count the next day that is over, in a transaction of its own; False: there is none."""
        async with self._database.write(is_long=True) as tx:
            return await kept.fold(tx, now.astimezone(self._house.timezone)) is not None


def _slot(now: datetime) -> datetime:
    return now - timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond)
