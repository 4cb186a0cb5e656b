"""Numbers per institution, topic and day: counts of people and answers, never a person.

Days that are over are read from what is kept (storage/reports/aggregates.py), the others from prompts and answers themselves.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, exists, func, select, union_all

from storage.database import Transaction
from storage.reports import aggregates
from storage.schema import (
    answer_aggregates,
    answers,
    institutions,
    last_answer_days,
    prompt_aggregates,
    prompts,
    servants,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """Counts of one group. `people` are those who answered: small groups are suppressed by it."""

    name: str
    people: int
    answers: int
    right: int


@dataclass(frozen=True, slots=True)
class InstitutionCount:
    """Counts of one institution over some days."""

    code: str
    name: str
    sphere: str
    is_fictional: bool
    enrolled: int
    people: int
    asked: int
    answers: int
    right: int


@dataclass(frozen=True, slots=True)
class _Span:
    """The days of a report; those after `kept` are counted from prompts and answers."""

    first: date
    last: date
    kept: date

    def holds(self, day: ColumnElement[date]) -> ColumnElement[bool]:
        return day.between(self.first, self.last)

    def is_fresh(self, day: ColumnElement[date]) -> ColumnElement[bool]:
        return day.between(max(self.first, self.kept + aggregates.DAY), self.last)


async def rebuild(tx: Transaction) -> None:
    """Make all that is kept anew from prompts and answers: after a history was brought in from elsewhere."""
    await aggregates.rebuild(tx)


async def by_institution(tx: Transaction, first: date, last: date) -> list[InstitutionCount]:
    """Every institution with enrolled people, by name."""
    span = _Span(first, last, await aggregates.aggregated_until(tx))
    enrolled = (
        select(servants.c.institution_id, func.count().label("enrolled"))
        .where(servants.c.state != "left")
        .group_by(servants.c.institution_id)
        .subquery()
    )
    everywhere = answer_aggregates.c.institution_id.in_(aggregates.all_institutions), answer_aggregates.c.topic_id == ""
    given = _given(span, "institution_id", everywhere).subquery()
    asked = _asked(span).subquery()
    numbers = (enrolled.c.enrolled, given.c.people, asked.c.asked, given.c.answers, given.c.right)
    counted = [func.coalesce(number, 0) for number in numbers]
    place = institutions.c
    statement = (
        select(place.code, place.name, place.sphere, place.is_fictional, *counted)
        .outerjoin(enrolled, enrolled.c.institution_id == institutions.c.id)
        .outerjoin(given, given.c.institution_id == institutions.c.id)
        .outerjoin(asked, asked.c.institution_id == institutions.c.id)
        .where((func.coalesce(enrolled.c.enrolled, 0) > 0) | (func.coalesce(given.c.answers, 0) > 0))
        .order_by(institutions.c.name)
    )
    return [InstitutionCount(*row) for row in await tx.execute(statement)]


async def by_topic(tx: Transaction, first: date, last: date, code: str | None) -> list[Cell]:
    """Answers by topic, in one institution or in all."""
    span = _Span(first, last, await aggregates.aggregated_until(tx))
    place = await _place(tx, code)
    rows = answer_aggregates.c.institution_id == (place or 0), answer_aggregates.c.topic_id != ""
    given = _given(span, "topic_id", rows, place).subquery()
    statement = select(given).where(given.c.answers > 0).order_by(given.c.topic_id)
    return [Cell(*row) for row in await tx.execute(statement)]


async def by_day(tx: Transaction, first: date, last: date, code: str | None) -> list[tuple[date, int, int]]:
    """For each day with prompts: the day, how many were answered, how many were asked."""
    span = _Span(first, last, await aggregates.aggregated_until(tx))
    place = await _place(tx, code)
    days = _days(span, place).subquery()
    asked = _sum(days.c.asked)
    statement = select(days.c.day, _sum(days.c.answered), asked).group_by(days.c.day).having(asked > 0)
    return [(row[0], row[1], row[2]) for row in await tx.execute(statement.order_by(days.c.day))]


async def _place(tx: Transaction, code: str | None) -> int | None:
    """The institution with this code, -1 where there is none; None: all of them."""
    if code is None:
        return None
    return await tx.scalar(select(institutions.c.id).where(institutions.c.code == code)) or -1


def _sum(number: ColumnElement[int]) -> ColumnElement[int]:
    """As a whole number: PostgreSQL adds up its own sums as decimals."""
    return cast(func.sum(number), BigInteger)


def _given(span: _Span, by: str, rows: tuple[ColumnElement[bool], ...], place: int | None = None) -> "Select[Any]":
    """People, answers and right ones by institution or topic; `rows` are the kept ones of those groups."""
    one = answer_aggregates.c
    first_here = case((one.previous < span.first, one.people), else_=0)
    sums = func.sum(first_here).label("people"), func.sum(one.answers).label("answers"), func.sum(one.right_answers)
    over = select(one[by], *sums[:2], sums[2].label("right")).where(*rows, span.holds(one.day)).group_by(one[by])
    both = union_all(over, _given_lately(span, by, place)).subquery()
    totals = [_sum(both.c[name]).label(name) for name in ("people", "answers", "right")]
    return select(both.c[by], *totals).group_by(both.c[by])


def _given_lately(span: _Span, by: str, place: int | None) -> "Select[Any]":
    """The same of days that are not kept; whoever answered on a kept day of the span counts there already."""
    who = answers.c[by], answers.c.servant_id
    where = (
        answers.c.institution_id.in_(aggregates.all_institutions)
        if place is None
        else answers.c.institution_id == place
    )
    given = select(*who, func.count().label("answers"), aggregates.correct_answers.label("right"))
    each = given.where(where, span.is_fresh(answers.c.day)).group_by(*who).subquery()
    same = [last_answer_days.c.servant_id == each.c.servant_id, last_answer_days.c[by] == each.c[by]]
    if place is not None:
        same.append(last_answer_days.c.institution_id == place)
    people = func.sum(case((exists().where(*same, last_answer_days.c.day >= span.first), 0), else_=1))
    return select(each.c[by], people, func.sum(each.c.answers), func.sum(each.c.right)).group_by(each.c[by])


def _asked(span: _Span) -> "Select[Any]":
    """Prompts by the institution in which the asked are now."""
    one = prompt_aggregates.c
    over = select(one.institution_id, func.sum(one.asked).label("asked"))
    over = over.where(one.institution_id.in_(aggregates.all_institutions), span.holds(one.day)).group_by(
        one.institution_id
    )
    each = select(aggregates.current_institution(prompts).label("home")).where(span.is_fresh(prompts.c.day)).subquery()
    lately = select(each.c.home, func.count()).group_by(each.c.home)
    both = union_all(over, lately).subquery()
    return select(both.c.institution_id, _sum(both.c.asked).label("asked")).group_by(both.c.institution_id)


def _days(span: _Span, place: int | None) -> Any:
    """Days with prompts answered and asked, in parts to be added up."""
    one = prompt_aggregates.c
    where = one.institution_id.in_(aggregates.all_institutions) if place is None else one.institution_id == place
    over = select(one.day, one.answered, one.asked).where(where, span.holds(one.day))
    asked = select(prompts.c.day, aggregates.NOTHING, func.count()).where(span.is_fresh(prompts.c.day))
    given = select(aggregates.prompt_day.label("day")).where(answers.c.day > span.kept)
    if place is None:
        given = given.where(answers.c.institution_id.in_(aggregates.all_institutions))
    else:
        here = select(servants.c.id).where(servants.c.institution_id == place)
        asked = asked.where(prompts.c.servant_id.in_(here))
        given = given.where(answers.c.servant_id.in_(here))
    lately = given.subquery().c.day
    answered = select(lately, func.count(), aggregates.NOTHING).where(span.holds(lately)).group_by(lately)
    return union_all(over, asked.group_by(prompts.c.day), answered)
