"""Deliver one channel's part of the outbox: claim what is due, send it at its rate-limit slot, record the result."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

import structlog

from bot.channels.channel import (
    Blocked,
    Channel,
    ChannelError,
    RecipientThrottled,
    Stopped,
    TemplateStopped,
    Throttled,
    Unreachable,
    WindowClosed,
)
from bot.delivery.rate_limiter import DeliveryServices, Limits, RateLimiter
from handlers import outgoing
from storage.channels import channel_facts
from storage.database import DatabaseUnavailable, Transaction
from storage.queue import claims, outbox
from storage.queue.outbox import Delivery, DeliveryKind, DeliveryState, FinishedDelivery, PostponedDelivery

MAX_IN_FLIGHT = 256  # deliveries, and connections: if the process dies, messages that the platform accepted and whose
# results are not recorded yet are sent twice, at most one per connection
MIN_CLAIM_DIVISOR = 4  # claim when a fourth of those is free: claiming each by itself would cost a claim per message
MAX_BACKOFF = 300.0  # seconds between two attempts of one delivery, at most
TEMPLATE_RETRY = 900.0  # seconds between two attempts with a template that is not accepted: prompts wait, never fail
START_WITHIN = outbox.LEASE.total_seconds() - 30.0  # seconds after its claim in which an attempt may begin: a channel
# may wait 10 for a connection and 15 for the response, and after the lease another worker may have claimed the delivery
MAX_PAUSE = 5.0  # seconds that a claimed delivery waits for a paused channel; if longer, its claim is released

log = structlog.get_logger()


class SendOutcome(Enum):
    """The outcome of an attempt, as far as it concerns the later deliveries to the same recipient."""

    FINISHED = "finished"  # sent, dropped, refused or in doubt: the next delivery may start
    WAITING = "waiting"  # it is retried later, or its result was not recorded: later ones must not overtake it
    UNREACHABLE = "unreachable"  # the recipient cannot be written to: later ones are dropped


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """Claimed deliveries with the slots reserved for them; `start_by`: last moment to start, by the monotonic clock."""

    deliveries: Sequence[Delivery] = ()
    slots: Sequence[float] = ()
    start_by: float = 0.0


class ChannelSender:
    """Sends the deliveries of one channel, so that a slow or refused channel delays no other.

    `wake` asks the dispatcher to claim again.
    """

    def __init__(
        self, channel: Channel, limits: Limits | None, services: DeliveryServices, wake: Callable[[], None]
    ) -> None:
        self.channel = channel
        self._rate_limiter = RateLimiter(channel.name, limits, services)
        self._services = services
        self._wake = wake
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: set[int] = set()  # deliveries that we claimed and have not finished or released
        self._connections = asyncio.Semaphore(MAX_IN_FLIGHT)  # each in use until the result is recorded
        self._may_have_more = False  # more may be due than the last claim took: wake the dispatcher once there is room
        self._is_stopping = False

    @property
    def tasks(self) -> frozenset[asyncio.Task[None]]:
        """Tasks that send, one per recipient."""
        return frozenset(self._tasks)

    @property
    def in_flight(self) -> frozenset[int]:
        """The ids of the deliveries in flight."""
        return frozenset(self._in_flight)

    def room(self) -> int:
        """How many more deliveries may be in flight."""
        return max(0, MAX_IN_FLIGHT - len(self._in_flight))

    def request_room(self) -> bool:
        """Whether more may be claimed now; if not, `wake` is called as soon as it may."""
        has_room = self.room() > 0
        self._may_have_more |= not has_room
        return has_room

    async def claim(self, tx: Transaction, *, is_urgent: bool) -> ClaimedBatch:
        """Claim what is due, as far as there is room; pass it to `start` once the transaction is committed.

        `is_urgent`: more than prompts is due, which justifies waiting behind slots of other processes.
        """
        room = self.room()
        if not room or self._rate_limiter.seconds_paused > MAX_PAUSE:
            return ClaimedBatch()
        snapshot = await self._rate_limiter.lock(tx)
        if self._rate_limiter.seconds_paused > MAX_PAUSE:  # another process was throttled: slots may outlast a lease
            return ClaimedBatch()
        was_busy, start_by = bool(self._in_flight), self._services.monotonic() + START_WITHIN
        claimed: Sequence[Delivery] = ()
        if count := self._rate_limiter.reservable_count(snapshot, room, is_urgent=is_urgent):
            now, limit = self._services.clock(), self._rate_limiter.recipient_limit
            claimed = await claims.claim(tx, self._services.worker_id, self.channel.name, now, count, limit)
        self._may_have_more = was_busy or len(claimed) >= count
        return ClaimedBatch(claimed, await self._rate_limiter.reserve(tx, snapshot, claimed), start_by)

    def start(self, claimed: ClaimedBatch) -> None:
        """Send claimed deliveries: those to one recipient in order, signals (no messages) at once."""
        self._rate_limiter.add(claimed.slots)
        by_recipient: dict[str, list[Delivery]] = {}
        for delivery in claimed.deliveries:
            self._in_flight.add(delivery.id)
            if delivery.is_signal:
                self._start_task([delivery], claimed.start_by)
            else:
                by_recipient.setdefault(delivery.address, []).append(delivery)
        for deliveries in by_recipient.values():
            self._start_task(deliveries, claimed.start_by)

    def _start_task(self, deliveries: Sequence[Delivery], start_by: float) -> None:
        task = asyncio.create_task(self._send_in_order(deliveries, start_by))
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        few = MAX_IN_FLIGHT - MAX_IN_FLIGHT // MIN_CLAIM_DIVISOR
        if self._may_have_more and len(self._in_flight) <= few and not self._rate_limiter.has_enough_slots():
            self._wake()

    # ------------------------------------------------------------ deliveries to one recipient

    async def _send_in_order(self, deliveries: Sequence[Delivery], start_by: float) -> None:
        """Send one after the other; if one has to wait again, those behind it wait as well."""
        outcome = SendOutcome.FINISHED
        for delivery in deliveries:
            try:
                if outcome is SendOutcome.FINISHED:
                    outcome = await self._send(delivery, start_by)
                else:
                    await self._skip(delivery, outcome)
            except DatabaseUnavailable as error:  # the delivery waits again when its lease expires
                log.warning("delivery_result_not_recorded", delivery=delivery.id, fault=str(error))
                outcome = SendOutcome.WAITING
            finally:
                self._in_flight.discard(delivery.id)

    async def _skip(self, delivery: Delivery, outcome: SendOutcome) -> None:
        """Do not send, as an earlier delivery to the same recipient did not leave.

        Drop this one if the recipient cannot be written to, else release its claim, except while the process stops: the
        dispatcher then releases all claims together.
        """
        self._rate_limiter.skip()
        if outcome is SendOutcome.UNREACHABLE:
            await self._finish(delivery, DeliveryState.DROPPED, fault="blocked")
        elif not self._is_stopping:
            await self._release(delivery)

    async def _send(self, delivery: Delivery, start_by: float) -> SendOutcome:
        try:
            await self._rate_limiter.wait_for_slot(delivery)
            async with self._connections:
                return await self._attempt(delivery, start_by)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # one bad delivery never stops the rest
            kind = type(error).__name__
            log.error("delivery_failed", delivery=delivery.id, channel=delivery.channel, fault=kind)
            return await self._finish(delivery, DeliveryState.REFUSED, fault=kind)

    def pause(self, seconds: float) -> None:
        """Send nothing for so many seconds: the platform throttled the credential."""
        self._rate_limiter.pause(seconds)

    def abandon(self) -> None:
        """Start no further attempt, as the process stops: deliveries that still wait for their turn are not sent."""
        self._is_stopping = True

    async def _attempt(self, delivery: Delivery, start_by: float) -> SendOutcome:
        if self._is_stopping:  # the dispatcher releases all claims together
            return SendOutcome.WAITING
        if self._services.monotonic() >= start_by:
            return await self._release(delivery)
        if (pause := self._rate_limiter.seconds_paused) > 0 and not delivery.is_signal:
            return await self._postpone(delivery, pause, "throttled")
        if delivery.deadline is not None and delivery.deadline <= self._services.clock():
            return await self._finish(delivery, DeliveryState.DROPPED, fault="late")
        try:
            parcel = outgoing.unpack(delivery.address, delivery.key, delivery.body, delivery.id)
            ref = await self.channel.send(parcel)
        except ChannelError as error:
            return await self._handle_error(delivery, error)
        return await self._finish(delivery, DeliveryState.SENT, ref=ref)

    async def _handle_error(self, delivery: Delivery, error: ChannelError) -> SendOutcome:
        """Postpone or finish a delivery that did not leave, or may not have left.

        Throttling and a stopped channel are recorded for all processes.
        """
        reason = str(error)
        match error:
            case Throttled():
                log.warning("channel_throttled", channel=self.channel.name, seconds=error.retry_after)
                await self._rate_limiter.record_throttling(error.retry_after)
                return await self._postpone(delivery, error.retry_after, "throttled")
            case RecipientThrottled():
                wait = (
                    min(error.retry_after**delivery.attempts, MAX_BACKOFF)
                    if error.is_exponential
                    else error.retry_after
                )
                return await self._postpone(delivery, wait, reason)
            case TemplateStopped():
                return await self._postpone(delivery, TEMPLATE_RETRY, reason)
            case WindowClosed():
                return await self._finish(delivery, DeliveryState.DROPPED, fault="window")
            case Blocked():
                return await self._drop_recipient(delivery)
            case Unreachable() if error.in_doubt and delivery.kind is DeliveryKind.PROMPT:
                return await self._finish(delivery, DeliveryState.DOUBTED, fault=reason)
            case Unreachable():
                return await self._postpone(delivery, min(2.0**delivery.attempts, MAX_BACKOFF), reason)
            case Stopped():
                await self.stop(reason)
                return await self._postpone(delivery, MAX_BACKOFF, reason)
        log.error("delivery_refused", delivery=delivery.id, channel=delivery.channel, fault=reason)
        return await self._finish(delivery, DeliveryState.REFUSED, fault=reason)

    async def stop(self, reason: str) -> None:
        """Stop the channel until an administrator acts: the platform refuses the credential or the account."""
        log.error("channel_stopped", channel=self.channel.name, fault=reason)
        async with self._services.database.write() as tx:
            await channel_facts.store(tx, self.channel.name, channel_facts.STOPPED, reason, self._services.clock())

    # ------------------------------------------------------------ results

    async def _release(self, delivery: Delivery) -> SendOutcome:
        """Release the claim of a delivery that was not tried; a newer claim by another worker is left alone."""
        await self._services.results.record(PostponedDelivery(delivery.id, None))
        return SendOutcome.WAITING

    async def _postpone(self, delivery: Delivery, seconds: float, fault: str) -> SendOutcome:
        until = self._services.clock() + timedelta(seconds=seconds)
        await self._services.results.record(PostponedDelivery(delivery.id, until, fault))
        return SendOutcome.WAITING

    async def _drop_recipient(self, delivery: Delivery) -> SendOutcome:
        now = self._services.clock()
        async with self._services.database.write() as tx:
            await outbox.drop_unreachable(tx, delivery.channel, delivery.address, now)
        await self._finish(delivery, DeliveryState.DROPPED, fault="blocked")
        return SendOutcome.UNREACHABLE

    async def _finish(self, delivery: Delivery, state: DeliveryState, *, ref: str = "", fault: str = "") -> SendOutcome:
        await self._services.results.record(FinishedDelivery(delivery.id, state, ref, fault))
        return SendOutcome.FINISHED


def new_worker_id() -> str:
    """Return a random worker id, which no other process has."""
    return secrets.token_hex(8)
