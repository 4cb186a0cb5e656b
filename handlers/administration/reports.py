"""Monitoring: participation and rightness per institution and topic, with small groups suppressed.

A figure of fewer than `min_group` people is not shown. The difference between the total and what is shown tells the
hidden groups taken together: while these are fewer than `min_group` people, one more is hidden with them
(complementary suppression).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from content.library import Library
from content.text import Text
from storage.database import Transaction
from storage.reports import statistics

FLOOR = 5
"""Groups under this are never shown, whatever is configured."""


@dataclass(frozen=True, slots=True)
class InstitutionRow:
    """One institution; None is suppressed. Participation and rightness are shares, 0 to 1."""

    code: str
    institution: str
    sphere: str
    enrolled: int | None
    answered: int | None
    participation: float | None
    rightness: float | None


@dataclass(frozen=True, slots=True)
class TopicRow:
    """One topic over all people of the report."""

    topic: Text
    answers: int | None
    rightness: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """What may be shown of some days."""

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


async def institution_table(
    tx: Transaction, library: Library, first: date, last: date, min_group: int, code: str | None = None
) -> Report:
    """The report of all institutions, or of the one with `code`.

    What the table of all hides is hidden in the report of one too: the two together tell no more than the first.
    """
    least = max(min_group, FLOOR)
    every = await statistics.by_institution(tx, first, last)
    hidden = _hidden([one.people for one in every], least, sum, [one.enrolled for one in every])
    picked = [(one, is_hidden) for one, is_hidden in zip(every, hidden, strict=True) if code in (None, one.code)]
    rows = tuple(_row(one, is_hidden) for one, is_hidden in picked)
    found = [one for one, _ in picked]
    people = sum(one.people for one in found)
    asked, given = sum(one.asked for one in found), sum(one.answers for one in found)
    right = sum(one.right for one in found)
    total = people >= least and (code is None or not any(is_hidden for _, is_hidden in picked))
    cells = await statistics.by_topic(tx, first, last, code) if total else []
    return Report(
        first=first,
        last=last,
        rows=rows,
        topics=_topics(library, cells, least),
        days=_days(await statistics.by_day(tx, first, last, code), least) if total else (),
        enrolled=sum(one.enrolled for one in found) if total else None,
        answers=given if total else None,
        participation=given / asked if total and asked else None,
        rightness=right / given if total and given else None,
        min_group=least,
        is_fictional=any(one.is_fictional for one in found),
    )


def _hidden(
    people: Sequence[int], least: int, together: Callable[[Iterable[int]], int], members: Sequence[int] = ()
) -> list[bool]:
    """Which groups are not shown: the small ones, and then the smallest others until the hidden ones are many.

    `people` are those who answered; a group in which nobody did is judged by its `members`. `together` says of how
    many people hidden groups are at least: their `sum` where nobody is in two groups, else the largest one (`max`).
    """
    sizes = [one or of for one, of in zip(people, members or people, strict=True)]
    hidden = [size < least for size in sizes]
    others = sorted((place for place, one in enumerate(people) if one >= least), key=lambda place: people[place])
    for place in others:
        kept_back = [one for one, size, is_hidden in zip(people, sizes, hidden, strict=True) if is_hidden and size]
        if not kept_back or together(kept_back) >= least:
            break
        hidden[place] = True
    return hidden


def _days(found: Sequence[tuple[date, int, int]], least: int) -> tuple[tuple[date, int, int], ...]:
    hidden = _hidden([asked for _, _, asked in found], least, max)
    return tuple(day for day, is_hidden in zip(found, hidden, strict=True) if not is_hidden)


def _row(one: statistics.InstitutionCount, is_hidden: bool) -> InstitutionRow:
    if is_hidden:
        return InstitutionRow(one.code, one.name, one.sphere, None, None, None, None)
    return InstitutionRow(
        one.code,
        one.name,
        one.sphere,
        one.enrolled,
        one.answers,
        one.answers / one.asked if one.asked else None,
        one.right / one.answers if one.answers else None,
    )


def _topics(library: Library, cells: Sequence[statistics.Cell], least: int) -> tuple[TopicRow, ...]:
    known = {cell.name: cell for cell in cells}
    found = [known.get(topic, statistics.Cell(topic, 0, 0, 0)) for topic in library.topics]
    hidden = _hidden([cell.people for cell in found], least, max)
    return tuple(
        TopicRow(
            library.topics[cell.name].name,
            None if is_hidden else cell.answers,
            None if is_hidden or not cell.answers else cell.right / cell.answers,
        )
        for cell, is_hidden in zip(found, hidden, strict=True)
    )
