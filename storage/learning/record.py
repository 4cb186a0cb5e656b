"""The learning record: planned prompts, answers to them, and memory, i.e. how well each competency is remembered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

from sqlalchemy import Executable, RowMapping, bindparam, func, select, update

from storage.database import Transaction, dialect_insert, insert_for_dialect
from storage.reports import aggregates
from storage.schema import answers, memories, prompts, servants


@dataclass(frozen=True, slots=True)
class Prompt:
    """The scenario of one servant and day."""

    id: int
    servant_id: int
    day: date
    scenario_id: str
    competency_id: str
    reason: str


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


@dataclass(frozen=True, slots=True)
class Memory:
    """How well a servant remembers a competency; days are local."""

    servant_id: int
    competency_id: str
    stability: float
    difficulty: float
    reviewed_on: date
    due_on: date
    repetitions: int


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
    row = (await tx.execute(select(answers).where(answers.c.prompt_id == prompt_id))).mappings().first()
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


async def last_asked(tx: Transaction, servant_id: int) -> Mapping[str, date]:
    """Scenarios that the servant was asked, each with the last day."""
    statement = (
        select(prompts.c.scenario_id, func.max(prompts.c.day))
        .where(prompts.c.servant_id == servant_id)
        .group_by(prompts.c.scenario_id)
    )
    return {row[0]: row[1] for row in await tx.execute(statement)}


async def last_asked_by_servant(tx: Transaction, servant_ids: Sequence[int]) -> Mapping[int, Mapping[str, date]]:
    """The same for many servants, by id."""
    statement = (
        select(prompts.c.servant_id, prompts.c.scenario_id, func.max(prompts.c.day))
        .where(prompts.c.servant_id.in_(servant_ids))
        .group_by(prompts.c.servant_id, prompts.c.scenario_id)
    )
    found: dict[int, dict[str, date]] = {servant_id: {} for servant_id in servant_ids}
    for servant_id, scenario_id, day in await tx.execute(statement):
        found[servant_id][scenario_id] = day
    return found


async def memories_of_all(tx: Transaction, servant_ids: Sequence[int]) -> Mapping[int, Mapping[str, Memory]]:
    """The memories of many servants, by servant id and competency."""
    found: dict[int, dict[str, Memory]] = {servant_id: {} for servant_id in servant_ids}
    statement = select(memories).where(memories.c.servant_id.in_(servant_ids))
    for row in (await tx.execute(statement)).mappings():
        found[row["servant_id"]][row["competency_id"]] = Memory(**row)
    return found


async def memories_of(tx: Transaction, servant_id: int) -> dict[str, Memory]:
    rows = (await tx.execute(select(memories).where(memories.c.servant_id == servant_id))).mappings()
    return {row["competency_id"]: Memory(**row) for row in rows}


async def store_memories(tx: Transaction, new: Sequence[Memory]) -> None:
    """Insert or update computed memories, each of another servant or competency."""
    if new:
        rows = [{name: getattr(memory, name) for name in Memory.__slots__} for memory in new]
        await tx.execute(_store_memories(tx.dialect.name), rows)


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """One answer to a competency, from which memory is computed."""

    day: date
    is_right: bool
    confidence: str | None


async def past_answers(
    tx: Transaction, pairs: Collection[tuple[int, str]]
) -> Mapping[tuple[int, str], Sequence[PastAnswer]]:
    """All answers of servants to competencies, oldest first, for pairs of servant id and competency."""
    found: dict[tuple[int, str], list[PastAnswer]] = {pair: [] for pair in pairs}
    if pairs:
        servant_ids, competencies = [servant_id for servant_id, _ in pairs], {competency for _, competency in pairs}
        values = {"servant_ids": servant_ids, "competencies": list(competencies)}
        for servant_id, competency, *rest in await tx.execute(_PAST_ANSWERS, values):
            if (servant_id, competency) in found:
                found[servant_id, competency].append(PastAnswer(*rest))
    return found


async def answers_of(tx: Transaction, servant_id: int, competency_id: str | None = None) -> list[Answer]:
    """A servant's answers, oldest first; to one competency, or all."""
    values: dict[str, object] = {"of_servant": servant_id}
    if competency_id is None:
        rows = await tx.execute(_ANSWERS, values)
    else:
        rows = await tx.execute(_ANSWERS_TO_COMPETENCY, values | {"to_competency": competency_id})
    return [Answer(**row) for row in rows.mappings()]


async def add_history(tx: Transaction, history: Sequence[tuple[Prompt, Answer | None]]) -> None:
    """Add prompts, each with its answer if there is one, as a fictional history. The prompts get new ids."""
    if history:
        async with aggregates.recount(tx, {prompt.servant_id for prompt, _ in history}):
            await _add_history(tx, history)


async def _add_history(tx: Transaction, history: Sequence[tuple[Prompt, Answer | None]]) -> None:
    rows = [{name: getattr(prompt, name) for name in Prompt.__slots__ if name != "id"} for prompt, _ in history]
    statement = dialect_insert(tx, prompts).values(rows).on_conflict_do_nothing()
    new = await tx.execute(statement.returning(prompts.c.servant_id, prompts.c.day, prompts.c.id))
    ids = {(servant_id, day): prompt_id for servant_id, day, prompt_id in new}
    answered = []
    for planned, given in history:
        prompt_id = ids.pop((planned.servant_id, planned.day), None)  # None for a second prompt of a day: not added
        if given is not None and prompt_id is not None:
            answered.append({name: getattr(given, name) for name in Answer.__slots__} | {"prompt_id": prompt_id})
    if answered:
        await tx.execute(dialect_insert(tx, answers).values(answered))


# ---------------------------------------------------------------- statements built once, since every answer uses them

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
_PAST_ANSWERS = (
    select(answers.c.servant_id, answers.c.competency_id, *(answers.c[name] for name in PastAnswer.__slots__))
    .where(
        answers.c.servant_id.in_(bindparam("servant_ids", expanding=True)),
        answers.c.competency_id.in_(bindparam("competencies", expanding=True)),
    )
    .order_by(answers.c.answered_at, answers.c.prompt_id)
)
_ANSWERS = (
    select(answers)
    .where(answers.c.servant_id == bindparam("of_servant"))
    .order_by(answers.c.answered_at, answers.c.prompt_id)
)
_ANSWERS_TO_COMPETENCY = _ANSWERS.where(answers.c.competency_id == bindparam("to_competency"))


@cache
def _add_answers(dialect: str) -> Executable:
    statement: Executable = insert_for_dialect(dialect, answers).on_conflict_do_nothing().returning(answers.c.prompt_id)
    return statement


@cache
def _store_memories(dialect: str) -> Executable:
    statement = insert_for_dialect(dialect, memories)
    new = {name: statement.excluded[name] for name in Memory.__slots__}
    upsert: Executable = statement.on_conflict_do_update(index_elements=["servant_id", "competency_id"], set_=new)
    return upsert
