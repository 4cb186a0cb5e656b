"""Slots go to whoever is most urgent; nobody leaves before a slot, and who is late is followed later."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.delivery.slot_queue import CLOSEST, GRAIN, LATE, SlotQueue

STEP = 0.1


class Hours:
    """Time that passes only while somebody sleeps, and by `oversleeps` seconds more, or `once` so many."""

    def __init__(self) -> None:
        self.now = 100.0
        self.oversleeps = 0.0
        self.once = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds + self.oversleeps + self.once
        self.once = 0.0


class Crowd:
    """People with an urgency each, who write down when they had their turn."""

    def __init__(self, step: float = STEP) -> None:
        self.hours = Hours()
        self.pacer = SlotQueue(step, self.hours, self.hours.sleep)
        self.left: list[tuple[float, int]] = []

    def slots(self, *seconds: float) -> None:
        self.pacer.add([100.0 + one for one in seconds])

    def comes(self, priority: int) -> "asyncio.Task[None]":
        return asyncio.create_task(self._come(priority))

    async def _come(self, priority: int) -> None:
        await self.pacer.turn((priority, len(self.left)))
        self.left.append((round(self.hours() - 100, 3), priority))


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


async def test_each_slot_is_for_one_and_nobody_leaves_before_it(crowd: Crowd) -> None:
    crowd.slots(0.0, 0.1, 0.2)
    await asyncio.gather(*(crowd.comes(20) for _ in range(3)))
    assert crowd.left == [(0.0, 20), (0.1, 20), (0.2, 20)]
    assert crowd.pacer.in_hand == 0


async def test_a_reply_takes_the_slot_of_a_prompt_and_the_prompt_takes_its(crowd: Crowd) -> None:
    crowd.slots(0.1, 0.2, 0.3)
    prompts = [crowd.comes(20) for _ in range(3)]
    await asyncio.sleep(0)
    crowd.slots(0.4)
    await asyncio.gather(crowd.comes(0), *prompts)
    assert crowd.left == [(0.1, 0), (0.2, 20), (0.3, 20), (0.4, 20)]


async def test_who_does_not_leave_gives_up_a_slot(crowd: Crowd) -> None:
    crowd.slots(0.0, 0.1)
    crowd.pacer.skip()
    await crowd.comes(20)
    assert crowd.pacer.in_hand == 0


async def test_one_who_stopped_waiting_takes_nobody_elses_turn(crowd: Crowd) -> None:
    crowd.slots(0.1, 0.2)
    first, second = crowd.comes(0), crowd.comes(20)
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert crowd.left == [(0.2, 20)]


async def test_whoever_wakes_late_pushes_the_next_ones_back(crowd: Crowd) -> None:
    crowd.slots(0.1, 0.2, 0.3)
    crowd.hours.once = 0.25
    await asyncio.gather(*(crowd.comes(20) for _ in range(3)))
    assert [moment for moment, _ in crowd.left] == [0.35, 0.449, 0.548]


async def test_what_a_timer_wakes_late_anyway_adds_up_to_nothing() -> None:
    crowd = Crowd(step := 0.01)
    crowd.slots(*(place * step for place in range(50)))
    crowd.hours.oversleeps = GRAIN / 2
    await asyncio.gather(*(crowd.comes(20) for _ in range(50)))
    assert crowd.left[-1][0] <= 49 * step + GRAIN
    assert crowd.pacer.late(moves=True) == 0


async def test_lateness_is_told_once_and_moves_what_is_in_hand(crowd: Crowd) -> None:
    crowd.slots(0.1, 0.2)
    crowd.hours.oversleeps = 0.05
    await crowd.comes(20)
    assert round(crowd.pacer.late(moves=True), 3) == 0.05
    assert crowd.pacer.late(moves=True) == 0
    crowd.hours.oversleeps = 0.0
    await crowd.comes(20)
    assert crowd.left[-1][0] == 0.25
    assert crowd.pacer.late(moves=True) == 0, "it left at its slot, as that stands now"


async def test_where_nobody_else_speaks_what_was_late_is_caught_up_on(crowd: Crowd) -> None:
    crowd.slots(0.1, *(0.2 + place * STEP for place in range(50)))
    crowd.hours.once = 0.05
    await crowd.comes(20)
    assert crowd.pacer.late(moves=False) == 0
    await asyncio.gather(*(crowd.comes(20) for _ in range(50)))
    assert crowd.left[1][0] == 0.249
    assert crowd.left[-1][0] == 5.1, "as if nothing had been"


async def test_one_that_was_held_up_alone_costs_the_others_one_step(crowd: Crowd) -> None:
    crowd.slots(0.0)
    crowd.hours.now += 7.0  # what went before it to the same person took so long
    await crowd.comes(0)
    assert crowd.pacer.late(moves=True) == STEP


@settings(deadline=None, max_examples=50)
@given(
    lags=st.lists(st.sampled_from([0.0, 0.0005, 0.02, 0.3]), min_size=2, max_size=40),
    priorities=st.lists(st.sampled_from([0, 10, 20]), min_size=40, max_size=40),
)
def test_no_two_leave_nearer_than_the_platform_allows(lags: list[float], priorities: list[int]) -> None:
    async def live() -> Crowd:
        crowd = Crowd()
        crowd.slots(*(place * STEP for place in range(len(lags))))
        waiting = []
        for lag, priority in zip(lags, priorities, strict=False):
            crowd.hours.oversleeps = lag
            waiting.append(crowd.comes(priority))
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        return crowd

    moments = [moment for moment, _ in asyncio.run(live()).left]
    assert all(later - earlier >= CLOSEST * STEP - GRAIN - 0.001 for earlier, later in pairwise(moments))
    assert all(moment >= place * STEP - 0.001 for place, moment in enumerate(moments)), "before a slot"
    assert LATE > GRAIN
