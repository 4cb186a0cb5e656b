"""Drains the outbox over all channels of this process: one lane each, one book of endings, one worker's name."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from bot.channels.channel import Channel
from bot.delivery.channel_sender import ChannelSender, new_worker
from bot.delivery.rate_limiter import DeliveryServices, Limits
from bot.delivery.results import ResultWriter
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import claims, outbox, rate_limits

REST = 0.01  # seconds between two claims, so that they are not too small
LOOK = 2.0  # seconds between looks when nobody wakes us
GRACE = 10.0  # seconds that a stop waits for the platform's answer to what is just leaving

log = structlog.get_logger()


class Dispatcher:
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
        self._paced_by = paced_by
        self._worker = new_worker()
        self._book = ResultWriter(database, self._worker, clock, sleep)
        self.wake = asyncio.Event()
        self._is_told = False  # that some process met a refusal, and we have not looked yet
        tools = DeliveryServices(database, self._book, self._worker, clock, paced_by, sleep, steady)
        self._lanes = {
            name: ChannelSender(roads[name], limits.get(name), tools, self.wake.set)
            for name in sorted(roads)  # everywhere in the same order: their rows are locked in it
        }

    @property
    def lanes(self) -> list[ChannelSender]:
        """One a channel."""
        return list(self._lanes.values())

    async def run(self) -> None:
        """Until cancelled. A database that is away is waited for."""
        now = asyncio.get_running_loop().time
        look_at = rested_at = now()
        try:
            while True:
                await asyncio.sleep(rested_at - now())
                self.wake.clear()
                try:
                    await self._start(looks=(is_time := now() >= look_at))
                except DatabaseUnavailable as fault:
                    log.warning("sender_waits", fault=str(fault))
                    is_time = True
                rested_at = now() + REST
                if is_time:
                    look_at = now() + LOOK
                with suppress(TimeoutError):  # until somebody calls, or it is time to look
                    async with asyncio.timeout_at(look_at):
                        await self.wake.wait()
        finally:
            await self._stop()

    def heed(self) -> None:
        """Some process met a refusal: what we took slots for waits as well."""
        self._is_told = True
        self.wake.set()

    async def _stop(self) -> None:
        """What the platform takes now is noted, or a prompt would leave twice; the rest is given back."""
        for lane in self.lanes:
            lane.abandon()
        if going := self._going():
            await asyncio.wait(going, timeout=GRACE)
        try:
            async with self._database.write() as tx:
                await outbox.release(tx, self._worker)
        except DatabaseUnavailable as fault:  # the lease gives it back
            log.warning("sender_left_claims", fault=str(fault))

    async def drain(self) -> int:
        """Send all that is due now; give how many deliveries were tried. Raises DatabaseUnavailable."""
        count, was_going = 0, False
        while True:
            started = await self._start(looks=True)
            count += started
            going = self._going()
            if not started and not going and not was_going:  # what was still going may have left no room
                return count
            if going:
                await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
            was_going = bool(going)

    def _going(self) -> list[asyncio.Task[None]]:
        return [task for lane in self.lanes for task in lane.going]

    async def _start(self, *, looks: bool) -> int:
        """Claim what is due on all lanes that have room, in one transaction, and let it go; give how many.

        `looks`: nobody says that there is anything, so that it is looked first, which takes no write lock; and whoever
        died may have left something.
        """
        now = self._clock()
        if self._is_told:
            await self._hold_all()
        roomy = [lane for lane in self.lanes if lane.has_room()]
        if looks and not await self._is_worth_it(now, roomy):
            return 0
        async with self._database.write() as tx:
            if looks and await claims.has_expired_lease(tx, now):
                await outbox.reclaim(tx, self._worker, now, [one for lane in self.lanes for one in lane.held])
            wanted = await _wanted(tx, now)
            claimed = {
                lane: await lane.claim(tx, is_urgent=wanted[name])
                for lane in roomy
                if (name := lane.channel.name) in wanted
            }
        for lane, one in claimed.items():
            lane.start(one)
        return sum(len(one.deliveries) for one in claimed.values())

    async def _hold_all(self) -> None:
        self._is_told = False
        async with self._database.quick_read() as tx:
            standing = await rate_limits.statuses(tx, self._paced_by and self._paced_by())
        for one in standing:
            if one.channel in self._lanes:
                self._lanes[one.channel].hold(one.held)

    async def _is_worth_it(self, now: datetime, roomy: Sequence[ChannelSender]) -> bool:
        async with self._database.quick_read() as tx:
            wanted = await _wanted(tx, now)
            return any(lane.channel.name in wanted for lane in roomy) or await claims.has_expired_lease(tx, now)

    async def stop(self, channel: str, reason: str) -> None:
        """A channel's credential or account is refused: it stands still until an administrator mends it."""
        await self._lanes[channel].stop(reason)

    async def resume(self, channel: str) -> None:
        """The platform takes us (again)."""
        async with self._database.write() as tx:
            await channel_facts.clear(tx, channel, channel_facts.STOPPED)
        self.wake.set()


async def _wanted(tx: Transaction, now: datetime) -> dict[str, bool]:
    """The channels that speak and have something to say, and whether any of it is more urgent than a prompt."""
    stopped = await channel_facts.stopped(tx)
    return {name: is_urgent for name, is_urgent in (await claims.due_channels(tx, now)).items() if name not in stopped}
