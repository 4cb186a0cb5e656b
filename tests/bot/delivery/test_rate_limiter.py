"""The rate limiter: the most urgent delivery first, even distances, late messages caught up, pauses and back-off."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.delivery.rate_limiter import Limits, RateLimiter
from storage.queue import tuning
from storage.queue.rate_limits import RateLimitStatus

STEP = 0.1
REPLY, NOTICE, PROMPT = 0, 10, 20


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
    """Deliveries that wait for their turn; `left` is when each left, in seconds, and its priority."""

    def __init__(self, step: float = STEP) -> None:
        self.time = FakeTime()
        self.limiter = RateLimiter(Limits(1 / step), self.time, self.time.sleep)
        self.left: list[tuple[float, int]] = []

    def start(self, *priorities: int) -> "list[asyncio.Task[None]]":
        return [asyncio.create_task(self._wait(priority)) for priority in priorities]

    async def send(self, *priorities: int) -> list[float]:
        """Send deliveries that wait together; when each left."""
        before = len(self.left)
        await asyncio.gather(*self.start(*priorities))
        return [moment for moment, _ in self.left[before:]]

    async def _wait(self, priority: int) -> None:
        await self.limiter.wait((priority, len(self.left)))
        self.left.append((round(self.time() - 100, 5), priority))


@pytest.fixture
def deliveries() -> Deliveries:
    return Deliveries()


# ---------------------------------------------------------------- turns


async def test_the_first_leaves_at_once_and_the_others_at_even_distances(deliveries: Deliveries) -> None:
    assert await deliveries.send(PROMPT, PROMPT, PROMPT) == [0.0, 0.1, 0.2]


async def test_a_reply_takes_the_next_turn_before_prompts_that_wait(deliveries: Deliveries) -> None:
    waiting = deliveries.start(PROMPT, PROMPT, PROMPT)
    await asyncio.sleep(0)
    await asyncio.gather(*deliveries.start(NOTICE, REPLY), *waiting)
    assert deliveries.left == [(0.0, PROMPT), (0.1, REPLY), (0.2, NOTICE), (0.3, PROMPT), (0.4, PROMPT)]


async def test_after_an_idle_time_the_next_ones_keep_their_distance_too(deliveries: Deliveries) -> None:
    await deliveries.send(PROMPT)
    deliveries.time.now += 60
    assert await deliveries.send(PROMPT, PROMPT, PROMPT) == [60.0, 60.1, 60.2]


async def test_a_cancelled_delivery_takes_no_other_ones_turn(deliveries: Deliveries) -> None:
    _, second, third = deliveries.start(REPLY, NOTICE, PROMPT)
    await asyncio.sleep(0)
    second.cancel()
    await third
    assert deliveries.left == [(0.0, REPLY), (0.2, PROMPT)]


async def test_without_a_limit_nothing_waits() -> None:
    time = FakeTime()
    limiter = RateLimiter(None, time, time.sleep)
    limiter.pause(30)
    await asyncio.gather(*(limiter.wait((PROMPT, number)) for number in range(100)))
    assert (time(), limiter.seconds_paused, limiter.max_ahead) == (100.0, 0.0, None)


# ---------------------------------------------------------------- lateness


async def test_a_late_delivery_moves_the_next_ones_back(deliveries: Deliveries) -> None:
    deliveries.time.oversleeps_once = 0.25
    moments = await deliveries.send(PROMPT, PROMPT, PROMPT, PROMPT)
    assert moments == [0.0, 0.35, 0.4495, 0.549]


async def test_a_delay_is_caught_up_half_a_per_cent_faster(deliveries: Deliveries) -> None:
    deliveries.time.oversleeps_once = 0.05
    moments = await deliveries.send(*[PROMPT] * 120)
    assert moments[1] == 0.15
    assert moments[-1] == 11.9, "as if there had been no delay"


async def test_a_process_that_was_suspended_catches_nothing_up(deliveries: Deliveries) -> None:
    deliveries.time.oversleeps_once = 3600
    moments = await deliveries.send(*[PROMPT] * 10)
    assert all(round(later - earlier, 3) >= STEP for earlier, later in pairwise(moments))


async def test_what_a_short_lack_of_deliveries_lost_is_caught_up_and_a_long_one_is_not(deliveries: Deliveries) -> None:
    for lack, first_gap in ((0.1, tuning.MIN_GAP * STEP), (3.0, STEP)):
        await deliveries.send(PROMPT)
        deliveries.time.now += STEP + lack
        first, second = await deliveries.send(PROMPT, PROMPT)
        assert round(second - first, 5) == first_gap


async def test_the_inaccuracy_of_timers_does_not_accumulate() -> None:
    deliveries = Deliveries(step := 0.01)
    deliveries.time.oversleeps = tuning.TIMER_TOLERANCE / 2
    assert (await deliveries.send(*[PROMPT] * 50))[-1] <= 49 * step + tuning.TIMER_TOLERANCE


@settings(deadline=None, max_examples=50)
@given(
    lags=st.lists(st.sampled_from([0.0, 0.0005, 0.02, 0.3]), min_size=2, max_size=40),
    priorities=st.lists(st.sampled_from([REPLY, NOTICE, PROMPT]), min_size=40, max_size=40),
)
def test_no_two_leave_closer_than_the_platform_allows(lags: list[float], priorities: list[int]) -> None:
    async def live() -> Deliveries:
        deliveries, waiting = Deliveries(), []
        for lag, priority in zip(lags, priorities, strict=False):
            deliveries.time.oversleeps = lag
            waiting += deliveries.start(priority)
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        return deliveries

    moments = [moment for moment, _ in asyncio.run(live()).left]
    least = tuning.MIN_GAP * STEP - tuning.TIMER_TOLERANCE - 0.001
    assert all(later - earlier >= least for earlier, later in pairwise(moments))
    assert all(moment >= place * STEP - 0.001 for place, moment in enumerate(moments)), "more than the rate"


# ---------------------------------------------------------------- 429s and take-overs


async def test_who_takes_over_keeps_the_distance_to_the_last_message_of_the_one_before(deliveries: Deliveries) -> None:
    deliveries.limiter.take_over(RateLimitStatus("telegram"))
    assert await deliveries.send(PROMPT, PROMPT) == [0.1, 0.2]


async def test_who_takes_over_goes_on_as_slowly_and_recovers(deliveries: Deliveries) -> None:
    deliveries.limiter.take_over(RateLimitStatus("telegram", held=3.0, factor=2.0))
    assert deliveries.limiter.seconds_paused == 3.0
    first, second = await deliveries.send(PROMPT, PROMPT)
    assert 0.198 <= second - first <= 0.2
    deliveries.time.now += 3600
    first, second = await deliveries.send(PROMPT, PROMPT)
    assert round(second - first, 3) == STEP


async def test_all_that_wait_are_released_when_the_platform_throttles(deliveries: Deliveries) -> None:
    waiting = deliveries.start(PROMPT, PROMPT, PROMPT, PROMPT)
    await asyncio.sleep(0)
    deliveries.limiter.slow_down(RateLimitStatus("telegram", held=30.0, factor=1.2))
    await asyncio.gather(*waiting)
    assert [moment for moment, _ in deliveries.left] == [0.0] * 4, "each finds out by itself that sending pauses"
    assert deliveries.limiter.seconds_paused == 30.0
    deliveries.limiter.slow_down(RateLimitStatus("telegram", held=5.0, factor=1.2))
    assert deliveries.limiter.seconds_paused == 30.0, "a shorter pause does not end a longer one"


@pytest.mark.parametrize(("rate", "ahead"), [(25, 25), (29.4, 30), (0.25, 1), (1000, 1000)])
def test_a_second_of_messages_waits_for_its_turn(rate: float, ahead: int) -> None:
    time = FakeTime()
    assert RateLimiter(Limits(rate), time, time.sleep).max_ahead == ahead
