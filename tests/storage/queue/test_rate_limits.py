"""Rate limits of credentials: slots, rate-limit responses (429) and clocks, on both databases."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.database import Database, Transaction
from storage.queue import rate_limits
from storage.schema import rate_limits as table
from tests.cast import MONDAY_NINE as NOW

STEP = 1 / 25
ROUNDING = 1e-3
TOGETHER = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def reserve(tx: Transaction, channel: str, count: int, step: float, now: datetime | None) -> rate_limits.Slots:
    return await rate_limits.take_slots(tx, await rate_limits.lock(tx, channel, now), count, step)


async def seconds_held(tx: Transaction, channel: str, now: datetime | None) -> float:
    return (await rate_limits.lock(tx, channel, now)).held


CLAIMS = st.lists(st.tuples(st.floats(0, 3), st.integers(0, 20)), min_size=1, max_size=15)
"""Seconds since the previous claim of any process, and how many deliveries it claims."""


@TOGETHER
@given(claims=CLAIMS)
async def test_slots_are_evenly_spaced_over_all_processes(database: Database, claims: list[tuple[float, int]]) -> None:
    now, moments = NOW, []
    async with database.write() as tx:
        await tx.execute(table.delete())
        for after, count in claims:
            now += timedelta(seconds=after)
            slots = await reserve(tx, "telegram", count, STEP, now)
            assert slots.first >= -ROUNDING, "no slot is in the past"
            moments += [(now - NOW).total_seconds() + slots[place] for place in range(count)]
    assert all(later - earlier >= STEP - ROUNDING for earlier, later in pairwise(moments))


@TOGETHER
@given(claims=CLAIMS, seconds=st.floats(0.1, 100))
async def test_after_a_429_no_process_gets_a_slot_before_its_end(
    database: Database, claims: list[tuple[float, int]], seconds: float
) -> None:
    async with database.write() as tx:
        await tx.execute(table.delete())
        await rate_limits.record_throttling(tx, "telegram", seconds, NOW)
        now = NOW
        for after, count in claims:
            now += timedelta(seconds=after)
            slots = await reserve(tx, "telegram", count, STEP, now)
            assert (now - NOW).total_seconds() + slots.first >= seconds - ROUNDING or not count


async def test_each_credential_has_its_own_rate_limit(database: Database) -> None:
    async with database.write() as tx:
        await rate_limits.record_throttling(tx, "telegram", 30, NOW)
        assert (await reserve(tx, "whatsapp", 5, STEP, NOW)).first == 0
        assert await seconds_held(tx, "telegram", NOW) == 30
        assert await seconds_held(tx, "whatsapp", NOW) == 0


async def test_a_burst_of_429s_counts_once_and_the_rate_recovers_slowly(database: Database) -> None:
    async with database.write() as tx:
        for _ in range(5):
            await rate_limits.record_throttling(tx, "telegram", 3, NOW)
        (status,) = await rate_limits.statuses(tx, NOW)
        assert (status.factor, status.refusals) == (rate_limits.STRETCH, 5)
        (soon,) = await rate_limits.statuses(tx, NOW + timedelta(minutes=1))
        (late,) = await rate_limits.statuses(tx, NOW + timedelta(hours=1))
        assert 1 < soon.factor < status.factor
        assert late.factor == 1


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=400)])
async def test_a_clock_that_was_set_back_does_not_block_sending(database: Database, back: timedelta) -> None:
    async with database.write() as tx:
        await reserve(tx, "telegram", 10, STEP, NOW)
        await rate_limits.record_throttling(tx, "telegram", 20, NOW)
        slots = await reserve(tx, "telegram", 1, STEP, NOW - back)
        assert slots.first <= rate_limits.LONGEST_AHEAD
        assert await seconds_held(tx, "telegram", NOW - back) == 0


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_on_postgresql_the_clock_of_the_database_is_used(database: Database) -> None:
    async with database.write() as tx:
        first = await reserve(tx, "telegram", 100, 1.0, None)
        second = await reserve(tx, "telegram", 1, 1.0, None)
    assert first.first == 0
    assert 90 < second.first <= 100 or second.first <= rate_limits.LONGEST_AHEAD
