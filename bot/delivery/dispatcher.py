"""Drain the outbox over all channels of this process: one sender per channel, one result writer, one worker id."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from bot.channels.channel import Channel
from bot.delivery.channel_sender import ChannelSender, new_worker_id
from bot.delivery.rate_limiter import DeliveryServices, Limits
from bot.delivery.results import ResultWriter
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import claims, outbox, rate_limits

CLAIM_INTERVAL = 0.01  # seconds between two claims, so that deliveries collect to larger ones
POLL_INTERVAL = 2.0  # seconds between polls of the outbox when nothing wakes us
SHUTDOWN_GRACE = 10.0  # seconds that a stop waits for the platform's responses to attempts in flight

log = structlog.get_logger()


class Dispatcher:
    """One worker of the outbox. Set `wake` whenever something may have been added to the outbox."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        limits: Mapping[str, Limits],
        clock: Callable[[], datetime],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        rate_limit_clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._rate_limit_clock = rate_limit_clock
        self._worker_id = new_worker_id()
        self.wake = asyncio.Event()
        self._has_stale_rate_limits = False  # a process was throttled since we read the rate limits
        results = ResultWriter(database, self._worker_id, clock, sleep)
        services = DeliveryServices(database, results, self._worker_id, clock, rate_limit_clock, sleep, monotonic)
        self._senders = {
            name: ChannelSender(channels[name], limits.get(name), services, self.wake.set)
            for name in sorted(channels)  # the same order in all processes, as their rows are locked in it
        }

    @property
    def senders(self) -> list[ChannelSender]:
        """One per channel."""
        return list(self._senders.values())

    async def run(self) -> None:
        """Deliver until cancelled; while the database is unavailable, retry."""
        now = asyncio.get_running_loop().time
        next_poll_at = next_claim_at = now()
        try:
            while True:
                await asyncio.sleep(next_claim_at - now())
                self.wake.clear()
                try:
                    await self._claim_and_start(is_poll=(is_poll_due := now() >= next_poll_at))
                except DatabaseUnavailable as error:
                    log.warning("dispatcher_database_unavailable", fault=str(error))
                    is_poll_due = True
                next_claim_at = now() + CLAIM_INTERVAL
                if is_poll_due:
                    next_poll_at = now() + POLL_INTERVAL
                with suppress(TimeoutError):  # until we are woken, or the next poll is due
                    async with asyncio.timeout_at(next_poll_at):
                        await self.wake.wait()
        finally:
            await self._shut_down()

    def refresh_rate_limits(self) -> None:
        """Have the rate limits read again: a process was throttled, so deliveries that hold slots must wait too."""
        self._has_stale_rate_limits = True
        self.wake.set()

    async def _shut_down(self) -> None:
        """Wait for the attempts in flight, at most SHUTDOWN_GRACE, and record their results; release all other claims.

        A prompt that the platform accepts now would otherwise be sent twice.
        """
        for sender in self.senders:
            sender.abandon()
        if tasks := self._tasks():
            await asyncio.wait(tasks, timeout=SHUTDOWN_GRACE)
        try:
            async with self._database.write() as tx:
                await outbox.release(tx, self._worker_id)
        except DatabaseUnavailable as error:  # the deliveries wait again when their leases expire
            log.warning("dispatcher_claims_not_released", fault=str(error))

    async def drain(self) -> int:
        """Send all that is due now; return how many deliveries were tried. Raises DatabaseUnavailable."""
        count, was_busy = 0, False
        while True:
            started = await self._claim_and_start(is_poll=True)
            count += started
            tasks = self._tasks()
            if not started and not tasks and not was_busy:  # tasks of the round before may have left no room to claim
                return count
            if tasks:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            was_busy = bool(tasks)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for sender in self.senders for task in sender.tasks]

    async def _claim_and_start(self, *, is_poll: bool) -> int:
        """Claim what is due on all channels with room, in one transaction, and start sending; return how many.

        `is_poll`: check first whether anything is due, which takes no write lock, and reclaim deliveries whose leases
        expired because their worker died.
        """
        now = self._clock()
        if self._has_stale_rate_limits:
            await self._apply_pauses()
        with_room = [sender for sender in self.senders if sender.request_room()]
        if is_poll and not await self._has_work(now, with_room):
            return 0
        async with self._database.write() as tx:
            if is_poll and await claims.has_expired_lease(tx, now):
                in_flight = [delivery_id for sender in self.senders for delivery_id in sender.in_flight]
                await outbox.reclaim(tx, self._worker_id, now, in_flight)
            due = await self._due_channels(tx, now)
            claimed = {
                sender: await sender.claim(tx, is_urgent=due[name])
                for sender in with_room
                if (name := sender.channel.name) in due
            }
        for sender, claim in claimed.items():
            sender.start(claim)
        return sum(len(claim.deliveries) for claim in claimed.values())

    async def _apply_pauses(self) -> None:
        self._has_stale_rate_limits = False
        async with self._database.quick_read() as tx:
            rates = await rate_limits.statuses(tx, self._rate_limit_clock and self._rate_limit_clock())
        for rate in rates:
            if rate.channel in self._senders:
                self._senders[rate.channel].pause(rate.held)

    async def _has_work(self, now: datetime, with_room: Sequence[ChannelSender]) -> bool:
        async with self._database.quick_read() as tx:
            due = await self._due_channels(tx, now)
            return any(sender.channel.name in due for sender in with_room) or await claims.has_expired_lease(tx, now)

    async def _due_channels(self, tx: Transaction, now: datetime) -> dict[str, bool]:
        """Our channels that are not stopped and have something due, with whether any of it is urgent."""
        stopped = await channel_facts.stopped(tx)
        due = await claims.due_channels(tx, list(self._senders), now)
        return {name: is_urgent for name, is_urgent in due.items() if name not in stopped}

    async def stop_channel(self, channel: str, reason: str) -> None:
        """Stop a channel until an administrator acts: the platform refuses its credential or account."""
        await self._senders[channel].stop(reason)

    async def resume(self, channel: str) -> None:
        """Resume a channel: the platform accepts its credential (again)."""
        async with self._database.write() as tx:
            await channel_facts.clear(tx, channel, channel_facts.STOPPED)
        self.wake.set()
