"""One channel's way out: claims what is due with its slots, lets each leave at its moment, follows what came of it."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

import structlog

from bot.channels.channel import (Blocked, Channel, ChannelError, RecipientThrottled, Stopped, TemplateStopped, Throttled, Unreachable, WindowClosed)
from bot.delivery.rate_limiter import DeliveryServices, Limits, RateLimiter
from handlers import outgoing
from storage.channels import channel_facts
from storage.database import DatabaseUnavailable, Transaction
from storage.queue import claims, outbox
from storage.queue.outbox import Delivery, DeliveryKind, DeliveryState, FinishedDelivery, PostponedDelivery

ON_THE_WAY = 256  # connections: what the platform took may leave twice if we die before it is noted, one on each
HANDFUL = 4  # the part of those that is claimed at least: one by one each message would cost a claim of its own
LONGEST_WAIT = 300.0  # seconds between two tries of one delivery
TEMPLATE_WAIT = 900.0  # seconds between two looks at a template that is not taken: prompts wait, they do not fail
LAST = outbox.LEASE.total_seconds() - 30.0  # seconds after its claim in which a delivery may begin to leave: a channel
# may wait 10 for a connection and 15 for the answer, and once the lease is over another worker may have taken it
PATIENCE = 5.0  # seconds that a claimed delivery waits for a channel that is held; longer, and it goes back

log = structlog.get_logger()


class SendOutcome(Enum):
    """What a delivery came to, as far as it concerns those behind it."""

    OVER = "over"
    LATER = "later"  # it waits again, or was not noted: they must not go before it
    GONE = "gone"  # the person is not to be written to: nor are they


@dataclass(frozen=True, slots=True)
class Claimed:
    """Deliveries with the slots that were taken for them, and until when they must leave, by the steady clock."""

    deliveries: Sequence[Delivery] = ()
    slots: Sequence[float] = ()
    last: float = 0.0


class ChannelSender:
    """The deliveries of one channel; a slow or refused one holds up nobody else's. `call` asks to be started again."""

    def __init__(
        self, channel: Channel, limits: Limits | None, tools: DeliveryServices, call: Callable[[], None]
    ) -> None:
        self.channel = channel
        self._credential = RateLimiter(channel.name, limits, tools)
        self._tools = tools
        self._call = call
        self._going: set[asyncio.Task[None]] = set()
        self._held: set[int] = set()  # deliveries that we claimed and have not given back
        self._connections = asyncio.Semaphore(ON_THE_WAY)  # in use until it is noted what came of it
        self._may_have_more = False  # when it was last looked at, something was left behind
        self._is_abandoned = False

    @property
    def going(self) -> frozenset[asyncio.Task[None]]:
        """Deliveries on their way, one task for what goes to a person in turn."""
        return frozenset(self._going)

    @property
    def held(self) -> frozenset[int]:
        """The ids of what is under way."""
        return frozenset(self._held)

    def room(self) -> int:
        """How many more may be under way."""
        return max(0, ON_THE_WAY - len(self._held))

    def has_room(self) -> bool:
        """Whether more may be claimed now; if not, we call as soon as it may."""
        has_room = self.room() > 0
        self._may_have_more |= not has_room
        return has_room

    async def claim(self, tx: Transaction, *, is_urgent: bool) -> Claimed:
        """Take hold of what is due, as much as there is room for; it leaves when `start` is told so.

        `is_urgent`: not only prompts are due, for which the slots of other processes are waited for.
        """
        room = self.room()
        if not room or self._credential.seconds_held > PATIENCE:
            return Claimed()
        sight = await self._credential.look(tx)
        if self._credential.seconds_held > PATIENCE:  # another process was refused: slots may lie beyond a lease
            return Claimed()
        was_going, last = bool(self._held), self._tools.time() + LAST
        claimed: Sequence[Delivery] = ()
        if count := self._credential.free(sight, room, is_urgent=is_urgent):
            now, person = self._tools.clock(), self._credential.person
            claimed = await claims.claim(tx, self._tools.worker, self.channel.name, now, count, person)
        self._may_have_more = was_going or len(claimed) >= count
        return Claimed(claimed, await self._credential.take(tx, sight, claimed), last)

    def start(self, claimed: Claimed) -> None:
        """Let it go: what is for one person in turn, what is no message at once."""
        self._credential.add(claimed.slots)
        chains: dict[str, list[Delivery]] = {}
        for one in claimed.deliveries:
            self._held.add(one.id)
            if one.is_unpaced:
                self._go([one], claimed.last)
            else:
                chains.setdefault(one.address, []).append(one)
        for chain in chains.values():
            self._go(chain, claimed.last)

    def _go(self, chain: Sequence[Delivery], last: float) -> None:
        task = asyncio.create_task(self._in_turn(chain, last))
        self._going.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._going.discard(task)
        few = ON_THE_WAY - ON_THE_WAY // HANDFUL
        if self._may_have_more and len(self._held) <= few and not self._credential.has_plenty():
            self._call()

    # ------------------------------------------------------------ one person's deliveries

    async def _in_turn(self, chain: Sequence[Delivery], last: float) -> None:
        """One after the other: what comes behind a delivery that waits again waits with it."""
        fate = SendOutcome.OVER
        for delivery in chain:
            try:
                if fate is SendOutcome.OVER:
                    fate = await self._one(delivery, last)
                else:
                    await self._leave_out(delivery, fate)
            except DatabaseUnavailable as fault:  # the lease gives it back
                log.warning("delivery_not_noted", delivery=delivery.id, fault=str(fault))
                fate = SendOutcome.LATER
            finally:
                self._held.discard(delivery.id)

    async def _leave_out(self, delivery: Delivery, fate: SendOutcome) -> None:
        """What goes before it has had another fate than to leave."""
        self._credential.skip()
        if fate is SendOutcome.GONE:
            await self._end(delivery, DeliveryState.DROPPED, fault="blocked")
        elif not self._is_abandoned:
            await self._give_back(delivery)

    async def _one(self, delivery: Delivery, last: float) -> SendOutcome:
        try:
            await self._credential.turn(delivery)
            async with self._connections:
                return await self._leave(delivery, last)
        except DatabaseUnavailable:
            raise
        except Exception as fault:  # one bad delivery never stops the rest
            kind = type(fault).__name__
            log.error("delivery_failed", delivery=delivery.id, channel=delivery.channel, fault=kind)
            return await self._end(delivery, DeliveryState.REFUSED, fault=kind)

    def hold(self, seconds: float) -> None:
        """The credential was refused: nothing leaves for so long."""
        self._credential.hold(seconds)

    def abandon(self) -> None:
        """The process stops: what waits for its slot, or for what goes before it, leaves no more."""
        self._is_abandoned = True

    async def _leave(self, delivery: Delivery, last: float) -> SendOutcome:
        if self._is_abandoned:  # whoever stops gives all back at once
            return SendOutcome.LATER
        if self._tools.time() >= last:
            return await self._give_back(delivery)
        if (held := self._credential.seconds_held) > 0 and not delivery.is_unpaced:
            return await self._postpone(delivery, held, "throttled")
        if delivery.deadline is not None and delivery.deadline <= self._tools.clock():
            return await self._end(delivery, DeliveryState.DROPPED, fault="late")
        try:
            parcel = outgoing.unpack(delivery.address, delivery.key, delivery.body, delivery.id)
            ref = await self.channel.send(parcel)
        except ChannelError as fault:
            return await self._follow(delivery, fault)
        return await self._end(delivery, DeliveryState.SENT, ref=ref)

    async def _follow(self, delivery: Delivery, fault: ChannelError) -> SendOutcome:
        """What becomes of a delivery that did not leave, or may not have."""
        says = str(fault)
        match fault:
            case Throttled():
                log.warning("channel_throttled", channel=self.channel.name, seconds=fault.retry_after)
                await self._credential.refused(fault.retry_after)
                return await self._postpone(delivery, fault.retry_after, "throttled")
            case RecipientThrottled():
                wait = min(fault.retry_after**delivery.attempts, LONGEST_WAIT) if fault.is_exponential else fault.retry_after
                return await self._postpone(delivery, wait, says)
            case TemplateStopped():
                return await self._postpone(delivery, TEMPLATE_WAIT, says)
            case WindowClosed():
                return await self._end(delivery, DeliveryState.DROPPED, fault="window")
            case Blocked():
                return await self._blocked(delivery)
            case Unreachable() if fault.in_doubt and delivery.kind is DeliveryKind.PROMPT:
                return await self._end(delivery, DeliveryState.DOUBTED, fault=says)
            case Unreachable():
                return await self._postpone(delivery, min(2.0**delivery.attempts, LONGEST_WAIT), says)
            case Stopped():
                await self.stop(says)
                return await self._postpone(delivery, LONGEST_WAIT, says)
        log.error("delivery_refused", delivery=delivery.id, channel=delivery.channel, fault=says)
        return await self._end(delivery, DeliveryState.REFUSED, fault=says)

    async def stop(self, reason: str) -> None:
        """The credential or the account is refused: the channel stands still until an administrator mends it."""
        log.error("channel_stopped", channel=self.channel.name, fault=reason)
        async with self._tools.database.write() as tx:
            await channel_facts.note(tx, self.channel.name, channel_facts.STOPPED, reason, self._tools.clock())

    # ------------------------------------------------------------ notes

    async def _give_back(self, delivery: Delivery) -> SendOutcome:
        """It was not tried, and waits as before; another worker's claim of it stays."""
        await self._tools.book.note(PostponedDelivery(delivery.id, None))
        return SendOutcome.LATER

    async def _postpone(self, delivery: Delivery, seconds: float, fault: str) -> SendOutcome:
        until = self._tools.clock() + timedelta(seconds=seconds)
        await self._tools.book.note(PostponedDelivery(delivery.id, until, fault))
        return SendOutcome.LATER

    async def _blocked(self, delivery: Delivery) -> SendOutcome:
        now = self._tools.clock()
        async with self._tools.database.write() as tx:
            await outbox.drop_unreachable(tx, delivery.channel, delivery.address, now)
        await self._end(delivery, DeliveryState.DROPPED, fault="blocked")
        return SendOutcome.GONE

    async def _end(self, delivery: Delivery, state: DeliveryState, *, ref: str = "", fault: str = "") -> SendOutcome:
        await self._tools.book.note(FinishedDelivery(delivery.id, state, ref, fault))
        return SendOutcome.OVER


def new_worker() -> str:
    """A name that no other process has."""
    return secrets.token_hex(8)
