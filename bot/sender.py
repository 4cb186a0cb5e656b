"""Drains the outbox over all channels of this process: one lane each, one book of endings, one worker's name."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime

import structlog

from bot.book import Book
from bot.channels.channel import Channel
from bot.lane import Lane, Limits, Tools, new_worker
from storage import channels, outbox
from storage.database import Database, DatabaseUnavailable

LOOK = 2.0  # seconds between looks when nobody wakes us
GRACE = 10.0  # seconds that a stop waits for the platform's answer to what is just leaving

log = structlog.get_logger()


class Sender:
    """One worker of the outbox. `wake` is set whenever something may wait there."""

    def __init__(
        self,
        database: Database,
        roads: Mapping[str, Channel],
        limits: Mapping[str, Limits],
        clock: Callable[[], datetime],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        steady: Callable[[], float] = time.monotonic,
        paced_by: Callable[[], datetime] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._worker = new_worker()
        self._book = Book(database, self._worker, clock, sleep)
        tools = Tools(database, self._book, self._worker, clock, paced_by, sleep, steady)
        self._lanes = {name: Lane(channel, limits.get(name), tools) for name, channel in roads.items()}
        self.wake = asyncio.Event()

    @property
    def lanes(self) -> list[Lane]:
        """One a channel."""
        return list(self._lanes.values())

    async def run(self) -> None:
        """Until cancelled. A database that is away is waited for."""
        try:
            while True:
                self.wake.clear()
                try:
                    started = await self._start_all()
                except DatabaseUnavailable as fault:
                    log.warning("sender_waits", fault=str(fault))
                    started = 0
                if not started:
                    await self._pause()
        finally:
            await self._stop()

    async def _pause(self) -> None:
        """Until somebody wakes us, a delivery is over (the next to that person may leave), or it is time to look."""
        woken = asyncio.create_task(self.wake.wait())
        going = [task for lane in self.lanes for task in lane.going]
        await asyncio.wait([woken, *going], timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()

    async def _stop(self) -> None:
        """What the platform takes now is noted, or a prompt would leave twice; the rest is given back."""
        for lane in self.lanes:
            lane.abandon()
        going = [task for lane in self.lanes for task in lane.going]
        if going:
            await asyncio.wait(going, timeout=GRACE)
        try:
            async with self._database.write() as tx:
                await outbox.give_back(tx, self._worker)
        except DatabaseUnavailable as fault:  # the lease gives it back
            log.warning("sender_left_claims", fault=str(fault))

    async def drain(self) -> int:
        """Send all that is due now; give how many deliveries were tried. Raises DatabaseUnavailable."""
        count = 0
        while True:
            started = await self._start_all()
            count += started
            going = [task for lane in self.lanes for task in lane.going]
            if going:
                await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
            elif not started:
                return count

    async def _start_all(self) -> int:
        started = 0
        for lane in await self._with_work(self._lanes.values()):
            started += await lane.start()
        return started

    async def _with_work(self, lanes: Iterable[Lane]) -> list[Lane]:
        """Lanes that have room and something to send; an idle look takes no write lock."""
        roomy = [lane for lane in lanes if lane.room()]
        if not roomy:
            return []
        now = self._clock()
        async with self._database.read() as tx:
            stopped = await channels.stopped(tx)
            return [
                lane
                for lane in roomy
                if lane.channel.name not in stopped and await outbox.has_due(tx, lane.channel.name, now)
            ]

    async def stop(self, channel: str, reason: str) -> None:
        """A channel's credential or account is refused: it stands still until an administrator mends it."""
        await self._lanes[channel].stop(reason)

    async def resume(self, channel: str) -> None:
        """The platform takes us (again)."""
        async with self._database.write() as tx:
            await channels.clear(tx, channel, channels.STOPPED)
        self.wake.set()
