"""The dispatcher: states after each channel error, order per recipient, deadlines, running and stopping."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from bot.channels.channel import Blocked, Refused, Stopped, Throttled, Unreachable
from bot.delivery.dispatcher import Dispatcher
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import claims, outbox, tuning
from storage.queue.outbox import DeliveryKind, NewDelivery
from storage.schema import addresses, deliveries
from tests.bot.delivery.stage import Stage
from tests.cast import Clock


@pytest.fixture
def stage(database: Database, clock: Clock) -> Stage:
    return Stage(database, clock)


async def test_due_deliveries_are_sent_and_their_reference_is_stored(stage: Stage) -> None:
    await stage.add("hola", kind=DeliveryKind.NOTICE)
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


# ---------------------------------------------------------------- deadlines


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


async def test_an_attempt_that_outlasts_a_stop_keeps_its_claim_until_its_lease_expires(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "SHUTDOWN_GRACE", 0)
    stage = Stage(database, clock)
    stage.telegram.gates["reply"] = asyncio.Event()
    await stage.add("reply")
    running = asyncio.create_task(stage.dispatcher.run())
    await stage.telegram.begun.wait()
    assert await stage.states() == {"reply": "claimed"}
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await stage.states() == {"reply": "claimed"}
    clock.move(seconds=tuning.LEASE.total_seconds() - 1)
    other = Stage(database, clock)
    await other.dispatcher.drain()
    assert other.telegram.tried == [], "a receipt may still show that it was accepted"
    clock.move(seconds=2)
    await other.dispatcher.drain()
    assert other.telegram.sent == ["reply"]
    stage.telegram.gates["reply"].set()
    await asyncio.gather(*(task for sender in stage.dispatcher.senders for task in sender.tasks))


async def test_without_any_channel_it_runs_until_cancelled(database: Database, clock: Clock) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await Dispatcher(database, {}, {}, clock).run()


async def test_it_wakes_when_called_and_survives_an_unavailable_database(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "POLL_INTERVAL", 3600)
    was_polled = asyncio.Event()
    is_unavailable = True
    original = claims.due_channels

    async def unavailable_at_first(tx: Transaction, names: Sequence[str], now: datetime) -> dict[str, bool]:
        was_polled.set()
        if is_unavailable:
            raise DatabaseUnavailable("gone")
        return await original(tx, names, now)

    monkeypatch.setattr(claims, "due_channels", unavailable_at_first)
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
