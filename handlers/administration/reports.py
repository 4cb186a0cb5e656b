"""Monitoring reports: participation and share of right answers by institution and topic, with small groups suppressed.

A figure about fewer than `min_group` servants is suppressed. Subtracting the shown groups from the total reveals the
suppressed groups taken together; while these have fewer than `min_group` servants, the next smallest group is
suppressed too (complementary suppression).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from content.library import Library
from content.text import Text
from handlers.context import WorkContext
from storage.reports import statistics

MIN_GROUP_FLOOR = 5
"""Smaller groups are never shown, whatever is configured."""


@dataclass(frozen=True, slots=True)
class InstitutionRow:
    """One institution; None: suppressed. Participation and rightness (right answers) are shares, 0 to 1."""

    code: str
    institution: str
    sphere: str
    enrolled: int | None
    answered: int | None
    participation: float | None
    rightness: float | None


@dataclass(frozen=True, slots=True)
class TopicRow:
    """One topic over all servants of the report; None: suppressed."""

    topic: Text
    answers: int | None
    rightness: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a period that may be shown; None: suppressed."""

    first: date
    last: date
    rows: tuple[InstitutionRow, ...]
    topics: tuple[TopicRow, ...]
    days: tuple[tuple[date, int, int], ...]  # day, answered, asked; empty for a small group
    enrolled: int | None
    answers: int | None
    participation: float | None
    rightness: float | None
    min_group: int
    is_fictional: bool


async def institution_table(work: WorkContext, first: date, last: date, code: str | None = None) -> Report:
    """The report of all institutions, or of the one with `code`, from day `first` to `last` inclusive.

    An institution that the full report suppresses is suppressed in its own report too, so that the two combined reveal
    no more than the full report.
    """
    tx, least = work.tx, max(work.installation.min_group, MIN_GROUP_FLOOR)
    counts = await statistics.by_institution(tx, first, last)
    hidden = _suppressed([count.people for count in counts], least, sum, [count.enrolled for count in counts])
    picked = [(count, is_hidden) for count, is_hidden in zip(counts, hidden, strict=True) if code in (None, count.code)]
    rows = tuple(_row(count, is_hidden) for count, is_hidden in picked)
    found = [count for count, _ in picked]
    people = sum(count.people for count in found)
    asked, answers = sum(count.asked for count in found), sum(count.answers for count in found)
    right = sum(count.right for count in found)
    has_totals = people >= least and (code is None or not any(is_hidden for _, is_hidden in picked))
    cells = await statistics.by_topic(tx, first, last, code) if has_totals else []
    return Report(
        first=first,
        last=last,
        rows=rows,
        topics=_topics(work.library, cells, least),
        days=_days(await statistics.by_day(tx, first, last, code), least) if has_totals else (),
        enrolled=sum(count.enrolled for count in found) if has_totals else None,
        answers=answers if has_totals else None,
        participation=answers / asked if has_totals and asked else None,
        rightness=right / answers if has_totals and answers else None,
        min_group=least,
        is_fictional=any(count.is_fictional for count in found),
    )


def _suppressed(
    people: Sequence[int], min_group: int, combine: Callable[[Iterable[int]], int], members: Sequence[int] = ()
) -> list[bool]:
    """Which groups to suppress: those below `min_group`, then the smallest others until the suppressed ones reach it.

    `people` counts the servants who answered; a group without answers is judged by its `members`. `combine` returns the
    least possible number of servants in all suppressed groups: `sum` of the groups if no servant is in two of them,
    else `max`.
    """
    sizes = [count or size for count, size in zip(people, members or people, strict=True)]
    hidden = [size < min_group for size in sizes]
    others = sorted(
        (index for index, count in enumerate(people) if count >= min_group), key=lambda index: people[index]
    )
    for index in others:
        withheld = [count for count, size, is_hidden in zip(people, sizes, hidden, strict=True) if is_hidden and size]
        if not withheld or combine(withheld) >= min_group:
            break
        hidden[index] = True
    return hidden


def _days(found: Sequence[tuple[date, int, int]], least: int) -> tuple[tuple[date, int, int], ...]:
    hidden = _suppressed([asked for _, _, asked in found], least, max)
    return tuple(day for day, is_hidden in zip(found, hidden, strict=True) if not is_hidden)


def _row(count: statistics.InstitutionCount, is_hidden: bool) -> InstitutionRow:
    if is_hidden:
        return InstitutionRow(count.code, count.name, count.sphere, None, None, None, None)
    return InstitutionRow(
        count.code,
        count.name,
        count.sphere,
        count.enrolled,
        count.answers,
        count.answers / count.asked if count.asked else None,
        count.right / count.answers if count.answers else None,
    )


def _topics(library: Library, cells: Sequence[statistics.Cell], least: int) -> tuple[TopicRow, ...]:
    known = {cell.name: cell for cell in cells}
    found = [known.get(topic, statistics.Cell(topic, 0, 0, 0)) for topic in library.topics]
    hidden = _suppressed([cell.people for cell in found], least, max)
    return tuple(
        TopicRow(
            library.topics[cell.name].name,
            None if is_hidden else cell.answers,
            None if is_hidden or not cell.answers else cell.right / cell.answers,
        )
        for cell, is_hidden in zip(found, hidden, strict=True)
    )
