"""One channel's way out: claims what is due with its slots, lets each leave at its moment, follows what came of it."""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.book import Book
from bot.channels.channel import (
    Blocked,
    Channel,
    ChannelError,
    Later,
    Refused,
    Stopped,
    TemplateStopped,
    Throttled,
    Unreachable,
    WindowClosed,
)
from handlers import speak
from storage import channels, outbox, paces
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.outbox import Delivery, Ending, Kind, PersonLimit, State

ON_THE_WAY = 128  # deliveries that the platform may keep us waiting for at once
AHEAD = 0.5  # seconds of slots that are taken ahead: a reply waits no longer than that for prompts
CLOSEST = 0.97  # of a step: nearer to each other no two messages of one process leave
LONGEST_WAIT = 300.0  # seconds between two tries of one delivery
TEMPLATE_WAIT = 900.0  # seconds between two looks at a template that is not taken: prompts wait, they do not fail
PATIENCE = 5.0  # seconds that a claimed delivery waits for a channel that is held; longer, and it goes back

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform allows: messages a second over all people, and to one person."""

    rate: float
    person: PersonLimit


@dataclass(frozen=True, slots=True)
class Tools:
    """What every lane of a process shares. `paced_by` is the clock of slots; None: the database's own."""

    database: Database
    book: Book
    worker: str
    clock: Callable[[], datetime]
    paced_by: Callable[[], datetime] | None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    time: Callable[[], float] = time.monotonic

    def pace_now(self) -> datetime | None:
        return None if self.paced_by is None else self.paced_by()


class Lane:
    """The deliveries of one channel; a slow or refused one holds up nobody else's."""

    def __init__(self, channel: Channel, limits: Limits | None, tools: Tools) -> None:
        self.channel = channel
        self._limits = limits
        self._tools = tools
        self._going: set[asyncio.Task[None]] = set()
        self._waiting = 0  # for their slots
        self._is_abandoned = False
        self._free_at = 0.0  # by the steady clock: when this process may speak again
        self._held_until = 0.0  # by the steady clock

    @property
    def going(self) -> frozenset[asyncio.Task[None]]:
        """Deliveries on their way."""
        return frozenset(self._going)

    def room(self) -> int:
        """How many more may be claimed now."""
        room = ON_THE_WAY - len(self._going)
        if self._limits is None:
            return room
        ahead = max(1, math.ceil(self._limits.rate * AHEAD))
        if self._waiting > ahead // 2:  # claimed by handfuls: one by one each message would cost a claim of its own
            return 0
        return max(0, min(room, ahead - self._waiting))

    async def start(self) -> int:
        """Claim what is due, as much as there is room for, and let it go; give how many. Raises DatabaseUnavailable."""
        room = self.room()
        if not room or self._held() > PATIENCE:
            return 0
        now = self._tools.clock()
        async with self._tools.database.write() as tx:
            if await self._is_held_by_others(tx):
                return 0
            await outbox.reclaim(tx, self._tools.worker, now)
            person = self._limits.person if self._limits else None
            claimed = await outbox.claim(tx, self._tools.worker, self.channel.name, now, room, person)
            slots = None
            taken_at = self._tools.time()
            if claimed and self._limits is not None:
                paced = sum(not one.is_unpaced for one in claimed)
                pace_now, step = self._tools.pace_now(), 1 / self._limits.rate
                slots = await paces.reserve(tx, self.channel.name, paced, step, pace_now)
        place = 0
        for delivery in claimed:
            moment = None
            if slots is not None and not delivery.is_unpaced:
                moment, place = taken_at + slots[place], place + 1
            self._go(delivery, moment)
        return len(claimed)

    def _go(self, delivery: Delivery, moment: float | None) -> None:
        task = asyncio.create_task(self._one(delivery, moment))
        self._going.add(task)
        task.add_done_callback(self._going.discard)

    # ------------------------------------------------------------ one delivery

    async def _one(self, delivery: Delivery, moment: float | None) -> None:
        try:
            if moment is not None and not await self._wait(moment):
                return
            if (held := self._held()) > 0 and not delivery.is_unpaced:
                await self._postpone(delivery, held, "throttled")
            elif delivery.deadline is not None and delivery.deadline <= self._tools.clock():
                await self._end(delivery, State.DROPPED, fault="late")
            else:
                await self._leave(delivery)
        except DatabaseUnavailable as fault:  # the lease gives it back
            log.warning("delivery_not_noted", delivery=delivery.id, fault=str(fault))
        except Exception as fault:  # one bad delivery never stops the rest
            kind = type(fault).__name__
            log.error("delivery_failed", delivery=delivery.id, channel=delivery.channel, fault=kind)
            await self._end(delivery, State.REFUSED, fault=kind)

    async def _wait(self, moment: float) -> bool:
        """Until the slot; False when the process stops meanwhile.

        A slot that was missed by a little pushes the next ones back: two close together would be a burst.
        """
        assert self._limits is not None
        moment = max(moment, self._free_at)
        self._free_at = moment + CLOSEST / self._limits.rate
        if (seconds := moment - self._tools.time()) > 0:
            self._waiting += 1
            try:
                await self._tools.sleep(seconds)
            finally:
                self._waiting -= 1
        self._free_at = max(self._free_at, self._tools.time() + CLOSEST / self._limits.rate)
        return not self._is_abandoned

    def abandon(self) -> None:
        """The process stops: what waits for its slot leaves no more."""
        self._is_abandoned = True

    async def _leave(self, delivery: Delivery) -> None:
        try:
            parcel = speak.unpack(delivery.address, delivery.key, delivery.body, delivery.id)
            ref = await self.channel.send(parcel)
        except ChannelError as fault:
            await self._follow(delivery, fault)
        else:
            await self._end(delivery, State.SENT, ref=ref)

    async def _follow(self, delivery: Delivery, fault: ChannelError) -> None:
        """What becomes of a delivery that did not leave, or may not have."""
        says = str(fault)
        match fault:
            case Throttled():
                await self._hold(fault.retry_after)
                await self._postpone(delivery, fault.retry_after, "throttled")
            case Later():
                wait = min(fault.retry_after**delivery.attempts, LONGEST_WAIT) if fault.grows else fault.retry_after
                await self._postpone(delivery, wait, says)
            case TemplateStopped():
                await self._postpone(delivery, TEMPLATE_WAIT, says)
            case WindowClosed():
                await self._end(delivery, State.DROPPED, fault="window")
            case Blocked():
                await self._blocked(delivery)
            case Unreachable() if fault.in_doubt and delivery.kind is Kind.PROMPT:
                await self._end(delivery, State.DOUBTED, fault=says)
            case Unreachable():
                await self._postpone(delivery, min(2.0**delivery.attempts, LONGEST_WAIT), says)
            case Stopped():
                await self.stop(says)
                await self._postpone(delivery, LONGEST_WAIT, says)
            case Refused():
                log.error("delivery_refused", delivery=delivery.id, channel=delivery.channel, fault=says)
                await self._end(delivery, State.REFUSED, fault=says)

    # ------------------------------------------------------------ the credential

    def _held(self) -> float:
        """Seconds for which a refusal that we met keeps us from sending."""
        return max(0.0, self._held_until - self._tools.time())

    async def _is_held_by_others(self, tx: Transaction) -> bool:
        """A refusal that another process met: slots after it may lie further ahead than a lease lasts."""
        if self._limits is None:
            return False
        held = await paces.held(tx, self.channel.name, self._tools.pace_now())
        self._held_until = max(self._held_until, self._tools.time() + held)
        return held > PATIENCE

    async def _hold(self, seconds: float) -> None:
        log.warning("channel_throttled", channel=self.channel.name, seconds=seconds)
        if self._limits is None:
            return
        self._held_until = max(self._held_until, self._tools.time() + seconds)
        async with self._tools.database.write() as tx:
            await paces.hold(tx, self.channel.name, seconds, self._tools.pace_now())

    async def stop(self, reason: str) -> None:
        """The credential or the account is refused: the channel stands still until an administrator mends it."""
        log.error("channel_stopped", channel=self.channel.name, fault=reason)
        async with self._tools.database.write() as tx:
            await channels.note(tx, self.channel.name, channels.STOPPED, reason, self._tools.clock())

    # ------------------------------------------------------------ notes

    async def _postpone(self, delivery: Delivery, seconds: float, fault: str) -> None:
        until = self._tools.clock() + timedelta(seconds=seconds)
        async with self._tools.database.write() as tx:
            await outbox.postpone(tx, self._tools.worker, delivery.id, until, fault)

    async def _blocked(self, delivery: Delivery) -> None:
        now = self._tools.clock()
        async with self._tools.database.write() as tx:
            await outbox.drop_unreachable(tx, delivery.channel, delivery.address, now)
        await self._end(delivery, State.DROPPED, fault="blocked")

    async def _end(self, delivery: Delivery, state: State, *, ref: str = "", fault: str = "") -> None:
        await self._tools.book.end(Ending(delivery.id, state, ref, fault))


def new_worker() -> str:
    """A name that no other process has."""
    return secrets.token_hex(8)
