"""Working days: Monday to Friday without the compulsory rest days of the federal labour law and without closures.

Source: Ley Federal del Trabajo, article 74. Election days and customary holidays differ by institution and year: they
are closures, which an administrator imports. This is the only place that decides whether a day is a working day.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

MONDAY, SATURDAY = 0, 5
INAUGURATION_YEAR = 2024  # 1 October is a rest day every six years, counted from here

ClosedDay = tuple[date, int | None]
"""A day and the id of the institution that is closed on it; None: the UEIPCI and all institutions."""


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


def is_weekend_or_rest_day(day: date) -> bool:
    """Whether `day` is on a weekend or a compulsory rest day, on which no closure is needed."""
    return day.weekday() >= SATURDAY or day in rest_days(day.year)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The working days of each institution, by the closures of the period that is asked about."""

    closures: Set[ClosedDay]

    def is_workday(self, day: date, institution: int | None = None) -> bool:
        """Whether the institution works on `day`; None: the UEIPCI, which has only the closures of all."""
        is_closed = (day, None) in self.closures or (day, institution) in self.closures
        return not is_weekend_or_rest_day(day) and not is_closed

    def workdays_after(self, day: date, count: int) -> date:
        """The `count`-th working day of the UEIPCI after `day`; `day` itself for 0."""
        while count:
            day += timedelta(days=1)
            count -= self.is_workday(day)
        return day

    def closed_institutions(self, day: date) -> frozenset[int]:
        """The institutions with closures of their own that do not work on `day`."""
        return frozenset(
            institution
            for _, institution in self.closures
            if institution is not None and not self.is_workday(day, institution)
        )


def _monday(year: int, month: int, nth: int) -> date:
    """The `nth` Monday of a month, from 1."""
    first = date(year, month, 1)
    return first + timedelta(days=(MONDAY - first.weekday()) % 7, weeks=nth - 1)
