"""Test bed for delivery: the real dispatcher and channels on fake platforms that fail on request, with recipients.

Time is the test's clock: nothing waits in real time for its turn, and `settle` advances the clock to when the
waiting deliveries are due.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from bot.channels.telegram.channel import Telegram
from bot.channels.whatsapp.channel import WhatsApp
from bot.channels.whatsapp.client import Graph
from bot.delivery.dispatcher import Dispatcher
from bot.delivery.rate_limiter import Limits
from handlers import outgoing
from handlers.message import Action, Parcel, RenderedTemplate
from storage import schema
from storage.database import Database, Transaction
from storage.people import servants
from storage.queue import outbox
from storage.queue.claims import RecipientRateLimit
from storage.queue.outbox import DeliveryKind, NewDelivery
from storage.schema import addresses, deliveries
from tests.cast import INSTITUTIONS, Clock
from tests.fakes import telegram as bot_api
from tests.fakes import whatsapp as graph_api
from tests.fakes.failures import Outage
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.whatsapp import ACCESS_TOKEN, BUSINESS_ACCOUNT_ID, PHONE_NUMBER_ID, FakeWhatsApp

UNLIMITED = {name: Limits(1000, RecipientRateLimit(100_000, 1.0)) for name in ("telegram", "whatsapp")}
SECOND = timedelta(seconds=1)
PROMPT_EXPIRY = timedelta(hours=9)
MAX_ROUNDS = 200  # rounds of `settle` and `wait_for_states` before the test fails
METHODS = {"telegram": "sendMessage", "whatsapp": "messages"}
Fault = bot_api.Fault | graph_api.Fault
Row = Mapping[str, Any]


class WatchedChannel:
    """A real channel that runs callbacks after the platform accepted a message and before the dispatcher learns it."""

    def __init__(self, channel: Telegram | WhatsApp) -> None:
        self.name = channel.name
        self.channel = channel
        self.on_next_send: list[Callable[[], Awaitable[None]]] = []

    async def send(self, parcel: Parcel) -> str:
        ref = await self.channel.send(parcel)
        while self.on_next_send:
            await self.on_next_send.pop()()
        return ref


class DeliveryTestbed:
    """Outbox, dispatcher, both channels and their fake platforms, with the same number of recipients on each.

    `enqueued` lists every delivery so far: address, text, kind.
    """

    def __init__(self, database: Database, clock: Clock, telegram: FakeTelegram, meta: FakeWhatsApp) -> None:
        self.database = database
        self.clock = clock
        self.telegram = telegram
        self.meta = meta
        graph = Graph(ACCESS_TOKEN, meta.url, PHONE_NUMBER_ID, BUSINESS_ACCOUNT_ID)
        channels = (Telegram(TOKEN, telegram.url), WhatsApp(graph, database, clock))
        self.channels = {channel.name: WatchedChannel(channel) for channel in channels}
        self.enqueued: list[tuple[str, str, DeliveryKind]] = []
        self.outage: Outage | None = None
        self._recipients = 0
        self._clock_shift = timedelta()
        self.workers: list[Dispatcher] = []
        self.dispatcher = self.worker()

    def worker(self, limits: Mapping[str, Limits] = UNLIMITED) -> Dispatcher:
        """Another dispatcher on the same outbox, as another process would run it; `close` hands over to another."""
        dispatcher = Dispatcher(
            self.database,
            self.channels,
            limits,
            self.clock,
            sleep=self._sleep,
            monotonic=lambda: (self.clock() - self._clock_shift).timestamp(),
        )
        self.workers.append(dispatcher)
        return dispatcher

    def on_next_send(self, channel: str, callback: Callable[[], Awaitable[None]]) -> None:
        """Run `callback` after the channel's next accepted message, before its result is recorded."""
        self.channels[channel].on_next_send.append(callback)

    async def _sleep(self, _: float) -> None:
        """Return at once, as the pace has tests of its own; during an outage of the database, wait for its end."""
        if self.outage is not None:
            await self.outage.sleep()

    def set_clock(self, **by: float) -> None:
        """Set the wall clock forward or back; the monotonic clock does not change."""
        before = self.clock()
        self._clock_shift += self.clock.move(**by) - before

    # ------------------------------------------------------------ recipients

    async def add_recipients(self, recipients: int) -> None:
        """Enrol this many more servants on each channel; those on WhatsApp have an open reply window."""
        new = range(self._recipients, self._recipients + recipients)
        self._recipients += recipients
        async with self.database.write() as tx:
            if not new.start:
                await servants.add_institution(tx, *INSTITUTIONS[0])
            institution = await servants.institution_by_code(tx, INSTITUTIONS[0][0])
            assert institution is not None
            for number in new:
                for address in (telegram_address(number), whatsapp_address(number)):
                    await self._enrol(tx, institution.id, address)
        for number in new:
            self.telegram.person(int(telegram_address(number))).has_started = True
            self.meta.person(f"52147700{number:05d}", whatsapp_address(number)).last_word = self.clock()

    async def _enrol(self, tx: Transaction, institution_id: int, address: str) -> None:
        row = {"channel": channel_of(address), "address": address, "heard_at": self.clock()}
        servant = {"institution_id": institution_id, "state": "active", "language": "es", "hour": 9}
        servant |= {"notice_version": "1", "consented_at": self.clock(), "enrolled_on": self.clock().date()}
        servant_id = await tx.scalar(insert(schema.servants).values(servant).returning(schema.servants.c.id))
        await tx.execute(insert(addresses).values(row | {"servant_id": servant_id}))

    async def say(
        self,
        address: str,
        text: str,
        kind: DeliveryKind = DeliveryKind.REPLY,
        *,
        template: RenderedTemplate | None = None,
    ) -> None:
        """Add a delivery to the outbox; `text` is its idempotency key as well, so it has to be unique."""
        body = outgoing.pack(Parcel(address, Action.SEND, text, template=template))
        ends = self.clock() + PROMPT_EXPIRY if kind is DeliveryKind.PROMPT else None
        async with self.database.write() as tx:
            await outbox.add(tx, [NewDelivery(text, channel_of(address), address, kind, body, self.clock(), ends)])
        self.enqueued.append((address, text, kind))

    def read(self, address: str) -> list[str]:
        """Texts that reached the recipient, in order, repeated ones included."""
        if channel_of(address) == "telegram":
            return [message.text for message in self.telegram.person(int(address)).read()]
        (person,) = (person for person in self.meta.world.people if person.user_id == address)
        return [message.text for message in person.read()]

    def fail(self, channel: str, **how: Any) -> Fault:
        """Make the next send on a channel fail; options are the fields of the fake's Fault record."""
        fake = self.telegram if channel == "telegram" else self.meta
        return fake.fail(METHODS[channel], **how)

    # ------------------------------------------------------------ outbox

    async def settle(self, sender: Dispatcher | None = None) -> None:
        """Dispatch until no delivery is waiting or claimed, advancing the clock to the next due time each round."""
        for _ in range(MAX_ROUNDS):
            await (sender or self.dispatcher).drain()
            moment = await self._next_due()
            if moment is None:
                return
            self.clock.moment = max(self.clock(), moment) + SECOND
        raise AssertionError(f"deliveries that never leave the outbox: {await self.states()}")

    async def _next_due(self) -> datetime | None:
        """When the last of the deliveries that are not due yet is due or loses its lease; None: none is pending."""
        rows = [row for row in await self.rows() if row["state"] in ("waiting", "claimed")]
        moments = [row["lease_until"] or row["due_at"] for row in rows]
        later = [moment for moment in moments if moment > self.clock()]
        return max(later or moments, default=None)

    async def wait_for_states(self, holds: Callable[[Mapping[str, str]], bool]) -> None:
        """Let other tasks run until `holds` is true for the states of the outbox."""
        for _ in range(MAX_ROUNDS):
            if holds(await self.states()):
                return
        raise AssertionError(f"the expected states were not reached: {await self.states()}")

    async def rows(self) -> list[Row]:
        async with self.database.read() as tx:
            return [dict(row) for row in (await tx.execute(select(deliveries).order_by(deliveries.c.id))).mappings()]

    async def row(self, text: str) -> Row:
        (found,) = [row for row in await self.rows() if row["key"] == text]
        return found

    async def states(self) -> dict[str, str]:
        """State of each delivery, by its text."""
        return {row["key"]: row["state"] for row in await self.rows()}


def telegram_address(number: int) -> str:
    return str(100_000 + number)


def whatsapp_address(number: int) -> str:
    return f"MX.{1000 + number}"


def channel_of(address: str) -> str:
    return "whatsapp" if address.startswith("MX.") else "telegram"


@asynccontextmanager
async def delivery_testbed(database: Database, clock: Clock, recipients: int = 10) -> AsyncIterator[DeliveryTestbed]:
    """A test bed on an empty, migrated database, with `recipients` on each channel."""
    async with FakeTelegram() as telegram, FakeWhatsApp(clock) as meta:
        testbed = DeliveryTestbed(database, clock, telegram, meta)
        await testbed.add_recipients(recipients)
        yield testbed
        for worker in testbed.workers:
            await worker.close()
        for watched in testbed.channels.values():
            await watched.channel.close()
