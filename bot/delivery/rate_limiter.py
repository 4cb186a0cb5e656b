"""How fast one credential may speak, as this process knows it: its slots, and what refuses it."""

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
from storage.queue.claims import RecipientLimit
from storage.queue.outbox import Delivery

AHEAD = 0.5  # seconds of slots that all processes together take ahead: a reply waits no longer than that for prompts
HANDFUL = 5  # the part of those that is taken at least; a process that has none in hand takes it in any case


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform allows: messages a second over all people, and to one person."""

    rate: float
    person: RecipientLimit


@dataclass(frozen=True, slots=True)
class DeliveryServices:
    """What every lane of a process shares. `paced_by` is the clock of slots; None: the database's own."""

    database: Database
    book: ResultWriter
    worker: str
    clock: Callable[[], datetime]
    paced_by: Callable[[], datetime] | None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    time: Callable[[], float] = time.monotonic

    def pace_now(self) -> datetime | None:
        return None if self.paced_by is None else self.paced_by()


class RateLimiter:
    """One a channel. Without limits nothing waits, and no slot is taken."""

    def __init__(self, channel: str, limits: Limits | None, tools: DeliveryServices) -> None:
        self._channel = channel
        self._limits = limits
        self._tools = tools
        self._pacer = SlotQueue(1 / limits.rate, tools.time, tools.sleep) if limits else None
        self._most = math.ceil(limits.rate * AHEAD) if limits else 0
        self._held_until = 0.0  # by the steady clock
        self._next_at = 0.0  # the next free slot, as we left it
        self._look_at = 0.0  # by the steady clock: before, no handful is free
        self._most_in_hand = 0  # more in hand, and it is too soon for the next handful

    @property
    def person(self) -> RecipientLimit | None:
        """What one person may get."""
        return self._limits.person if self._limits else None

    async def look(self, tx: Transaction) -> "RateSnapshot":
        """How it stands for all processes; it stays so until the transaction ends."""
        seen = await rate_limits.lock(tx, self._channel, self._tools.pace_now())
        self.hold(seen.held)
        return RateSnapshot(seen, self._tools.time())

    # ------------------------------------------------------------ refusals

    @property
    def seconds_held(self) -> float:
        """For which a refusal that we know of keeps us from sending."""
        return max(0.0, self._held_until - self._tools.time())

    def hold(self, seconds: float) -> None:
        """The platform refused whoever speaks with it: nothing leaves for so long."""
        if self._limits is not None:
            self._held_until = max(self._held_until, self._tools.time() + seconds)

    async def refused(self, seconds: float) -> None:
        """The platform refused us; all processes are to know."""
        if self._limits is None:
            return
        self.hold(seconds)
        async with self._tools.database.write() as tx:
            await rate_limits.record_refusal(tx, self._channel, seconds, self._tools.pace_now())

    # ------------------------------------------------------------ slots

    def has_plenty(self) -> bool:
        """It is too soon for the next handful."""
        if self._pacer is None or not self._pacer.in_hand:
            return False
        return self._pacer.in_hand > self._most_in_hand or self._tools.time() < self._look_at

    def free(self, sight: "RateSnapshot", room: int, *, is_urgent: bool) -> int:
        """How many slots may be taken; whoever has something urgent to say, or none in hand, takes a handful in any
        case. Urgent things do not wait here for prompts that are in hand, as they go before those."""
        if self._limits is None or self._pacer is None:
            return room
        free = math.ceil(self._limits.rate * (AHEAD - sight.pace.ahead))
        handful = max(1, self._most // HANDFUL)
        self._look_at = sight.at + (handful - free) / self._limits.rate
        self._most_in_hand = self._most // 2
        if is_urgent:
            self._look_at, self._most_in_hand = sight.at, 2 * self._most
        if self._pacer.in_hand > self._most_in_hand:
            return 0
        if free < handful:
            free = handful if is_urgent or not self._pacer.in_hand else 0
        return min(free, self._most // 2 + 1, room)

    async def take(self, tx: Transaction, sight: "RateSnapshot", claimed: Sequence[Delivery]) -> Sequence[float]:
        """A slot for each that needs one; where others speak too they wait for us, if we are late."""
        count = sum(not one.is_signal for one in claimed)
        if self._limits is None or self._pacer is None or not count:
            return ()
        is_alone = sight.pace.next_at == self._next_at  # then what was late has pushed back what follows anyway
        late = self._pacer.late(moves=not is_alone)
        slots = await rate_limits.take_slots(tx, sight.pace, count, 1 / self._limits.rate, late)
        self._next_at = slots.next_at
        return [sight.at + slots[place] for place in range(count)]

    def add(self, slots: Sequence[float]) -> None:
        """They were taken for good."""
        if self._pacer is not None:
            self._pacer.add(slots)

    async def turn(self, delivery: Delivery) -> None:
        """Wait for a slot, unless it needs none."""
        if self._pacer is not None and not delivery.is_signal:
            await self._pacer.turn((delivery.priority, delivery.id))

    def skip(self) -> None:
        """One that needs a slot does not leave: nobody takes its turn."""
        if self._pacer is not None:
            self._pacer.skip()


@dataclass(frozen=True, slots=True)
class RateSnapshot:
    """A look at a credential's pace, and the moment of it by our steady clock, from which slots are counted."""

    pace: rate_limits.LockedRateLimit
    at: float
