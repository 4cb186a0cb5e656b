"""A credential's row on both databases: who sends on it, what a 429 demands, and clocks that are set back."""

import asyncio
from contextvars import Context
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from storage.database import Database, DatabaseUnavailable
from storage.queue import rate_limits, tuning
from storage.queue.rate_limits import RateLimitStatus
from tests.cast import MONDAY_NINE as NOW

TOGETHER = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def take_over(database: Database, worker: str, after: float = 0.0, channel: str = "telegram") -> RateLimitStatus:
    async with database.write() as tx:
        return await rate_limits.take_over(tx, channel, worker, NOW + timedelta(seconds=after))


async def throttle(database: Database, seconds: float, after: float = 0.0) -> RateLimitStatus:
    async with database.write() as tx:
        return await rate_limits.record_throttling(tx, "telegram", seconds, NOW + timedelta(seconds=after))


# ---------------------------------------------------------------- the holder


async def test_the_worker_that_took_a_credential_over_last_is_its_holder(database: Database) -> None:
    await take_over(database, "first")
    await take_over(database, "second")
    await take_over(database, "first", channel="whatsapp")
    async with database.write() as tx:
        assert not await rate_limits.confirm_holder(tx, "telegram", "first")
        assert await rate_limits.confirm_holder(tx, "telegram", "second")
        assert await rate_limits.confirm_holder(tx, "whatsapp", "first")
        assert not await rate_limits.confirm_holder(tx, "webchat", "first")


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_take_over_waits_for_a_claim_that_is_being_committed(database: Database) -> None:
    """Else both might claim deliveries to one recipient, and the second overtake the first."""
    await take_over(database, "first")
    async with database.write() as claiming:
        assert await rate_limits.confirm_holder(claiming, "telegram", "first")
        with pytest.raises(DatabaseUnavailable):
            await asyncio.create_task(_take_over_impatiently(database), context=Context())  # as another process
    await take_over(database, "second")


async def _take_over_impatiently(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(text("SET LOCAL lock_timeout = '50ms'"))
        await rate_limits.take_over(tx, "telegram", "second", NOW)


# ---------------------------------------------------------------- 429s


async def test_who_takes_over_learns_of_the_429_that_the_one_before_met(database: Database) -> None:
    await take_over(database, "first")
    await throttle(database, 30)
    status = await take_over(database, "second", after=10)
    assert (status.held, status.refusals) == (20, 1)
    assert 1.1 < status.factor < tuning.STRETCH, "it has recovered a little in ten seconds"
    assert await take_over(database, "second", channel="whatsapp") == RateLimitStatus("whatsapp")


async def test_a_burst_of_429s_slows_down_once_and_the_rate_recovers(database: Database) -> None:
    for _ in range(5):
        after = await throttle(database, 3)
    assert after == RateLimitStatus("telegram", 3, tuning.STRETCH, 5)
    async with database.read() as tx:
        (soon,) = await rate_limits.statuses(tx, NOW + timedelta(minutes=1))
        (late,) = await rate_limits.statuses(tx, NOW + timedelta(hours=1))
    assert 1 < soon.factor < after.factor
    assert (late.factor, late.held, late.refusals) == (1, 0, 5)


@TOGETHER
@given(refusals=st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 100)), min_size=1, max_size=12))
async def test_no_429_ends_an_earlier_pause_and_the_back_off_is_bounded(
    database: Database, refusals: list[tuple[float, float]]
) -> None:
    """`refusals`: seconds since the one before, and seconds for which the platform wants silence."""
    now = until = 0.0
    async with database.write() as tx:
        await tx.execute(text("DELETE FROM rate_limits"))
    for since, seconds in refusals:
        now += since
        until = max(until, now + seconds)
        status = await throttle(database, seconds, after=now)
        assert status.held == pytest.approx(until - now, abs=1e-3)
        assert 1 <= status.factor <= tuning.SLOWEST


@pytest.mark.parametrize(("seconds", "held"), [(-5, 20), (0, 20), (5, 15)])
async def test_the_clock_of_the_machine_that_takes_over_may_differ_by_seconds(
    database: Database, seconds: float, held: float
) -> None:
    await throttle(database, 20)
    assert (await take_over(database, "second", after=seconds)).held == held


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=400)])
async def test_a_clock_that_was_set_back_does_not_block_sending(database: Database, back: timedelta) -> None:
    await throttle(database, 20)
    async with database.write() as tx:
        assert (await rate_limits.take_over(tx, "telegram", "second", NOW - back)).held == 0
