"""The dispatcher keeps the rate limits of channels and recipients, in one process and in several."""

import asyncio

from bot.channels.channel import Throttled
from handlers.message import Action
from storage.database import Database
from storage.queue import rate_limits
from storage.queue.outbox import DeliveryKind
from tests.bot.delivery.stage import FAST, SLOW, Gate, Stage
from tests.cast import Clock


async def test_a_channel_keeps_its_rate_limit_and_another_channel_does_not_wait(
    database: Database, clock: Clock
) -> None:
    stage = Stage(database, clock, SLOW)
    for number in range(3):
        await stage.add(f"{number}", f"person {number}")
        await stage.add(f"w{number}", f"person {number}", channel="webchat")
    await stage.dispatcher.drain()
    assert [round(moment) for moment in stage.left] == [0, 4, 8]
    assert len(stage.webchat.sent) == 3


async def test_acknowledging_a_press_does_not_wait_for_the_rate_limit(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, SLOW)
    for number in range(3):
        await stage.add(f"ack {number}", f"person {number}", DeliveryKind.SIGNAL, action=Action.ACKNOWLEDGE)
    await stage.dispatcher.drain()
    assert stage.sleeps == []


async def test_after_a_429_nothing_is_sent_on_that_channel_until_it_may_resume(
    database: Database, clock: Clock
) -> None:
    stage = Stage(database, clock, SLOW)
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
    one, two = Stage(database, clock, SLOW), Stage(database, clock, SLOW)
    for number in range(6):
        await one.add(f"{number}", f"person {number}")
    await asyncio.gather(one.dispatcher.drain(), two.dispatcher.drain())
    assert sorted(one.telegram.sent + two.telegram.sent) == [str(number) for number in range(6)]
    async with database.read() as tx:
        (pace,) = await rate_limits.statuses(tx, clock())
    assert pace.ahead >= 6 * 4, "no process took a slot of the other's"


async def test_a_429_met_by_another_process_pauses_deliveries_that_have_a_slot(
    database: Database, clock: Clock
) -> None:
    stage = Stage(database, clock, FAST)
    await stage.add("has a slot", "beto")
    gate = stage.sleep_gate = Gate()
    async with database.write() as tx:  # so that there is something to wait for
        await rate_limits.take_slots(tx, await rate_limits.lock(tx, "telegram", clock()), 2, 1 / 25)
    waiting = asyncio.create_task(stage.dispatcher.drain())
    await gate.reached.wait()
    async with database.write() as tx:
        await rate_limits.record_throttling(tx, "telegram", 3, clock())
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
    stage = Stage(database, clock, FAST)
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
    several = [Stage(database, clock, FAST) for _ in range(4)]
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
    stage = Stage(database, clock, SLOW)
    for number in range(5):
        await stage.add(f"a{number}")
    await stage.add("b", "beto")
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["a0", "a1", "a2", "b"]
    clock.move(seconds=61)
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["a0", "a1", "a2", "a3", "a4", "b"]
