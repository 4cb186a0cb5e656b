"""Rest days of the federal labour law and working-day arithmetic."""

from datetime import date, timedelta

import pytest

from content import workdays
from content.workdays import Calendar, ClosedDay

WITHOUT_CLOSURES = Calendar(frozenset())

YEARS = {  # computed by hand from article 74 of the federal labour law
    2026: ("01-01", "02-02", "03-16", "05-01", "09-16", "11-16", "12-25"),
    2027: ("01-01", "02-01", "03-15", "05-01", "09-16", "11-15", "12-25"),
}


@pytest.mark.parametrize("year", YEARS)
def test_the_rest_days_are_those_of_the_law(year: int) -> None:
    assert workdays.rest_days(year) == {date.fromisoformat(f"{year}-{day}") for day in YEARS[year]}


@pytest.mark.parametrize(
    ("year", "is_rest_day"), [(2024, True), (2025, False), (2029, False), (2030, True), (2036, True)]
)
def test_the_first_of_october_is_a_rest_day_when_the_federal_government_changes(year: int, is_rest_day: bool) -> None:
    assert (date(year, 10, 1) in workdays.rest_days(year)) is is_rest_day


@pytest.mark.parametrize(
    ("day", "is_workday"),
    [
        ("2026-11-23", True),  # a plain Monday
        ("2026-11-16", False),  # third Monday of November
        ("2026-11-20", True),  # the anniversary that is observed on that Monday
        ("2026-11-21", False),  # Saturday
        ("2026-11-22", False),  # Sunday
        ("2026-12-25", False),
        ("2026-05-05", True),  # customary, not in the law: added as a closure where observed
    ],
)
def test_working_days_are_weekdays_except_rest_days(day: str, is_workday: bool) -> None:
    assert WITHOUT_CLOSURES.is_workday(date.fromisoformat(day)) is is_workday
    assert workdays.is_weekend_or_rest_day(date.fromisoformat(day)) is not is_workday


MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
LEON, SALUD = 1, 2


@pytest.mark.parametrize(
    ("closures", "working"),  # on the Monday: the UEIPCI, LEON, SALUD
    [
        (set(), (True, True, True)),
        ({(MONDAY, None)}, (False, False, False)),
        ({(MONDAY, LEON)}, (True, False, True)),
        ({(MONDAY, LEON), (MONDAY, SALUD)}, (True, False, False)),
        ({(MONDAY, None), (MONDAY, LEON)}, (False, False, False)),
        ({(TUESDAY, None), (TUESDAY, LEON)}, (True, True, True)),
    ],
)
def test_a_closure_counts_for_its_institution_or_for_all(closures: set[ClosedDay], working: tuple[bool, ...]) -> None:
    calendar = Calendar(closures)
    assert tuple(calendar.is_workday(MONDAY, one) for one in (None, LEON, SALUD)) == working
    closed = {one for one, works in zip((LEON, SALUD), working[1:], strict=True) if not works}
    named = {one for _, one in closures}
    assert calendar.closed_institutions(MONDAY) == closed & named


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [
        ("2026-11-23", 0, "2026-11-23"),
        ("2026-11-23", 3, "2026-11-26"),
        ("2026-11-20", 1, "2026-11-23"),  # over a weekend
        ("2026-11-13", 1, "2026-11-17"),  # over a weekend and a rest day
        ("2026-12-24", 1, "2026-12-28"),
        ("2026-12-31", 1, "2027-01-04"),  # into another year
        ("2026-11-21", 1, "2026-11-23"),  # from a Saturday
    ],
)
def test_workdays_after_skips_weekends_and_rest_days(day: str, count: int, expected: str) -> None:
    assert WITHOUT_CLOSURES.workdays_after(date.fromisoformat(day), count) == date.fromisoformat(expected)


def test_workdays_after_skips_the_closures_of_all_but_not_those_of_an_institution() -> None:
    calendar = Calendar({(MONDAY, LEON), (TUESDAY, None)})
    assert calendar.workdays_after(date(2026, 11, 20), 2) == date(2026, 11, 25)


def test_workdays_after_ends_on_the_nth_working_day() -> None:
    for start in (date(2026, 1, 1) + timedelta(days=number) for number in range(365)):
        for count in (1, 3, 10):
            end = WITHOUT_CLOSURES.workdays_after(start, count)
            between = [start + timedelta(days=number) for number in range(1, (end - start).days + 1)]
            assert WITHOUT_CLOSURES.is_workday(end)
            assert sum(map(WITHOUT_CLOSURES.is_workday, between)) == count
