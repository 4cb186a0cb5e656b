"""Reports: shares, suppression of small groups, and that subtraction reveals none of them."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import cast
from unittest.mock import AsyncMock, patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content import library as shipped
from content.library import Library
from handlers.administration import reports
from handlers.administration.reports import MIN_GROUP_FLOOR, Report
from handlers.context import WorkContext
from storage.database import Database, Transaction
from storage.learning import record
from storage.learning.record import Answer, Prompt
from storage.people import servants
from storage.reports import statistics
from storage.reports.statistics import Cell, InstitutionCount
from tests.cast import MONDAY_NINE
from tests.handlers.conversation import INSTALLATION

LIBRARY = shipped.load()
TOPICS = list(LIBRARY.topics)
TODAY = MONDAY_NINE.date()
FIRST = TODAY - timedelta(days=27)


async def add_institution(
    tx: Transaction, library: Library, code: str, size: int, *, right: int = 0, silent: int = 0
) -> None:
    """An institution with `size` servants who each answered one prompt today, and `silent` others who did not."""
    await servants.add_institution(tx, code, f"Institución {code}", "state")
    institution = await servants.institution_by_code(tx, code)
    assert institution is not None
    scenario = sorted(library.scenarios.values(), key=lambda scenario: scenario.id)[0]
    for number in range(size + silent):
        servant_id = await servants.add_fictional(tx, institution.id, "2026-11", MONDAY_NINE, FIRST)
        prompt = Prompt(0, servant_id, TODAY, scenario.id, scenario.competency, "new")
        if number >= size:
            await record.plan(tx, servant_id, TODAY, scenario.id, scenario.competency, "new")
            continue
        answer = Answer(
            prompt_id=0,
            servant_id=servant_id,
            institution_id=institution.id,
            topic_id=library.topic_of[scenario.competency].id,
            competency_id=scenario.competency,
            scenario_id=scenario.id,
            option=scenario.right_letter,
            is_right=number < right,
            confidence=None,
            day=TODAY,
            answered_at=MONDAY_NINE,
        )
        await record.add_history(tx, [(prompt, answer)])


async def report(database: Database, library: Library, min_group: int = 10, code: str | None = None) -> Report:
    async with database.read() as tx:
        return await reports.institution_table(_work(tx, library, min_group), FIRST, TODAY, code)


def _work(tx: Transaction, library: Library, min_group: int = 10) -> WorkContext:
    return WorkContext(tx, library, replace(INSTALLATION, min_group=min_group), MONDAY_NINE)


def shown(found: Report) -> Mapping[str, int | None]:
    return {row.code: row.answered for row in found.rows}


async def test_participation_and_rightness_are_shares_of_what_was_asked_and_answered(
    database: Database, library: Library
) -> None:
    async with database.write() as tx:
        await add_institution(tx, library, "A", 12, right=9, silent=4)
    found = await report(database, library)
    (row,) = found.rows
    assert (row.enrolled, row.answered, row.participation, row.rightness) == (16, 12, 12 / 16, 9 / 12)
    assert (found.enrolled, found.answers, found.participation, found.rightness) == (16, 12, 12 / 16, 9 / 12)
    assert found.days == ((TODAY, 12, 16),)
    asked = [topic for topic in found.topics if topic.answers is not None]
    assert [(topic.answers, topic.rightness) for topic in asked] == [(12, 9 / 12)]
    assert len(found.topics) == 6


async def test_a_small_group_is_hidden_and_the_smallest_other_one_with_it(database: Database, library: Library) -> None:
    async with database.write() as tx:
        for code, size in (("A", 30), ("B", 12), ("C", 4), ("D", 15)):
            await add_institution(tx, library, code, size)
    found = await report(database, library)
    assert shown(found) == {"A": 30, "B": None, "C": None, "D": 15}
    assert found.answers == 61
    hidden = next(row for row in found.rows if row.code == "C")
    assert (hidden.enrolled, hidden.participation, hidden.rightness) == (None, None, None)


async def test_two_small_groups_that_are_small_together_hide_a_third(database: Database, library: Library) -> None:
    async with database.write() as tx:
        for code, size in (("A", 30), ("B", 12), ("C", 2), ("D", 1)):
            await add_institution(tx, library, code, size)
    assert shown(await report(database, library)) == {"A": 30, "B": None, "C": None, "D": None}


async def test_a_few_servants_without_answers_are_a_small_group_too(database: Database, library: Library) -> None:
    async with database.write() as tx:
        for code, size, silent in (("A", 30, 0), ("B", 12, 0), ("C", 0, 3)):
            await add_institution(tx, library, code, size, silent=silent)
    assert shown(await report(database, library)) == {"A": 30, "B": None, "C": None}


async def test_a_large_group_without_answers_is_shown(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await add_institution(tx, library, "A", 12)
        await add_institution(tx, library, "B", 0, silent=11)
    found = await report(database, library)
    assert shown(found) == {"A": 12, "B": 0}
    assert (found.rows[1].participation, found.rows[1].rightness) == (0, None)


@pytest.mark.parametrize(
    ("configured", "size", "is_shown"), [(1, 4, False), (1, 5, True), (10, 9, False), (10, 10, True)]
)
async def test_no_setting_shows_fewer_than_five(
    database: Database, library: Library, configured: int, size: int, is_shown: bool
) -> None:
    async with database.write() as tx:
        await add_institution(tx, library, "A", size)
    found = await report(database, library, configured)
    assert found.min_group == max(configured, MIN_GROUP_FLOOR)
    assert (found.answers is not None) is is_shown
    assert (shown(found)["A"] is not None) is is_shown
    assert bool(found.days) is is_shown
    assert any(topic.answers is not None for topic in found.topics) is is_shown


async def test_a_report_with_a_code_shows_that_institution_only(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await add_institution(tx, library, "A", 30, right=30)
        await add_institution(tx, library, "B", 12, right=3)
        await add_institution(tx, library, "C", 4)
        await add_institution(tx, library, "D", 8)
    found = await report(database, library, code="B")
    assert shown(found) == {"B": 12}
    assert (found.enrolled, found.answers, found.rightness) == (12, 12, 0.25)
    assert found.days == ((TODAY, 12, 12),)
    assert sum(topic.answers or 0 for topic in found.topics) == 12
    small = await report(database, library, code="C")
    assert shown(small) == {"C": None}
    assert (small.enrolled, small.answers, small.days) == (None, None, ())
    assert all(topic.answers is None for topic in small.topics)
    unknown = await report(database, library, code="")
    assert (unknown.rows, unknown.answers, unknown.days) == ((), None, ())


async def test_an_institution_hidden_in_the_full_report_is_hidden_in_its_own_report(
    database: Database, library: Library
) -> None:
    async with database.write() as tx:
        await add_institution(tx, library, "A", 30)
        await add_institution(tx, library, "B", 12)
        await add_institution(tx, library, "C", 4)  # alone it could be derived from the total: B is hidden with it
    assert shown(await report(database, library))["B"] is None
    alone = await report(database, library, code="B")
    assert shown(alone) == {"B": None}
    assert (alone.answers, alone.days) == (None, ())
    assert all(topic.answers is None for topic in alone.topics)


async def test_other_days_are_not_counted(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await add_institution(tx, library, "A", 12)
    async with database.read() as tx:
        before = await reports.institution_table(_work(tx, library), FIRST, TODAY - timedelta(days=1))
    assert before.answers is None
    assert before.days == ()


# ---------------------------------------------------------------- subtraction, on any numbers

LEAST = 10
SIZES = st.one_of(st.just(0), st.integers(1, 14), st.integers(10, 60))


@st.composite
def institutions(draw: st.DrawFn) -> list[InstitutionCount]:
    found = []
    for number in range(draw(st.integers(1, 7))):
        size = draw(SIZES)
        given_answers = size * draw(st.integers(1, 3))
        found.append(
            InstitutionCount(
                code=f"I{number}",
                name=f"I{number}",
                sphere="state",
                is_fictional=False,
                enrolled=size + draw(st.sampled_from((0, 1, 5, 30))),
                people=size,
                asked=given_answers + draw(st.integers(0, 9)),
                answers=given_answers,
                right=draw(st.integers(0, given_answers)),
            )
        )
    return found


@st.composite
def cells(draw: st.DrawFn) -> list[Cell]:
    return [Cell(topic, size, size, 0) for topic in TOPICS if (size := draw(SIZES))]


DAYS = st.lists(SIZES, max_size=6).map(
    lambda asked: [(TODAY - timedelta(days=number), min(size, 3), size) for number, size in enumerate(asked)]
)


def reported(
    found: list[InstitutionCount], topics: list[Cell], days: list[tuple[date, int, int]], min_group: int = LEAST
) -> Report:
    with (
        patch.object(statistics, "by_institution", AsyncMock(return_value=found)),
        patch.object(statistics, "by_topic", AsyncMock(return_value=topics)),
        patch.object(statistics, "by_day", AsyncMock(return_value=days)),
    ):
        work = _work(cast("Transaction", None), LIBRARY, min_group)
        return asyncio.run(reports.institution_table(work, FIRST, TODAY))


@given(institutions())
def test_no_small_group_can_be_derived_from_the_total(found: list[InstitutionCount]) -> None:
    result = reported(found, [], [])
    hidden = [count for count, row in zip(found, result.rows, strict=True) if row.answered is None]
    for count, row in zip(found, result.rows, strict=True):
        if row.answered is not None:
            assert (count.people or count.enrolled) >= LEAST
    if result.answers is not None and any(count.enrolled for count in hidden):
        left = result.answers - sum(row.answered or 0 for row in result.rows)
        assert left == sum(count.answers for count in hidden)
        assert sum(count.people for count in hidden) >= LEAST, "the difference reveals a small group"


@given(institutions())
def test_at_most_one_large_group_is_hidden(found: list[InstitutionCount]) -> None:
    """No more than one large group is hidden, and only beside a small one."""
    result = reported(found, [], [])
    rows = zip(found, result.rows, strict=True)
    large = [row for count, row in rows if row.answered is None and count.people >= LEAST]
    small = [count for count in found if 0 < (count.people or count.enrolled) < LEAST]
    assert len(large) <= (1 if small else 0)


@given(cells())
def test_no_small_topic_can_be_derived_although_servants_answer_several(topics: list[Cell]) -> None:
    result = reported([InstitutionCount("A", "A", "state", False, 90, 90, 900, 900, 0)], topics, [])
    known = {cell.name: cell.people for cell in topics}
    sizes = [(known.get(topic, 0), row.answers) for topic, row in zip(TOPICS, result.topics, strict=True)]
    assert all(size >= LEAST for size, answers in sizes if answers is not None)
    hidden = [size for size, answers in sizes if answers is None and size]
    if hidden and any(answers is not None for _, answers in sizes):
        assert max(hidden) >= LEAST, "the hidden topics may all be of the same few servants"


@given(DAYS)
def test_a_day_with_few_prompts_is_neither_shown_nor_derivable(days: list[tuple[date, int, int]]) -> None:
    result = reported([InstitutionCount("A", "A", "state", False, 90, 90, 900, 900, 0)], [], days)
    assert all(asked >= LEAST for _, _, asked in result.days)
    hidden = [asked for day, _, asked in days if asked and day not in {shown_day for shown_day, _, _ in result.days}]
    if hidden and result.days:
        assert max(hidden) >= LEAST


@given(institutions(), st.integers(-5, 30))
def test_groups_below_the_floor_are_hidden_for_any_setting(found: list[InstitutionCount], configured: int) -> None:
    result = reported(found, [], [], configured)
    assert result.min_group >= MIN_GROUP_FLOOR
    for count, row in zip(found, result.rows, strict=True):
        assert row.answered is None or (count.people or count.enrolled) >= MIN_GROUP_FLOOR
