"""One channel's way out: claims what is due with its slots, lets each leave at its moment, follows what came of it."""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

import structlog

from bot.book import Book
from bot.channels.channel import (
    Blocked,
    Channel,
    ChannelError,
    Later,
    Stopped,
    TemplateStopped,
    Throttled,
    Unreachable,
    WindowClosed,
)
from handlers import speak
from storage import channels, claims, outbox, paces
from storage.claims import PersonLimit
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.outbox import Delivery, Ending, Kind, Return, State

ON_THE_WAY = 256  # deliveries that the platform may keep us waiting for at once
HANDFUL = 4  # the part of those that is claimed at least: one by one each message would cost a claim of its own
AHEAD = 0.5  # seconds of slots that are taken ahead: a reply waits no longer than that for prompts
CLOSEST = 0.99  # of a step: nearer to each other no two messages of one process leave; 31 such span a second
LONGEST_WAIT = 300.0  # seconds between two tries of one delivery
TEMPLATE_WAIT = 900.0  # seconds between two looks at a template that is not taken: prompts wait, they do not fail
LAST = outbox.LEASE.total_seconds() - 30.0  # seconds after its claim in which a delivery may begin to leave: a channel
# may wait 10 for a connection and 15 for the answer, and once the lease is over another worker may have taken it
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


class Fate(Enum):
    """What a delivery came to, as far as it concerns those behind it."""

    OVER = "over"
    LATER = "later"  # it waits again, or was not noted: they must not go before it
    GONE = "gone"  # the person is not to be written to: nor are they


Slotted = tuple[Delivery, float | None, float]
"""A claimed delivery, its moment by the steady clock (None: at once), and the moment after which it must not leave."""


class Lane:
    """The deliveries of one channel; a slow or refused one holds up nobody else's. `call` asks to be started again."""

    def __init__(self, channel: Channel, limits: Limits | None, tools: Tools, call: Callable[[], None]) -> None:
        self.channel = channel
        self._limits = limits
        self._tools = tools
        self._call = call
        self._going: set[asyncio.Task[None]] = set()
        self._held: set[int] = set()  # deliveries that we claimed and have not given back
        self._waiting = 0  # for their slots
        self._may_have_more = False  # when it was last looked at, something was left behind
        self._is_abandoned = False
        self._free_at = 0.0  # by the steady clock: when this process may speak again
        self._held_until = 0.0  # by the steady clock

    @property
    def going(self) -> frozenset[asyncio.Task[None]]:
        """Deliveries on their way, one task for what goes to a person in turn."""
        return frozenset(self._going)

    @property
    def held(self) -> frozenset[int]:
        """The ids of what is under way."""
        return frozenset(self._held)

    def room(self) -> int:
        """How many more may be claimed now."""
        room = ON_THE_WAY - len(self._held)
        if self._limits is None:
            return room
        ahead = max(1, math.ceil(self._limits.rate * AHEAD))
        if self._waiting > ahead // 2:  # by handfuls
            return 0
        return max(0, min(room, ahead - self._waiting))

    def has_room(self) -> bool:
        """Whether more may be claimed now; if not, we call as soon as it may."""
        has_room = self.room() > 0
        self._may_have_more |= not has_room
        return has_room

    async def claim(self, tx: Transaction) -> Sequence[Slotted]:
        """Take hold of what is due, as much as there is room for; it leaves when `start` is told so."""
        room = self.room()
        if not room or self._seconds_held() > PATIENCE:
            return ()
        seen = await paces.look(tx, self.channel.name, self._tools.pace_now())
        looked_at = self._tools.time()  # by our steady clock the moment from which slots are counted
        if self._limits is not None:
            self._held_until = max(self._held_until, self._tools.time() + seen.held)
            if seen.held > PATIENCE:  # a refusal that another process met: its slots may lie beyond a lease
                return ()
        was_going = bool(self._held)
        person = self._limits.person if self._limits else None
        last = self._tools.time() + LAST
        claimed = await claims.claim(tx, self._tools.worker, self.channel.name, self._tools.clock(), room, person)
        self._may_have_more = was_going or len(claimed) == room
        if not claimed or self._limits is None:
            return [(one, None, last) for one in claimed]
        paced = sum(not one.is_unpaced for one in claimed)
        slots = await paces.take(tx, seen, paced, 1 / self._limits.rate) if paced else None
        return list(_slotted(claimed, slots, looked_at, last))

    def start(self, claimed: Iterable[Slotted]) -> None:
        """Let it go: what is for one person in turn, what is no message at once."""
        chains: dict[str, list[Slotted]] = {}
        for one in claimed:
            self._held.add(one[0].id)
            if one[0].is_unpaced:
                self._go([one])
            else:
                chains.setdefault(one[0].address, []).append(one)
        for chain in chains.values():
            self._go(chain)

    def _go(self, chain: Sequence[Slotted]) -> None:
        task = asyncio.create_task(self._in_turn(chain))
        self._going.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._going.discard(task)
        is_worth_it = self._limits is None or self.room() > 0
        few = ON_THE_WAY - ON_THE_WAY // HANDFUL
        if self._may_have_more and is_worth_it and len(self._held) <= few:
            self._call()

    # ------------------------------------------------------------ one person's deliveries

    async def _in_turn(self, chain: Sequence[Slotted]) -> None:
        """One after the other: what comes behind a delivery that waits again waits with it."""
        fate = Fate.OVER
        for delivery, moment, last in chain:
            try:
                if fate is Fate.OVER:
                    fate = await self._one(delivery, moment, last)
                elif fate is Fate.GONE:
                    await self._end(delivery, State.DROPPED, fault="blocked")
                elif not self._is_abandoned:
                    await self._give_back(delivery)
            except DatabaseUnavailable as fault:  # the lease gives it back
                log.warning("delivery_not_noted", delivery=delivery.id, fault=str(fault))
                fate = Fate.LATER
            finally:
                self._held.discard(delivery.id)

    async def _one(self, delivery: Delivery, moment: float | None, last: float) -> Fate:
        try:
            if moment is not None:
                await self._wait(moment)
            if self._is_abandoned:  # whoever stops gives all back at once
                return Fate.LATER
            if self._tools.time() >= last:
                return await self._give_back(delivery)
            if (held := self._seconds_held()) > 0 and not delivery.is_unpaced:
                return await self._postpone(delivery, held, "throttled")
            if delivery.deadline is not None and delivery.deadline <= self._tools.clock():
                return await self._end(delivery, State.DROPPED, fault="late")
            return await self._leave(delivery)
        except DatabaseUnavailable:
            raise
        except Exception as fault:  # one bad delivery never stops the rest
            kind = type(fault).__name__
            log.error("delivery_failed", delivery=delivery.id, channel=delivery.channel, fault=kind)
            return await self._end(delivery, State.REFUSED, fault=kind)

    async def _wait(self, moment: float) -> None:
        """Until the slot.

        Whoever wakes late pushes the next ones back: several that wake together would be a burst.
        """
        assert self._limits is not None
        self._waiting += 1
        try:
            if (seconds := moment - self._tools.time()) > 0:
                await self._tools.sleep(seconds)
            woken_at = self._tools.time()
            leaves_at = max(woken_at, self._free_at)
            self._free_at = leaves_at + CLOSEST / self._limits.rate
            if leaves_at > woken_at:
                await self._tools.sleep(leaves_at - woken_at)
        finally:
            self._waiting -= 1

    def abandon(self) -> None:
        """The process stops: what waits for its slot, or for what goes before it, leaves no more."""
        self._is_abandoned = True

    async def _leave(self, delivery: Delivery) -> Fate:
        try:
            parcel = speak.unpack(delivery.address, delivery.key, delivery.body, delivery.id)
            ref = await self.channel.send(parcel)
        except ChannelError as fault:
            return await self._follow(delivery, fault)
        return await self._end(delivery, State.SENT, ref=ref)

    async def _follow(self, delivery: Delivery, fault: ChannelError) -> Fate:
        """What becomes of a delivery that did not leave, or may not have."""
        says = str(fault)
        match fault:
            case Throttled():
                await self._hold(fault.retry_after)
                return await self._postpone(delivery, fault.retry_after, "throttled")
            case Later():
                wait = min(fault.retry_after**delivery.attempts, LONGEST_WAIT) if fault.grows else fault.retry_after
                return await self._postpone(delivery, wait, says)
            case TemplateStopped():
                return await self._postpone(delivery, TEMPLATE_WAIT, says)
            case WindowClosed():
                return await self._end(delivery, State.DROPPED, fault="window")
            case Blocked():
                return await self._blocked(delivery)
            case Unreachable() if fault.in_doubt and delivery.kind is Kind.PROMPT:
                return await self._end(delivery, State.DOUBTED, fault=says)
            case Unreachable():
                return await self._postpone(delivery, min(2.0**delivery.attempts, LONGEST_WAIT), says)
            case Stopped():
                await self.stop(says)
                return await self._postpone(delivery, LONGEST_WAIT, says)
        log.error("delivery_refused", delivery=delivery.id, channel=delivery.channel, fault=says)
        return await self._end(delivery, State.REFUSED, fault=says)

    # ------------------------------------------------------------ the credential

    def _seconds_held(self) -> float:
        """Seconds for which a refusal that we know of keeps us from sending."""
        return max(0.0, self._held_until - self._tools.time())

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

    async def _give_back(self, delivery: Delivery) -> Fate:
        """It was not tried, and waits as before; another worker's claim of it stays."""
        await self._tools.book.note(Return(delivery.id, None))
        return Fate.LATER

    async def _postpone(self, delivery: Delivery, seconds: float, fault: str) -> Fate:
        until = self._tools.clock() + timedelta(seconds=seconds)
        await self._tools.book.note(Return(delivery.id, until, fault))
        return Fate.LATER

    async def _blocked(self, delivery: Delivery) -> Fate:
        now = self._tools.clock()
        async with self._tools.database.write() as tx:
            await outbox.drop_unreachable(tx, delivery.channel, delivery.address, now)
        await self._end(delivery, State.DROPPED, fault="blocked")
        return Fate.GONE

    async def _end(self, delivery: Delivery, state: State, *, ref: str = "", fault: str = "") -> Fate:
        await self._tools.book.note(Ending(delivery.id, state, ref, fault))
        return Fate.OVER


def _slotted(
    claimed: Sequence[Delivery], slots: paces.Slots | None, looked_at: float, last: float
) -> Iterable[Slotted]:
    place = 0
    for delivery in claimed:
        if slots is None or delivery.is_unpaced:
            yield delivery, None, last
        else:
            yield delivery, looked_at + slots[place], last
            place += 1


def new_worker() -> str:
    """A name that no other process has."""
    return secrets.token_hex(8)
