"""Aggregates of past days: exact in any history, under concurrency and crashes."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from storage.database import Database, open_database
from storage.people import servants
from storage.reports import aggregates, statistics
from storage.reports.aggregates import NEVER
from storage.schema import answers, prompt_aggregates, prompts
from tests.cast import MONDAY_NINE as NOW
from tests.conftest import clear_tables
from tests.statement_log import statement_listener
from tests.storage.reports import naive_counts
from tests.storage.reports.story import DAY, MONDAY, TOPICS, Story, morning

pytestmark = pytest.mark.slow


async def rows_of(database: Database) -> list[tuple[Any, ...]]:
    async with database.read() as tx:
        return await Story(tx).aggregate_rows()


# ---------------------------------------------------------------- any history

WHO = st.integers(0, 5)
DAYS = st.integers(-3, 12)
TOPIC = st.sampled_from(TOPICS)
EVENT = st.one_of(
    st.tuples(st.just("ask"), WHO),
    st.tuples(st.just("answer"), WHO, st.sampled_from((0, 0, 0, 1, 3)), TOPIC, st.booleans()),
    st.tuples(st.just("tomorrow"), st.integers(1, 3)),
    st.tuples(st.just("aggregate_all")),
    st.tuples(st.just("leave"), WHO),
    st.tuples(st.just("move"), WHO, st.integers(0, 2)),
    st.tuples(st.just("merge"), WHO, WHO),
    st.tuples(st.just("add_history"), WHO, st.integers(1, 8), st.one_of(st.none(), TOPIC)),
)


async def _replay(story: Story, events: Sequence[tuple[Any, ...]]) -> None:
    for name, *arguments in events:
        if name == "tomorrow":
            story.today += arguments[0] * DAY
        elif name == "answer":
            who, back, topic, is_right = arguments
            await story.answer(who, back, topic, is_right=is_right)
        else:
            await getattr(story, name)(*arguments)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 99), events=st.lists(EVENT, max_size=25), span=st.tuples(DAYS, DAYS))
async def test_in_any_history_the_statistics_equal_naive_counts(
    database: Database, seed: int, events: list[tuple[Any, ...]], span: tuple[int, int]
) -> None:
    await clear_tables(database)
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(5, seed)
        await story.aggregate_next()
        await story.aggregate_next()
        await _replay(story, events)
        await story.check([(0, 30), span])
        await story.aggregate_all()
        await story.check([(0, 30), span])
        found = await story.aggregate_rows()
        await aggregates.rebuild(tx)
        assert await story.aggregate_rows() == found


# ---------------------------------------------------------------- aggregating past days


async def test_a_day_is_aggregated_when_it_is_over_and_the_statistics_do_not_change(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(6)
        days = []
        while day := await story.aggregate_next():
            days.append(day)
            await story.check()
        assert days == [MONDAY + number * DAY for number in range(6)]
        assert await aggregates.aggregated_until(tx) == story.today - DAY
        assert await story.aggregate_next() is None
        await story.check()


async def test_an_answer_to_a_prompt_of_an_aggregated_day_counts_on_both_days(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.ask(0)
        story.today += 3 * DAY
        await story.aggregate_all()
        assert await statistics.by_day(tx, MONDAY, MONDAY, None) == [(MONDAY, 0, 1)]
        await story.answer(0, 3, "codigo", is_right=True)
        for _ in range(2):
            assert await statistics.by_day(tx, MONDAY, MONDAY, None) == [(MONDAY, 1, 1)]
            await story.check()
            story.today += DAY
            await story.aggregate_all()


async def test_on_the_first_day_nothing_is_aggregated_as_an_older_version_may_still_run(database: Database) -> None:
    async with database.write() as tx:
        story = Story(tx)
        await servants.add_institution(tx, "LEON", "León", "municipal")
        story.people = [await servants.add_fictional(tx, 1, "1", NOW, MONDAY)]
        await story.days(3)
        for _ in range(3):
            assert await story.aggregate_next() is None
            assert await aggregates.aggregated_until(tx) == NEVER
        story.today += DAY
        assert await story.aggregate_next() == MONDAY


async def test_without_prompts_a_rebuild_does_nothing(database: Database) -> None:
    async with database.write() as tx:
        await aggregates.rebuild(tx)
        story = await Story(tx).begin()
        story.today += DAY
        await story.aggregate_all()
        assert await aggregates.aggregated_until(tx) == MONDAY
        await story.ask(0)
        await story.answer(0, 0, "codigo", is_right=True)
        await story.check()


async def test_an_imported_history_is_aggregated_by_a_rebuild(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(6)
        await aggregates.rebuild(tx)
        assert await aggregates.aggregated_until(tx) == story.today - 2 * DAY, "all but the newest"
        await story.check()


async def test_a_day_is_over_some_hours_after_midnight(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(1)
        early = morning(story.today) - timedelta(seconds=1)
        assert await aggregates.aggregate_next_day(tx, early) is None
        assert await aggregates.aggregate_next_day(tx, morning(story.today)) == MONDAY
        assert await aggregates.aggregate_next_day(tx, early) is None
        assert await aggregates.aggregated_until(tx) == MONDAY, (
            "clocks that differ by a second do not delete the aggregates"
        )


@pytest.mark.parametrize("days", [1, 2, 40])
async def test_after_a_clock_that_was_ahead_all_days_are_aggregated_again(database: Database, days: int) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(3)
        await story.aggregate_all()
        today = story.today
        story.today += days * DAY
        await story.aggregate_all()
        story.today = today
        assert await story.aggregate_next() == MONDAY
        await story.days(2)
        await story.check()
        await story.aggregate_all()
        assert await aggregates.aggregated_until(tx) == story.today - DAY
        await story.check()


# ---------------------------------------------------------------- changes of the past


async def test_leaving_removes_unanswered_prompts_from_aggregated_days_too(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.ask(0)
        await story.answer(0, 0, "codigo", is_right=True)
        story.today += DAY
        await story.ask(0)
        story.today += DAY
        await story.aggregate_all()
        last = story.today
        assert await statistics.by_day(tx, MONDAY, last, None) == [(MONDAY, 1, 1), (MONDAY + DAY, 0, 1)]
        await story.leave(0)
        assert await statistics.by_day(tx, MONDAY, last, None) == [(MONDAY, 1, 1)]
        await story.check()
        story.today += DAY
        await story.aggregate_all()
        assert await tx.scalar(select(func.count()).select_from(prompt_aggregates)) == 1, (
            "no empty row reveals a prompt"
        )


async def test_moving_takes_the_prompts_along_and_leaves_the_answers(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(4)
        await story.aggregate_all()
        before = await statistics.by_topic(tx, MONDAY, story.today, "LEON")
        for who in range(6):
            await story.move(who, 2)
        assert before
        assert await statistics.by_topic(tx, MONDAY, story.today, "LEON") == before
        asked = {one.code: one.asked for one in await statistics.by_institution(tx, MONDAY, story.today)}
        assert asked == {"LEON": 0, "SALUD": 0, "ATARJEA": 24}
        await story.check()


async def test_merged_records_count_as_one_servant_on_aggregated_days(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin(2)
        for who in (0, 1):
            await story.move(who, 0)
            await story.ask(who)
            await story.answer(who, 0, "codigo", is_right=True)
            story.today += DAY
        await story.aggregate_all()
        assert [one.people for one in await statistics.by_topic(tx, MONDAY, story.today, "LEON")] == [2]
        await story.merge(0, 1)
        assert [one.people for one in await statistics.by_topic(tx, MONDAY, story.today, "LEON")] == [1]
        await story.check()


async def test_a_fictional_history_is_counted_on_aggregated_days(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(3)
        await story.aggregate_all()
        await story.add_history(0, 40, "codigo")
        await story.add_history(1, 1, None)
        first = story.today - 40 * DAY
        assert (first, 1, 1) in await statistics.by_day(tx, first, story.today, None)
        await story.check()


# ---------------------------------------------------------------- concurrency and crashes


async def _a_week(database: Database) -> date:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(7)
    return story.today


async def _aggregate_all(database: Database, today: date) -> list[date]:
    """Aggregate all past days, each in its own transaction; return them."""
    found: list[date] = []
    while True:
        async with database.write() as tx:
            day = await aggregates.aggregate_next_day(tx, morning(today))
        if day is None:
            return found
        found.append(day)


async def test_with_concurrent_processes_each_day_is_aggregated_by_one(database: Database, database_url: str) -> None:
    today = await _a_week(database)
    others = [open_database(database_url) for _ in range(3)]
    days = await asyncio.gather(*(_aggregate_all(one, today) for one in (database, *others)))
    for one in others:
        await one.close()
    assert sorted(day for days in days for day in days) == [MONDAY + number * DAY for number in range(7)]
    async with database.write() as tx:
        await naive_counts.check(tx, [(MONDAY, today), (MONDAY + DAY, MONDAY + 3 * DAY)])
        found = await Story(tx).aggregate_rows()
        await aggregates.rebuild(tx)
        assert await Story(tx).aggregate_rows() == found


async def test_servants_who_leave_during_the_aggregation_are_counted_correctly(
    database: Database, database_url: str
) -> None:
    today = await _a_week(database)
    other = open_database(database_url)

    async def leave(servant: int) -> None:
        async with other.write() as tx:
            await servants.leave(tx, servant)

    async with database.read() as tx:
        people = (await tx.scalars(select(prompts.c.servant_id).distinct())).all()
    await asyncio.gather(_aggregate_all(database, today), *(leave(one) for one in people[:4]))
    await other.close()
    async with database.read() as tx:
        await naive_counts.check(tx, [(MONDAY, today), (MONDAY + DAY, MONDAY + 3 * DAY)])


class Crash(Exception):
    """The process dies here."""


@pytest.mark.parametrize("statement", range(8))
async def test_a_crash_at_any_statement_loses_and_doubles_nothing(database: Database, statement: int) -> None:
    today = await _a_week(database)
    async with database.write() as tx:
        assert await aggregates.aggregate_next_day(tx, morning(today)) == MONDAY
    before, left = await rows_of(database), [statement]

    def crash(*arguments: Any) -> None:
        is_of_aggregates = any(
            name in arguments[2] for name in ("aggregation_state", "_aggregates", "last_answer_days")
        )
        if is_of_aggregates and not arguments[2].startswith("SELECT"):
            left[0] -= 1
            if left[0] < 0:
                raise Crash

    with statement_listener(database, crash), pytest.raises(Crash):
        await _aggregate_all(database, today)
    assert await rows_of(database) == before
    assert await _aggregate_all(database, today) == [MONDAY + number * DAY for number in range(1, 7)]
    async with database.read() as tx:
        await naive_counts.check(tx, [(MONDAY, today)])


async def test_a_report_reads_one_snapshot_during_an_aggregation(database: Database, database_url: str) -> None:
    today = await _a_week(database)
    other = open_database(database_url)
    async with database.read() as tx:
        before = await statistics.by_institution(tx, MONDAY, today)
        await _aggregate_all(other, today)
        assert await aggregates.aggregated_until(tx) == NEVER
        assert await statistics.by_institution(tx, MONDAY, today) == before
    await other.close()
    async with database.read() as tx:
        assert await aggregates.aggregated_until(tx) == today - DAY
        assert await statistics.by_institution(tx, MONDAY, today) == before


# ---------------------------------------------------------------- cost


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_report_and_no_aggregation_reads_all_answers_or_prompts(database: Database) -> None:
    today = await _a_week(database)
    await _aggregate_all(database, today - 2 * DAY)
    seen: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        seen.append((arguments[2], arguments[3]))

    with statement_listener(database, note):
        async with database.write() as tx:
            await statistics.by_institution(tx, MONDAY, today)
            for code in (None, "LEON"):
                await statistics.by_topic(tx, MONDAY, today, code)
                await statistics.by_day(tx, MONDAY, today, code)
            await aggregates.aggregate_next_day(tx, morning(today))
    async with database.read() as tx:
        for statement, values in [one for one in seen if not one[0].startswith("BEGIN")]:
            rows: Any = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps = [row[3] for row in rows]
            assert not [step for step in steps if step.startswith("SCAN") and step.split()[1] in ("answers", "prompts")]


async def test_answering_and_planning_do_not_touch_the_aggregates(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(3)
        await story.aggregate_all()
        found = await story.aggregate_rows()
        await story.days(1)
        assert await story.aggregate_rows() == found
        assert await tx.scalar(select(func.count()).select_from(answers).where(answers.c.day == story.today - DAY))
