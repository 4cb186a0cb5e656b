from datetime import date, timedelta

import pytest

from content import workdays

YEARS = {  # reckoned by hand from article 74 of the federal labour law
    2026: ("01-01", "02-02", "03-16", "05-01", "09-16", "11-16", "12-25"),
    2027: ("01-01", "02-01", "03-15", "05-01", "09-16", "11-15", "12-25"),
}


@pytest.mark.parametrize("year", YEARS)
def test_the_rest_days_are_those_of_the_law(year: int) -> None:
    assert workdays.rest_days(year) == {date.fromisoformat(f"{year}-{day}") for day in YEARS[year]}


@pytest.mark.parametrize(("year", "rests"), [(2024, True), (2025, False), (2029, False), (2030, True), (2036, True)])
def test_the_first_of_october_rests_when_the_federal_government_changes_hands(year: int, rests: bool) -> None:
    assert (date(year, 10, 1) in workdays.rest_days(year)) is rests


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-11-23", True),  # a plain Monday
        ("2026-11-16", False),  # third Monday of November
        ("2026-11-20", True),  # the Friday that is remembered on that Monday
        ("2026-11-21", False),  # Saturday
        ("2026-11-22", False),  # Sunday
        ("2026-12-25", False),
        ("2026-05-05", True),  # customary, not in the law: a closure where it is kept
    ],
)
def test_working_days_are_weekdays_that_no_law_exempts(day: str, works: bool) -> None:
    assert workdays.is_workday(date.fromisoformat(day)) is works


@pytest.mark.parametrize(
    ("day", "count", "then"),
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
def test_days_of_grace_are_counted_in_working_days(day: str, count: int, then: str) -> None:
    assert workdays.workdays_after(date.fromisoformat(day), count) == date.fromisoformat(then)


def test_however_many_working_days_are_counted_one_ends_on_a_working_day() -> None:
    for start in (date(2026, 1, 1) + timedelta(days=number) for number in range(365)):
        for count in (1, 3, 10):
            end = workdays.workdays_after(start, count)
            between = [start + timedelta(days=number) for number in range(1, (end - start).days + 1)]
            assert workdays.is_workday(end)
            assert sum(map(workdays.is_workday, between)) == count
