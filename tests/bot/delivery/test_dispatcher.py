"""The dispatcher: states after each channel error, rate limits, order per recipient, running and stopping."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from bot.channels.channel import Blocked, Refused, Stopped, Throttled, Unreachable
from bot.delivery import dispatcher as dispatcher_module
from bot.delivery.dispatcher import Dispatcher
from bot.delivery.rate_limiter import Limits
from handlers import outgoing
from handlers.message import Action, Parcel
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import claims, outbox, rate_limits
from storage.queue.claims import PersonLimit
from storage.queue.outbox import DeliveryKind, NewDelivery
from storage.schema import addresses, deliveries
from tests.cast import Clock

SLOWLY = {"telegram": Limits(0.25, PersonLimit(3, 60))}
QUICKLY = {"telegram": Limits(25, PersonLimit(3, 60))}


class Gate(asyncio.Event):
    """An event that tasks wait for; `reached` is set when the first does."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> bool:  # type: ignore[override]
        self.reached.set()
        return await super().wait()


class FakeChannel:
    """Records what it sent; `faults` are raised first, one per attempt, by the parcel's text."""

    def __init__(self, name: str = "telegram") -> None:
        self.name = name
        self.sent: list[str] = []
        self.on_attempt: Callable[[], object] = list  # called at each attempt
        self.tried: list[str] = []
        self.faults: dict[str, list[Exception]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.begun, self.refused, self.sent_three = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def send(self, parcel: Parcel) -> str:
        self.tried.append(parcel.text)
        self.on_attempt()
        self.begun.set()
        if parcel.text in self.gates:
            await self.gates[parcel.text].wait()
        if self.faults.get(parcel.text):
            self.refused.set()
            raise self.faults[parcel.text].pop(0)
        self.sent.append(parcel.text)
        if len(self.sent) == 3:
            self.sent_three.set()
        return f"ref {parcel.text}"


class Stage:
    """A dispatcher with fake channels, on a clock that only the test moves.

    `sleeps` are the waits that it asked for, `left` the seconds after which each attempt on Telegram began.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        limits: Mapping[str, Limits] | None = None,
    ) -> None:
        self.database = database
        self.clock = clock
        self.telegram, self.webchat = FakeChannel(), FakeChannel("webchat")
        self.sleeps: list[float] = []
        self.left: list[float] = []
        self.telegram.on_attempt = lambda: self.left.append(self._slept)
        self._open_gate = self.sleep_gate = asyncio.Event()  # not set: a sleep does not end
        self.sleep_gate.set()
        channels = {channel.name: channel for channel in (self.telegram, self.webchat)}
        self.dispatcher = Dispatcher(
            database,
            channels,
            limits or {},
            clock,
            sleep=self.sleep,
            monotonic=self.monotonic,
            rate_limit_clock=self.now,
        )
        self._slept = 0.0

    def now(self) -> datetime:
        return self.clock() + timedelta(seconds=self._slept)

    def monotonic(self) -> float:
        return self.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        """Sleep without waiting: only the monotonic clock moves, and not even that while a test holds the gate."""
        self.sleeps.append(seconds)
        until = self._slept + seconds if self.sleep_gate is self._open_gate else 0.0
        await self.sleep_gate.wait()
        self._slept = max(self._slept, until)

    async def add(
        self,
        text: str,
        address: str = "ana",
        kind: DeliveryKind = DeliveryKind.REPLY,
        channel: str = "telegram",
        deadline: float | None = None,
        act: Action = Action.SAY,
    ) -> None:
        ends = None if deadline is None else self.clock() + timedelta(seconds=deadline)
        body = outgoing.pack(Parcel(address, act, text))
        async with self.database.write() as tx:
            await outbox.add(tx, [NewDelivery(text, channel, address, kind, body, self.clock(), ends)])

    async def states(self) -> dict[str, str]:
        async with self.database.read() as tx:
            return {row.key: row.state for row in await tx.execute(select(deliveries.c.key, deliveries.c.state))}

    async def row(self, key: str) -> dict[str, object]:
        async with self.database.read() as tx:
            return dict((await tx.execute(select(deliveries).where(deliveries.c.key == key))).mappings().one())


@pytest.fixture
def stage(database: Database, clock: Clock) -> Stage:
    return Stage(database, clock)


async def test_due_deliveries_are_sent_and_their_reference_is_stored(stage: Stage) -> None:
    await stage.add("hola")
    await stage.add("hello", channel="webchat")
    assert await stage.dispatcher.drain() == 2
    row = await stage.row("hola")
    assert (row["state"], row["platform_ref"], row["body"]) == ("sent", "ref hola", None)
    assert stage.webchat.sent == ["hello"]
    assert await stage.dispatcher.drain() == 0


async def test_each_recipient_gets_deliveries_in_the_order_in_which_they_were_added(stage: Stage) -> None:
    for number in range(5):
        await stage.add(f"a{number}")
        await stage.add(f"b{number}", "beto")
    await stage.dispatcher.drain()
    assert [text for text in stage.telegram.sent if text[0] == "a"] == [f"a{number}" for number in range(5)]
    assert [text for text in stage.telegram.sent if text[0] == "b"] == [f"b{number}" for number in range(5)]


# ---------------------------------------------------------------- channel errors


FAULTS = [
    pytest.param(Throttled(7), DeliveryKind.PROMPT, "waiting", 7, id="throttled"),
    pytest.param(Unreachable("down", in_doubt=False), DeliveryKind.REPLY, "waiting", 2, id="down"),
    pytest.param(Unreachable("down", in_doubt=False), DeliveryKind.PROMPT, "waiting", 2, id="down, a prompt"),
    pytest.param(Unreachable("timeout", in_doubt=True), DeliveryKind.REPLY, "waiting", 2, id="in doubt, a reply"),
    pytest.param(Unreachable("timeout", in_doubt=True), DeliveryKind.NOTICE, "waiting", 2, id="in doubt, a notice"),
    pytest.param(Unreachable("timeout", in_doubt=True), DeliveryKind.PROMPT, "doubted", None, id="in doubt, a prompt"),
    pytest.param(Refused("bad markup"), DeliveryKind.REPLY, "refused", None, id="refused"),
    pytest.param(Blocked("blocked"), DeliveryKind.PROMPT, "dropped", None, id="blocked"),
    pytest.param(Stopped("token"), DeliveryKind.REPLY, "waiting", 300, id="stopped"),
    pytest.param(KeyError("a fault of ours"), DeliveryKind.REPLY, "refused", None, id="a fault of ours"),
]


@pytest.mark.parametrize(("fault", "kind", "state", "seconds"), FAULTS)
async def test_each_error_leads_to_its_state(
    stage: Stage, fault: Exception, kind: DeliveryKind, state: str, seconds: float | None
) -> None:
    await stage.add("hola", kind=kind)
    stage.telegram.faults["hola"] = [fault]
    await stage.dispatcher.drain()
    row = await stage.row("hola")
    assert row["state"] == state
    assert row["fault"], "the reason is stored"
    if seconds is not None:
        assert row["due_at"] == stage.clock() + timedelta(seconds=seconds)
        assert row["body"]
    else:
        assert row["body"] is None


async def test_an_uncertain_reply_is_sent_again_and_a_doubted_prompt_never(stage: Stage) -> None:
    await stage.add("reply", "ana")
    await stage.add("prompt", "beto", DeliveryKind.PROMPT)
    for text in ("reply", "prompt"):
        stage.telegram.faults[text] = [Unreachable("timeout", in_doubt=True)]
    await stage.dispatcher.drain()
    stage.clock.move(hours=1)
    await stage.dispatcher.drain()
    assert stage.telegram.sent == ["reply"]
    assert stage.telegram.tried.count("prompt") == 1


async def test_the_backoff_grows_up_to_a_limit(stage: Stage) -> None:
    await stage.add("hola")
    stage.telegram.faults["hola"] = [Unreachable("down", in_doubt=False) for _ in range(12)]
    waits = []
    for _ in range(12):
        await stage.dispatcher.drain()
        due = (await stage.row("hola"))["due_at"]
        waits.append((due - stage.clock()).total_seconds())  # type: ignore[operator]
        stage.clock.move(seconds=waits[-1])
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    await stage.dispatcher.drain()
    assert stage.telegram.sent == ["hola"]


async def test_deliveries_to_a_recipient_who_blocked_us_are_dropped_and_others_are_sent(stage: Stage) -> None:
    async with stage.database.write() as tx:
        await tx.execute(deliveries.delete())
    for text in ("first", "second"):
        await stage.add(text)
    await stage.add("to beto", "beto")
    stage.telegram.faults["first"] = [Blocked("blocked")]
    await stage.dispatcher.drain()
    assert await stage.states() == {"first": "dropped", "second": "dropped", "to beto": "sent"}
    async with stage.database.read() as tx:
        assert (await tx.execute(select(addresses))).first() is None


async def test_a_stopped_channel_is_not_tried_again_and_the_other_continues(stage: Stage) -> None:
    await stage.add("hola")
    stage.telegram.faults["hola"] = [Stopped("token")]
    await stage.dispatcher.drain()
    async with stage.database.read() as tx:
        assert await channel_facts.stopped(tx) == {"telegram": "token"}
    stage.clock.move(hours=1)
    await stage.add("hello", channel="webchat")
    await stage.dispatcher.drain()
    assert stage.telegram.tried == ["hola"]
    assert await stage.states() == {"hola": "waiting", "hello": "sent"}
    await stage.dispatcher.resume("telegram")
    await stage.dispatcher.drain()
    assert await stage.states() == {"hola": "sent", "hello": "sent"}


async def test_a_delivery_that_cannot_be_unpacked_is_refused(stage: Stage) -> None:
    async with stage.database.write() as tx:
        await outbox.add(tx, [NewDelivery("bad", "telegram", "ana", DeliveryKind.REPLY, "not json", stage.clock())])
    await stage.add("good")
    await stage.dispatcher.drain()
    assert await stage.states() == {"bad": "refused", "good": "sent"}


# ---------------------------------------------------------------- deadlines and rate limits


@pytest.mark.parametrize(("deadline", "state"), [(0, "dropped"), (-1, "dropped"), (1, "sent"), (None, "sent")])
async def test_a_late_prompt_is_dropped(stage: Stage, deadline: float | None, state: str) -> None:
    await stage.add("prompt", kind=DeliveryKind.PROMPT, deadline=deadline)
    await stage.dispatcher.drain()
    assert await stage.states() == {"prompt": state}
    assert stage.telegram.sent == (["prompt"] if state == "sent" else [])


async def test_a_prompt_that_becomes_late_while_the_platform_is_down_is_dropped(stage: Stage) -> None:
    await stage.add("prompt", kind=DeliveryKind.PROMPT, deadline=600)
    stage.telegram.faults["prompt"] = [Unreachable("down", in_doubt=False) for _ in range(9)]
    for _ in range(9):
        await stage.dispatcher.drain()
        stage.clock.move(minutes=5)
    assert await stage.states() == {"prompt": "dropped"}


async def test_one_slow_response_of_the_platform_delays_no_other_recipient(stage: Stage) -> None:
    gate = stage.telegram.gates["slow"] = asyncio.Event()
    await stage.add("slow")
    for number in range(3):
        await stage.add(f"fast {number}", f"person {number}")
    draining = asyncio.create_task(stage.dispatcher.drain())
    await stage.telegram.sent_three.wait()
    assert "slow" not in stage.telegram.sent
    gate.set()
    await draining
    assert sorted(stage.telegram.sent) == ["fast 0", "fast 1", "fast 2", "slow"]


async def test_a_channel_keeps_its_rate_limit_and_another_channel_does_not_wait(
    database: Database, clock: Clock
) -> None:
    stage = Stage(database, clock, SLOWLY)
    for number in range(3):
        await stage.add(f"{number}", f"person {number}")
        await stage.add(f"w{number}", f"person {number}", channel="webchat")
    await stage.dispatcher.drain()
    assert [round(moment) for moment in stage.left] == [0, 4, 8]
    assert len(stage.webchat.sent) == 3


async def test_acknowledging_a_press_does_not_wait_for_the_rate_limit(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, SLOWLY)
    for number in range(3):
        await stage.add(f"ack {number}", f"person {number}", DeliveryKind.SIGNAL, act=Action.ACKNOWLEDGE)
    await stage.dispatcher.drain()
    assert stage.sleeps == []


async def test_after_a_429_nothing_is_sent_on_that_channel_until_it_may_resume(
    database: Database, clock: Clock
) -> None:
    stage = Stage(database, clock, SLOWLY)
    stage.telegram.faults["0"] = [Throttled(30)]
    stage.sleep_gate = stage.telegram.refused  # the others wait for their slots until then
    for number in range(4):
        await stage.add(f"{number}", f"person {number}")
    await stage.add("elsewhere", channel="webchat")
    await stage.dispatcher.drain()
    assert stage.telegram.tried == ["0"], "deliveries that had a slot already wait too"
    assert stage.webchat.sent == ["elsewhere"]
    stage.clock.move(seconds=29)
    await stage.dispatcher.drain()
    assert stage.telegram.tried == ["0"]
    stage.clock.move(seconds=2)
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["0", "1", "2", "3"]


async def test_two_processes_share_the_slots_of_one_credential(database: Database, clock: Clock) -> None:
    one, two = Stage(database, clock, SLOWLY), Stage(database, clock, SLOWLY)
    for number in range(6):
        await one.add(f"{number}", f"person {number}")
    await asyncio.gather(one.dispatcher.drain(), two.dispatcher.drain())
    assert sorted(one.telegram.sent + two.telegram.sent) == [str(number) for number in range(6)]
    async with database.read() as tx:
        (pace,) = await rate_limits.standing(tx, clock())
    assert pace.ahead >= 6 * 4, "no process took a slot of the other's"


async def test_a_429_met_by_another_process_pauses_deliveries_that_have_a_slot(
    database: Database, clock: Clock
) -> None:
    stage = Stage(database, clock, QUICKLY)
    await stage.add("has a slot", "beto")
    gate = stage.sleep_gate = Gate()
    async with database.write() as tx:  # so that there is something to wait for
        await rate_limits.take(tx, await rate_limits.look(tx, "telegram", clock()), 2, 1 / 25)
    waiting = asyncio.create_task(stage.dispatcher.drain())
    await gate.reached.wait()
    async with database.write() as tx:
        await rate_limits.hold(tx, "telegram", 3, clock())
    await stage.add("hello", channel="webchat")
    stage.dispatcher.refresh_rate_limits()
    also = asyncio.create_task(stage.dispatcher.drain())
    await stage.webchat.begun.wait()  # it has read the rate limits
    gate.set()
    await asyncio.gather(waiting, also)
    assert stage.telegram.tried == [], "it would have violated the pause"
    clock.move(seconds=4)
    await stage.dispatcher.drain()
    assert stage.telegram.sent == ["has a slot"]


async def test_a_reply_goes_before_prompts_that_have_slots(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, QUICKLY)
    gate = stage.sleep_gate = Gate()
    for number in range(4):
        await stage.add(f"prompt {number}", f"person {number}", DeliveryKind.PROMPT)
    first = asyncio.create_task(stage.dispatcher.drain())
    await gate.reached.wait()
    assert stage.telegram.tried == ["prompt 0"], "the others wait for their slots"
    await stage.add("reply", "zoe")
    await stage.add("hello", channel="webchat")
    second = asyncio.create_task(stage.dispatcher.drain())
    await stage.webchat.begun.wait()  # both were claimed together
    gate.set()
    await asyncio.gather(first, second)
    assert stage.telegram.sent == ["prompt 0", "reply", "prompt 1", "prompt 2", "prompt 3"]


async def test_no_process_reserves_all_slots_and_each_gets_some(database: Database, clock: Clock) -> None:
    several = [Stage(database, clock, QUICKLY) for _ in range(4)]
    for stage in several:
        stage.sleep_gate = Gate()
    for number in range(100):
        await several[0].add(f"{number}", f"person {number}", DeliveryKind.PROMPT)
    working = []
    for stage in several:
        working.append(asyncio.create_task(stage.dispatcher.drain()))
        async with asyncio.timeout(20):  # a process without slots never gets there
            await stage.sleep_gate.reached.wait()  # type: ignore[attr-defined]
    reserved = [sum(map(len, (sender.in_flight for sender in stage.dispatcher.senders))) for stage in several]
    assert min(reserved) > 0
    assert max(reserved) <= 25 / 2, "the others wait for no more than half a second"
    for stage in several:
        stage.sleep_gate.set()
    await asyncio.gather(*working)
    assert sorted(int(text) for stage in several for text in stage.telegram.sent) == list(range(100))


async def test_a_recipient_over_their_limit_waits_and_delays_no_other(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, SLOWLY)
    for number in range(5):
        await stage.add(f"a{number}")
    await stage.add("b", "beto")
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["a0", "a1", "a2", "b"]
    clock.move(seconds=61)
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["a0", "a1", "a2", "a3", "a4", "b"]


# ---------------------------------------------------------------- running, stopping


async def test_a_stop_waits_for_attempts_in_flight_and_records_their_results(stage: Stage) -> None:
    gate = stage.telegram.gates["prompt"] = asyncio.Event()
    await stage.add("prompt", kind=DeliveryKind.PROMPT)
    running = asyncio.create_task(stage.dispatcher.run())
    await stage.telegram.begun.wait()
    running.cancel()
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await stage.states() == {"prompt": "sent"}


async def test_a_stop_releases_the_claims_of_unsent_deliveries(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "SHUTDOWN_GRACE", 0)
    stage = Stage(database, clock)
    stage.telegram.gates["reply"] = asyncio.Event()
    await stage.add("reply")
    running = asyncio.create_task(stage.dispatcher.run())
    await stage.telegram.begun.wait()
    assert await stage.states() == {"reply": "claimed"}
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await stage.states() == {"reply": "waiting"}
    stage.telegram.gates["reply"].set()
    await asyncio.gather(*(task for sender in stage.dispatcher.senders for task in sender.tasks))


async def test_it_wakes_when_called_and_survives_an_unavailable_database(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "POLL_INTERVAL", 3600)
    was_polled = asyncio.Event()
    is_unavailable = True
    original = claims.due_on

    async def due_on(tx: Transaction, now: datetime) -> dict[str, bool]:
        was_polled.set()
        if is_unavailable:
            raise DatabaseUnavailable("gone")
        return await original(tx, now)

    monkeypatch.setattr(claims, "due_on", due_on)
    running = asyncio.create_task(stage.dispatcher.run())
    await was_polled.wait()
    is_unavailable = False
    await stage.add("hola")
    stage.dispatcher.wake.set()
    await stage.telegram.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stage.telegram.sent == ["hola"]
