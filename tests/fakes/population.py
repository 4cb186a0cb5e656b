"""A street of people on both channels: the real sender and the real channels, on fakes that fail on command.

The clock is the test's: whoever waits for a slot waits no time, and `settle` moves the clock to when what
waits may leave.
"""

import asyncio
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
from storage.queue.claims import PersonLimit
from storage.queue.outbox import DeliveryKind, NewDelivery
from storage.schema import addresses, deliveries
from tests.cast import INSTITUTIONS, Clock
from tests.fakes import telegram as bot_api
from tests.fakes import whatsapp as graph_api
from tests.fakes.failures import Outage
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.whatsapp import ACCESS_TOKEN, BUSINESS_ACCOUNT_ID, PHONE_NUMBER_ID, FakeWhatsApp

GENEROUS = {name: Limits(1000, PersonLimit(100_000, 1.0)) for name in ("telegram", "whatsapp")}
SECOND = timedelta(seconds=1)
PROMPTS_LAST = timedelta(hours=9)
LOOKS = 200  # so often something that waits is looked after, before we say that it never leaves
METHODS = {"telegram": "sendMessage", "whatsapp": "messages"}
Fault = bot_api.Fault | graph_api.Fault
Row = Mapping[str, Any]


class Watched:
    """A real channel; once something of the test's is done when the platform has said yes, before anybody hears it."""

    def __init__(self, channel: Telegram | WhatsApp) -> None:
        self.name = channel.name
        self.channel = channel
        self.then: list[Callable[[], Awaitable[None]]] = []

    async def send(self, parcel: Parcel) -> str:
        ref = await self.channel.send(parcel)
        while self.then:
            await self.then.pop()()
        return ref


class Street:
    """`said` is all that was ever said: the person, the text, and what it was."""

    def __init__(self, database: Database, clock: Clock, telegram: FakeTelegram, meta: FakeWhatsApp) -> None:
        self.database = database
        self.clock = clock
        self.telegram = telegram
        self.meta = meta
        graph = Graph(ACCESS_TOKEN, meta.url, PHONE_NUMBER_ID, BUSINESS_ACCOUNT_ID)
        channels = (Telegram(TOKEN, telegram.url), WhatsApp(graph, database, clock))
        self.roads = {one.name: Watched(one) for one in channels}
        self.said: list[tuple[str, str, DeliveryKind]] = []
        self.outage: Outage | None = None
        self._people = 0
        self._was_set = timedelta()
        self._moved = asyncio.Event()
        self.dispatcher = self.worker()

    def worker(
        self, limits: Mapping[str, Limits] = GENEROUS, sleep: Callable[[float], Awaitable[None]] | None = None
    ) -> Dispatcher:
        """One more process that empties this outbox."""
        return Dispatcher(
            self.database,
            self.roads,
            limits,
            self.clock,
            sleep=sleep or self._sleep,
            monotonic=lambda: (self.clock() - self._was_set).timestamp(),
            rate_limit_clock=self.clock,
        )

    def then(self, channel: str, what: Callable[[], Awaitable[None]]) -> None:
        """Between the next yes of a platform and the note of it."""
        self.roads[channel].then.append(what)

    async def _sleep(self, _: float) -> None:
        """Slots have tests of their own, and nobody waits for them here; whoever waits for the database does."""
        if self.outage is not None:
            await self.outage.sleep()

    def set_clock(self, **by: float) -> None:
        """Somebody sets the clock, forward or back; no time passes."""
        before = self.clock()
        self._was_set += self.clock.move(**by) - before

    def pass_time(self, seconds: float) -> None:
        """Time passes, also for whoever naps."""
        self.clock.move(seconds=seconds)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def nap(self, seconds: float) -> None:
        """A sleep that ends when the test lets so much time pass; less than a second is none."""
        if seconds < 1:
            return
        until = self.clock() + timedelta(seconds=seconds)
        while self.clock() < until:
            await self._moved.wait()

    # ------------------------------------------------------------ people

    async def move_in(self, people: int) -> None:
        """So many more on each channel; those on WhatsApp have just spoken."""
        new = range(self._people, self._people + people)
        self._people += people
        async with self.database.write() as tx:
            if not new.start:
                await servants.add_institution(tx, *INSTITUTIONS[0])
            place = await servants.institution_by_code(tx, INSTITUTIONS[0][0])
            assert place is not None
            for number in new:
                for address in (on_telegram(number), on_whatsapp(number)):
                    await self._enrol(tx, place.id, address)
        for number in new:
            self.telegram.person(int(on_telegram(number))).has_started = True
            self.meta.person(f"52147700{number:05d}", on_whatsapp(number)).last_word = self.clock()

    async def _enrol(self, tx: Transaction, institution_id: int, address: str) -> None:
        row = {"channel": channel_of(address), "address": address, "heard_at": self.clock()}
        who = {"institution_id": institution_id, "state": "active", "language": "es", "hour": 9}
        who |= {"notice_version": "1", "consented_at": self.clock(), "enrolled_on": self.clock().date()}
        servant_id = await tx.scalar(insert(schema.servants).values(who).returning(schema.servants.c.id))
        await tx.execute(insert(addresses).values(row | {"servant_id": servant_id}))

    async def say(
        self,
        address: str,
        text: str,
        kind: DeliveryKind = DeliveryKind.REPLY,
        *,
        opening: RenderedTemplate | None = None,
    ) -> None:
        """Into the outbox; the text is the key, and is said once."""
        body = outgoing.pack(Parcel(address, Action.SAY, text, opening=opening))
        ends = self.clock() + PROMPTS_LAST if kind is DeliveryKind.PROMPT else None
        async with self.database.write() as tx:
            await outbox.add(tx, [NewDelivery(text, channel_of(address), address, kind, body, self.clock(), ends)])
        self.said.append((address, text, kind))

    def read(self, address: str) -> list[str]:
        """What reached a person, in its order, as often as it did."""
        if channel_of(address) == "telegram":
            return [note.text for note in self.telegram.person(int(address)).read()]
        (person,) = (one for one in self.meta.world.people if one.user_id == address)
        return [note.text for note in person.read()]

    def fail(self, channel: str, **how: Any) -> Fault:
        """The next sending on a channel meets this."""
        fake = self.telegram if channel == "telegram" else self.meta
        return fake.fail(METHODS[channel], **how)

    # ------------------------------------------------------------ the outbox

    async def settle(self, sender: Dispatcher | None = None) -> None:
        """Until nothing waits; the clock goes on to whatever is next."""
        for _ in range(LOOKS):
            await (sender or self.dispatcher).drain()
            moment = await self._next()
            if moment is None:
                return
            self.clock.moment = max(self.clock(), moment) + SECOND
        raise AssertionError(f"something never leaves: {await self.states()}")

    async def _next(self) -> datetime | None:
        """When all may leave that may not now; None: nothing waits."""
        rows = [row for row in await self.rows() if row["state"] in ("waiting", "claimed")]
        moments = [row["lease_until"] or row["due_at"] for row in rows]
        later = [moment for moment in moments if moment > self.clock()]
        return max(later or moments, default=None)

    async def until(self, holds: Callable[[Mapping[str, str]], bool]) -> None:
        """Let others work until the states of the outbox are so."""
        for _ in range(LOOKS):
            if holds(await self.states()):
                return
        raise AssertionError(f"it never came to that: {await self.states()}")

    async def rows(self) -> list[Row]:
        async with self.database.read() as tx:
            return [dict(row) for row in (await tx.execute(select(deliveries).order_by(deliveries.c.id))).mappings()]

    async def row(self, text: str) -> Row:
        (found,) = [row for row in await self.rows() if row["key"] == text]
        return found

    async def states(self) -> dict[str, str]:
        return {row["key"]: row["state"] for row in await self.rows()}


def on_telegram(number: int) -> str:
    return str(100_000 + number)


def on_whatsapp(number: int) -> str:
    return f"MX.{1000 + number}"


def channel_of(address: str) -> str:
    return "whatsapp" if address.startswith("MX.") else "telegram"


@asynccontextmanager
async def street(database: Database, clock: Clock, people: int = 10) -> AsyncIterator[Street]:
    """On an empty, migrated database."""
    async with FakeTelegram() as telegram, FakeWhatsApp(clock) as meta:
        one = Street(database, clock, telegram, meta)
        await one.move_in(people)
        yield one
        for road in one.roads.values():
            await road.channel.stop()
