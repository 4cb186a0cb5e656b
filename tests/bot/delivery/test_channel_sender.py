"""What is for one person leaves in turn: what comes behind a delivery has the same fate as that, or waits for it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from bot.channels.channel import Blocked, ChannelError, Later, Throttled, Unreachable
from bot.channels.telegram import client as telegram_client
from bot.channels.whatsapp import client as whatsapp_client
from bot.delivery import dispatcher as sender_module
from bot.delivery.channel_sender import START_WITHIN
from bot.delivery.rate_limiter import Limits
from storage.database import Database, DatabaseUnavailable
from storage.queue import outbox
from storage.queue.claims import PersonLimit
from storage.queue.outbox import DeliveryKind
from tests.bot.delivery.test_dispatcher import Gate, Stage
from tests.cast import Clock

THREE = ["first", "second", "third"]
QUICKLY = {"telegram": Limits(1000, PersonLimit(100, 1))}
PACES = [pytest.param({}, id="no pace"), pytest.param(QUICKLY, id="a pace")]
OVER = outbox.LEASE.total_seconds() + 1


def worker(database: Database, clock: Clock, limits: Mapping[str, Limits]) -> Stage:
    """One process of several on the same database."""
    return Stage(database, clock, limits)


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> Mapping[str, Limits]:
    """With a pace, if the test does not say."""
    found: Mapping[str, Limits] = getattr(request, "param", QUICKLY)
    return found


@pytest.fixture
async def stage(database: Database, clock: Clock, limits: Mapping[str, Limits]) -> Stage:
    """A worker, and three things that were said to Ana."""
    one = worker(database, clock, limits)
    for text in THREE:
        await one.say(text)
    return one


async def attempts(stage: Stage) -> list[object]:
    return [(await stage.row(text))["attempts"] for text in THREE]


def gate(stage: Stage, text: str) -> Gate:
    made = stage.telegram.gates[text] = Gate()
    return made


# ---------------------------------------------------------------- what is put off


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Throttled(7), id="throttled"),
        pytest.param(Unreachable("down", in_doubt=False), id="down"),
        pytest.param(Unreachable("timeout", in_doubt=True), id="in doubt"),
        pytest.param(Later("busy", 7), id="later"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
async def test_what_comes_behind_a_delivery_that_is_put_off_waits_for_it_untried(
    stage: Stage, fault: ChannelError, place: int
) -> None:
    stage.telegram.faults[THREE[place]] = [fault]
    await stage.dispatcher.drain()
    assert stage.telegram.tried == THREE[: place + 1]
    assert [(await stage.row(text))["state"] for text in THREE[place:]] == ["waiting"] * (3 - place)
    assert await attempts(stage) == [1] * (place + 1) + [0] * (2 - place)
    stage.clock.move(seconds=8)
    await stage.dispatcher.drain()
    assert stage.telegram.sent == THREE
    assert await attempts(stage) == [2 if one == place else 1 for one in range(3)]


async def test_a_delivery_that_is_refused_holds_up_nothing_behind_it(stage: Stage) -> None:
    stage.telegram.faults["first"] = [KeyError("a fault of ours")]
    await stage.dispatcher.drain()
    assert await stage.states() == {"first": "refused", "second": "sent", "third": "sent"}


async def test_of_whoever_blocked_us_all_is_dropped_also_what_was_said_meanwhile(stage: Stage) -> None:
    opens = gate(stage, "first")
    stage.telegram.faults["first"] = [Blocked("blocked")]
    draining = asyncio.create_task(stage.dispatcher.drain())
    await opens.reached.wait()
    await stage.say("meanwhile")
    opens.set()
    await draining
    assert await stage.states() == dict.fromkeys([*THREE, "meanwhile"], "dropped")
    assert stage.telegram.tried == ["first"]
    assert {(await stage.row(text))["fault"] for text in THREE} == {"blocked"}


async def test_what_could_not_be_noted_is_not_overtaken(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "end_all", gone)
        await stage.dispatcher.drain()
    assert stage.telegram.sent == ["first"]
    stage.clock.move(seconds=OVER)
    await stage.dispatcher.drain()
    assert stage.telegram.sent == ["first", *THREE], "at least once"


# ---------------------------------------------------------------- a stop in between


@pytest.mark.parametrize("limits", PACES, indirect=True)
async def test_a_process_that_stops_in_between_gives_back_the_rest(stage: Stage, limits: Mapping[str, Limits]) -> None:
    opens = gate(stage, "second")
    running = asyncio.create_task(stage.dispatcher.run())
    await opens.reached.wait()
    running.cancel()
    await asyncio.sleep(0)
    opens.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await stage.states() == {"first": "sent", "second": "sent", "third": "waiting"}
    other = worker(stage.database, stage.clock, limits)
    await other.dispatcher.drain()
    assert (stage.telegram.sent, other.telegram.sent) == (["first", "second"], ["third"])


@pytest.mark.parametrize("limits", PACES, indirect=True)
async def test_a_process_that_cannot_wait_any_longer_says_nothing_that_it_gave_back(
    stage: Stage, limits: Mapping[str, Limits], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "GRACE", 0)
    opens = gate(stage, "first")
    running = asyncio.create_task(stage.dispatcher.run())
    await opens.reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    other = worker(stage.database, stage.clock, limits)
    await other.dispatcher.drain()
    opens.set()
    await asyncio.gather(*(task for lane in stage.dispatcher.lanes for task in lane.going))
    assert (stage.telegram.sent, other.telegram.sent) == (["first"], THREE)


# ---------------------------------------------------------------- a claim that runs out


async def test_what_another_worker_has_taken_over_is_not_said_again(stage: Stage, limits: Mapping[str, Limits]) -> None:
    opens = gate(stage, "first")
    draining = asyncio.create_task(stage.dispatcher.drain())
    await opens.reached.wait()
    stage.clock.move(seconds=OVER)
    other = worker(stage.database, stage.clock, limits)
    await other.dispatcher.drain()
    opens.set()
    await draining
    assert other.telegram.sent == THREE
    assert stage.telegram.sent == ["first"], "it was under way already"
    assert set((await stage.states()).values()) == {"sent"}


@pytest.mark.parametrize(("seconds", "is_said"), [(29, True), (30, False), (50, False)])
async def test_nothing_leaves_that_might_outlast_its_claim(stage: Stage, seconds: float, is_said: bool) -> None:
    """An answer of the platform takes some seconds at the most; until then nobody else may take the delivery over."""
    opens = gate(stage, "first")
    draining = asyncio.create_task(stage.dispatcher.drain())
    await opens.reached.wait()
    later, began = gate(stage, "second"), stage.clock()
    stage.clock.move(seconds=seconds)
    opens.set()
    await later.reached.wait()
    held_until = (await stage.row("second"))["lease_until"]
    assert held_until == (began if is_said else stage.clock()) + outbox.LEASE, "claimed once, or anew"
    later.set()
    await draining
    assert stage.telegram.sent == THREE
    assert await attempts(stage) == [1, 1, 1], "what was given back had not been tried"


async def test_a_prompt_behind_a_slow_reply_is_said_once(database: Database, clock: Clock) -> None:
    one, other = worker(database, clock, QUICKLY), worker(database, clock, QUICKLY)
    await one.say("reply")
    await one.say("prompt", kind=DeliveryKind.PROMPT)
    opens = gate(one, "reply")
    one.telegram.faults["reply"] = [Unreachable("timeout", in_doubt=False)]
    draining = asyncio.create_task(one.dispatcher.drain())
    await opens.reached.wait()
    clock.move(seconds=OVER)
    await other.dispatcher.drain()
    opens.set()
    await draining
    assert (one.telegram.sent, other.telegram.sent) == ([], ["reply", "prompt"])


@pytest.mark.parametrize("channel", [telegram_client, whatsapp_client], ids=lambda one: str(one.__name__))
def test_what_begins_to_leave_at_the_last_moment_is_over_before_its_lease(channel: Any) -> None:
    assert outbox.LEASE.total_seconds() > START_WITHIN + channel.CONNECT_SECONDS + channel.READ_SECONDS
