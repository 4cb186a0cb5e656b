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
from storage.reports import aggregates, queries
from storage.reports.aggregates import NEVER
from storage.schema import answers, kept_prompts, prompts
from tests.cast import MONDAY_NINE as NOW
from tests.conftest import clear_tables
from tests.statement_log import statement_listener
from tests.storage.reports import naive_counts
from tests.storage.reports.story import DAY, MONDAY, TOPICS, Story, morning


async def rows_of(database: Database) -> list[tuple[Any, ...]]:
    async with database.read() as tx:
        return await Story(tx).kept()


# ---------------------------------------------------------------- any history

WHO = st.integers(0, 5)
DAYS = st.integers(-3, 12)
TOPIC = st.sampled_from(TOPICS)
EVENT = st.one_of(
    st.tuples(st.just("ask"), WHO),
    st.tuples(st.just("answer"), WHO, st.sampled_from((0, 0, 0, 1, 3)), TOPIC, st.booleans()),
    st.tuples(st.just("tomorrow"), st.integers(1, 3)),
    st.tuples(st.just("fold_all")),
    st.tuples(st.just("leave"), WHO),
    st.tuples(st.just("move"), WHO, st.integers(0, 2)),
    st.tuples(st.just("unite"), WHO, WHO),
    st.tuples(st.just("make_up"), WHO, st.integers(1, 8), st.one_of(st.none(), TOPIC)),
)


async def _lived(story: Story, happened: Sequence[tuple[Any, ...]]) -> None:
    for name, *arguments in happened:
        if name == "tomorrow":
            story.today += arguments[0] * DAY
        elif name == "answer":
            who, back, topic, is_right = arguments
            await story.answer(who, back, topic, is_right=is_right)
        else:
            await getattr(story, name)(*arguments)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 99), happened=st.lists(EVENT, max_size=25), span=st.tuples(DAYS, DAYS))
async def test_whatever_happens_the_numbers_are_those_of_a_naive_reckoning(
    database: Database, seed: int, happened: list[tuple[Any, ...]], span: tuple[int, int]
) -> None:
    await clear_tables(database)
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(5, seed)
        await story.fold()
        await story.fold()
        await _lived(story, happened)
        await story.check([(0, 30), span])
        await story.fold_all()
        await story.check([(0, 30), span])
        found = await story.kept()
        await queries.rebuild(tx)
        assert await story.kept() == found


# ---------------------------------------------------------------- days that are over


async def test_a_day_is_kept_when_it_is_over_and_the_numbers_stay(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(6)
        told = []
        while day := await story.fold():
            told.append(day)
            await story.check()
        assert told == [MONDAY + number * DAY for number in range(6)]
        assert await aggregates.until(tx) == story.today - DAY
        assert await story.fold() is None
        await story.check()


async def test_an_answer_to_a_question_of_a_kept_day_counts_on_both_days(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.ask(0)
        story.today += 3 * DAY
        await story.fold_all()
        assert await queries.by_day(tx, MONDAY, MONDAY, None) == [(MONDAY, 0, 1)]
        await story.answer(0, 3, "codigo", is_right=True)
        for _ in range(2):
            assert await queries.by_day(tx, MONDAY, MONDAY, None) == [(MONDAY, 1, 1)]
            await story.check()
            story.today += DAY
            await story.fold_all()


async def test_on_the_first_day_nothing_is_kept_as_an_older_version_may_still_run(database: Database) -> None:
    async with database.write() as tx:
        story = Story(tx)
        await servants.add_institution(tx, "LEON", "León", "municipal")
        story.people = [await servants.add_fictional(tx, 1, "1", NOW, MONDAY)]
        await story.days(3)
        for _ in range(3):
            assert await story.fold() is None
            assert await aggregates.until(tx) == NEVER
        story.today += DAY
        assert await story.fold() == MONDAY


async def test_where_nobody_was_ever_asked_there_is_nothing_to_make_anew(database: Database) -> None:
    async with database.write() as tx:
        await queries.rebuild(tx)
        story = await Story(tx).begin()
        story.today += DAY
        await story.fold_all()
        assert await aggregates.until(tx) == MONDAY
        await story.ask(0)
        await story.answer(0, 0, "codigo", is_right=True)
        await story.check()


async def test_a_history_from_elsewhere_is_kept_by_making_all_anew(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(6)
        await queries.rebuild(tx)
        assert await aggregates.until(tx) == story.today - 2 * DAY, "all but the newest"
        await story.check()


async def test_a_day_is_over_some_hours_after_midnight(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(1)
        early = morning(story.today) - timedelta(seconds=1)
        assert await aggregates.fold(tx, early) is None
        assert await aggregates.fold(tx, morning(story.today)) == MONDAY
        assert await aggregates.fold(tx, early) is None
        assert await aggregates.until(tx) == MONDAY, "clocks that differ by a second do not empty what is kept"


@pytest.mark.parametrize("days", [1, 2, 400])
async def test_after_a_clock_that_was_ahead_all_is_kept_anew(database: Database, days: int) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(3)
        await story.fold_all()
        today = story.today
        story.today += days * DAY
        await story.fold_all()
        story.today = today
        assert await story.fold() == MONDAY
        await story.days(2)
        await story.check()
        await story.fold_all()
        assert await aggregates.until(tx) == story.today - DAY
        await story.check()


# ---------------------------------------------------------------- the past changes


async def test_who_leaves_takes_what_was_not_answered_out_of_kept_days_too(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.ask(0)
        await story.answer(0, 0, "codigo", is_right=True)
        story.today += DAY
        await story.ask(0)
        story.today += DAY
        await story.fold_all()
        last = story.today
        assert await queries.by_day(tx, MONDAY, last, None) == [(MONDAY, 1, 1), (MONDAY + DAY, 0, 1)]
        await story.leave(0)
        assert await queries.by_day(tx, MONDAY, last, None) == [(MONDAY, 1, 1)]
        await story.check()
        story.today += DAY
        await story.fold_all()
        assert await tx.scalar(select(func.count()).select_from(kept_prompts)) == 1, "no empty row tells of a question"


async def test_who_moves_takes_the_questions_along_and_leaves_the_answers(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(4)
        await story.fold_all()
        before = await queries.by_topic(tx, MONDAY, story.today, "LEON")
        for who in range(6):
            await story.move(who, 2)
        assert before
        assert await queries.by_topic(tx, MONDAY, story.today, "LEON") == before
        asked = {one.code: one.asked for one in await queries.by_institution(tx, MONDAY, story.today)}
        assert asked == {"LEON": 0, "SALUD": 0, "ATARJEA": 24}
        await story.check()


async def test_two_records_that_become_one_are_one_person_on_kept_days(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin(2)
        for who in (0, 1):
            await story.move(who, 0)
            await story.ask(who)
            await story.answer(who, 0, "codigo", is_right=True)
            story.today += DAY
        await story.fold_all()
        assert [one.people for one in await queries.by_topic(tx, MONDAY, story.today, "LEON")] == [2]
        await story.unite(0, 1)
        assert [one.people for one in await queries.by_topic(tx, MONDAY, story.today, "LEON")] == [1]
        await story.check()


async def test_a_past_that_is_made_up_is_counted_where_its_days_are_kept(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(3)
        await story.fold_all()
        await story.make_up(0, 40, "codigo")
        await story.make_up(1, 1, None)
        first = story.today - 40 * DAY
        assert (first, 1, 1) in await queries.by_day(tx, first, story.today, None)
        await story.check()


# ---------------------------------------------------------------- several at once, and ends in between


async def _a_week(database: Database) -> date:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(7)
    return story.today


async def _folded(database: Database, today: date) -> list[date]:
    """What a process kept, a transaction each."""
    found: list[date] = []
    while True:
        async with database.write() as tx:
            day = await aggregates.fold(tx, morning(today))
        if day is None:
            return found
        found.append(day)


async def test_of_several_processes_at_once_each_day_is_kept_by_one(database: Database, database_url: str) -> None:
    today = await _a_week(database)
    others = [open_database(database_url) for _ in range(3)]
    told = await asyncio.gather(*(_folded(one, today) for one in (database, *others)))
    for one in others:
        await one.close()
    assert sorted(day for days in told for day in days) == [MONDAY + number * DAY for number in range(7)]
    async with database.write() as tx:
        await naive_counts.check(tx, [(MONDAY, today), (MONDAY + DAY, MONDAY + 3 * DAY)])
        found = await Story(tx).kept()
        await queries.rebuild(tx)
        assert await Story(tx).kept() == found


async def test_people_who_leave_while_days_are_being_kept_are_counted_right(
    database: Database, database_url: str
) -> None:
    today = await _a_week(database)
    other = open_database(database_url)

    async def leave(servant: int) -> None:
        async with other.write() as tx:
            await servants.leave(tx, servant)

    async with database.read() as tx:
        people = (await tx.scalars(select(prompts.c.servant_id).distinct())).all()
    await asyncio.gather(_folded(database, today), *(leave(one) for one in people[:4]))
    await other.close()
    async with database.read() as tx:
        await naive_counts.check(tx, [(MONDAY, today), (MONDAY + DAY, MONDAY + 3 * DAY)])


class Crash(Exception):
    """The process ends here."""


@pytest.mark.parametrize("statement", range(8))
async def test_a_crash_at_any_statement_of_a_day_loses_and_doubles_nothing(database: Database, statement: int) -> None:
    today = await _a_week(database)
    async with database.write() as tx:
        assert await aggregates.fold(tx, morning(today)) == MONDAY
    before, left = await rows_of(database), [statement]

    def crash(*arguments: Any) -> None:
        if "kept_" in arguments[2] and not arguments[2].startswith("SELECT"):
            left[0] -= 1
            if left[0] < 0:
                raise Crash

    with statement_listener(database, crash), pytest.raises(Crash):
        await _folded(database, today)
    assert await rows_of(database) == before
    assert await _folded(database, today) == [MONDAY + number * DAY for number in range(1, 7)]
    async with database.read() as tx:
        await naive_counts.check(tx, [(MONDAY, today)])


async def test_a_page_sees_one_moment_though_a_day_is_kept_meanwhile(database: Database, database_url: str) -> None:
    today = await _a_week(database)
    other = open_database(database_url)
    async with database.read() as tx:
        before = await queries.by_institution(tx, MONDAY, today)
        await _folded(other, today)
        assert await aggregates.until(tx) == NEVER
        assert await queries.by_institution(tx, MONDAY, today) == before
    await other.close()
    async with database.read() as tx:
        assert await aggregates.until(tx) == today - DAY
        assert await queries.by_institution(tx, MONDAY, today) == before


# ---------------------------------------------------------------- what it costs


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_page_and_no_fold_reads_through_all_answers_or_prompts(database: Database) -> None:
    today = await _a_week(database)
    await _folded(database, today - 2 * DAY)
    seen: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        seen.append((arguments[2], arguments[3]))

    with statement_listener(database, note):
        async with database.write() as tx:
            await queries.by_institution(tx, MONDAY, today)
            for code in (None, "LEON"):
                await queries.by_topic(tx, MONDAY, today, code)
                await queries.by_day(tx, MONDAY, today, code)
            await aggregates.fold(tx, morning(today))
    async with database.read() as tx:
        for statement, values in [one for one in seen if not one[0].startswith("BEGIN")]:
            rows: Any = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps = [row[3] for row in rows]
            assert not [step for step in steps if step.startswith("SCAN") and step.split()[1] in ("answers", "prompts")]


async def test_recording_and_planning_cost_no_statement_more(database: Database) -> None:
    async with database.write() as tx:
        story = await Story(tx).begin()
        await story.days(3)
        await story.fold_all()
        found = await story.kept()
        await story.days(1)
        assert await story.kept() == found
        assert await tx.scalar(select(func.count()).select_from(answers).where(answers.c.day == story.today - DAY))
