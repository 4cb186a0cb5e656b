"""Deliveries to one recipient are sent in order: later ones wait for, or are dropped with, an earlier one."""

import asyncio
from collections.abc import Mapping

import pytest

from bot.channels import http_client
from bot.channels.channel import Blocked, ChannelError, RecipientThrottled, Throttled, Unreachable
from bot.delivery.rate_limiter import Limits
from storage.database import Database, DatabaseUnavailable
from storage.queue import outbox, tuning
from storage.queue.claims import RecipientRateLimit
from storage.queue.outbox import DeliveryKind
from tests.bot.delivery.stage import Gate, Stage
from tests.cast import Clock

THREE = ["first", "second", "third"]
FAST = {"telegram": Limits(1000, RecipientRateLimit(100, 1))}
RATE_LIMITS = [pytest.param({}, id="no rate limit"), pytest.param(FAST, id="rate limit")]
PAST_LEASE = tuning.LEASE.total_seconds() + 1


def worker(database: Database, clock: Clock, limits: Mapping[str, Limits]) -> Stage:
    """One process of several on the same database."""
    return Stage(database, clock, limits)


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> Mapping[str, Limits]:
    """A rate limit, unless the test chooses."""
    limits: Mapping[str, Limits] = getattr(request, "param", FAST)
    return limits


@pytest.fixture
async def stage(database: Database, clock: Clock, limits: Mapping[str, Limits]) -> Stage:
    """A process with three deliveries to Ana."""
    stage = worker(database, clock, limits)
    for text in THREE:
        await stage.add(text)
    return stage


async def attempts(stage: Stage) -> list[object]:
    return [(await stage.row(text))["attempts"] for text in THREE]


def gate(stage: Stage, text: str) -> Gate:
    new = stage.telegram.gates[text] = Gate()
    return new


# ---------------------------------------------------------------- postponed deliveries


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Throttled(7), id="throttled"),
        pytest.param(Unreachable("down", in_doubt=False), id="down"),
        pytest.param(Unreachable("timeout", in_doubt=True), id="in doubt"),
        pytest.param(RecipientThrottled("busy", 7), id="later"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
async def test_deliveries_behind_a_postponed_one_wait_for_it_untried(
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
    assert await attempts(stage) == [2 if number == place else 1 for number in range(3)]


async def test_a_refused_delivery_does_not_delay_those_behind_it(stage: Stage) -> None:
    stage.telegram.faults["first"] = [KeyError("a fault of ours")]
    await stage.dispatcher.drain()
    assert await stage.states() == {"first": "refused", "second": "sent", "third": "sent"}


async def test_all_deliveries_to_a_recipient_who_blocked_us_are_dropped_also_new_ones(stage: Stage) -> None:
    response_gate = gate(stage, "first")
    stage.telegram.faults["first"] = [Blocked("blocked")]
    draining = asyncio.create_task(stage.dispatcher.drain())
    await response_gate.reached.wait()
    await stage.add("meanwhile")
    response_gate.set()
    await draining
    assert await stage.states() == dict.fromkeys([*THREE, "meanwhile"], "dropped")
    assert stage.telegram.tried == ["first"]
    assert {(await stage.row(text))["fault"] for text in THREE} == {"blocked"}


async def test_a_delivery_whose_result_was_not_recorded_is_not_overtaken(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "finish_all", gone)
        await stage.dispatcher.drain()
    assert stage.telegram.sent == ["first"]
    stage.clock.move(seconds=PAST_LEASE)
    await stage.dispatcher.drain()
    assert stage.telegram.sent == ["first", *THREE], "at least once"


async def test_an_unexpected_error_while_recording_a_result_holds_up_no_later_delivery(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "finish_all", broken)
        await stage.dispatcher.drain()
    assert [sender.in_flight for sender in stage.dispatcher.senders] == [frozenset(), frozenset()]
    stage.clock.move(seconds=PAST_LEASE)
    await stage.dispatcher.drain()
    assert set((await stage.states()).values()) == {"sent"}
    await stage.add("later")
    await stage.dispatcher.drain()
    assert stage.telegram.sent[-1] == "later"


# ---------------------------------------------------------------- a stop in between


async def begins_to_stop(stage: Stage) -> None:
    """Let the loop run until no further attempt is started: a statement in flight ends first."""
    await asyncio.gather(*(sender.stopping.wait() for sender in stage.dispatcher.senders))


@pytest.mark.parametrize("limits", RATE_LIMITS, indirect=True)
async def test_a_process_that_stops_in_between_releases_the_rest(stage: Stage, limits: Mapping[str, Limits]) -> None:
    response_gate = gate(stage, "second")
    running = asyncio.create_task(stage.dispatcher.run())
    await response_gate.reached.wait()
    running.cancel()
    await begins_to_stop(stage)
    response_gate.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await stage.states() == {"first": "sent", "second": "sent", "third": "waiting"}
    other = worker(stage.database, stage.clock, limits)
    await other.dispatcher.drain()
    assert (stage.telegram.sent, other.telegram.sent) == (["first", "second"], ["third"])


@pytest.mark.parametrize("limits", RATE_LIMITS, indirect=True)
async def test_a_process_that_stops_without_grace_sends_nothing_that_it_released(
    stage: Stage, limits: Mapping[str, Limits], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "SHUTDOWN_GRACE", 0)
    response_gate = gate(stage, "first")
    running = asyncio.create_task(stage.dispatcher.run())
    await response_gate.reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    other = worker(stage.database, stage.clock, limits)
    await other.dispatcher.drain()
    assert other.telegram.tried == [], "none overtakes the one that is in flight"
    response_gate.set()
    await asyncio.gather(*(task for sender in stage.dispatcher.senders for task in sender.tasks))
    await other.dispatcher.drain()
    assert (stage.telegram.sent, other.telegram.sent) == (["first"], ["second", "third"])


# ---------------------------------------------------------------- expired leases


async def test_deliveries_taken_over_by_another_worker_are_not_sent_again(
    stage: Stage, limits: Mapping[str, Limits]
) -> None:
    response_gate = gate(stage, "first")
    draining = asyncio.create_task(stage.dispatcher.drain())
    await response_gate.reached.wait()
    stage.clock.move(seconds=PAST_LEASE)
    await stage.lose_credentials()
    other = worker(stage.database, stage.clock, limits)
    await other.dispatcher.drain()
    response_gate.set()
    await draining
    assert other.telegram.sent == THREE
    assert stage.telegram.sent == ["first"], "it was in flight already"
    assert set((await stage.states()).values()) == {"sent"}


@pytest.mark.parametrize(("seconds", "is_sent"), [(29, True), (30, False), (50, False)])
async def test_no_attempt_starts_that_might_outlast_its_lease(stage: Stage, seconds: float, is_sent: bool) -> None:
    """A response of the platform takes some seconds at most; until then no other worker may claim the delivery."""
    response_gate = gate(stage, "first")
    draining = asyncio.create_task(stage.dispatcher.drain())
    await response_gate.reached.wait()
    second_gate, began = gate(stage, "second"), stage.clock()
    stage.clock.move(seconds=seconds)
    response_gate.set()
    await second_gate.reached.wait()
    held_until = (await stage.row("second"))["lease_until"]
    assert held_until == (began if is_sent else stage.clock()) + tuning.LEASE, "claimed once, or again"
    second_gate.set()
    await draining
    assert stage.telegram.sent == THREE
    assert await attempts(stage) == [1, 1, 1], "a released delivery had not been tried"


async def test_a_prompt_behind_a_slow_reply_is_sent_once(database: Database, clock: Clock) -> None:
    one, other = worker(database, clock, FAST), worker(database, clock, FAST)
    await one.add("reply")
    await one.add("prompt", kind=DeliveryKind.PROMPT)
    response_gate = gate(one, "reply")
    one.telegram.faults["reply"] = [Unreachable("timeout", in_doubt=False)]
    draining = asyncio.create_task(one.dispatcher.drain())
    await response_gate.reached.wait()
    clock.move(seconds=PAST_LEASE)
    await one.lose_credentials()
    await other.dispatcher.drain()
    response_gate.set()
    await draining
    assert (one.telegram.sent, other.telegram.sent) == ([], ["reply", "prompt"])


def test_an_attempt_started_at_the_last_moment_ends_before_its_lease() -> None:
    assert tuning.LEASE.total_seconds() > tuning.START_WITHIN + http_client.CONNECT_SECONDS + http_client.READ_SECONDS
