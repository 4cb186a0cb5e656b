"""Rate limit of one platform credential, as this process sees it: its reserved slots, and pauses after a 429."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.delivery.results import ResultWriter
from bot.delivery.slot_queue import SlotQueue
from storage.database import Database, Transaction
from storage.queue import rate_limits
from storage.queue.claims import RecipientRateLimit
from storage.queue.outbox import Delivery

AHEAD = 0.5  # seconds of slots that all processes together reserve ahead; a reply waits at most that long for prompts
MIN_BATCH_DIVISOR = 5  # the smallest batch of slots is a fifth of those; without any slot a process always gets that


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform allows: messages per second over all recipients, and to one recipient."""

    rate: float
    recipient: RecipientRateLimit | None = None


@dataclass(frozen=True, slots=True)
class DeliveryServices:
    """What all channel senders of a process share. `rate_limit_clock` counts slots; None: the database's own clock."""

    database: Database
    results: ResultWriter
    worker_id: str
    clock: Callable[[], datetime]
    rate_limit_clock: Callable[[], datetime] | None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic

    def rate_limit_now(self) -> datetime | None:
        return None if self.rate_limit_clock is None else self.rate_limit_clock()


class RateLimiter:
    """The rate limit of one channel. Without limits nothing waits, and no slot is reserved."""

    def __init__(self, channel: str, limits: Limits | None, services: DeliveryServices) -> None:
        self._channel = channel
        self._limits = limits
        self._services = services
        self._queue = SlotQueue(1 / limits.rate, services.monotonic, services.sleep) if limits else None
        self._max_ahead = math.ceil(limits.rate * AHEAD) if limits else 0
        self._paused_until = 0.0  # by the monotonic clock
        self._next_at = 0.0  # the shared next free slot after our last reservation
        self._reserve_at = 0.0  # by the monotonic clock: no batch of slots is free before
        self._max_reserved = 0  # while more slots are reserved, it is too soon for the next batch

    @property
    def recipient_limit(self) -> RecipientRateLimit | None:
        """What one recipient may get."""
        return self._limits.recipient if self._limits else None

    async def lock(self, tx: Transaction) -> "RateSnapshot":
        """Lock and read the rate limit that all processes share; it stays locked until the transaction ends."""
        seen = await rate_limits.lock(tx, self._channel, self._services.rate_limit_now())
        self.pause(seen.held)
        return RateSnapshot(seen, self._services.monotonic())

    # ------------------------------------------------------------ pauses

    @property
    def seconds_paused(self) -> float:
        """Seconds until sending may resume after a 429."""
        return max(0.0, self._paused_until - self._services.monotonic())

    def pause(self, seconds: float) -> None:
        """Send nothing for so many seconds: the platform throttled this process or another one."""
        if self._limits is not None:
            self._paused_until = max(self._paused_until, self._services.monotonic() + seconds)

    async def record_throttling(self, seconds: float) -> None:
        """The platform throttled this process: pause it and all others."""
        if self._limits is None:
            return
        self.pause(seconds)
        async with self._services.database.write() as tx:
            await rate_limits.record_throttling(tx, self._channel, seconds, self._services.rate_limit_now())

    # ------------------------------------------------------------ slots

    def has_enough_slots(self) -> bool:
        """Whether it is too soon to reserve the next batch of slots."""
        if self._queue is None or not self._queue.reserved:
            return False
        return self._queue.reserved > self._max_reserved or self._services.monotonic() < self._reserve_at

    def reservable_count(self, snapshot: "RateSnapshot", room: int, *, is_urgent: bool) -> int:
        """Return how many slots may be reserved, at most `room`.

        With urgent deliveries, or without any slot, the least batch may be reserved in any case. Urgent deliveries do
        not wait for prompts that hold slots here, as they leave before those.
        """
        if self._limits is None or self._queue is None:
            return room
        free = math.ceil(self._limits.rate * (AHEAD - snapshot.rate_limit.ahead))
        min_batch = max(1, self._max_ahead // MIN_BATCH_DIVISOR)
        self._reserve_at = snapshot.at + (min_batch - free) / self._limits.rate
        self._max_reserved = self._max_ahead // 2
        if is_urgent:
            self._reserve_at, self._max_reserved = snapshot.at, 2 * self._max_ahead
        if self._queue.reserved > self._max_reserved:
            return 0
        if free < min_batch:
            free = min_batch if is_urgent or not self._queue.reserved else 0
        return min(free, self._max_ahead // 2 + 1, room)

    async def reserve(self, tx: Transaction, snapshot: "RateSnapshot", claimed: Sequence[Delivery]) -> Sequence[float]:
        """Reserve a slot for each delivery that needs one; if we are late, other processes' slots move back."""
        count = sum(not delivery.is_signal for delivery in claimed)
        if self._limits is None or self._queue is None or not count:
            return ()
        is_alone = snapshot.rate_limit.next_at == self._next_at  # then our late messages moved the next ones already
        delay = self._queue.collect_delay(moves=not is_alone)
        slots = await rate_limits.take_slots(tx, snapshot.rate_limit, count, 1 / self._limits.rate, delay)
        self._next_at = slots.next_at
        return [snapshot.at + slots[index] for index in range(count)]

    def add(self, slots: Sequence[float]) -> None:
        """Queue slots whose reservation is committed."""
        if self._queue is not None:
            self._queue.add(slots)

    async def wait_for_slot(self, delivery: Delivery) -> None:
        """Wait for the next slot; return at once for a delivery that needs none."""
        if self._queue is not None and not delivery.is_signal:
            await self._queue.wait((delivery.priority, delivery.id))

    def skip(self) -> None:
        """Give up a slot: its delivery does not leave."""
        if self._queue is not None:
            self._queue.skip()


@dataclass(frozen=True, slots=True)
class RateSnapshot:
    """A channel's shared rate limit, and when it was read by our monotonic clock, from which slots are counted."""

    rate_limit: rate_limits.LockedRateLimit
    at: float
