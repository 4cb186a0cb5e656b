"""Drain the outbox over the channels whose credentials this process holds: one sender each, one result writer."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import structlog

from bot.channels.channel import Channel
from bot.delivery.channel_sender import ChannelSender, DeliveryServices, new_worker_id
from bot.delivery.credentials import Credentials
from bot.delivery.rate_limiter import Limits
from bot.delivery.results import ResultWriter
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import claims, outbox, refusal_streaks, tuning
from storage.queue.rate_limits import RateLimitStatus

log = structlog.get_logger()


class Dispatcher:
    """One worker of the outbox.

    Set `wake` whenever something may have been added to the outbox, `credentials_freed` when another process has handed
    over. `close` after the last `drain`.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        limits: Mapping[str, Limits],
        clock: Callable[[], datetime],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._worker_id = new_worker_id()
        self.wake = asyncio.Event()
        self.credentials_freed = asyncio.Event()
        self.credentials_tried = asyncio.Event()  # set once it is known which of them this process holds
        self._credentials = Credentials(
            database, channels, self._worker_id, clock, self._credential_taken, self._credentials_lost
        )
        results = ResultWriter(database, self._worker_id, clock, sleep)
        services = DeliveryServices(database, results, self._credentials, self._worker_id, clock, sleep, monotonic)
        self._senders = {
            name: ChannelSender(channels[name], limits.get(name), services, self.wake.set) for name in sorted(channels)
        }

    @property
    def senders(self) -> list[ChannelSender]:
        """One per channel."""
        return list(self._senders.values())

    async def run(self) -> None:
        """Deliver until cancelled; while the database is unavailable, retry."""
        try:
            self.credentials_freed.set()  # try at once
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_credentials(), name="credentials")
                tasks.create_task(self._deliver(), name="deliveries")
        finally:
            await self._shut_down()

    async def _deliver(self) -> None:
        now = asyncio.get_running_loop().time
        next_poll_at = next_claim_at = now()
        while True:
            await asyncio.sleep(next_claim_at - now())
            self.wake.clear()
            try:
                await self._claim_and_start(is_poll=(is_poll_due := now() >= next_poll_at))
            except DatabaseUnavailable as error:
                log.warning("dispatcher_database_unavailable", fault=str(error))
                is_poll_due = True
            next_claim_at = now() + tuning.CLAIM_INTERVAL
            if is_poll_due:
                next_poll_at = now() + tuning.POLL_INTERVAL
            with suppress(TimeoutError):  # until we are woken, or the next poll or the end of a pause is due
                async with asyncio.timeout_at(min(next_poll_at, now() + self._shortest_pause())):
                    await self.wake.wait()

    def _shortest_pause(self) -> float:
        """Seconds until the first paused channel may send again; POLL_INTERVAL if none is paused."""
        pauses = [seconds for sender in self.senders if (seconds := sender.seconds_paused)]
        return min(pauses, default=tuning.POLL_INTERVAL)

    # ------------------------------------------------------------ credentials

    async def _keep_credentials(self) -> None:
        """Hold or try for the credentials until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(tuning.HOLDER_RETRY):
                    await self.credentials_freed.wait()
            self.credentials_freed.clear()
            try:
                await self._credentials.refresh()
            except DatabaseUnavailable as error:
                log.warning("credentials_database_unavailable", fault=str(error))
            self.credentials_tried.set()

    def _credential_taken(self, status: RateLimitStatus) -> None:
        self._senders[status.channel].take_over(status)
        self.wake.set()

    def _credentials_lost(self) -> None:
        """Send nothing more, as another process may; try again at once, as the connection alone may have been lost."""
        for sender in self.senders:
            sender.release_waiting()
        self.credentials_freed.set()

    # ------------------------------------------------------------ stopping

    async def _shut_down(self) -> None:
        """Hand over at once what no attempt has begun for; wait for those in flight, at most SHUTDOWN_GRACE.

        What the platform accepts now would otherwise be sent twice. Attempts that take longer keep their claims, whose
        leases expire: until then a receipt can still show that a message was accepted.
        """
        for sender in self.senders:
            sender.abandon()
        await self._release(except_ids=[number for sender in self.senders for number in sender.attempts])
        await self.close()
        if tasks := self._tasks():
            await asyncio.wait(tasks, timeout=tuning.SHUTDOWN_GRACE)

    async def _release(self, except_ids: Sequence[int]) -> None:
        try:
            async with self._database.write() as tx:
                await outbox.release(tx, self._worker_id, except_ids)
        except DatabaseUnavailable as error:  # the deliveries wait again when their leases expire
            log.warning("dispatcher_claims_not_released", fault=str(error))

    async def close(self) -> None:
        """Hand over the credentials: another process may send."""
        await self._credentials.hand_over()

    # ------------------------------------------------------------ claims

    async def drain(self) -> int:
        """Send all that is due now on the channels that no other process sends on; return how many were tried.

        Raises DatabaseUnavailable.
        """
        async with self.keeping_credentials():
            return await self._drain()

    @asynccontextmanager
    async def keeping_credentials(self) -> AsyncIterator[None]:
        """Take the credentials that are free, and keep them until the end. Raises DatabaseUnavailable."""
        await self._credentials.refresh()
        self.credentials_freed.clear()
        keeping = asyncio.create_task(self._keep_credentials())
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    async def _drain(self) -> int:
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
        """Claim what is due on our channels with room, in one transaction, and start sending; return how many.

        `is_poll`: check first whether anything is due, which takes no write lock, and reclaim deliveries whose leases
        expired because their worker died.
        """
        now = self._clock()
        with_room = [sender for sender in self.senders if sender.may_claim()]
        if not with_room or (is_poll and not await self._has_work(now, with_room)):
            return 0
        async with self._database.write() as tx:
            if is_poll and await claims.has_expired_lease(tx, now):
                in_flight = [delivery_id for sender in self.senders for delivery_id in sender.in_flight]
                await outbox.reclaim(tx, self._worker_id, now, in_flight)
            due = await self._due_channels(tx, with_room, now)
            claimed = [(sender, await sender.claim(tx, is_urgent=is_urgent)) for sender, is_urgent in due]
        for sender, claim in claimed:
            sender.start(claim)
        return sum(len(claim.deliveries) for _, claim in claimed)

    async def _has_work(self, now: datetime, with_room: Sequence[ChannelSender]) -> bool:
        async with self._database.quick_read() as tx:
            has_work = bool(await self._due_channels(tx, with_room, now)) or await claims.has_expired_lease(tx, now)
        closed = [await sender.kind_pauses.close_arrived() for sender in with_room]
        return has_work or any(closed)

    async def _due_channels(
        self, tx: Transaction, with_room: Sequence[ChannelSender], now: datetime
    ) -> list[tuple[ChannelSender, bool]]:
        """The senders whose channel is not stopped and has something due, with whether any of it is urgent."""
        obstacles = await refusal_streaks.obstacles(tx)
        due = await claims.due_channels(tx, [sender.channel.name for sender in with_room], now)
        for sender in with_room:
            sender.kind_pauses.update(obstacles.streaks)
            if sender.channel.name not in due:
                sender.nothing_is_due()
        open_names = due.keys() - obstacles.stopped
        return [(sender, due[name]) for sender in with_room if (name := sender.channel.name) in open_names]

    async def stop_channel(self, channel: str, reason: str) -> None:
        """Stop a channel until an administrator acts: the platform refuses its credential or account."""
        await self._senders[channel].stop(reason)

    async def resume(self, channel: str) -> None:
        """Resume a channel: the platform accepts its credential (again)."""
        async with self._database.write() as tx:
            await channel_facts.clear(tx, channel, channel_facts.STOPPED)
        self.wake.set()
