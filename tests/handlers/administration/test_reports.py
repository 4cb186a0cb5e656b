"""Reports: sums of whole blocks, what is said of institutions without figures, and how figures are rounded."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from content.library import Library
from handlers.administration import block_export, rates, reports
from handlers.administration.figure_text import FigureText
from handlers.administration.rates import People
from handlers.administration.reports import Report, RowState
from handlers.context import WorkContext
from storage import schema
from storage.database import Database, Transaction
from storage.people import servants
from storage.reports import blocks
from storage.reports.figures import Figure
from tests.attack.drill import RULES
from tests.attack.invented_year import START, WEEK, Year, noon
from tests.handlers.conversation import INSTALLATION

pytestmark = pytest.mark.slow
SIZES = {"A": 30, "B": 14, "C": 4, "D": 0}
LAST = START + 10 * WEEK


@pytest.fixture
async def tx(database: Database, library: Library) -> AsyncIterator[Transaction]:
    """Ten weeks of four institutions, of which B falls silent after seven; and a fictional one."""
    async with database.write() as tx:
        year = Year(library)
        await year.begin(tx, SIZES)
        await blocks.close(tx, START, RULES)
        for week in range(10):
            if week == 7:
                year.fall_silent("B")
            await year.live_week(tx, RULES.key)
            await blocks.close(tx, year.today, RULES)
        await servants.add_institution(tx, "DEMO", "Ficticia", "state", is_fictional=True)
        yield tx


async def report(
    tx: Transaction, library: Library, first: date = START, last: date = LAST, code: str | None = None
) -> Report:
    work = WorkContext(tx, library, replace(INSTALLATION, min_group=10), noon(LAST))
    return await reports.institution_table(work, first, last, code)


async def test_each_institution_is_shown_with_what_there_is_to_say(tx: Transaction, library: Library) -> None:
    found = await report(tx, library)
    assert {row.code: row.state for row in found.rows} == {
        "A": RowState.SHOWN,
        "B": RowState.SILENT,
        "C": RowState.WAITING,
        "D": RowState.EMPTY,
        "DEMO": RowState.EMPTY,
    }
    rows = {row.code: row for row in found.rows}
    assert [rows[code].enrolled for code in "ABCD"] == [People(30), People(15), People(0, is_few=True), People(0)]
    assert rows["A"].participation is not None
    assert rows["A"].rightness is not None
    assert (rows["C"].participation, rows["C"].rightness) == (None, None)
    assert found.shown_by == date(2026, 4, 6)
    assert len(found.topics) == 6


async def test_totals_are_sums_of_all_blocks_and_never_of_fictional_ones(tx: Transaction, library: Library) -> None:
    before = await report(tx, library)
    place = await servants.institution_by_code(tx, "A")
    assert place is not None
    await tx.execute(update(schema.blocks).where(schema.blocks.c.key == str(place.id)).values(is_fictional=True))
    after = await report(tx, library)
    assert before.participation is not None
    assert after.participation is not None
    assert before.answers is not None
    assert before.rightness is not None
    assert set(after.participation.blocks) < set(before.participation.blocks)
    assert set(before.rightness.blocks) <= set(before.answers.blocks)


async def test_at_the_end_of_a_quarter_answers_by_scenario_are_counted_too(
    database: Database, library: Library
) -> None:
    async with database.write() as tx:
        year, last = Year(library), LAST + 4 * WEEK
        await year.begin(tx, {"A": 40, "B": 40})
        while year.today < last:
            await year.live_week(tx, RULES.key)
            await blocks.close(tx, year.today, RULES)
        found = await report(tx, library, last=last)
        header, *rows = await block_export.answers_table(tx, START, last)
    exported = [dict(zip(header, row, strict=True)) for row in rows]
    assert {row["institution"] for row in exported} >= {"A", "B", ""}
    assert {bool(row["scenario"] or row["rule"]) for row in exported if not row["topic"]} == {True, False}
    assert found.answers is not None
    assert found.rightness is not None
    assert set(found.rightness.blocks) < set(found.answers.blocks)


async def test_a_period_is_the_blocks_wholly_inside(tx: Transaction, library: Library) -> None:
    weeks = [start for start, _ in (await report(tx, library)).weeks]
    assert weeks == [START + number * WEEK for number in range(10)]
    for shift, inside in ((0, 3), (1, 2), (-1, 3)):
        first = START + WEEK + timedelta(days=shift)
        found = await report(tx, library, first, START + 4 * WEEK - timedelta(days=1))
        assert len(found.weeks) == inside
    months = [start for start, _ in (await report(tx, library)).months]
    assert months == [date(2026, 1, 5), date(2026, 2, 2), date(2026, 3, 2)]
    assert (await report(tx, library, START, START + 5 * timedelta(days=1))).figures == []
    assert (await report(tx, library, date.min, date.min)).figures == []


async def test_a_liaison_gets_the_blocks_of_the_own_institution_only(tx: Transaction, library: Library) -> None:
    everything, own = await report(tx, library), await report(tx, library, code="A")
    row = next(row for row in everything.rows if row.code == "A")
    assert [one.code for one in own.rows] == ["A"]
    assert (own.participation, own.rightness) == (row.participation, row.rightness)
    assert own.enrolled == People(30)
    assert all(topic.rightness for topic in own.topics)
    assert (await report(tx, library, code="C")).figures == []
    assert (await report(tx, library, code="")).rows == ()


async def test_the_usual_period_holds_a_whole_quarter() -> None:
    assert reports.default_period(date(2026, 11, 23)) == (date(2026, 7, 6), date(2026, 11, 23))
    assert reports.default_period(date(2026, 7, 5)) == (date(2026, 1, 5), date(2026, 7, 5))


# ---------------------------------------------------------------- how figures are shown


def test_shares_are_in_steps_of_five_and_the_ends_are_open(library: Library) -> None:
    words = FigureText(library, "es")
    for value, text in (
        (0, "5 % o menos"),
        (6, "5 % o menos"),
        (219, "75 %"),
        (300, "95 % o más"),
        (303, "95 % o más"),
    ):
        assert words.share(Figure("right", (1,), value, 300)) == text
    assert words.share(None) == "—"
    assert words.bounds(None) == ""
    assert words.bounds(Figure("right", (1,), 210, 300)) == "entre 60 y 80 %"
    assert words.people(rates.people(7)) == "menos de 10"
    assert words.answers(Figure("right", (1,), 0, 1236)) == "1,240"


@given(st.integers(0, 900), st.integers(0, 900), st.integers(1, 30))
def test_a_share_lies_within_its_bounds_which_are_wider_with_fewer_answers(right: int, total: int, count: int) -> None:
    figure = Figure("right", tuple(range(count)), right, total)
    rate = rates.rate(figure)
    assert 5 <= rate.low <= rate.percent <= rate.high <= 95
    assert {rate.low % 5, rate.percent % 5, rate.high % 5} == {0}
    many = rates.rate(Figure("right", figure.blocks, 100 * right, 100 * total))
    assert many.high - many.low <= rate.high - rate.low + 5


@pytest.mark.parametrize(
    ("count", "shown"), [(0, People(0)), (1, People(0, True)), (9, People(0, True)), (10, People(10)), (12, People(10))]
)
def test_people_are_shown_to_the_nearest_five_and_few_only_as_few(count: int, shown: People) -> None:
    assert rates.people(count) == shown
