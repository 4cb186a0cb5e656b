"""The slot queue: the most urgent delivery first, none before its slot, later slots moved back after a late one."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.delivery.slot_queue import LATE, MIN_GAP, TIMER_TOLERANCE, SlotQueue

STEP = 0.1


class FakeTime:
    """Time that passes only during sleeps, which take `oversleeps` seconds more, the next one `oversleeps_once`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.oversleeps = 0.0
        self.oversleeps_once = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds + self.oversleeps + self.oversleeps_once
        self.oversleeps_once = 0.0


class Deliveries:
    """Deliveries that wait for slots; `left` is when each left, and its priority."""

    def __init__(self, step: float = STEP) -> None:
        self.time = FakeTime()
        self.queue = SlotQueue(step, self.time, self.time.sleep)
        self.left: list[tuple[float, int]] = []

    def add_slots(self, *seconds: float) -> None:
        self.queue.add([100.0 + second for second in seconds])

    def start(self, priority: int) -> "asyncio.Task[None]":
        return asyncio.create_task(self._wait(priority))

    async def _wait(self, priority: int) -> None:
        await self.queue.wait((priority, len(self.left)))
        self.left.append((round(self.time() - 100, 3), priority))


@pytest.fixture
def deliveries() -> Deliveries:
    return Deliveries()


async def test_each_slot_is_for_one_delivery_and_none_leaves_before_it(deliveries: Deliveries) -> None:
    deliveries.add_slots(0.0, 0.1, 0.2)
    await asyncio.gather(*(deliveries.start(20) for _ in range(3)))
    assert deliveries.left == [(0.0, 20), (0.1, 20), (0.2, 20)]
    assert deliveries.queue.reserved == 0


async def test_a_reply_gets_the_slot_of_a_prompt_and_the_prompt_gets_the_replys(deliveries: Deliveries) -> None:
    deliveries.add_slots(0.1, 0.2, 0.3)
    prompts = [deliveries.start(20) for _ in range(3)]
    await asyncio.sleep(0)
    deliveries.add_slots(0.4)
    await asyncio.gather(deliveries.start(0), *prompts)
    assert deliveries.left == [(0.1, 0), (0.2, 20), (0.3, 20), (0.4, 20)]


async def test_a_skipped_delivery_gives_up_a_slot(deliveries: Deliveries) -> None:
    deliveries.add_slots(0.0, 0.1)
    deliveries.queue.skip()
    await deliveries.start(20)
    assert deliveries.queue.reserved == 0


async def test_a_cancelled_delivery_takes_no_other_ones_turn(deliveries: Deliveries) -> None:
    deliveries.add_slots(0.1, 0.2)
    first, second = deliveries.start(0), deliveries.start(20)
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert deliveries.left == [(0.2, 20)]


async def test_a_late_delivery_moves_the_next_ones_back(deliveries: Deliveries) -> None:
    deliveries.add_slots(0.1, 0.2, 0.3)
    deliveries.time.oversleeps_once = 0.25
    await asyncio.gather(*(deliveries.start(20) for _ in range(3)))
    assert [moment for moment, _ in deliveries.left] == [0.35, 0.449, 0.548]


async def test_the_inaccuracy_of_timers_does_not_accumulate() -> None:
    deliveries = Deliveries(step := 0.01)
    deliveries.add_slots(*(place * step for place in range(50)))
    deliveries.time.oversleeps = TIMER_TOLERANCE / 2
    await asyncio.gather(*(deliveries.start(20) for _ in range(50)))
    assert deliveries.left[-1][0] <= 49 * step + TIMER_TOLERANCE
    assert deliveries.queue.collect_delay(moves=True) == 0


async def test_a_delay_is_collected_once_and_moves_the_reserved_slots(deliveries: Deliveries) -> None:
    deliveries.add_slots(0.1, 0.2)
    deliveries.time.oversleeps = 0.05
    await deliveries.start(20)
    assert round(deliveries.queue.collect_delay(moves=True), 3) == 0.05
    assert deliveries.queue.collect_delay(moves=True) == 0
    deliveries.time.oversleeps = 0.0
    await deliveries.start(20)
    assert deliveries.left[-1][0] == 0.25
    assert deliveries.queue.collect_delay(moves=True) == 0, "it left at its slot, which had been moved"


async def test_without_other_processes_a_delay_is_caught_up(deliveries: Deliveries) -> None:
    deliveries.add_slots(0.1, *(0.2 + place * STEP for place in range(50)))
    deliveries.time.oversleeps_once = 0.05
    await deliveries.start(20)
    assert deliveries.queue.collect_delay(moves=False) == 0
    await asyncio.gather(*(deliveries.start(20) for _ in range(50)))
    assert deliveries.left[1][0] == 0.249
    assert deliveries.left[-1][0] == 5.1, "as if there had been no delay"


async def test_one_delivery_late_by_itself_costs_the_others_one_step(deliveries: Deliveries) -> None:
    deliveries.add_slots(0.0)
    deliveries.time.now += 7.0  # the previous delivery to the same recipient took so long
    await deliveries.start(0)
    assert deliveries.queue.collect_delay(moves=True) == STEP


@settings(deadline=None, max_examples=50)
@given(
    lags=st.lists(st.sampled_from([0.0, 0.0005, 0.02, 0.3]), min_size=2, max_size=40),
    priorities=st.lists(st.sampled_from([0, 10, 20]), min_size=40, max_size=40),
)
def test_no_two_leave_closer_than_the_platform_allows(lags: list[float], priorities: list[int]) -> None:
    async def live() -> Deliveries:
        deliveries = Deliveries()
        deliveries.add_slots(*(place * STEP for place in range(len(lags))))
        waiting = []
        for lag, priority in zip(lags, priorities, strict=False):
            deliveries.time.oversleeps = lag
            waiting.append(deliveries.start(priority))
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        return deliveries

    moments = [moment for moment, _ in asyncio.run(live()).left]
    assert all(later - earlier >= MIN_GAP * STEP - TIMER_TOLERANCE - 0.001 for earlier, later in pairwise(moments))
    assert all(moment >= place * STEP - 0.001 for place, moment in enumerate(moments)), "before a slot"
    assert LATE > TIMER_TOLERANCE
