"""Monitoring reports: participation by week, share of right answers by month, by institution and topic.

Every number is a figure (storage/reports/figures.py), that is, a sum over blocks; nothing is suppressed here, as what
may not be shown is in no block. A period counts the blocks that lie wholly inside.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from content.library import Library
from content.text import Text
from handlers.administration import rates
from handlers.administration.rates import People
from handlers.context import WorkContext
from storage.learning.lanes import Lane
from storage.reports import figures, ladders
from storage.reports.figures import Block, Enrolment, Figure
from storage.reports.ladders import RIGHT, TOTAL

SILENT_CLOSINGS = 2  # in a row with next to no answers
SILENT_SHARE, SILENT_COUNT = 0.2, 3  # of the people enrolled, or so many answers, whichever is more


class RowState(StrEnum):
    """What there is to say about an institution."""

    EMPTY = "empty"  # without anyone enrolled
    SILENT = "silent"  # people are enrolled, and next to none of them answers any more
    WAITING = "waiting"  # no block of its own in the period
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class InstitutionRow:
    """One institution. A figure that is None has no block in the period."""

    code: str
    institution: str
    sphere: str
    is_fictional: bool
    enrolled: People
    state: RowState
    participation: Figure | None
    rightness: Figure | None


@dataclass(frozen=True, slots=True)
class TopicRow:
    """Right answers to one topic."""

    topic: Text
    rightness: Figure | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a period's blocks say, of all institutions or of one."""

    first: date
    last: date
    rows: tuple[InstitutionRow, ...]
    topics: tuple[TopicRow, ...]
    weeks: tuple[tuple[date, Figure], ...]  # participation, by the Monday
    months: tuple[tuple[date, Figure], ...]  # rightness, by the first Monday
    enrolled: People
    answers: Figure | None  # all that is counted
    participation: Figure | None
    rightness: Figure | None
    shown_by: date  # the end of the quarter: by then what waits is counted
    is_fictional: bool

    @property
    def figures(self) -> list[Figure]:
        """Every figure of the report."""
        of_rows = [figure for row in self.rows for figure in (row.participation, row.rightness)]
        by_time = [figure for _, figure in (*self.weeks, *self.months)]
        found = (*of_rows, *by_time, *(row.rightness for row in self.topics))
        return [one for one in (*found, self.answers, self.participation, self.rightness) if one is not None]


def default_period(today: date) -> tuple[date, date]:
    """The last quarter that is over and what followed: in it lies every block of that quarter."""
    this_quarter = ladders.first_monday(today, ladders.quarter)
    return ladders.first_monday(this_quarter - ladders.WEEK, ladders.quarter), today


async def institution_table(work: WorkContext, first: date, last: date, code: str | None = None) -> Report:
    """The report of all institutions, or of the one with `code`, from day `first` to `last` inclusive.

    Totals are of real institutions, or of the fictional ones where there are no others: they are never added up.
    """
    listed = [one for one in await figures.enrolments(work.tx) if code in (None, one.code)]
    is_fictional = bool(listed) and all(one.is_fictional for one in listed)
    found = await figures.blocks_within(work.tx, first, last)
    ours = [block for block in found if block.is_fictional == is_fictional]
    if code is not None:
        ours = [block for block in ours if listed and _institution_id(block) == listed[0].id]
    reach, right = _in(ours, Lane.REACH), _in(ours, Lane.PLACE, Lane.TOPIC)
    return Report(
        first=first,
        last=last,
        rows=tuple(_rows(listed, found)),
        topics=tuple(_topics(work.library, _in(ours, Lane.TOPIC))),
        weeks=tuple(_by_time(reach, lambda block: block.week)),
        months=tuple(_by_time(right, lambda block: ladders.first_monday(block.week, ladders.month))),
        enrolled=rates.people(sum(one.enrolled for one in listed if one.is_fictional == is_fictional)),
        answers=figures.figure(TOTAL, _in(ours, Lane.PLACE, Lane.TOPIC, Lane.MAP)),
        participation=figures.figure(RIGHT, reach),
        rightness=figures.figure(RIGHT, right),
        shown_by=_end_of_quarter(work.today),
        is_fictional=any(one.is_fictional for one in listed),
    )


def _in(blocks: Iterable[Block], *chosen: Lane) -> list[Block]:
    return [block for block in blocks if block.lane in chosen]


def _institution_id(block: Block) -> int | None:
    """The institution of a block; None: it is of several."""
    institution = ladders.parts(block.lane, block.rung, block.key).get("institution")
    return int(institution) if institution else None


def _rows(listed: Sequence[Enrolment], found: Sequence[Block]) -> Iterable[InstitutionRow]:
    own: dict[int | None, list[Block]] = {}
    for block in found:
        own.setdefault(_institution_id(block), []).append(block)
    for one in listed:
        blocks = [block for block in own.get(one.id, []) if block.is_fictional == one.is_fictional]
        reach = _in(blocks, Lane.REACH)
        participation, rightness = (
            figures.figure(RIGHT, reach),
            figures.figure(RIGHT, _in(blocks, Lane.PLACE, Lane.TOPIC)),
        )
        yield InstitutionRow(
            one.code,
            one.name,
            one.sphere,
            one.is_fictional,
            rates.people(one.enrolled),
            _state(one, reach, is_shown=bool(participation or rightness)),
            participation,
            rightness,
        )


def _state(one: Enrolment, reach: Sequence[Block], *, is_shown: bool) -> RowState:
    if one.enrolled == 0:
        return RowState.EMPTY
    newest = reach[-SILENT_CLOSINGS:]
    if one.enrolled >= rates.FEW_PEOPLE and len(newest) == SILENT_CLOSINGS and all(map(_is_silent, newest)):
        return RowState.SILENT
    return RowState.SHOWN if is_shown else RowState.WAITING


def _is_silent(block: Block) -> bool:
    return block.counts[RIGHT] <= max(SILENT_COUNT, SILENT_SHARE * block.counts[TOTAL])


def _topics(library: Library, found: Sequence[Block]) -> Iterable[TopicRow]:
    for topic in library.topics.values():
        blocks = [block for block in found if ladders.parts(block.lane, block.rung, block.key).get("topic") == topic.id]
        yield TopicRow(topic.name, figures.figure(RIGHT, blocks))


def _by_time(found: Sequence[Block], label: Callable[[Block], date]) -> Iterable[tuple[date, Figure]]:
    """The share of each week or month that has a block, the oldest first."""
    parts: dict[date, list[Block]] = {}
    for block in found:
        parts.setdefault(label(block), []).append(block)
    for start, blocks in sorted(parts.items()):
        if (figure := figures.figure(RIGHT, blocks)) is not None:
            yield start, figure


def _end_of_quarter(today: date) -> date:
    """The Monday on which the quarter's blocks are closed."""
    week = ladders.monday(today)
    while ladders.quarter(week) == ladders.quarter(today):
        week += ladders.WEEK
    return week
