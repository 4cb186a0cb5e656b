"""The clock: says when it is time to plan prompts, ring for news, forget what is old, count what is over; no more."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from content.library import Library
from handlers.casework import news
from handlers.context import Installation
from handlers.learning import daily
from storage import notifications
from storage.advisory_locks import Lock
from storage.confidential import officers
from storage.database import Database, DatabaseUnavailable
from storage.people import linking
from storage.people.due import DueGroup
from storage.queue import retention
from storage.reports import aggregates

BEAT = 20.0  # seconds between two looks at the clock, and to whether the database is back
CHUNK = 25  # prompts planned in one transaction, some 7 ms: whoever presses or leaves at its moment waits for it ...
REST = 0.005  # ... and seconds until the next one, in which all who waited have their turn
PUT_OFF = 250  # people who are put off in one transaction
PAUSE = 1.0  # seconds between two looks whether another process has planned
SLOT = 15  # minutes; all begins with one; notices leave together, so that their moment tells nothing
REPEATED = timedelta(days=8)  # no platform repeats an update for longer (WhatsApp: up to 7 days)
KEPT = timedelta(days=8)  # how long an ended delivery is kept for statuses and questions

log = structlog.get_logger()


class Scheduler:
    """One clock of this process; several do no harm, as every occasion has its unique key."""

    def __init__(
        self,
        database: Database,
        library: Library,
        installation: Installation,
        clock: Callable[[], datetime],
        spoken: Callable[[], None],
    ) -> None:
        self._database = database
        self._library = library
        self._house = installation
        self._clock = clock
        self._spoken = spoken

    async def run(self) -> None:
        """Until cancelled. A database that is away is waited for."""
        planned: datetime | None = None  # the last slot whose prompts are planned, by us or before our eyes
        slot: datetime | None = None
        is_behind = False
        while True:
            now = self._clock()
            try:
                current = _slot(now)
                if planned != current and await self.plan(now) is not None:
                    planned = current
                if slot != current:
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
        while planned is None:
            await asyncio.sleep(PAUSE)
            planned = await self.plan(now)
        await self.ring(now)
        await self.forget(now)
        while await self.fold(now):
            pass
        return planned

    async def plan(self, now: datetime) -> int | None:
        """All prompts that are due, in portions of their own transactions: a start after a crash goes on.

        Give how many; None: another process is planning. Should it die, whoever looks next goes on.
        """
        async with notifications.right(self._database, Lock.PLANNING) as right:
            if right is None:
                return None
            async with right.look() as tx:
                groups = await daily.find_due(tx, self._library, self._house, now)
            count = 0
            for portion in (one for group in groups for one in group.portions(CHUNK)):
                await right.keep()
                count += await self._ask(portion, now)
                await asyncio.sleep(REST)
            await self._put_off(right, now)
            return count

    async def _ask(self, portion: DueGroup, now: datetime) -> int:
        async with self._database.write() as tx:
            count = await daily.plan_prompts(tx, self._library, self._house, now, portion)
        if count:
            self._spoken()
        return count

    async def _put_off(self, right: notifications.Right, now: datetime) -> None:
        async with right.look() as tx:
            groups = await daily.find_unplanned(tx, self._house, now)
        for portion in (one for group in groups for one in group.portions(PUT_OFF)):
            await right.keep()
            async with self._database.write() as tx:
                await daily.defer(tx, self._house, now, portion)

    async def ring(self, now: datetime) -> None:
        async with self._database.write() as tx:
            rung = await news.notify_askers(tx, self._library, self._house, now)
        if rung:
            self._spoken()

    async def forget(self, now: datetime) -> None:
        for some, before in ((retention.some_updates, now - REPEATED), (retention.some_deliveries, now - KEPT)):
            last: int | None = 0
            while last is not None:
                async with self._database.write() as tx:
                    last = await some(tx, before, last)
        async with self._database.write() as tx:
            await officers.sweep(tx, now)
            await linking.sweep(tx, now)
        await self._database.merge_log()

    async def fold(self, now: datetime) -> bool:
        """Count the next day that is over, in a transaction of its own; False: there is none."""
        async with self._database.write(is_long=True) as tx:
            return await aggregates.fold(tx, now.astimezone(self._house.timezone)) is not None


def _slot(now: datetime) -> datetime:
    return now - timedelta(minutes=now.minute % SLOT, seconds=now.second, microseconds=now.microsecond)
