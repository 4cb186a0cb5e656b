"""Which answers are counted together: the ladder of keys of each lane, its period, and what is counted.

    lane     closes      rungs, from fine to coarse
    reach    each week   institution; sphere; all
    place    each week   institution; sphere; all
    topic    each month  institution and topic; sphere and topic; topic
    map      each month  sphere and scenario; scenario; rule

A rung below the first is tried at the end of the quarter only (of reach at once). Weeks begin on Monday; a month or a
quarter is made of whole weeks, by their Mondays. Institutions have no sector yet, which would be a rung of its own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from storage.learning.lanes import Lane

WEEK = timedelta(weeks=1)


class Row(NamedTuple):
    """One answer, or in the lane reach one person (`is_right`: answered in the week)."""

    id: int  # of the answer's prompt, or of the person
    servant_id: int
    institution_id: int
    topic_id: str
    scenario_id: str
    competency_id: str
    option: str
    is_right: bool
    is_sure: bool


Label = Callable[[date], tuple[int, ...]]
"""The week, month or quarter of a day; equal for the days of one."""


PARTS: Mapping[str, Callable[[Row, str], str]] = {
    "institution": lambda row, _: str(row.institution_id),
    "sphere": lambda _, sphere: sphere,
    "topic": lambda row, _: row.topic_id,
    "scenario": lambda row, _: row.scenario_id,
    "rule": lambda row, _: row.competency_id,
}
"""What a key may be made of: by name, how it is read from a row and the sphere of its institution."""
Rung = tuple[str, ...]
"""The names of the parts of a key; none: all rows together."""


def key(rung: Rung, row: Row, sphere: str) -> str:
    """The key of a row: its parts, none of which has a space, in one text."""
    return " ".join(PARTS[name](row, sphere) for name in rung)


def parts(lane: Lane, rung: int, key: str) -> dict[str, str]:
    """The parts of a key by name."""
    return dict(zip(LADDERS[lane].rungs[rung], key.split(" "), strict=False))


# ---------------------------------------------------------------- what is counted

TOTAL, RIGHT, SURE, SURE_WRONG = "total", "right", "sure", "sure_wrong"


def _rightness(rows: Sequence[Row]) -> dict[str, int]:
    return {TOTAL: len(rows), RIGHT: sum(row.is_right for row in rows)}


def _choices(rows: Sequence[Row]) -> dict[str, int]:
    chosen = Counter(row.option for row in rows)
    sure = [row for row in rows if row.is_sure]
    wrong = sum(not row.is_right for row in sure)
    return {TOTAL: len(rows), **{letter: chosen[letter] for letter in "abcd"}, SURE: len(sure), SURE_WRONG: wrong}


@dataclass(frozen=True, slots=True)
class Ladder:
    """How the rows of one lane are counted: its period, its keys from fine to coarse, its measures."""

    period: Label
    rungs: tuple[Rung, ...]
    measures: Callable[[Sequence[Row]], Mapping[str, int]]


def monday(day: date) -> date:
    """The first day of the week."""
    return day - timedelta(days=day.weekday())


def week(day: date) -> tuple[int, ...]:
    return (monday(day).toordinal(),)


def month(day: date) -> tuple[int, ...]:
    return (monday(day).year, monday(day).month)


def quarter(day: date) -> tuple[int, ...]:
    return (monday(day).year, (monday(day).month + 2) // 3)


def first_monday(day: date, label: Label) -> date:
    """The Monday of the first week of the day's month or quarter."""
    first = monday(day)
    while label(first - WEEK) == label(day):
        first -= WEEK
    return first


PLACES: tuple[Rung, ...] = (("institution",), ("sphere",), ())
LADDERS: Mapping[Lane, Ladder] = {
    Lane.REACH: Ladder(week, PLACES, _rightness),
    Lane.PLACE: Ladder(week, PLACES, _rightness),
    Lane.TOPIC: Ladder(month, (("institution", "topic"), ("sphere", "topic"), ("topic",)), _rightness),
    Lane.MAP: Ladder(month, (("sphere", "scenario"), ("scenario",), ("rule",)), _choices),
}


def fair_share(counts: Iterable[int]) -> int:
    """How many rows of each person may count, so that none is more than a fifth of all: at least 1."""
    by_count = Counter(counts)
    most = max(by_count, default=1)
    share = 1
    while share < most:
        total = sum(min(count, share + 1) * people for count, people in by_count.items())
        if 5 * (share + 1) > total:
            break
        share += 1
    return share
