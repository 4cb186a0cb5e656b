"""Aggregates of past days: a report reads these, and only counts the days that are not over yet.

Distinct servants cannot be summed over days. So each row counts the servants who answered on `day` and whose previous
answer was on `previous`. A period from f to l counts every servant exactly once: sum the rows with day in f..l and
previous < f. No list of servants is needed.

A past day gets no more answers, as an answer belongs to the day on which it was given. Anything else that changes the
past (leaving, moving, two records that are merged, a fictional history) must be done inside `recount`.
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
DAY_OVER_DELAY = timedelta(hours=6)  # after midnight a day is over in every time zone of the country, on any clock
GROUPS = (("institution_id",), ("institution_id", "topic_id"), ("topic_id",))
"""Groups in which servants are counted: an institution, a topic in an institution, a topic in all of them."""
ALL_TOGETHER: dict[str, ColumnElement[Any]] = {"institution_id": literal_column("0"), "topic_id": literal_column("''")}
ZERO: ColumnElement[int] = literal_column("0")

prompt_day = select(prompts.c.day).where(prompts.c.id == answers.c.prompt_id).scalar_subquery()
"""The day of an answer's prompt; as a scalar subquery, so that no database begins by reading all prompts."""
all_institutions = select(institutions.c.id).scalar_subquery()
"""The ids of all institutions: with them the answers of a day are found by the index of institutions and days."""
correct_answers = func.coalesce(func.sum(case((answers.c.is_right, 1), else_=0)), 0)


@dataclass(frozen=True, slots=True)
class _Part:
    """Which answers and prompts are counted: of the days after `after` up to `until`, of all servants or some."""

    after: date
    until: date
    servant_ids: Collection[int] | None = None

    def of(self, table: Table) -> list[ColumnElement[bool]]:
        days = [table.c.day > self.after, table.c.day <= self.until]
        if self.servant_ids is not None:
            return [*days, table.c.servant_id.in_(self.servant_ids)]
        if table is answers and self.after > NEVER:
            return [*days, table.c.institution_id.in_(all_institutions)]
        return days


def current_institution(table: Table) -> ColumnElement[int]:
    """The current institution of the servant of a prompt or an answer; as a scalar subquery too."""
    return select(servants.c.institution_id).where(servants.c.id == table.c.servant_id).scalar_subquery()


async def aggregated_until(tx: Transaction) -> date:
    """The last day that is aggregated; NEVER: none is."""
    return await tx.scalar(select(aggregation_state.c.day)) or NEVER


async def aggregate_next_day(tx: Transaction, now: datetime) -> date | None:
    """Aggregate the next day that is over at a local moment, and return it; None: there is none.

    On the first day only the beginning is recorded: until the next day a process of an older version may still run,
    which would not subtract servants who leave.
    """
    state, today = await _lock_state(tx), (now - DAY_OVER_DELAY).date()
    if state is None:
        row = {"id": 1, "day": NEVER, "since": today}
        await tx.execute(dialect_insert(tx, aggregation_state).values(row).on_conflict_do_nothing())
        return None
    last, since = state
    if last >= now.date():  # a clock was ahead: answers on days that are aggregated already would never count
        await _empty(tx, NEVER, today - DAY)
        last, since = NEVER, today - DAY
    day = last + DAY if last > NEVER else await tx.scalar(select(func.min(prompts.c.day))) or today - DAY
    if max(since, day) >= today:
        return None
    await _count(tx, _Part(last, day))
    await tx.execute(delete(answer_aggregates).where(answer_aggregates.c.answers == 0))  # left behind by `recount`
    await tx.execute(delete(prompt_aggregates).where(prompt_aggregates.c.asked == 0, prompt_aggregates.c.answered == 0))
    await tx.execute(update(aggregation_state).values(day=day))
    return day


@asynccontextmanager
async def recount(tx: Transaction, servant_ids: Collection[int]) -> AsyncIterator[None]:
    """Subtract these servants from the aggregates, run the block, which may change their past, and add them again."""
    state = await _lock_state(tx)
    if state is None or state[0] == NEVER:
        yield
        return
    part = _Part(NEVER, state[0], servant_ids)
    await tx.execute(delete(last_answer_days).where(last_answer_days.c.servant_id.in_(servant_ids)))
    await _add(tx, part, -1)
    yield
    await _count(tx, part)


async def rebuild(tx: Transaction) -> None:
    """Rebuild all aggregates up to the last aggregated day; where there is none, up to the day before the newest.

    No command calls it yet: an administrator who changes stored answers by hand, or imports a history, has to.
    """
    state = await _lock_state(tx)
    day = state[0] if state else NEVER
    if day == NEVER:
        newest = await tx.scalar(select(func.max(prompts.c.day)))
        if newest is None:
            return
        day = newest - DAY
    await _empty(tx, day, state[1] if state else day)
    await _count(tx, _Part(NEVER, day))


async def _empty(tx: Transaction, day: date, since: date) -> None:
    """Delete all aggregates, and set the state to `day` and `since`."""
    for table in (answer_aggregates, prompt_aggregates, last_answer_days, aggregation_state):
        await tx.execute(delete(table))
    await tx.execute(dialect_insert(tx, aggregation_state).values(id=1, day=day, since=since))


async def _lock_state(tx: Transaction) -> tuple[date, date] | None:
    """The last aggregated day and the day on which aggregation began; locked, so that changes are serialized."""
    row = (await tx.execute(select(aggregation_state.c.day, aggregation_state.c.since).with_for_update())).first()
    return None if row is None else (row[0], row[1])


# ---------------------------------------------------------------- counting, all inside the database


async def _count(tx: Transaction, part: _Part) -> None:
    await _add(tx, part, 1)
    keys = (answers.c.servant_id, answers.c.institution_id, answers.c.topic_id)
    newest = select(*keys, func.max(answers.c.day)).where(*part.of(answers)).group_by(*keys)
    await _upsert(tx, last_answer_days, newest, adds=False)


async def _add(tx: Transaction, part: _Part, sign: int) -> None:
    """Add the counts of a part, or subtract them (`sign` -1)."""
    for group in GROUPS:
        await _upsert(tx, answer_aggregates, _answers(part, group, sign))
    of_prompts = select(current_institution(prompts).label("institution_id"), prompts.c.day).where(*part.of(prompts))
    asked = of_prompts.subquery()
    sums = select(asked.c.institution_id, asked.c.day, sign * func.count(), ZERO).group_by(
        asked.c.institution_id, asked.c.day
    )
    await _upsert(tx, prompt_aggregates, sums)
    of_answers = select(current_institution(answers).label("institution_id"), prompt_day.label("day")).where(
        *part.of(answers)
    )
    answered = of_answers.subquery()
    sums = select(answered.c.institution_id, answered.c.day, ZERO, sign * func.count())
    sums = sums.group_by(answered.c.institution_id, answered.c.day)
    await _upsert(tx, prompt_aggregates, sums)


def _answers(part: _Part, group: tuple[str, ...], sign: int) -> "Select[Any]":
    """Rows of `answer_aggregates`: servants by group, day, and their last day before it."""
    servant = [answers.c[name] for name in (*group, "servant_id")]
    days = select(*servant, answers.c.day, func.count().label("given"), correct_answers.label("right"))
    each = days.where(*part.of(answers)).group_by(*servant, answers.c.day).subquery()
    same = [each.c[name] for name in (*group, "servant_id")]
    last = (
        select(func.max(last_answer_days.c.day))
        .where(*(last_answer_days.c[column.name] == column for column in same))
        .scalar_subquery()
    )
    before = func.lag(each.c.day).over(partition_by=same, order_by=each.c.day)
    chained = select(*each.c, func.coalesce(before, last, literal(NEVER, Date)).label("previous")).subquery()
    keys = [chained.c[name] for name in (*group, "day", "previous")]
    names = [chained.c[name] if name in group else whole for name, whole in ALL_TOGETHER.items()]
    sums = (sign * func.count(), sign * func.sum(chained.c.given), sign * func.sum(chained.c.right))
    return select(*names, chained.c.day, chained.c.previous, *sums).group_by(*keys)


async def _upsert(tx: Transaction, table: Table, rows: "Select[Any]", *, adds: bool = True) -> None:
    columns = list(table.c)
    statement = dialect_insert(tx, table).from_select([column.name for column in columns], rows)

    def new_value(column: "Column[Any]") -> ColumnElement[Any]:
        inserted: ColumnElement[Any] = statement.excluded[column.name]
        return column + inserted if adds else inserted

    values = {column.name: new_value(column) for column in columns if not column.primary_key}
    keys = [column.name for column in columns if column.primary_key]
    await tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))
