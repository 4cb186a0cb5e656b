"""Days that are over, kept as counts: a report reads these, and counts alone what is not over yet.

People over several days are no sum: whoever answered on two of them is one. So each person counts on every day on which
they answered, beside the last day before it on which they did (`previous`). Of the days from f to l a person's first is
the one whose `previous` lies before f: the sum of those is exact for any f and l, and needs no list of people.

A day that is over gets no more answers, as an answer is of the day on which it was given. Whatever else changes the
past (leaving, moving, two records that become one, a past that is made up) is done inside `recounted`.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Date,
    Select,
    Table,
    case,
    delete,
    func,
    literal,
    literal_column,
    select,
    update,
)

from storage.database import Transaction, dialect_insert
from storage.schema import (
    aggregation_state,
    answer_aggregates,
    answers,
    institutions,
    last_answer_days,
    prompt_aggregates,
    prompts,
    servants,
)

NEVER = date.min
DAY = timedelta(days=1)
DAY_OVER_DELAY = timedelta(hours=6)  # after midnight a day is over in every zone of the country, for every clock
GROUPS = (("institution_id",), ("institution_id", "topic_id"), ("topic_id",))
"""What people are told apart by: those of an institution, of a topic in an institution, of a topic anywhere."""
ALL_TOGETHER: dict[str, ColumnElement[Any]] = {"institution_id": literal_column("0"), "topic_id": literal_column("''")}
NOTHING: ColumnElement[int] = literal_column("0")

prompt_day = select(prompts.c.day).where(prompts.c.id == answers.c.prompt_id).scalar_subquery()
"""The day of an answer's prompt; as a look-up, so that no database begins with all prompts."""
all_institutions = select(institutions.c.id).scalar_subquery()
"""All of them: the way into the answers of a day, which have an index of institutions and days."""
correct_answers = func.coalesce(func.sum(case((answers.c.is_right, 1), else_=0)), 0)


@dataclass(frozen=True, slots=True)
class _Part:
    """Which answers and prompts are counted: of the days after `after` up to `until`, of all people or some."""

    after: date
    until: date
    people: Collection[int] | None = None

    def of(self, table: Table) -> list[ColumnElement[bool]]:
        days = [table.c.day > self.after, table.c.day <= self.until]
        if self.people is not None:
            return [*days, table.c.servant_id.in_(self.people)]
        return (
            [*days, table.c.institution_id.in_(all_institutions)] if table is answers and self.after > NEVER else days
        )


def current_institution(table: Table) -> ColumnElement[int]:
    """Where the servant of a prompt or an answer is now; as a look-up too."""
    return select(servants.c.institution_id).where(servants.c.id == table.c.servant_id).scalar_subquery()


async def aggregated_until(tx: Transaction) -> date:
    """The last day that is kept; NEVER: none is."""
    return await tx.scalar(select(aggregation_state.c.day)) or NEVER


async def aggregate_next_day(tx: Transaction, now: datetime) -> date | None:
    """Keep the next day that is over at a local moment, and tell which; None: there is none.

    On the first day it is only noted that keeping begins: until tomorrow a process of an older version may still run,
    which would not take out of the counts whoever leaves.
    """
    known, today = await _locked(tx), (now - DAY_OVER_DELAY).date()
    if known is None:
        row = {"id": 1, "day": NEVER, "since": today}
        await tx.execute(dialect_insert(tx, aggregation_state).values(row).on_conflict_do_nothing())
        return None
    last, since = known
    if last >= now.date():  # a clock was ahead: what is answered on days that are kept already would never count
        await _empty(tx, NEVER, today - DAY)
        last, since = NEVER, today - DAY
    day = last + DAY if last > NEVER else await tx.scalar(select(func.min(prompts.c.day))) or today - DAY
    if max(since, day) >= today:
        return None
    await _count(tx, _Part(last, day))
    await tx.execute(delete(answer_aggregates).where(answer_aggregates.c.answers == 0))  # what `recounted` left
    await tx.execute(delete(prompt_aggregates).where(prompt_aggregates.c.asked == 0, prompt_aggregates.c.answered == 0))
    await tx.execute(update(aggregation_state).values(day=day))
    return day


@asynccontextmanager
async def recount(tx: Transaction, people: Collection[int]) -> AsyncIterator[None]:
    """Inside, the past of these servants may change: they are taken out of the counts, and then counted anew."""
    known = await _locked(tx)
    if known is None or known[0] == NEVER:
        yield
        return
    part = _Part(NEVER, known[0], people)
    await tx.execute(delete(last_answer_days).where(last_answer_days.c.servant_id.in_(people)))
    await _add(tx, part, -1)
    yield
    await _count(tx, part)


async def rebuild(tx: Transaction) -> None:
    """Make all of it anew, up to the day that is kept; where none is yet, up to the last one before the newest."""
    known = await _locked(tx)
    day = known[0] if known else NEVER
    if day == NEVER:
        newest = await tx.scalar(select(func.max(prompts.c.day)))
        if newest is None:
            return
        day = newest - DAY
    await _empty(tx, day, known[1] if known else day)
    await _count(tx, _Part(NEVER, day))


async def _empty(tx: Transaction, day: date, since: date) -> None:
    """Nothing is kept, but that it is to be up to `day`."""
    for table in (answer_aggregates, prompt_aggregates, last_answer_days, aggregation_state):
        await tx.execute(delete(table))
    await tx.execute(dialect_insert(tx, aggregation_state).values(id=1, day=day, since=since))


async def _locked(tx: Transaction) -> tuple[date, date] | None:
    """Up to which day, and since when; whoever changes what is kept waits here for whoever else does."""
    row = (await tx.execute(select(aggregation_state.c.day, aggregation_state.c.since).with_for_update())).first()
    return None if row is None else (row[0], row[1])


# ---------------------------------------------------------------- counting, all by the database itself


async def _count(tx: Transaction, part: _Part) -> None:
    await _add(tx, part, 1)
    who = (answers.c.servant_id, answers.c.institution_id, answers.c.topic_id)
    newest = select(*who, func.max(answers.c.day)).where(*part.of(answers)).group_by(*who)
    await _upsert(tx, last_answer_days, newest, adds=False)


async def _add(tx: Transaction, part: _Part, sign: int) -> None:
    """Add what a part holds, or take it away (`sign` -1)."""
    for group in GROUPS:
        await _upsert(tx, answer_aggregates, _answers(part, group, sign))
    one = select(current_institution(prompts).label("home"), prompts.c.day).where(*part.of(prompts)).subquery()
    sums = select(one.c.home, one.c.day, sign * func.count(), NOTHING).group_by(one.c.home, one.c.day)
    await _upsert(tx, prompt_aggregates, sums)
    one = (
        select(current_institution(answers).label("home"), prompt_day.label("day")).where(*part.of(answers)).subquery()
    )
    sums = select(one.c.home, one.c.day, NOTHING, sign * func.count()).group_by(one.c.home, one.c.day)
    await _upsert(tx, prompt_aggregates, sums)


def _answers(part: _Part, group: tuple[str, ...], sign: int) -> "Select[Any]":
    """Rows of `answer_aggregates`: people by group, day, and their last day before it."""
    who = [answers.c[name] for name in (*group, "servant_id")]
    days = select(*who, answers.c.day, func.count().label("given"), correct_answers.label("right"))
    each = days.where(*part.of(answers)).group_by(*who, answers.c.day).subquery()
    same = [each.c[name] for name in (*group, "servant_id")]
    kept = (
        select(func.max(last_answer_days.c.day))
        .where(*(last_answer_days.c[one.name] == one for one in same))
        .scalar_subquery()
    )
    before = func.lag(each.c.day).over(partition_by=same, order_by=each.c.day)
    chained = select(*each.c, func.coalesce(before, kept, literal(NEVER, Date)).label("previous")).subquery()
    keys = [chained.c[name] for name in (*group, "day", "previous")]
    names = [chained.c[name] if name in group else whole for name, whole in ALL_TOGETHER.items()]
    sums = (sign * func.count(), sign * func.sum(chained.c.given), sign * func.sum(chained.c.right))
    return select(*names, chained.c.day, chained.c.previous, *sums).group_by(*keys)


async def _upsert(tx: Transaction, table: Table, rows: "Select[Any]", *, adds: bool = True) -> None:
    columns = list(table.c)
    statement = dialect_insert(tx, table).from_select([one.name for one in columns], rows)

    def new(one: "Column[Any]") -> ColumnElement[Any]:
        arrived: ColumnElement[Any] = statement.excluded[one.name]
        return one + arrived if adds else arrived

    values = {one.name: new(one) for one in columns if not one.primary_key}
    keys = [one.name for one in columns if one.primary_key]
    await tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))
