"""Statistics per institution, topic and day: counts of servants and answers, never a single servant.

Aggregated days are read from storage/reports/aggregates.py, later ones are counted from prompts and answers.
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
    """Counts of one group. `people` is the number of servants who answered, by which small groups are suppressed."""

    name: str
    people: int
    answers: int
    right: int


@dataclass(frozen=True, slots=True)
class InstitutionCount:
    """Counts of one institution over a span of days."""

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
    """The days of a report; those after `aggregated` are counted from prompts and answers."""

    first: date
    last: date
    aggregated: date

    def contains(self, day: ColumnElement[date]) -> ColumnElement[bool]:
        return day.between(self.first, self.last)

    def is_fresh(self, day: ColumnElement[date]) -> ColumnElement[bool]:
        return day.between(max(self.first, self.aggregated + aggregates.DAY), self.last)


async def by_institution(tx: Transaction, first: date, last: date) -> list[InstitutionCount]:
    """Every institution with enrolled servants or answers, by name."""
    span = _Span(first, last, await aggregates.aggregated_until(tx))
    enrolled = (
        select(servants.c.institution_id, func.count().label("enrolled"))
        .where(servants.c.state != "left")
        .group_by(servants.c.institution_id)
        .subquery()
    )
    totals = answer_aggregates.c.institution_id.in_(aggregates.all_institutions), answer_aggregates.c.topic_id == ""
    answered = _answered(span, "institution_id", totals).subquery()
    asked = _asked(span).subquery()
    numbers = (enrolled.c.enrolled, answered.c.people, asked.c.asked, answered.c.answers, answered.c.right)
    counted = [func.coalesce(number, 0) for number in numbers]
    columns = institutions.c
    statement = (
        select(columns.code, columns.name, columns.sphere, columns.is_fictional, *counted)
        .outerjoin(enrolled, enrolled.c.institution_id == columns.id)
        .outerjoin(answered, answered.c.institution_id == columns.id)
        .outerjoin(asked, asked.c.institution_id == columns.id)
        .where((func.coalesce(enrolled.c.enrolled, 0) > 0) | (func.coalesce(answered.c.answers, 0) > 0))
        .order_by(columns.name)
    )
    return [InstitutionCount(*row) for row in await tx.execute(statement)]


async def by_topic(tx: Transaction, first: date, last: date, code: str | None) -> list[Cell]:
    """Answers by topic, in one institution or in all."""
    span = _Span(first, last, await aggregates.aggregated_until(tx))
    institution_id = await _institution_id(tx, code)
    rows = answer_aggregates.c.institution_id == (institution_id or 0), answer_aggregates.c.topic_id != ""
    answered = _answered(span, "topic_id", rows, institution_id).subquery()
    statement = select(answered).where(answered.c.answers > 0).order_by(answered.c.topic_id)
    return [Cell(*row) for row in await tx.execute(statement)]


async def by_day(tx: Transaction, first: date, last: date, code: str | None) -> list[tuple[date, int, int]]:
    """For each day with prompts: the day, how many were answered, how many were asked."""
    span = _Span(first, last, await aggregates.aggregated_until(tx))
    days = _days(span, await _institution_id(tx, code)).subquery()
    asked = _sum(days.c.asked)
    statement = select(days.c.day, _sum(days.c.answered), asked).group_by(days.c.day).having(asked > 0)
    return [(row[0], row[1], row[2]) for row in await tx.execute(statement.order_by(days.c.day))]


async def _institution_id(tx: Transaction, code: str | None) -> int | None:
    """The id of the institution with this code, -1 if there is none; None: all institutions."""
    if code is None:
        return None
    return await tx.scalar(select(institutions.c.id).where(institutions.c.code == code)) or -1


def _sum(number: ColumnElement[int]) -> ColumnElement[int]:
    """A sum as an integer: PostgreSQL's sums of sums are decimals."""
    return cast(func.sum(number), BigInteger)


def _answered(
    span: _Span, by: str, rows: tuple[ColumnElement[bool], ...], institution_id: int | None = None
) -> "Select[Any]":
    """Servants, answers and right ones by institution or topic; `rows` selects the aggregates of those groups."""
    column = answer_aggregates.c
    first_in_span = case((column.previous < span.first, column.people), else_=0)
    people, count, right = func.sum(first_in_span), func.sum(column.answers), func.sum(column.right_answers)
    aggregated = select(column[by], people.label("people"), count.label("answers"), right.label("right"))
    aggregated = aggregated.where(*rows, span.contains(column.day)).group_by(column[by])
    both = union_all(aggregated, _answered_since(span, by, institution_id)).subquery()
    totals = [_sum(both.c[name]).label(name) for name in ("people", "answers", "right")]
    return select(both.c[by], *totals).group_by(both.c[by])


def _answered_since(span: _Span, by: str, institution_id: int | None) -> "Select[Any]":
    """The same for days that are not aggregated, without the servants counted on an aggregated day of the span."""
    keys = answers.c[by], answers.c.servant_id
    is_counted = _is_in(answers.c.institution_id, institution_id)
    counts = select(*keys, func.count().label("answers"), aggregates.correct_answers.label("right"))
    each = counts.where(is_counted, span.is_fresh(answers.c.day)).group_by(*keys).subquery()
    same = [last_answer_days.c.servant_id == each.c.servant_id, last_answer_days.c[by] == each.c[by]]
    if institution_id is not None:
        same.append(last_answer_days.c.institution_id == institution_id)
    people = func.sum(case((exists().where(*same, last_answer_days.c.day >= span.first), 0), else_=1))
    return select(each.c[by], people, func.sum(each.c.answers), func.sum(each.c.right)).group_by(each.c[by])


def _asked(span: _Span) -> "Select[Any]":
    """Prompts by the current institution of their servants."""
    column = prompt_aggregates.c
    aggregated = select(column.institution_id, func.sum(column.asked).label("asked"))
    aggregated = aggregated.where(_is_in(column.institution_id, None), span.contains(column.day))
    current = aggregates.current_institution(prompts).label("institution_id")
    each = select(current).where(span.is_fresh(prompts.c.day)).subquery()
    since = select(each.c.institution_id, func.count()).group_by(each.c.institution_id)
    both = union_all(aggregated.group_by(column.institution_id), since).subquery()
    return select(both.c.institution_id, _sum(both.c.asked).label("asked")).group_by(both.c.institution_id)


def _days(span: _Span, institution_id: int | None) -> Any:
    """Days with numbers of prompts answered and asked, as partial sums."""
    column = prompt_aggregates.c
    aggregated = select(column.day, column.answered, column.asked)
    aggregated = aggregated.where(_is_in(column.institution_id, institution_id), span.contains(column.day))
    asked = select(prompts.c.day, aggregates.ZERO, func.count()).where(span.is_fresh(prompts.c.day))
    given = select(aggregates.prompt_day.label("day")).where(answers.c.day > span.aggregated)
    if institution_id is None:
        given = given.where(answers.c.institution_id.in_(aggregates.all_institutions))
    else:
        members = select(servants.c.id).where(servants.c.institution_id == institution_id)
        asked = asked.where(prompts.c.servant_id.in_(members))
        given = given.where(answers.c.servant_id.in_(members))
    day = given.subquery().c.day
    answered = select(day, func.count(), aggregates.ZERO).where(span.contains(day)).group_by(day)
    return union_all(aggregated, asked.group_by(prompts.c.day), answered)


def _is_in(column: ColumnElement[int], institution_id: int | None) -> ColumnElement[bool]:
    """Of the institution; None: of any, spelled out so that an index that begins with the institution applies."""
    return column.in_(aggregates.all_institutions) if institution_id is None else column == institution_id
