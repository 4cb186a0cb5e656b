"""Everything around us fails: nothing is lost, nobody reads out of order, and a prompt never comes twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

import pytest
from sqlalchemy import Connection, event
from sqlalchemy import text as sql

import storage.database
import storage.people.addresses
from bot.channels.channel import Unreachable
from bot.channels.telegram import client as telegram_client
from bot.channels.whatsapp import client as whatsapp_client
from bot.delivery.rate_limiter import Limits
from content.library import Library
from handlers.message import RenderedTemplate
from storage.database import Database, DatabaseUnavailable, open_database
from storage.queue.claims import PersonLimit
from storage.queue.outbox import PRIORITY, DeliveryKind
from tests.cast import Clock
from tests.fakes.failures import (
    PLATFORM_FAILURES,
    TELEGRAM,
    WHATSAPP,
    Outage,
    OutageContext,
    PlatformFailure,
    postgres_refusing,
    sqlite_locked,
)
from tests.fakes.testbed import DeliveryTestbed, telegram_address, whatsapp_address
from tests.fakes.testbed import delivery_testbed as opened
from tests.product import Product

CASES = [
    pytest.param(channel, one, id=f"{channel} {one.name}")
    for channel in PLATFORM_FAILURES
    for one in PLATFORM_FAILURES[channel]
]


@pytest.fixture
async def street(database: Database, clock: Clock) -> AsyncIterator[DeliveryTestbed]:
    async with opened(database, clock, recipients=2) as one:
        yield one


# ---------------------------------------------------------------- what a platform may do


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("channel", "trouble"), CASES)
async def test_a_sending_that_fails_is_tried_again_in_its_order_and_a_prompt_in_doubt_is_not(
    street: DeliveryTestbed, channel: str, trouble: PlatformFailure, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, beto = people_on(channel)
    for who, other, kind in ((ana, beto, DeliveryKind.REPLY), (beto, ana, DeliveryKind.PROMPT)):
        first, second, beside = f"{kind} 1", f"{kind} 2", f"{kind} beside"
        before = street.read(who), street.read(other)
        await street.say(who, first, kind)
        await meets(street, channel, trouble, monkeypatch)
        is_over = trouble.in_doubt and kind is DeliveryKind.PROMPT
        row = await street.row(first)
        assert row["state"] == ("doubted" if is_over else "waiting")
        if not is_over:
            assert (row["due_at"] - street.clock()).total_seconds() == trouble.wait
        await street.say(who, second, kind)
        await street.say(other, beside)
        await street.settle()
        states = await street.states()
        assert [states[text] for text in (first, second, beside)] == ["doubted" if is_over else "sent", "sent", "sent"]
        assert street.read(who) == [*before[0], *[first] * (trouble.is_done + (not is_over)), second]
        assert street.read(other) == [*before[1], beside]


async def meets(
    street: DeliveryTestbed, channel: str, trouble: PlatformFailure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due meets this trouble; nobody waits long for an answer that does not come."""
    hang = asyncio.Event() if "hang" in trouble.fault_options else None
    street.fail(channel, **trouble.fault_options | {"hang": hang})
    with monkeypatch.context() as patch:
        if hang is not None:
            for module in (telegram_client, whatsapp_client):
                patch.setattr(module, "READ_SECONDS", 0.1)
        await street.dispatcher.drain()
    street.telegram.faults.clear()  # one that hangs stays until it is set


def people_on(channel: str) -> tuple[str, str]:
    number = telegram_address if channel == TELEGRAM else whatsapp_address
    return number(0), number(1)


# ---------------------------------------------------------------- a credential that is refused


async def test_a_refused_credential_stops_its_channel_alone_and_nothing_is_lost(street: DeliveryTestbed) -> None:
    ana, beto = people_on(WHATSAPP)
    await street.say(ana, "first")
    street.fail(WHATSAPP, code=190)
    await street.dispatcher.drain()
    for who, text in ((ana, "second"), (beto, "beside"), (telegram_address(0), "elsewhere")):
        await street.say(who, text)
    street.clock.move(hours=1)
    await street.dispatcher.drain()
    assert len(street.meta.calls) == 1, "nothing more is tried with it"
    assert street.read(telegram_address(0)) == ["elsewhere"]
    await street.dispatcher.resume(WHATSAPP)
    await street.settle()
    assert (street.read(ana), street.read(beto)) == (["first", "second"], ["beside"])


# ---------------------------------------------------------------- the database


@pytest.fixture
def away(database: Database, database_url: str, request: pytest.FixtureRequest) -> OutageContext:
    """The database of this test is away: PostgreSQL takes nobody, SQLite is being written to by somebody else."""
    if database.is_sqlite:
        return lambda: sqlite_locked(database_url.partition("///")[2])
    socket = request.getfixturevalue("postgres_socket")
    return lambda: postgres_refusing(socket, database_url.partition("@/")[2].partition("?")[0])


@pytest.fixture
async def shaky(
    database: Database, database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[DeliveryTestbed]:
    """A street on a database of its own opening, which does not wait for a lock."""
    monkeypatch.setattr(storage.database, "BUSY_SECONDS", 0)
    own = open_database(database_url)
    async with opened(own, clock, recipients=2) as one:
        yield one
    await own.close()


async def test_while_the_database_is_away_nothing_leaves_and_then_all_does_once(
    shaky: DeliveryTestbed, away: OutageContext
) -> None:
    ana, beto = people_on(TELEGRAM)
    for text in ("first", "second"):
        await shaky.say(ana, text)
    await shaky.say(beto, "prompt", DeliveryKind.PROMPT)
    await shaky.say(whatsapp_address(0), "elsewhere")
    async with away():
        with pytest.raises(DatabaseUnavailable):
            await shaky.dispatcher.drain()
    assert not shaky.read(ana)
    await shaky.settle()
    assert set((await shaky.states()).values()) == {"sent"}
    assert [shaky.read(who) for who in (ana, beto, whatsapp_address(0))] == [
        ["first", "second"],
        ["prompt"],
        ["elsewhere"],
    ]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_connections_that_die_under_way_are_replaced(shaky: DeliveryTestbed, away: OutageContext) -> None:
    """The server was restarted between a claim and its note: nobody notices."""

    async def restart() -> None:
        async with away():
            pass

    shaky.on_next_send(TELEGRAM, restart)
    ana, _ = people_on(TELEGRAM)
    await shaky.say(ana, "first")
    await shaky.say(ana, "second", DeliveryKind.PROMPT)
    await shaky.settle()
    assert set((await shaky.states()).values()) == {"sent"}
    assert shaky.read(ana) == ["first", "second"]


@pytest.mark.parametrize("channel", [TELEGRAM, WHATSAPP])
@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_what_the_platform_took_while_the_database_was_away_is_noted_when_it_is_back(
    shaky: DeliveryTestbed, away: OutageContext, channel: str, kind: DeliveryKind
) -> None:
    ana, _ = people_on(channel)
    await shaky.say(ana, "first", kind)
    outage = shaky.outage = Outage(away)
    shaky.on_next_send(channel, outage.begin)
    draining = asyncio.create_task(shaky.dispatcher.drain())
    await outage.hold_until_met(draining)
    await over(draining)
    await shaky.settle()
    assert (await shaky.row("first"))["state"] == "sent"
    assert shaky.read(ana) == ["first"]


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_a_doubt_that_could_not_be_noted_stays_one(
    shaky: DeliveryTestbed, away: OutageContext, kind: DeliveryKind
) -> None:
    ana, _ = people_on(TELEGRAM)
    outage = shaky.outage = Outage(away)
    await loses_its_answer(shaky, ana, kind, outage)
    is_prompt = kind is DeliveryKind.PROMPT
    assert (await shaky.row("first"))["state"] == ("doubted" if is_prompt else "sent")
    assert shaky.read(ana) == ["first"] * (1 if is_prompt else 2)


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_a_database_that_is_away_for_longer_than_anybody_tries_holds_nobody_up_for_ever(
    shaky: DeliveryTestbed, away: OutageContext, kind: DeliveryKind
) -> None:
    ana, _ = people_on(TELEGRAM)
    await loses_its_answer(shaky, ana, kind, Outage(away))  # the waits between two tries take no time
    await shaky.say(ana, "second")
    await shaky.settle()
    assert set(shaky.read(ana)) == {"first", "second"}


async def loses_its_answer(street: DeliveryTestbed, who: str, kind: DeliveryKind, outage: Outage) -> None:
    """The platform takes something, its answer is lost on the way, and so is the database."""

    async def lose() -> None:
        await outage.begin()
        raise Unreachable("reset", in_doubt=True)

    await street.say(who, "first", kind)
    street.on_next_send(TELEGRAM, lose)
    draining = asyncio.create_task(street.dispatcher.drain())
    await outage.hold_until_met(draining)
    await over(draining)
    await street.settle()


async def over(draining: "asyncio.Task[int]") -> None:
    """A worker that met a database that is away may give up, or go on until it is back."""
    with suppress(DatabaseUnavailable):
        await draining


async def test_a_template_that_was_taken_is_not_paid_twice_when_its_knock_cannot_be_noted(
    street: DeliveryTestbed, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = library.templates["pregunta_diaria"]
    street.meta.templates.put(template.name, template.code("es"), template.components("es"))
    street.clock.move(days=2)  # everybody has been silent
    ana, _ = people_on(WHATSAPP)
    filled = template.filled("es", dict.fromkeys(template.variables, "x"))
    await street.say(
        ana,
        "first",
        DeliveryKind.PROMPT,
        opening=RenderedTemplate(template.name, template.code("es"), filled, ("x:1",)),
    )

    async def gone(*_: object) -> None:
        monkeypatch.undo()
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(storage.people.addresses, "knock", gone)
    await street.settle()
    assert (await street.row("first"))["state"] in ("sent", "doubted")
    assert len(street.read(ana)) == 1


# ---------------------------------------------------------------- a full disk


async def test_a_full_disk_takes_nothing_new_and_loses_nothing(product: Product) -> None:
    phone = product.whatsapp()
    await phone.start("LEON")
    said = len(phone.person.read())
    async with product.app.database.read() as tx:
        pages = await tx.scalar(sql("PRAGMA page_count"))
    is_full = True

    def keep_small(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages if is_full else 2**30}")

    for engine in product.app.database.engines:
        event.listen(engine, "begin", keep_small)
    for number in range(30):
        phone.person.say(f"ayuda {number}")
    answered = await product.meta.deliver(product.address)
    assert set(answered) >= {503}, "what cannot be stored is not acknowledged"
    assert product.meta.pending
    with suppress(DatabaseUnavailable):
        await product.app.settle()
    is_full = False
    await product.settle()
    assert len(phone.person.read()) == said + 30


# ---------------------------------------------------------------- a clock that is set


async def test_a_clock_set_back_an_hour_delays_and_neither_loses_nor_repeats(street: DeliveryTestbed) -> None:
    everybody = [place(number) for place in (telegram_address, whatsapp_address) for number in range(2)]
    for channel in (TELEGRAM, WHATSAPP):
        await street.say(people_on(channel)[0], f"{channel} sent")
    await street.dispatcher.drain()
    for who in everybody:
        await street.say(who, f"{who} before")
    await street.say(everybody[0], "prompt", DeliveryKind.PROMPT)
    street.set_clock(hours=-1)
    for who in everybody:
        await street.say(who, f"{who} after")
    await street.settle()
    assert set((await street.states()).values()) == {"sent"}
    for who in everybody:
        assert [text for text in street.read(who) if who in text] == [f"{who} before", f"{who} after"]
    assert len([text for who in everybody for text in street.read(who)]) == len(street.enqueued)


async def test_after_a_clock_was_set_back_what_is_said_now_leaves_now(street: DeliveryTestbed) -> None:
    ana, beto = people_on(TELEGRAM)
    street.fail(TELEGRAM, status=429, retry_after=30)
    await street.say(ana, "first")
    await street.dispatcher.drain()
    street.set_clock(hours=-1)
    await street.say(beto, "second")
    street.clock.move(seconds=31)
    await street.dispatcher.drain()
    assert street.read(beto) == ["second"], "a refusal is over when its seconds have passed"


async def test_after_a_clock_was_set_back_nobody_is_over_their_limit(street: DeliveryTestbed) -> None:
    ana, _ = people_on(TELEGRAM)
    few = street.worker(limits={TELEGRAM: Limits(1000, PersonLimit(3, 60))})
    for number in range(3):
        await street.say(ana, f"{number}")
        street.clock.move(minutes=5)
    await few.drain()
    street.clock.move(minutes=5)
    street.set_clock(hours=-1)
    await street.say(ana, "now")
    await few.drain()
    assert street.read(ana)[3:] == ["now"]


async def test_a_clock_set_forward_a_day_ends_what_is_late_and_sends_the_rest(street: DeliveryTestbed) -> None:
    ana, beto = people_on(TELEGRAM)
    await street.say(ana, "prompt", DeliveryKind.PROMPT)
    await street.say(ana, "reply")
    await street.say(beto, "beside")
    await street.say(whatsapp_address(0), "the window has closed")
    street.set_clock(days=1)
    await street.settle()
    faults = {row["key"]: (row["state"], row["fault"]) for row in await street.rows()}
    assert faults == {
        "prompt": ("dropped", "late"),
        "reply": ("sent", None),
        "beside": ("sent", None),
        "the window has closed": ("dropped", "window"),
    }
    assert (street.read(ana), street.read(beto), street.read(whatsapp_address(0))) == (["reply"], ["beside"], [])


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_what_is_under_way_when_the_clock_is_set_forward_is_not_sent_again(
    street: DeliveryTestbed, kind: DeliveryKind
) -> None:
    ana, beto = people_on(TELEGRAM)
    taken, gate = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        taken.set()
        await gate.wait()

    street.on_next_send(TELEGRAM, wait)
    await street.say(ana, "first", kind)
    running = asyncio.create_task(street.dispatcher.drain())
    await taken.wait()
    street.set_clock(hours=1)
    await street.say(beto, "second")
    beside = asyncio.create_task(street.dispatcher.drain())
    while not street.read(beto):
        await street.telegram.changed()
    gate.set()
    await asyncio.gather(running, beside)
    await street.settle()
    assert (street.read(ana), street.read(beto)) == (["first"], ["second"])


# ---------------------------------------------------------------- several workers


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_a_refusal_that_one_worker_met_makes_no_two_send_the_same(
    street: DeliveryTestbed, kind: DeliveryKind
) -> None:
    """After a long refusal the next slots lie further ahead than a lease lasts."""
    ana, beto = people_on(TELEGRAM)
    first, second = street.worker(), street.worker(sleep=street.clock_sleep)
    street.fail(TELEGRAM, status=429, retry_after=120)
    await street.say(ana, "first", kind)
    await first.drain()
    await street.say(beto, "second", kind)
    elsewhere = asyncio.create_task(second.drain())
    await street.wait_for_states(lambda states: states["second"] != "waiting" or elsewhere.done())
    street.pass_time(116)
    await first.drain()
    street.pass_time(5)
    await elsewhere
    await street.settle(first)
    assert (street.read(ana), street.read(beto)) == (["first"], ["second"])


# ---------------------------------------------------------------- all at once

ROUNDS, SAID, PEOPLE = 20, 10, 10
KINDS = (DeliveryKind.REPLY, DeliveryKind.REPLY, DeliveryKind.NOTICE, DeliveryKind.PROMPT)


@pytest.mark.long
@pytest.mark.parametrize(("seed", "under_way"), [(1, False), (2, True)])
async def test_a_storm(shaky: DeliveryTestbed, away: OutageContext, seed: int, under_way: bool) -> None:
    """Two hundred deliveries to twenty people; `under_way`: the database goes away also when a platform says yes."""
    storm = Storm(shaky, away, random.Random(seed))
    await shaky.add_recipients(PEOPLE - 2)
    for number in range(ROUNDS):
        for place in range(SAID):
            await shaky.say(storm.somebody(), f"{number}.{place}", storm.chance.choice(KINDS))
        await storm.round(goes_away_late=under_way and number % 4 == 0)
    await storm.is_over()
    storm.check(await shaky.states())


class Storm:
    """What happens to a street, by chance; `done` counts the troubles in which a platform had done its work."""

    def __init__(self, street: DeliveryTestbed, away: OutageContext, chance: random.Random) -> None:
        self.street = street
        self.away = away
        self.chance = chance
        self.done = 0
        self.breakers: list[asyncio.Task[None]] = []
        self.workers = [street.dispatcher, *([] if street.database.is_sqlite else [street.worker()])]

    def somebody(self) -> str:
        return self.chance.choice((telegram_address, whatsapp_address))(self.chance.randrange(PEOPLE))

    async def round(self, *, goes_away_late: bool) -> None:
        self.breakers += [asyncio.create_task(self._trouble()) for _ in range(self.chance.randrange(4))]
        if goes_away_late:
            await self._drain_while_it_goes()
        elif self.chance.random() < 0.2:
            async with self.away():
                await self._drain()
        await self._drain()
        self.street.clock.move(seconds=self.chance.choice((1, 5, 30, 120)))
        if self.chance.random() < 0.2:
            self.street.set_clock(minutes=self.chance.choice((-60, -1, 1, 30)))
        await self.street.dispatcher.resume(WHATSAPP)

    async def _trouble(self) -> None:
        """The next sending on some channel meets it; one that hangs is cut."""
        channel = self.chance.choice((TELEGRAM, WHATSAPP))
        trouble = self.chance.choice(STORMY[channel])
        how = dict(trouble.fault_options)
        if "hang" in how:
            how["hang"] = asyncio.Event()
        fault = self.street.fail(channel, **how)
        await fault.met.wait()
        self.done += trouble.is_done
        if fault.hang is not None:
            fault.hang.set()

    async def _drain(self) -> None:
        for ended in await asyncio.gather(*(one.drain() for one in self.workers), return_exceptions=True):
            assert isinstance(ended, int | DatabaseUnavailable), ended

    async def _drain_while_it_goes(self) -> None:
        """With one prompt under way, unless its channel is held."""
        await self._drain()
        await self.street.say(telegram_address(0), f"taken {self.street.clock()}", DeliveryKind.PROMPT)
        outage = self.street.outage = Outage(self.away)
        self.street.on_next_send(TELEGRAM, outage.begin)
        draining = asyncio.create_task(self._drain())
        await outage.hold_until_met(draining)
        self.street.channels[TELEGRAM].on_next_send.clear()
        await draining

    async def is_over(self) -> None:
        for breaker in self.breakers:
            breaker.cancel()
        for fake in (self.street.telegram, self.street.meta):
            fake.faults.clear()
        for worker in self.workers:
            await self.street.settle(worker)

    def check(self, states: Mapping[str, str]) -> None:
        repeated = 0
        for address in {address for address, _, _ in self.street.enqueued}:
            read = self.street.read(address)
            mine = [(text, kind) for whom, text, kind in self.street.enqueued if whom == address]
            for text, kind in mine:
                times = read.count(text)
                assert states[text] == "sent" or (states[text] == "doubted" and kind is DeliveryKind.PROMPT), (
                    text,
                    kind,
                )
                assert times or states[text] == "doubted", f"{text} was lost"
                assert times <= 1 or kind is not DeliveryKind.PROMPT, f"the prompt {text} came {times} times"
                repeated += max(0, times - 1)
            assert in_order(read, mine), (address, read, mine)
        assert repeated <= self.done


STORMY = {  # the fake Bot API lets everybody meet one that hangs
    TELEGRAM: [one for one in PLATFORM_FAILURES[TELEGRAM] if "hang" not in one.fault_options],
    WHATSAPP: [*PLATFORM_FAILURES[WHATSAPP], PlatformFailure("190", {"code": 190})],
}


def in_order(read: list[str], said: list[tuple[str, DeliveryKind]]) -> bool:
    """Nobody reads anything before what was said earlier and is as urgent."""
    for place, (early, first) in enumerate(said):
        for late, second in said[place + 1 :]:
            both = early in read and late in read
            if both and PRIORITY[first] <= PRIORITY[second] and _last(read, early) > read.index(late):
                return False
    return True


def _last(read: list[str], text: str) -> int:
    return len(read) - 1 - read[::-1].index(text)
