"""The learning record: planned prompts and the answers to them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache

from sqlalchemy import Executable, RowMapping, bindparam, select, update

from storage.database import Transaction, dialect_insert, insert_for_dialect
from storage.schema import answers, prompts, servants


@dataclass(frozen=True, slots=True)
class Prompt:
    """The scenario of one servant and day."""

    id: int
    servant_id: int
    day: date
    scenario_id: str
    competency_id: str
    reason: str
    institution_id: int | None = None  # to which its answer counts; None: the servant's own


@dataclass(frozen=True, slots=True)
class Answer:
    """The chosen option of a prompt; it never changes."""

    prompt_id: int
    servant_id: int
    institution_id: int
    topic_id: str
    competency_id: str
    scenario_id: str
    option: str
    is_right: bool
    confidence: str | None
    day: date
    answered_at: datetime
    lane: str = "place"  # storage/learning/lanes.py draws it


async def plan(
    tx: Transaction, servant_id: int, day: date, scenario_id: str, competency_id: str, reason: str
) -> Prompt | None:
    """Store the prompt of a day; None when the servant has one already."""
    statement = (
        dialect_insert(tx, prompts)
        .values(servant_id=servant_id, day=day, scenario_id=scenario_id, competency_id=competency_id, reason=reason)
        .on_conflict_do_nothing()
        .returning(prompts.c.id)
    )
    prompt_id = await tx.scalar(statement)
    if prompt_id is not None:
        await _mark_planned(tx, [servant_id], day)
    return None if prompt_id is None else Prompt(prompt_id, servant_id, day, scenario_id, competency_id, reason)


async def plan_all(tx: Transaction, new: Sequence[Prompt]) -> list[Prompt]:
    """Store prompts, each of another servant; return those that were added, with their ids."""
    if not new:
        return []
    rows = [{name: getattr(prompt, name) for name in Prompt.__slots__ if name != "id"} for prompt in new]
    statement = dialect_insert(tx, prompts).on_conflict_do_nothing().returning(*prompts.c)
    planned = [Prompt(**row) for row in (await tx.execute(statement, rows)).mappings()]
    for day in {prompt.day for prompt in planned}:
        await _mark_planned(tx, [prompt.servant_id for prompt in planned if prompt.day == day], day)
    return planned


async def _mark_planned(tx: Transaction, servant_ids: Collection[int], day: date) -> None:
    """Mark servants as planned, so that searches for due servants skip them (see storage/people/due.py).

    Rows locked by other transactions are skipped instead of waited for: those servants are only examined once more.
    """
    await tx.execute(_MARK_PLANNED, {"servant_ids": list(servant_ids), "new_planned_on": day})


async def prompt(tx: Transaction, prompt_id: int) -> Prompt | None:
    return (await prompts_of(tx, [prompt_id])).get(prompt_id)


async def prompts_of(tx: Transaction, prompt_ids: Collection[int]) -> Mapping[int, Prompt]:
    """The prompts with these ids that exist, by id."""
    rows = await tx.execute(_PROMPTS, {"ids": list(prompt_ids)})
    return {row[0]: Prompt(*row) for row in rows}


async def prompt_of_day(tx: Transaction, servant_id: int, day: date) -> Prompt | None:
    statement = select(prompts).where(prompts.c.servant_id == servant_id, prompts.c.day == day)
    return _prompt((await tx.execute(statement)).mappings().first())


def _prompt(row: RowMapping | None) -> Prompt | None:
    return None if row is None else Prompt(**row)


async def add_answers(tx: Transaction, given: Sequence[Answer]) -> frozenset[int]:
    """Store answers, each to another prompt; return the ids of the prompts that had none (the first answer counts)."""
    if not given:
        return frozenset()
    rows = [{name: getattr(answered, name) for name in Answer.__slots__} for answered in given]
    return frozenset((await tx.execute(_add_answers(tx.dialect.name), rows)).scalars())


async def answer(tx: Transaction, prompt_id: int) -> Answer | None:
    row = (await tx.execute(select(*_ANSWER).where(answers.c.prompt_id == prompt_id))).mappings().first()
    return None if row is None else Answer(**row)


async def set_confidence(tx: Transaction, prompt_id: int, confidence: str) -> bool:
    """Store how sure the servant was; False when that was stored already."""
    statement = (
        update(answers)
        .where(answers.c.prompt_id == prompt_id, answers.c.confidence.is_(None))
        .values(confidence=confidence)
        .returning(answers.c.prompt_id)
    )
    return (await tx.execute(statement)).first() is not None


@dataclass(frozen=True, slots=True)
class PastPrompt:
    """One prompt of a servant's history, with its answer; without one the last four are None."""

    prompt_id: int
    day: date
    scenario_id: str
    competency_id: str
    reason: str
    answered_on: date | None
    answered_at: datetime | None
    is_right: bool | None
    confidence: str | None


async def histories(tx: Transaction, servant_ids: Collection[int]) -> dict[int, list[PastPrompt]]:
    """All prompts of these servants, by servant and in the order of their days."""
    found: dict[int, list[PastPrompt]] = {servant_id: [] for servant_id in servant_ids}
    for servant_id, *prompt_and_answer in await tx.execute(_HISTORIES, {"servant_ids": list(servant_ids)}):
        found[servant_id].append(PastPrompt(*prompt_and_answer))
    return found


async def last_answered_before(tx: Transaction, asked: Prompt) -> Answer | None:
    """The servant's last answer to the competency of a prompt before its day: what was known when it was chosen."""
    statement = (
        select(*_ANSWER)
        .where(
            answers.c.servant_id == asked.servant_id,
            answers.c.competency_id == asked.competency_id,
            answers.c.day < asked.day,
        )
        .order_by(answers.c.answered_at.desc(), answers.c.prompt_id.desc())
        .limit(1)
    )
    row = (await tx.execute(statement)).mappings().first()
    return None if row is None else Answer(**row)


async def last_answer_of_day(tx: Transaction, servant_id: int, day: date) -> Answer | None:
    """The last of the answers that a servant gave on a day."""
    statement = (
        select(*_ANSWER)
        .where(answers.c.servant_id == servant_id, answers.c.day == day)
        .order_by(answers.c.answered_at.desc(), answers.c.prompt_id.desc())
        .limit(1)
    )
    row = (await tx.execute(statement)).mappings().first()
    return None if row is None else Answer(**row)


async def answered(tx: Transaction, prompt_ids: Collection[int]) -> frozenset[int]:
    """The ids of those of these prompts that have an answer."""
    return frozenset(await tx.scalars(select(answers.c.prompt_id).where(answers.c.prompt_id.in_(prompt_ids))))


async def answers_of(tx: Transaction, servant_id: int) -> list[Answer]:
    """A servant's answers, oldest first."""
    rows = await tx.execute(_ANSWERS, {"of_servant": servant_id})
    return [Answer(**row) for row in rows.mappings()]


async def add_history(
    tx: Transaction, history: Sequence[tuple[Prompt, Answer | None]], draw: Callable[[int], str] | None = None
) -> None:
    """Add prompts, each with its answer if there is one, as a fictional history. The prompts get new ids.

    `draw` gives the lane of an answer by the id of its prompt.
    """
    if not history:
        return
    rows = [{name: getattr(prompt, name) for name in Prompt.__slots__ if name != "id"} for prompt, _ in history]
    statement = dialect_insert(tx, prompts).values(rows).on_conflict_do_nothing()
    new = await tx.execute(statement.returning(prompts.c.servant_id, prompts.c.day, prompts.c.id))
    ids = {(servant_id, day): prompt_id for servant_id, day, prompt_id in new}
    answered = []
    for planned, given in history:
        prompt_id = ids.pop((planned.servant_id, planned.day), None)  # None for a second prompt of a day: not added
        if given is not None and prompt_id is not None:
            new_answer = replace(given, prompt_id=prompt_id, lane=draw(prompt_id) if draw else given.lane)
            answered.append({name: getattr(new_answer, name) for name in Answer.__slots__})
    if answered:
        await tx.execute(dialect_insert(tx, answers).values(answered))


# ---------------------------------------------------------------- statements built once, since every answer uses them

_ANSWER = tuple(answers.c[name] for name in Answer.__slots__)
_PROMPTS = select(*(prompts.c[name] for name in Prompt.__slots__)).where(
    prompts.c.id.in_(bindparam("ids", expanding=True))
)
_MARK_PLANNED = (
    update(servants)
    .where(
        servants.c.id.in_(
            select(servants.c.id)
            .where(servants.c.id.in_(bindparam("servant_ids", expanding=True)))
            .with_for_update(skip_locked=True, key_share=True)
        )
    )
    .values(planned_on=bindparam("new_planned_on"))
)
_HISTORIES = (
    select(
        prompts.c.servant_id,
        prompts.c.id,
        prompts.c.day,
        prompts.c.scenario_id,
        prompts.c.competency_id,
        prompts.c.reason,
        answers.c.day,
        answers.c.answered_at,
        answers.c.is_right,
        answers.c.confidence,
    )
    .outerjoin(answers, answers.c.prompt_id == prompts.c.id)
    .where(prompts.c.servant_id.in_(bindparam("servant_ids", expanding=True)))
    .order_by(prompts.c.servant_id, prompts.c.day)
)
_ANSWERS = (
    select(*_ANSWER)
    .where(answers.c.servant_id == bindparam("of_servant"))
    .order_by(answers.c.answered_at, answers.c.prompt_id)
)


@cache
def _add_answers(dialect: str) -> Executable:
    statement: Executable = insert_for_dialect(dialect, answers).on_conflict_do_nothing().returning(answers.c.prompt_id)
    return statement
