"""Deliver one channel's part of the outbox: claim what is due, send it when its turn comes, record the result."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from bot.channels.channel import (
    Blocked,
    Channel,
    ChannelError,
    NotReached,
    RecipientThrottled,
    Stopped,
    TemplateStopped,
    Throttled,
    UnknownRefusal,
    Unreachable,
    WindowClosed,
)
from bot.delivery.credentials import Credentials
from bot.delivery.kind_pauses import KindPauses
from bot.delivery.outcomes import DeliveryOutcomes, SendOutcome
from bot.delivery.rate_limiter import Limits, RateLimiter
from bot.delivery.recipient_pace import RecipientPace
from bot.delivery.results import ResultWriter
from handlers import outgoing
from handlers.message import Parcel
from storage import envelopes
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import claims, rate_limits, refusal_streaks, tuning
from storage.queue.outbox import PRIORITY, Delivery, DeliveryKind, DeliveryState
from storage.queue.rate_limits import RateLimitStatus

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeliveryServices:
    """What all channel senders of a process share."""

    database: Database
    results: ResultWriter
    credentials: Credentials
    worker_id: str
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """Claimed deliveries; `start_by`: last moment to start, by the monotonic clock."""

    deliveries: Sequence[Delivery] = ()
    start_by: float = 0.0


class ChannelSender:
    """Sends the deliveries of one channel, so that a slow or refused channel delays no other.

    `wake` asks the dispatcher to claim again.
    """

    def __init__(
        self, channel: Channel, limits: Limits | None, services: DeliveryServices, wake: Callable[[], None]
    ) -> None:
        self.channel = channel
        self.kind_pauses = KindPauses(channel.name, services.database, services.worker_id, services.clock)
        self._rate_limiter = RateLimiter(limits, services.monotonic, services.sleep)
        self._pace = RecipientPace(self._rate_limiter.recipient_limit, services.monotonic)
        self._envelopes = envelopes.of_database(services.database)
        self._outcomes = DeliveryOutcomes(services.database, services.results, services.clock)
        self._services = services
        self._wake = wake
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: set[int] = set()  # deliveries that we claimed and have not finished or released
        self._attempts: set[int] = set()  # those of them that the platform may have accepted
        self._waiting = 0  # those of them that have not had their turn, without signals
        self._connections = asyncio.Semaphore(tuning.MAX_IN_FLIGHT)  # each in use until the result is recorded
        self._may_have_more = False  # more may be due than the last claim took: wake the dispatcher once there is room
        self.stopping = asyncio.Event()  # no further attempt is started

    @property
    def tasks(self) -> frozenset[asyncio.Task[None]]:
        """Tasks that send, one per recipient."""
        return frozenset(self._tasks)

    @property
    def in_flight(self) -> frozenset[int]:
        """The ids of the deliveries that this process has claimed."""
        return frozenset(self._in_flight)

    @property
    def attempts(self) -> frozenset[int]:
        """The ids of the deliveries in flight whose attempt has begun."""
        return frozenset(self._attempts)

    @property
    def seconds_paused(self) -> float:
        """Seconds until sending may resume after a 429."""
        return self._rate_limiter.seconds_paused

    def take_over(self, status: RateLimitStatus) -> None:
        """Send on the credential from now on, as its rate limit allows."""
        self._rate_limiter.take_over(status)

    def release_waiting(self) -> None:
        """The credential is no longer ours: release what waits for its turn."""
        self._rate_limiter.end_waiting()

    # ------------------------------------------------------------ claims

    def may_claim(self) -> bool:
        """Whether more may be claimed now; if there is no room, `wake` is called as soon as there is."""
        if not self._services.credentials.holds(self.channel.name) or self.seconds_paused:
            return False
        has_room = len(self._in_flight) < tuning.MAX_IN_FLIGHT
        self._may_have_more |= not has_room
        return has_room

    def nothing_is_due(self) -> None:
        """No delivery waits that a claim could take: do not wake the dispatcher when there is room."""
        self._may_have_more = False

    async def claim(self, tx: Transaction, *, is_urgent: bool) -> ClaimedBatch:
        """Claim what is due, as far as there is room; pass it to `start` once the transaction is committed.

        `is_urgent`: more than prompts is due, for which there is room even behind waiting prompts.
        """
        count, only_urgent = self._room(is_urgent=is_urgent)
        self._may_have_more = True
        worker = self._services.worker_id
        if not count:
            return ClaimedBatch()
        if not await rate_limits.confirm_holder(tx, self.channel.name, worker):
            self._services.credentials.give_up(self.channel.name)
            return ClaimedBatch()
        was_busy, start_by = bool(self._in_flight), self._services.monotonic() + tuning.START_WITHIN
        now, limit = self._services.clock(), self._rate_limiter.recipient_limit
        claimed = await claims.claim(tx, worker, self.channel.name, now, count, limit, only_urgent=only_urgent)
        self._may_have_more = was_busy or len(claimed) >= count
        return ClaimedBatch(claimed, start_by)

    def _room(self, *, is_urgent: bool) -> tuple[int, bool]:
        """How many recipients to claim deliveries of, and whether only urgent ones, which overtake waiting prompts."""
        room, max_ahead = tuning.MAX_IN_FLIGHT - len(self._in_flight), self._rate_limiter.max_ahead
        if max_ahead is None:
            return room, False
        if self._waiting <= max_ahead // 2:
            return min(max_ahead - self._waiting, room), False
        return (max(0, min(2 * max_ahead - self._waiting, room)), True) if is_urgent else (0, False)

    def _wake_if_room(self) -> None:
        few, max_ahead = tuning.MAX_IN_FLIGHT // tuning.MIN_CLAIM_DIVISOR, self._rate_limiter.max_ahead
        has_room = tuning.MAX_IN_FLIGHT - len(self._in_flight) >= few
        if self._may_have_more and has_room and (max_ahead is None or self._waiting <= max_ahead // 2):
            self._wake()

    def start(self, claimed: ClaimedBatch) -> None:
        """Send claimed deliveries: those to one recipient in order, signals (no messages) at once."""
        by_recipient: dict[str, list[Delivery]] = {}
        for stored in claimed.deliveries:
            self._in_flight.add(stored.id)
            try:
                delivery = stored.opened(self._envelopes)
            except envelopes.AlteredDelivery:
                self._start_task(self._refuse_altered(stored))
                continue
            if delivery.is_signal:
                self._start_task(self._send_in_order([delivery], claimed.start_by))
            else:
                self._waiting += 1
                by_recipient.setdefault(delivery.address, []).append(delivery)
        for deliveries in by_recipient.values():
            self._start_task(self._send_in_order(deliveries, claimed.start_by))

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake_if_room()

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
            except Exception as error:  # as above; those behind it must not be claimed by us for ever
                log.error("delivery_result_failed", delivery=delivery.id, fault=type(error).__name__)
                outcome = SendOutcome.WAITING
            finally:
                self._in_flight.discard(delivery.id)
                self._attempts.discard(delivery.id)

    async def _refuse_altered(self, delivery: Delivery) -> None:
        """End a delivery whose body is not that of its row: it is sent to no one."""
        log.error("delivery_altered", delivery=delivery.id, channel=delivery.channel)
        try:
            await self._outcomes.finish(delivery, DeliveryState.REFUSED, fault=envelopes.ALTERED)
        except DatabaseUnavailable as error:  # it is claimed again when its lease expires
            log.warning("delivery_result_not_recorded", delivery=delivery.id, fault=str(error))
        finally:
            self._in_flight.discard(delivery.id)

    async def _skip(self, delivery: Delivery, outcome: SendOutcome) -> None:
        """Do not send, as an earlier delivery to the same recipient did not leave.

        Drop this one if the recipient cannot be written to, else release its claim, except while the process stops: the
        dispatcher then releases all claims together.
        """
        self._waiting -= 1
        if outcome is SendOutcome.UNREACHABLE:
            await self._outcomes.finish(delivery, DeliveryState.DROPPED, fault="blocked")
        elif not self.stopping.is_set():
            await self._outcomes.release(delivery)

    async def _send(self, delivery: Delivery, start_by: float) -> SendOutcome:
        try:
            if not delivery.is_signal:
                await self._wait_for_turn(delivery)
            async with self.kind_pauses.turn(delivery.kind), self._connections:
                return await self._attempt(delivery, start_by)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # one bad delivery never stops the rest
            kind = type(error).__name__
            log.error("delivery_failed", delivery=delivery.id, channel=delivery.channel, fault=kind)
            return await self._outcomes.finish(delivery, DeliveryState.REFUSED, fault=kind)

    async def _wait_for_turn(self, delivery: Delivery) -> None:
        try:
            await self._rate_limiter.wait((delivery.priority, delivery.id))
        finally:
            self._waiting -= 1
        self._wake_if_room()

    def abandon(self) -> None:
        """Start no further attempt, as the process stops: deliveries that still wait for their turn are not sent."""
        self.stopping.set()
        self.release_waiting()

    async def _attempt(self, delivery: Delivery, start_by: float) -> SendOutcome:
        if self.stopping.is_set():  # the dispatcher releases all claims together
            return SendOutcome.WAITING
        is_ours = self._services.credentials.holds(self.channel.name)
        if not is_ours or self._services.monotonic() >= start_by:
            return await self._outcomes.release(delivery)
        if (pause := self.seconds_paused) > 0 and not delivery.is_signal:
            return await self._outcomes.postpone(delivery, pause, "throttled", is_attempt=False)
        if delivery.deadline is not None and delivery.deadline <= self._services.clock():
            return await self._outcomes.finish(delivery, DeliveryState.DROPPED, fault="late")
        if (until := self.kind_pauses.held_until(delivery.kind)) is not None:
            return await self._outcomes.wait_until(delivery, until, refusal_streaks.PAUSED, is_attempt=False)
        if not delivery.is_signal and (wait := self._pace.seconds_to_wait(delivery.address)) > 0:
            return await self._outcomes.postpone(delivery, wait, "", is_attempt=False)
        self._attempts.add(delivery.id)
        try:
            parcel = outgoing.unpack(delivery.address, delivery.key, delivery.body, delivery.id)
            ref = await self.channel.send(parcel)
        except ChannelError as error:
            return await self._handle_error(delivery, error)
        if not delivery.is_signal:
            self._pace.record(delivery.address)
        outcome = await self._outcomes.finish(delivery, DeliveryState.SENT, ref=ref)
        await self.kind_pauses.accepted(delivery.kind)
        return outcome

    async def _handle_error(self, delivery: Delivery, error: ChannelError) -> SendOutcome:
        """Postpone or finish a delivery that did not leave, or may not have left.

        Throttling and a stopped channel are recorded for the process that sends next, too.
        """
        reason = str(error)
        match error:
            case Throttled():
                await self._record_throttling(error.retry_after)
                return await self._outcomes.postpone(delivery, error.retry_after, "throttled")
            case RecipientThrottled():
                wait = (
                    min(error.retry_after**delivery.attempts, tuning.MAX_BACKOFF)
                    if error.is_exponential
                    else error.retry_after
                )
                return await self._outcomes.postpone(delivery, wait, reason)
            case TemplateStopped():
                return await self._outcomes.postpone(delivery, tuning.TEMPLATE_RETRY, reason)
            case WindowClosed():
                return await self._outcomes.finish(delivery, DeliveryState.DROPPED, fault="window")
            case Blocked():
                return await self._outcomes.drop_recipient(delivery)
            case NotReached():
                return await self._outcomes.retry_recipient(delivery)
            case Unreachable() if error.in_doubt and delivery.kind is DeliveryKind.PROMPT:
                return await self._outcomes.finish(delivery, DeliveryState.DOUBTED, fault=reason)
            case Unreachable():
                return await self._outcomes.postpone(delivery, min(2.0**delivery.attempts, tuning.MAX_BACKOFF), reason)
            case Stopped():
                await self.stop(reason)
                return await self._outcomes.postpone(delivery, tuning.MAX_BACKOFF, reason)
        is_unknown = isinstance(error, UnknownRefusal)
        if is_unknown and delivery.kind is DeliveryKind.REPLY and self.kind_pauses.is_paused_by(reason):
            return await self._outcomes.postpone(delivery, tuning.MAX_BACKOFF, reason)
        log.error("delivery_refused", delivery=delivery.id, channel=delivery.channel, fault=reason)
        if is_unknown:
            await self.kind_pauses.refuse(delivery, reason)
            return SendOutcome.FINISHED
        return await self._outcomes.finish(delivery, DeliveryState.REFUSED, fault=reason)

    async def send_unrecorded(self, parcel: Parcel) -> bool:
        """Send a notice that is no delivery, when its turn comes; False: nothing is sent on this channel now.

        Raises ChannelError, but for throttling and a stopped channel, which are recorded; DatabaseUnavailable.
        """
        await self._rate_limiter.wait((PRIORITY[DeliveryKind.NOTICE], 0))
        async with self._connections:
            is_ours = self._services.credentials.holds(self.channel.name)
            if self.stopping.is_set() or not is_ours or self.seconds_paused > 0:
                return False
            try:
                await self.channel.send(parcel)
            except Throttled as error:
                await self._record_throttling(error.retry_after)
                return False
            except Stopped as error:
                await self.stop(str(error))
                return False
        return True

    async def _record_throttling(self, seconds: float) -> None:
        """Pause at once; then record it, which tells how far to slow down, unless the database is unavailable."""
        name, now = self.channel.name, self._services.clock()
        log.warning("channel_throttled", channel=name, seconds=seconds)
        self._rate_limiter.pause(seconds)
        try:
            async with self._services.database.write() as tx:
                status = await rate_limits.record_throttling(tx, name, seconds, now)
        except DatabaseUnavailable as error:
            log.warning("throttling_not_recorded", channel=name, fault=str(error))
        else:
            self._rate_limiter.slow_down(status)

    async def stop(self, reason: str) -> None:
        """Stop the channel until an administrator acts: the platform refuses the credential or the account."""
        log.error("channel_stopped", channel=self.channel.name, fault=reason)
        async with self._services.database.write() as tx:
            await channel_facts.store(tx, self.channel.name, channel_facts.STOPPED, reason, self._services.clock())


def new_worker_id() -> str:
    """Return a random worker id, which no other process has."""
    return secrets.token_hex(8)
