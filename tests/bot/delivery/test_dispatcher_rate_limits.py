"""The dispatcher keeps the rate limits of channels and recipients; of several processes one sends on a credential."""

import asyncio

import pytest
from sqlalchemy import text

from bot.channels.channel import Throttled
from handlers.message import Action
from storage.database import Database
from storage.queue import rate_limits, tuning
from storage.queue.outbox import DeliveryKind
from tests.bot.delivery.stage import FAST, SLOW, Gate, Stage
from tests.cast import Clock

LONGEST = 20  # seconds after which a test that waits for ever fails


async def test_a_channel_keeps_its_rate_limit_and_another_channel_does_not_wait(
    database: Database, clock: Clock
) -> None:
    stage = Stage(database, clock, SLOW)
    for number in range(3):
        await stage.add(f"{number}", f"person {number}")
        await stage.add(f"w{number}", f"person {number}", channel="webchat")
    await stage.dispatcher.drain()
    assert [round(moment) for moment in stage.left] == [4, 8, 12]
    assert len(stage.webchat.sent) == 3


async def test_acknowledging_a_press_does_not_wait_for_the_rate_limit(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, SLOW)
    for number in range(3):
        await stage.add(f"ack {number}", f"person {number}", DeliveryKind.SIGNAL, action=Action.ACKNOWLEDGE)
    await stage.dispatcher.drain()
    assert stage.sleeps == []


async def test_a_stop_sends_nothing_that_waits_for_its_turn(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, SLOW)
    gate = stage.sleep_gate = Gate()
    for number in range(3):
        await stage.add(f"{number}", f"person {number}")
    running = asyncio.create_task(stage.dispatcher.run())
    await gate.reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stage.telegram.tried == []
    assert set((await stage.states()).values()) == {"waiting"}, "another process may send them at once"


# ---------------------------------------------------------------- 429s


async def test_after_a_429_nothing_is_sent_on_that_channel_until_it_may_resume(
    database: Database, clock: Clock
) -> None:
    stage = Stage(database, clock, FAST)
    await stage.dispatcher.drain()  # takes over
    clock.move(seconds=1)
    stage.telegram.faults["0"] = [Throttled(30)]
    stage.sleep_gate = stage.telegram.refused  # the others wait for their turns until then
    for number in range(4):
        await stage.add(f"{number}", f"person {number}")
    await stage.add("elsewhere", channel="webchat")
    await stage.dispatcher.drain()
    assert stage.telegram.tried == ["0"], "deliveries that waited for their turn wait too"
    assert [(await stage.row(str(number)))["attempts"] for number in range(4)] == [1, 0, 0, 0]
    assert stage.webchat.sent == ["elsewhere"]
    stage.clock.move(seconds=29)
    await stage.dispatcher.drain()
    assert stage.telegram.tried == ["0"]
    stage.clock.move(seconds=2)
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["0", "1", "2", "3"]


async def test_a_process_that_takes_over_keeps_the_pause_of_a_429_that_another_met(
    database: Database, clock: Clock
) -> None:
    one, two = Stage(database, clock, FAST), Stage(database, clock, FAST)
    one.telegram.faults["prompt"] = [Throttled(30)]
    await one.add("prompt", "ana", DeliveryKind.PROMPT)
    await one.add("reply", "beto")
    one.telegram.faults["reply"] = [Throttled(30)]
    await one.dispatcher.drain()
    await one.dispatcher.close()
    clock.move(seconds=29)
    await two.dispatcher.drain()
    assert two.telegram.tried == [], "it would have violated the pause"
    clock.move(seconds=2)
    await two.dispatcher.drain()
    assert sorted(two.telegram.sent) == ["prompt", "reply"]


# ---------------------------------------------------------------- what is claimed ahead


async def test_a_reply_goes_before_prompts_that_wait_for_their_turn(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, FAST)
    gate = stage.sleep_gate = Gate()
    for number in range(4):
        await stage.add(f"prompt {number}", f"person {number}", DeliveryKind.PROMPT)
    first = asyncio.create_task(stage.dispatcher.drain())
    await gate.reached.wait()
    await stage.add("reply", "zoe")
    await stage.add("hello", channel="webchat")
    second = asyncio.create_task(stage.dispatcher.drain())
    await stage.webchat.begun.wait()  # both were claimed together
    gate.set()
    await asyncio.gather(first, second)
    assert stage.telegram.sent == ["reply", "prompt 0", "prompt 1", "prompt 2", "prompt 3"]


async def test_a_second_of_prompts_is_claimed_and_a_reply_besides(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, FAST)
    gate = stage.sleep_gate = Gate()
    for number in range(100):
        await stage.add(f"{number}", f"person {number}", DeliveryKind.PROMPT)
    first = asyncio.create_task(stage.dispatcher.drain())
    await gate.reached.wait()
    assert list((await stage.states()).values()).count("claimed") == 25
    await stage.add("reply", "zoe")
    await stage.add("hello", channel="webchat")
    second = asyncio.create_task(stage.dispatcher.drain())
    await stage.webchat.begun.wait()
    states = await stage.states()
    assert (states.pop("reply"), states.pop("hello") != "waiting") == ("claimed", True)
    assert list(states.values()).count("claimed") == 25, "no more prompts, which would wait for its turn as well"
    gate.set()
    await asyncio.gather(first, second)
    assert stage.telegram.sent[:26] == ["reply", *(str(number) for number in range(25))]
    assert sorted(stage.telegram.sent[26:], key=int) == [str(number) for number in range(25, 100)], (
        "each once; which of the two drains goes first with its next batch is left to chance"
    )


async def test_what_waits_for_its_turn_leaves_less_room_for_more(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, FAST)
    gate = stage.sleep_gate = Gate()
    for number in range(10):
        await stage.add(f"{number}", f"person {number}", DeliveryKind.PROMPT)
    first = asyncio.create_task(stage.dispatcher.drain())
    await gate.reached.wait()
    for number in range(10, 60):
        await stage.add(f"{number}", f"person {number}", DeliveryKind.PROMPT)
    await stage.add("hello", channel="webchat")
    second = asyncio.create_task(stage.dispatcher.drain())
    await stage.webchat.begun.wait()
    assert list((await stage.states()).values()).count("claimed") <= 25 + 1, "a second's worth, and the webchat's"
    gate.set()
    await asyncio.gather(first, second)
    assert stage.telegram.sent[:10] == [str(number) for number in range(10)]
    assert sorted(stage.telegram.sent[10:], key=int) == [str(number) for number in range(10, 60)], (
        "each once; which of the two drains goes first with its next batch is left to chance"
    )


async def test_a_recipient_over_their_limit_waits_and_delays_no_other(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, SLOW)
    for number in range(5):
        await stage.add(f"a{number}")
    await stage.add("b", "beto")
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["a0", "a1", "a2", "b"]
    clock.move(seconds=61)
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["a0", "a1", "a2", "a3", "a4", "b"]


# ---------------------------------------------------------------- several processes


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_one_process_sends_on_a_credential_and_the_others_leave_it_to_that_one(
    database: Database, clock: Clock
) -> None:
    one, two = Stage(database, clock, FAST), Stage(database, clock, FAST)
    for number in range(30):
        await one.add(f"{number}", f"person {number}")
    await one.dispatcher.drain()
    await one.add("late", "zoe")
    assert await two.dispatcher.drain() == 0
    await one.dispatcher.drain()
    assert (len(one.telegram.sent), two.telegram.sent) == (31, [])
    await one.add("later", "zoe")
    await one.dispatcher.close()
    await two.dispatcher.drain()
    assert two.telegram.sent == ["later"]


async def test_what_waits_when_a_credential_is_lost_is_left_to_the_process_that_takes_over(
    database: Database, clock: Clock
) -> None:
    one, two = Stage(database, clock, FAST), Stage(database, clock, FAST)
    gate = one.sleep_gate = Gate()
    for number in range(4):
        await one.add(f"{number}", f"person {number}")
    draining = asyncio.create_task(one.dispatcher.drain())
    await gate.reached.wait()
    await one.lose_credentials()
    gate.set()
    await draining
    assert one.telegram.tried == []
    assert set((await one.states()).values()) == {"waiting"}
    await two.dispatcher.drain()
    assert sorted(two.telegram.sent) == ["0", "1", "2", "3"]
    assert [(await two.row(str(number)))["attempts"] for number in range(4)] == [1] * 4, "a release is no attempt"


async def test_a_process_that_is_no_longer_the_holder_claims_nothing_before_it_has_taken_over_again(
    database: Database, clock: Clock
) -> None:
    """As when its connection was lost, and it has not noticed yet."""
    stage = Stage(database, clock, FAST)
    await stage.dispatcher.drain()
    async with database.write() as tx:
        await rate_limits.take_over(tx, "telegram", "another", clock())
    await stage.add("reply")
    await stage.dispatcher.drain()
    assert await stage.states() == {"reply": "waiting"}
    await stage.dispatcher.drain()
    assert await stage.states() == {"reply": "sent"}


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_when_the_database_ends_the_session_nothing_more_is_sent_until_the_credential_is_ours_again(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "HOLDER_RETRY", 3600)  # it tries again at once
    stage = Stage(database, clock, FAST)
    gate = stage.sleep_gate = Gate()
    for number in range(4):
        await stage.add(f"{number}", f"person {number}")
    running = asyncio.create_task(stage.dispatcher.run())
    await gate.reached.wait()
    async with database.write() as tx:
        await tx.execute(text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"))
    async with asyncio.timeout(LONGEST):
        while set((await stage.states()).values()) != {"waiting"}:
            assert stage.telegram.tried == []
        gate.set()
        while len(stage.telegram.sent) < 4:
            stage.dispatcher.wake.set()
            await stage.states()
    running.cancel()
    await asyncio.wait([running])
    assert [(await stage.row(str(number)))["attempts"] for number in range(4)] == [1] * 4


async def test_a_stopping_process_hands_over_at_once_what_it_has_not_begun(database: Database, clock: Clock) -> None:
    one, two = Stage(database, clock, FAST), Stage(database, clock, FAST)
    response_gate = one.telegram.gates["in flight"] = Gate()
    await one.add("in flight", "ana")
    await one.add("behind it", "ana")
    running = asyncio.create_task(one.dispatcher.run())
    await response_gate.reached.wait()
    await one.add("waiting", "beto")
    running.cancel()
    async with asyncio.timeout(LONGEST):
        while "waiting" not in two.telegram.sent:  # until the other has handed over
            await two.dispatcher.drain()
    assert two.telegram.sent == ["waiting"], "Ana's next message does not overtake the one in flight"
    response_gate.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    await two.dispatcher.drain()
    assert (one.telegram.sent, two.telegram.sent) == (["in flight"], ["waiting", "behind it"])
