"""Failures of platforms, database, disk and clock: no message is lost or out of order, and no prompt is sent twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

import pytest
from sqlalchemy import Connection, event
from sqlalchemy import text as sql

import storage.database
import storage.people.addresses
from bot.channels import http_client
from bot.channels.channel import Unreachable
from bot.delivery.rate_limiter import Limits
from content.library import Library
from handlers.message import RenderedTemplate
from storage.database import Database, DatabaseUnavailable, open_database
from storage.queue.claims import RecipientRateLimit
from storage.queue.outbox import FOLLOWING, PRIORITY, DeliveryKind
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
from tests.fakes.testbed import delivery_testbed as open_testbed
from tests.product import Product

CASES = [
    pytest.param(channel, failure, id=f"{channel} {failure.name}")
    for channel in PLATFORM_FAILURES
    for failure in PLATFORM_FAILURES[channel]
]


@pytest.fixture
async def testbed(database: Database, clock: Clock) -> AsyncIterator[DeliveryTestbed]:
    async with open_testbed(database, clock, recipients=2) as testbed:
        yield testbed


# ---------------------------------------------------------------- failures of a platform


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("channel", "failure"), CASES)
async def test_a_failed_delivery_is_retried_in_order_but_a_doubted_prompt_is_not(
    testbed: DeliveryTestbed, channel: str, failure: PlatformFailure, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, beto = addresses_on(channel)
    for address, other, kind in ((ana, beto, DeliveryKind.REPLY), (beto, ana, DeliveryKind.PROMPT)):
        first, second, to_other = f"{kind} 1", f"{kind} 2", f"{kind} to another"
        before = testbed.read(address), testbed.read(other)
        await testbed.say(address, first, kind)
        await drain_with_failure(testbed, channel, failure, monkeypatch)
        is_final = failure.in_doubt and kind is DeliveryKind.PROMPT
        row = await testbed.row(first)
        assert row["state"] == ("doubted" if is_final else "waiting")
        if not is_final:
            assert (row["due_at"] - testbed.clock()).total_seconds() == failure.wait
        await testbed.say(address, second, kind)
        await testbed.say(other, to_other)
        await testbed.settle()
        states = await testbed.states()
        expected = ["doubted" if is_final else "sent", "sent", "sent"]
        assert [states[text] for text in (first, second, to_other)] == expected
        assert testbed.read(address) == [*before[0], *[first] * (failure.is_done + (not is_final)), second]
        assert testbed.read(other) == [*before[1], to_other]


async def drain_with_failure(
    testbed: DeliveryTestbed, channel: str, failure: PlatformFailure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Send what is due while the channel fails in this way; a response that never comes times out quickly."""
    hang = asyncio.Event() if "hang" in failure.fault_options else None
    testbed.fail(channel, **failure.fault_options | {"hang": hang})
    with monkeypatch.context() as patch:
        if hang is not None:
            patch.setattr(http_client, "READ_SECONDS", 0.1)
        await testbed.dispatcher.drain()
    testbed.telegram.faults.clear()  # a fault that hangs stays until its event is set


def addresses_on(channel: str) -> tuple[str, str]:
    number = telegram_address if channel == TELEGRAM else whatsapp_address
    return number(0), number(1)


# ---------------------------------------------------------------- a refused credential


async def test_a_refused_credential_stops_only_its_channel_and_nothing_is_lost(testbed: DeliveryTestbed) -> None:
    ana, beto = addresses_on(WHATSAPP)
    await testbed.say(ana, "first")
    testbed.fail(WHATSAPP, code=190)
    await testbed.dispatcher.drain()
    for address, text in ((ana, "second"), (beto, "to Beto"), (telegram_address(0), "on Telegram")):
        await testbed.say(address, text)
    testbed.clock.move(hours=1)
    await testbed.dispatcher.drain()
    assert len(testbed.meta.calls) == 1, "no further call is made with it"
    assert testbed.read(telegram_address(0)) == ["on Telegram"]
    await testbed.dispatcher.resume(WHATSAPP)
    await testbed.settle()
    assert (testbed.read(ana), testbed.read(beto)) == (["first", "second"], ["to Beto"])


# ---------------------------------------------------------------- the database


@pytest.fixture
def make_unavailable(database: Database, database_url: str, request: pytest.FixtureRequest) -> OutageContext:
    """Makes the database of this test unavailable: PostgreSQL refuses connections, SQLite has another writer."""
    if database.is_sqlite:
        return lambda: sqlite_locked(database_url.partition("///")[2])
    socket = request.getfixturevalue("postgres_socket")
    return lambda: postgres_refusing(socket, database_url.partition("@/")[2].partition("?")[0])


@pytest.fixture
async def outage_testbed(
    database: Database, database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[DeliveryTestbed]:
    """Recipients on a database opened separately, which does not wait for locks."""
    monkeypatch.setattr(storage.database, "BUSY_SECONDS", 0)
    own = open_database(database_url)
    async with open_testbed(own, clock, recipients=2) as testbed:
        yield testbed
    await own.close()


async def test_while_the_database_is_unavailable_nothing_is_sent_and_afterwards_everything_once(
    outage_testbed: DeliveryTestbed, make_unavailable: OutageContext
) -> None:
    ana, beto = addresses_on(TELEGRAM)
    for text in ("first", "second"):
        await outage_testbed.say(ana, text)
    await outage_testbed.say(beto, "prompt", DeliveryKind.PROMPT)
    await outage_testbed.say(whatsapp_address(0), "on WhatsApp")
    async with make_unavailable():
        with pytest.raises(DatabaseUnavailable):
            await outage_testbed.dispatcher.drain()
    assert not outage_testbed.read(ana)
    await outage_testbed.settle()
    assert set((await outage_testbed.states()).values()) == {"sent"}
    messages = [outage_testbed.read(address) for address in (ana, beto, whatsapp_address(0))]
    assert messages == [["first", "second"], ["prompt"], ["on WhatsApp"]]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_connections_that_are_lost_during_a_delivery_are_replaced(
    outage_testbed: DeliveryTestbed, make_unavailable: OutageContext
) -> None:
    """The server restarts between the claim of a delivery and recording its end, without effect."""

    async def restart() -> None:
        async with make_unavailable():
            pass

    outage_testbed.on_next_send(TELEGRAM, restart)
    ana, _ = addresses_on(TELEGRAM)
    await outage_testbed.say(ana, "first")
    await outage_testbed.say(ana, "second", DeliveryKind.PROMPT)
    await outage_testbed.settle()
    assert set((await outage_testbed.states()).values()) == {"sent"}
    assert outage_testbed.read(ana) == ["first", "second"]


@pytest.mark.parametrize("channel", [TELEGRAM, WHATSAPP])
@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_a_delivery_accepted_while_the_database_is_unavailable_is_recorded_on_recovery(
    outage_testbed: DeliveryTestbed, make_unavailable: OutageContext, channel: str, kind: DeliveryKind
) -> None:
    ana, _ = addresses_on(channel)
    await outage_testbed.say(ana, "first", kind)
    outage = outage_testbed.outage = Outage(make_unavailable)
    outage_testbed.on_next_send(channel, outage.begin)
    draining = asyncio.create_task(outage_testbed.dispatcher.drain())
    await outage.hold_until_met(draining)
    await finished(draining)
    await outage_testbed.settle()
    assert (await outage_testbed.row("first"))["state"] == "sent"
    assert outage_testbed.read(ana) == ["first"]


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_a_doubted_delivery_that_could_not_be_recorded_stays_doubted(
    outage_testbed: DeliveryTestbed, make_unavailable: OutageContext, kind: DeliveryKind
) -> None:
    ana, _ = addresses_on(TELEGRAM)
    outage = outage_testbed.outage = Outage(make_unavailable)
    await drain_losing_response(outage_testbed, ana, kind, outage)
    is_prompt = kind is DeliveryKind.PROMPT
    assert (await outage_testbed.row("first"))["state"] == ("doubted" if is_prompt else "sent")
    assert outage_testbed.read(ana) == ["first"] * (1 if is_prompt else 2)


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_an_outage_longer_than_all_retries_blocks_no_recipient_for_ever(
    outage_testbed: DeliveryTestbed, make_unavailable: OutageContext, kind: DeliveryKind
) -> None:
    ana, _ = addresses_on(TELEGRAM)
    # no outage is set on the testbed: the waits between retries take no time
    await drain_losing_response(outage_testbed, ana, kind, Outage(make_unavailable))
    await outage_testbed.say(ana, "second")
    await outage_testbed.settle()
    assert set(outage_testbed.read(ana)) == {"first", "second"}


async def drain_losing_response(testbed: DeliveryTestbed, address: str, kind: DeliveryKind, outage: Outage) -> None:
    """Send a message that the platform accepts, while its response is lost and the database becomes unavailable."""

    async def lose() -> None:
        await outage.begin()
        raise Unreachable("reset", in_doubt=True)

    await testbed.say(address, "first", kind)
    testbed.on_next_send(TELEGRAM, lose)
    draining = asyncio.create_task(testbed.dispatcher.drain())
    await outage.hold_until_met(draining)
    await finished(draining)
    await testbed.settle()


async def finished(draining: "asyncio.Task[int]") -> None:
    """Wait for a worker, which may give up when the database is unavailable, or retry until it is back."""
    with suppress(DatabaseUnavailable):
        await draining


async def test_an_accepted_template_is_not_sent_twice_when_it_cannot_be_recorded(
    testbed: DeliveryTestbed, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = library.templates["pregunta_diaria"]
    testbed.meta.templates.put(template.name, template.code("es"), template.components("es"))
    testbed.clock.move(days=2)  # every reply window is closed
    ana, _ = addresses_on(WHATSAPP)
    filled = template.filled("es", dict.fromkeys(template.variables, "x"))
    await testbed.say(
        ana,
        "first",
        DeliveryKind.PROMPT,
        template=RenderedTemplate(template.name, template.code("es"), filled, ("x:1",)),
    )

    async def unavailable(*_: object) -> None:
        monkeypatch.undo()
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(storage.people.addresses, "record_template_sent", unavailable)
    await testbed.settle()
    assert (await testbed.row("first"))["state"] in ("sent", "doubted")
    assert len(testbed.read(ana)) == 1


# ---------------------------------------------------------------- a full disk


async def test_on_a_full_disk_updates_are_not_acknowledged_and_nothing_is_lost(product: Product) -> None:
    phone = product.whatsapp()
    await phone.start("LEON")
    before = len(phone.person.read())
    async with product.app.database.read() as tx:
        pages = await tx.scalar(sql("PRAGMA page_count"))
    is_full = True

    def limit_size(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages if is_full else 2**30}")

    for engine in product.app.database.engines:
        event.listen(engine, "begin", limit_size)
    for number in range(30):
        phone.person.say(f"ayuda {number}")
    statuses = await product.meta.deliver(product.address)
    assert set(statuses) >= {503}, "an update that cannot be stored is not acknowledged"
    assert product.meta.pending
    with suppress(DatabaseUnavailable):
        await product.app.settle()
    is_full = False
    await product.settle()
    assert len(phone.person.read()) == before + 30


# ---------------------------------------------------------------- changes of the system clock


async def test_a_clock_set_back_an_hour_delays_deliveries_but_loses_and_repeats_none(testbed: DeliveryTestbed) -> None:
    addresses = [address_of(number) for address_of in (telegram_address, whatsapp_address) for number in range(2)]
    for channel in (TELEGRAM, WHATSAPP):
        await testbed.say(addresses_on(channel)[0], f"{channel} sent")
    await testbed.dispatcher.drain()
    for address in addresses:
        await testbed.say(address, f"{address} before")
    await testbed.say(addresses[0], "prompt", DeliveryKind.PROMPT)
    testbed.set_clock(hours=-1)
    for address in addresses:
        await testbed.say(address, f"{address} after")
    await testbed.settle()
    assert set((await testbed.states()).values()) == {"sent"}
    for address in addresses:
        messages = [text for text in testbed.read(address) if address in text]
        assert messages == [f"{address} before", f"{address} after"]
    assert len([text for address in addresses for text in testbed.read(address)]) == len(testbed.enqueued)


async def test_after_a_clock_is_set_back_a_new_message_is_sent_without_delay(testbed: DeliveryTestbed) -> None:
    ana, beto = addresses_on(TELEGRAM)
    testbed.fail(TELEGRAM, status=429, retry_after=30)
    await testbed.say(ana, "first")
    await testbed.dispatcher.drain()
    testbed.set_clock(hours=-1)
    await testbed.say(beto, "second")
    testbed.clock.move(seconds=31)
    await testbed.dispatcher.drain()
    assert testbed.read(beto) == ["second"], "a rate limit ends when its seconds have passed"


async def test_after_a_clock_is_set_back_no_recipient_is_over_their_rate_limit(testbed: DeliveryTestbed) -> None:
    ana, _ = addresses_on(TELEGRAM)
    limited = testbed.worker(limits={TELEGRAM: Limits(1000, RecipientRateLimit(3, 60))})
    for number in range(3):
        await testbed.say(ana, f"{number}")
        testbed.clock.move(minutes=5)
    await limited.drain()
    testbed.clock.move(minutes=5)
    testbed.set_clock(hours=-1)
    await testbed.say(ana, "now")
    await limited.drain()
    assert testbed.read(ana)[3:] == ["now"]


async def test_a_clock_set_forward_a_day_drops_late_deliveries_and_sends_the_rest(testbed: DeliveryTestbed) -> None:
    ana, beto = addresses_on(TELEGRAM)
    await testbed.say(ana, "prompt", DeliveryKind.PROMPT)
    await testbed.say(ana, "reply")
    await testbed.say(beto, "to Beto")
    await testbed.say(whatsapp_address(0), "outside the window")
    testbed.set_clock(days=1)
    await testbed.settle()
    faults = {row["key"]: (row["state"], row["fault"]) for row in await testbed.rows()}
    assert faults == {
        "prompt": ("dropped", "late"),
        "reply": ("sent", None),
        "to Beto": ("sent", None),
        "outside the window": ("dropped", "window"),
    }
    assert (testbed.read(ana), testbed.read(beto), testbed.read(whatsapp_address(0))) == (["reply"], ["to Beto"], [])


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_a_delivery_in_flight_when_the_clock_is_set_forward_is_not_sent_again(
    testbed: DeliveryTestbed, kind: DeliveryKind
) -> None:
    ana, beto = addresses_on(TELEGRAM)
    accepted, gate = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        accepted.set()
        await gate.wait()

    testbed.on_next_send(TELEGRAM, wait)
    await testbed.say(ana, "first", kind)
    running = asyncio.create_task(testbed.dispatcher.drain())
    await accepted.wait()
    testbed.set_clock(hours=1)
    await testbed.say(beto, "second")
    concurrent = asyncio.create_task(testbed.dispatcher.drain())
    while not testbed.read(beto):
        await testbed.telegram.changed()
    gate.set()
    await asyncio.gather(running, concurrent)
    await testbed.settle()
    assert (testbed.read(ana), testbed.read(beto)) == (["first"], ["second"])


# ---------------------------------------------------------------- several workers


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_a_pause_that_outlasts_a_lease_and_its_worker_ends_for_the_next_worker_as_well(
    testbed: DeliveryTestbed, kind: DeliveryKind
) -> None:
    ana, beto = addresses_on(TELEGRAM)
    first, second = testbed.worker(), testbed.worker()
    testbed.fail(TELEGRAM, status=429, retry_after=120)
    await testbed.say(ana, "first", kind)
    await first.drain()
    await testbed.say(beto, "second", kind)
    await first.close()
    testbed.clock.move(seconds=116)
    await second.drain()
    assert (testbed.read(ana), testbed.read(beto)) == ([], [])
    testbed.clock.move(seconds=5)
    await second.drain()
    assert (testbed.read(ana), testbed.read(beto)) == (["first"], ["second"])


# ---------------------------------------------------------------- all failures together

ROUNDS, MESSAGES, RECIPIENTS = 20, 10, 10  # messages per round; recipients per channel
KINDS = (DeliveryKind.REPLY, DeliveryKind.REPLY, DeliveryKind.NOTICE, DeliveryKind.PROMPT)


@pytest.mark.long
@pytest.mark.parametrize(("seed", "in_flight"), [(1, False), (2, True)])
async def test_random_failures_lose_no_message_and_repeat_no_prompt(
    outage_testbed: DeliveryTestbed, make_unavailable: OutageContext, seed: int, in_flight: bool
) -> None:
    """Two hundred deliveries to twenty recipients; `in_flight`: some outages begin just after a platform accepts."""
    failures = RandomFailures(outage_testbed, make_unavailable, random.Random(seed))
    await outage_testbed.add_recipients(RECIPIENTS - 2)
    for round_number in range(ROUNDS):
        for number in range(MESSAGES):
            text = f"{round_number}.{number}"
            await outage_testbed.say(failures.random_address(), text, failures.rng.choice(KINDS))
        await failures.round(with_outage_in_flight=in_flight and round_number % 4 == 0)
    await failures.stop()
    failures.check(await outage_testbed.states())


class RandomFailures:
    """Random failures of platforms, database and clock; `after_acceptance` counts those in which a platform
    had accepted the message."""

    def __init__(self, testbed: DeliveryTestbed, make_unavailable: OutageContext, rng: random.Random) -> None:
        self.testbed = testbed
        self.make_unavailable = make_unavailable
        self.rng = rng
        self.after_acceptance = 0
        self.pending_failures: list[asyncio.Task[None]] = []
        self.workers = [testbed.dispatcher, *([] if testbed.database.is_sqlite else [testbed.worker()])]

    def random_address(self) -> str:
        return self.rng.choice((telegram_address, whatsapp_address))(self.rng.randrange(RECIPIENTS))

    async def round(self, *, with_outage_in_flight: bool) -> None:
        self.pending_failures += [asyncio.create_task(self._fail_next_request()) for _ in range(self.rng.randrange(4))]
        if with_outage_in_flight:
            await self._drain_with_outage_in_flight()
        elif self.rng.random() < 0.2:
            async with self.make_unavailable():
                await self._drain()
        await self._drain()
        self.testbed.clock.move(seconds=self.rng.choice((1, 5, 30, 120)))
        if self.rng.random() < 0.2:
            self.testbed.set_clock(minutes=self.rng.choice((-60, -1, 1, 30)))
        await self.testbed.dispatcher.resume(WHATSAPP)

    async def _fail_next_request(self) -> None:
        """Let the next request on a random channel fail; one that hangs is ended at once."""
        channel = self.rng.choice((TELEGRAM, WHATSAPP))
        failure = self.rng.choice(RANDOM_FAILURES[channel])
        options = dict(failure.fault_options)
        if "hang" in options:
            options["hang"] = asyncio.Event()
        fault = self.testbed.fail(channel, **options)
        await fault.met.wait()
        self.after_acceptance += failure.is_done
        if fault.hang is not None:
            fault.hang.set()

    async def _drain(self) -> None:
        results = await asyncio.gather(*(worker.drain() for worker in self.workers), return_exceptions=True)
        for result in results:
            assert isinstance(result, int | DatabaseUnavailable), result

    async def _drain_with_outage_in_flight(self) -> None:
        """Drain with an outage that begins while a prompt is in flight, unless its channel is stopped."""
        await self._drain()
        await self.testbed.say(telegram_address(0), f"in flight {self.testbed.clock()}", DeliveryKind.PROMPT)
        outage = self.testbed.outage = Outage(self.make_unavailable)
        self.testbed.on_next_send(TELEGRAM, outage.begin)
        draining = asyncio.create_task(self._drain())
        await outage.hold_until_met(draining)
        self.testbed.channels[TELEGRAM].on_next_send.clear()
        await draining

    async def stop(self) -> None:
        """Stop the failures and send all that is left."""
        for failure in self.pending_failures:
            failure.cancel()
        for fake in (self.testbed.telegram, self.testbed.meta):
            fake.faults.clear()
        for worker in self.workers:
            await worker.close()
        for worker in self.workers:
            await self.testbed.settle(worker)
            await worker.close()

    def check(self, states: Mapping[str, str]) -> None:
        duplicates = 0
        for address in {address for address, _, _ in self.testbed.enqueued}:
            received = self.testbed.read(address)
            sent = [(text, kind) for recipient, text, kind in self.testbed.enqueued if recipient == address]
            for text, kind in sent:
                times, state = received.count(text), states[text]
                assert state == "sent" or (state == "doubted" and kind is DeliveryKind.PROMPT), (text, kind)
                assert times or state == "doubted", f"{text} was lost"
                assert times <= 1 or kind is not DeliveryKind.PROMPT, f"the prompt {text} was received {times} times"
                duplicates += max(0, times - 1)
            assert is_in_order(received, sent), (address, received, sent)
        assert duplicates <= self.after_acceptance


RANDOM_FAILURES = {  # the fake Bot API would let every request meet a hanging fault
    TELEGRAM: [failure for failure in PLATFORM_FAILURES[TELEGRAM] if "hang" not in failure.fault_options],
    WHATSAPP: [*PLATFORM_FAILURES[WHATSAPP], PlatformFailure("190", {"code": 190})],
}


def is_in_order(received: list[str], sent: list[tuple[str, DeliveryKind]]) -> bool:
    """Whether no message was received before an earlier one that is at least as urgent.

    A reply does not wait for what was planned, nor that for a reply: only the key tells that their recipient is one.
    """
    for index, (early, first) in enumerate(sent):
        for late, second in sent[index + 1 :]:
            both = early in received and late in received
            both &= (first in FOLLOWING) == (second in FOLLOWING)
            if both and PRIORITY[first] <= PRIORITY[second] and _last_index(received, early) > received.index(late):
                return False
    return True


def _last_index(received: list[str], text: str) -> int:
    return len(received) - 1 - received[::-1].index(text)
