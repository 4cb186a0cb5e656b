"""Working days: weekends and the compulsory rest days of the federal labour law.

Source: Ley Federal del Trabajo, article 74. Election days and customary holidays differ by institution and year.
They are rows of the table `closures`; no command or page writes that table yet.
"""

from datetime import date, timedelta
from functools import cache

MONDAY, SATURDAY = 0, 5
INAUGURATION_YEAR = 2024  # 1 October is a rest day every six years, counted from here


@cache
def rest_days(year: int) -> frozenset[date]:
    """The compulsory rest days of a year."""
    days = {
        date(year, 1, 1),
        _monday(year, 2, 1),
        _monday(year, 3, 3),
        date(year, 5, 1),
        date(year, 9, 16),
        _monday(year, 11, 3),
        date(year, 12, 25),
    }
    if (year - INAUGURATION_YEAR) % 6 == 0:
        days.add(date(year, 10, 1))
    return frozenset(days)


def is_workday(day: date) -> bool:
    """Whether `day` is neither on a weekend nor a compulsory rest day."""
    return day.weekday() < SATURDAY and day not in rest_days(day.year)


def workdays_after(day: date, count: int) -> date:
    """The `count`-th working day after `day`; `day` itself for 0."""
    while count:
        day += timedelta(days=1)
        count -= is_workday(day)
    return day


def _monday(year: int, month: int, nth: int) -> date:
    """The `nth` Monday of a month, from 1."""
    first = date(year, month, 1)
    return first + timedelta(days=(MONDAY - first.weekday()) % 7, weeks=nth - 1)
