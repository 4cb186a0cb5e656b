"""Drains the outbox: claims what is due, keeps the pace, lets the channel send, and notes what became of it."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog

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
from bot.channels.pace import Pace
from handlers import speak
from handlers.message import Act, Parcel
from storage import channels, outbox
from storage.database import Database, DatabaseUnavailable
from storage.outbox import Delivery, Kind, State

BATCH = 50
LOOK = 2.0  # seconds between looks when nobody wakes us
LONGEST_WAIT = 300.0  # seconds between two tries of one delivery
PATIENCE = 5.0  # seconds that a claimed delivery waits for a channel that is held; longer, and it goes back
TEMPLATE_WAIT = 900.0  # seconds between two looks at a template that is not taken: prompts wait, they do not fail
GRACE = 10.0  # seconds that a stop waits for the platform's answer to what is just leaving

log = structlog.get_logger()


class Sender:
    """One worker of the outbox, over all channels of this process."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        paces: Mapping[str, Pace],
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._channels = channels
        self._paces = paces
        self._clock = clock
        self._sleep = sleep
        self._worker = secrets.token_hex(8)
        self._leaving: set[asyncio.Task[None]] = set()
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. A database that is away is waited for."""
        try:
            while True:
                self.wake.clear()
                try:
                    await self.drain()
                except DatabaseUnavailable as fault:
                    log.warning("sender_waits", fault=str(fault))
                try:
                    await asyncio.wait_for(self.wake.wait(), LOOK)
                except TimeoutError:
                    continue
        finally:
            if self._leaving:  # what the platform takes now is noted, or a prompt would leave twice
                await asyncio.wait(self._leaving, timeout=GRACE)
            await self._give_back()

    async def _give_back(self) -> None:
        try:
            async with self._database.write() as tx:
                await outbox.give_back(tx, self._worker)
        except DatabaseUnavailable as fault:  # the lease gives it back
            log.warning("sender_left_claims", fault=str(fault))

    async def drain(self) -> int:
        """Send all that is due now; give how many deliveries were tried. Raises DatabaseUnavailable."""
        count = 0
        while claimed := await self._claim():
            count += len(claimed)
            await asyncio.gather(*(self._one(delivery) for delivery in claimed))
        return count

    async def _claim(self) -> list[Delivery]:
        async with self._database.read() as tx:  # an idle look takes no write lock
            stopped = await channels.stopped(tx)
            open_channels = [name for name in self._channels if name not in stopped]
            due = await outbox.next_due(tx, open_channels) if open_channels else None
        if due is None or due > self._clock():
            return []
        async with self._database.write() as tx:
            return await outbox.claim(tx, self._worker, open_channels, self._clock(), BATCH)

    async def _one(self, delivery: Delivery) -> None:
        try:
            parcel = speak.unpack(delivery.address, delivery.key, delivery.body, delivery.id)
            if parcel.act is not Act.ACKNOWLEDGE and not await self._may_leave(delivery):
                return
            if delivery.deadline is not None and delivery.deadline <= self._clock():
                await self._end(delivery, State.DROPPED, fault="late")
                return
            leaving = asyncio.create_task(self._leave(delivery, parcel))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            await asyncio.shield(leaving)
        except DatabaseUnavailable:
            raise
        except Exception as fault:  # top of the loop: one bad delivery never stops the rest
            kind = type(fault).__name__
            log.error("delivery_failed", delivery=delivery.id, channel=delivery.channel, fault=kind)
            await self._end(delivery, State.REFUSED, fault=kind)

    async def _leave(self, delivery: Delivery, parcel: Parcel) -> None:
        try:
            ref = await self._channels[delivery.channel].send(parcel)
        except ChannelError as fault:
            await self._follow(delivery, fault)
        else:
            await self._end(delivery, State.SENT, ref=ref)

    async def _follow(self, delivery: Delivery, fault: ChannelError) -> None:
        """What becomes of a delivery that did not leave, or may not have."""
        says = str(fault)
        match fault:
            case Throttled():
                self._hold(delivery.channel, fault.retry_after)
                await self._postpone(delivery, fault.retry_after, "throttled")
            case Later():
                wait = fault.retry_after**delivery.attempts if fault.grows else fault.retry_after
                await self._postpone(delivery, min(wait, LONGEST_WAIT) if fault.grows else wait, says)
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
                await self.stop(delivery.channel, says)
                await self._postpone(delivery, LONGEST_WAIT, says)
            case Refused():
                log.error("delivery_refused", delivery=delivery.id, channel=delivery.channel, fault=says)
                await self._end(delivery, State.REFUSED, fault=says)

    async def stop(self, channel: str, reason: str) -> None:
        """A channel's credential or account is refused: it stands still until an administrator mends it."""
        log.error("channel_stopped", channel=channel, fault=reason)
        async with self._database.write() as tx:
            await channels.note(tx, channel, channels.STOPPED, reason, self._clock())

    async def resume(self, channel: str) -> None:
        """The platform takes us (again)."""
        async with self._database.write() as tx:
            await channels.clear(tx, channel, channels.STOPPED)
        self.wake.set()

    async def _may_leave(self, delivery: Delivery) -> bool:
        """Wait for the pace; False when the channel is held for so long that the delivery went back."""
        pace = self._paces.get(delivery.channel)
        time = asyncio.get_running_loop().time
        while pace is not None:
            if (held := pace.held(time())) > PATIENCE:
                await self._postpone(delivery, held, "throttled")
                return False
            wait = pace.reserve(time(), delivery.address) - time()
            if wait > 0:
                await self._sleep(wait)
            if not pace.held(time()):  # else a refusal came while we waited
                break
        return True

    def _hold(self, channel: str, seconds: float) -> None:
        log.warning("channel_throttled", channel=channel, seconds=seconds)
        if channel in self._paces:
            self._paces[channel].pause(asyncio.get_running_loop().time(), seconds)

    async def _postpone(self, delivery: Delivery, seconds: float, fault: str) -> None:
        async with self._database.write() as tx:
            await outbox.postpone(tx, delivery.id, self._clock() + timedelta(seconds=seconds), fault)

    async def _blocked(self, delivery: Delivery) -> None:
        async with self._database.write() as tx:
            await outbox.drop_unreachable(tx, delivery.channel, delivery.address, self._clock())
            await outbox.end(tx, delivery.id, State.DROPPED, self._clock(), fault="blocked")

    async def _end(self, delivery: Delivery, state: State, *, ref: str = "", fault: str = "") -> None:
        async with self._database.write() as tx:
            await outbox.end(tx, delivery.id, state, self._clock(), ref=ref, fault=fault)
