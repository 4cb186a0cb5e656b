"""The day by which a letter is answered: three working days after it, or the day of the asker's decision."""

from collections.abc import Set
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.library import Library
from content.workdays import Calendar
from handlers.casework import letters
from handlers.casework.cases import queued_case
from storage.database import Database
from storage.people import closures, servants
from storage.people.closures import Closure
from tests.fakes.asker import Asker
from tests.fakes.letterbox import TODAY
from tests.handlers.casework.desk import Desk

DAYS = st.dates(date(2026, 11, 1), date(2027, 2, 15))
FREE = "2026-11-16 2026-12-25 2027-01-01 2027-02-01 2027-03-15"  # rest days of the law, written by hand
DUE_DAYS = [  # day of the letter, decision, closures of all institutions, due day
    ("2026-11-23", None, "", "2026-11-26"),
    ("2026-11-26", None, "", "2026-12-01"),
    ("2026-11-28", None, "", "2026-12-02"),  # a Saturday
    ("2026-11-23", None, "2026-11-25", "2026-11-27"),
    ("2026-11-23", "2026-11-24", "", "2026-11-24"),
    ("2026-11-23", "2026-11-23", "", "2026-11-23"),
    ("2026-11-23", "2026-12-24", "", "2026-11-26"),
    ("2026-11-23", "2026-11-01", "", "2026-11-26"),  # the decision was made already
    ("2026-12-24", None, "", "2026-12-30"),  # over 25 December
    ("2026-12-23", None, "2026-12-24 2026-12-31", "2026-12-30"),
    ("2026-12-23", None, "2026-12-24 2026-12-30 2026-12-31", "2027-01-04"),  # and over 1 January
    ("2026-11-13", None, "", "2026-11-19"),  # over the third Monday of November
    ("2027-01-29", None, "", "2027-02-04"),  # over the first Monday of February
    ("2027-01-29", "2027-02-01", "", "2027-02-01"),  # a decision may be made on a rest day
]


@pytest.mark.parametrize(("day", "decision", "closed", "due"), DUE_DAYS)
async def test_the_due_day_is_within_three_working_days_and_is_the_day_that_is_promised(
    database: Database, library: Library, tmp_path: Path, day: str, decision: str | None, closed: str, due: str
) -> None:
    asker, desk = Asker(date.fromisoformat(day)), Desk(database, library, tmp_path)
    desk.now = datetime.combine(asker.day, time(12), desk.installation.timezone)
    desk.unit.first_list(asker.day)
    await desk.publish()
    async with desk.work() as work:
        tx = work.tx
        await closures.store(tx, [Closure(None, date.fromisoformat(one), "x") for one in closed.split()])
        await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
        leon = await servants.institution_by_code(tx, "LEON")
        assert leon is not None  # closures of an institution do not count: the server does not know the asker's
        await closures.store(tx, [Closure(leon.id, asker.day + timedelta(days=number), "x") for number in range(9)])
    promised = await desk.submit(asker, **({"decision_on": decision} if decision else {}))
    case = await desk.case(asker.case)
    in_console = queued_case(case, asker.day).due_on
    assert [promised, case.due_on, in_console] == [date.fromisoformat(due)] * 3
    async with desk.work() as work:
        assert (await letters.thread(work, asker.locator))["due_on"] == due


def is_free(day: date, closed: Set[date]) -> bool:
    return day.isoweekday() > 5 or day.isoformat() in FREE or day in closed


@given(DAYS, st.none() | DAYS, st.sets(DAYS, max_size=40), st.sets(st.tuples(DAYS, st.integers(1, 3)), max_size=9))
def test_exactly_three_working_days_lie_between_a_letter_and_its_due_day(
    day: date, decision: date | None, closed: set[date], of_institutions: set[tuple[date, int]]
) -> None:
    calendar = Calendar({(one, None) for one in closed} | of_institutions)
    due = letters.due_day(day, None, calendar)
    after = [day + timedelta(days=number) for number in range(1, (due - day).days + 1)]
    assert sum(not is_free(one, closed) for one in after) == 3
    assert not is_free(due, closed)
    with_decision = letters.due_day(day, decision, calendar)
    assert with_decision == (decision if decision and day <= decision < due else due)


@given(DAYS, st.none() | DAYS, st.sets(DAYS, max_size=40), DAYS)
def test_a_closure_more_never_moves_a_due_day_earlier(
    day: date, decision: date | None, closed: set[date], extra: date
) -> None:
    before, after = (Calendar({(one, None) for one in days}) for days in (closed, closed | {extra}))
    assert letters.due_day(day, decision, after) >= letters.due_day(day, decision, before)


async def test_a_promised_day_stays_when_a_closure_is_added_later(desk: Desk) -> None:
    asker = Asker(TODAY)
    due_on = await desk.submit(asker)
    async with desk.work() as work:
        await closures.store(work.tx, [Closure(None, due_on, "x")])
    assert (await desk.case(asker.case)).due_on == due_on
    assert await desk.submit(Asker(TODAY)) == due_on + timedelta(days=1)
