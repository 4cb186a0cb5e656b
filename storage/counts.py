"""Numbers per institution, topic and day: counts of people and answers, never a person."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import case, distinct, func, select

from storage.database import Transaction
from storage.schema import answers, institutions, prompts, servants


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


_right = func.coalesce(func.sum(case((answers.c.is_right, 1), else_=0)), 0)


async def by_institution(tx: Transaction, first: date, last: date) -> list[InstitutionCount]:
    """Every institution with enrolled people, by name."""
    enrolled = (
        select(servants.c.institution_id, func.count().label("enrolled"))
        .where(servants.c.state != "left")
        .group_by(servants.c.institution_id)
        .subquery()
    )
    given = (
        select(
            answers.c.institution_id,
            func.count(distinct(answers.c.servant_id)).label("people"),
            func.count().label("answers"),
            _right.label("right"),
        )
        .where(answers.c.day.between(first, last))
        .group_by(answers.c.institution_id)
        .subquery()
    )
    asked = (
        select(servants.c.institution_id, func.count().label("asked"))
        .join(prompts, prompts.c.servant_id == servants.c.id)
        .where(prompts.c.day.between(first, last))
        .group_by(servants.c.institution_id)
        .subquery()
    )
    statement = (
        select(
            institutions.c.code,
            institutions.c.name,
            institutions.c.sphere,
            institutions.c.is_fictional,
            func.coalesce(enrolled.c.enrolled, 0),
            func.coalesce(given.c.people, 0),
            func.coalesce(asked.c.asked, 0),
            func.coalesce(given.c.answers, 0),
            func.coalesce(given.c.right, 0),
        )
        .outerjoin(enrolled, enrolled.c.institution_id == institutions.c.id)
        .outerjoin(given, given.c.institution_id == institutions.c.id)
        .outerjoin(asked, asked.c.institution_id == institutions.c.id)
        .where((func.coalesce(enrolled.c.enrolled, 0) > 0) | (func.coalesce(given.c.answers, 0) > 0))
        .order_by(institutions.c.name)
    )
    return [InstitutionCount(*row) for row in await tx.execute(statement)]


async def by_topic(tx: Transaction, first: date, last: date, code: str | None) -> list[Cell]:
    """Answers by topic, in one institution or in all."""
    statement = (
        select(answers.c.topic_id, func.count(distinct(answers.c.servant_id)), func.count(), _right)
        .where(answers.c.day.between(first, last))
        .group_by(answers.c.topic_id)
        .order_by(answers.c.topic_id)
    )
    if code is not None:
        statement = statement.join(institutions, institutions.c.id == answers.c.institution_id).where(
            institutions.c.code == code
        )
    return [Cell(*row) for row in await tx.execute(statement)]


async def by_day(tx: Transaction, first: date, last: date, code: str | None) -> list[tuple[date, int, int]]:
    """For each day with prompts: the day, how many were answered, how many were asked."""
    statement = (
        select(prompts.c.day, func.count(answers.c.prompt_id), func.count())
        .outerjoin(answers, answers.c.prompt_id == prompts.c.id)
        .where(prompts.c.day.between(first, last))
        .group_by(prompts.c.day)
        .order_by(prompts.c.day)
    )
    if code is not None:
        statement = (
            statement.join(servants, servants.c.id == prompts.c.servant_id)
            .join(institutions, institutions.c.id == servants.c.institution_id)
            .where(institutions.c.code == code)
        )
    return [(row[0], row[1], row[2]) for row in await tx.execute(statement)]
