"""The learning record: prompts that were planned, answers to them, and how well each competency is held."""

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
    """What was chosen, once and for good."""

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
    """How well a servant holds a competency; days are local."""

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
    """Keep the prompt of a day; None when the servant has one already."""
    statement = (
        dialect_insert(tx, prompts)
        .values(servant_id=servant_id, day=day, scenario_id=scenario_id, competency_id=competency_id, reason=reason)
        .on_conflict_do_nothing()
        .returning(prompts.c.id)
    )
    prompt_id = await tx.scalar(statement)
    if prompt_id is not None:
        await _note_planned(tx, [servant_id], day)
    return None if prompt_id is None else Prompt(prompt_id, servant_id, day, scenario_id, competency_id, reason)


async def plan_all(tx: Transaction, wanted: Sequence[Prompt]) -> list[Prompt]:
    """Keep prompts, each of another servant; give those that are new, with their ids."""
    if not wanted:
        return []
    rows = [{name: getattr(one, name) for name in Prompt.__slots__ if name != "id"} for one in wanted]
    statement = dialect_insert(tx, prompts).on_conflict_do_nothing().returning(*prompts.c)
    planned = [Prompt(**row) for row in (await tx.execute(statement, rows)).mappings()]
    for day in {one.day for one in planned}:
        await _note_planned(tx, [one.servant_id for one in planned if one.day == day], day)
    return planned


async def _note_planned(tx: Transaction, servant_ids: Collection[int], day: date) -> None:
    """So that whoever looks for people to ask passes over them (see storage/people/due.py).

    Nobody is waited for: whoever is not noted, as they are just being changed, is only looked at once more.
    """
    await tx.execute(_NOTE_PLANNED, {"planned": list(servant_ids), "then": day})


async def prompt(tx: Transaction, prompt_id: int) -> Prompt | None:
    return (await prompts_of(tx, [prompt_id])).get(prompt_id)


async def prompts_of(tx: Transaction, prompt_ids: Collection[int]) -> Mapping[int, Prompt]:
    """Those that there are, by their ids."""
    rows = await tx.execute(_PROMPTS, {"wanted": list(prompt_ids)})
    return {row[0]: Prompt(*row) for row in rows}


async def prompt_of_day(tx: Transaction, servant_id: int, day: date) -> Prompt | None:
    statement = select(prompts).where(prompts.c.servant_id == servant_id, prompts.c.day == day)
    return _prompt((await tx.execute(statement)).mappings().first())


def _prompt(row: RowMapping | None) -> Prompt | None:
    return None if row is None else Prompt(**row)


async def add_answer(tx: Transaction, answer: Answer) -> bool:
    """Keep an answer; False when the prompt was answered already (the first answer counts)."""
    return bool(await add_answers(tx, [answer]))


async def add_answers(tx: Transaction, given: Sequence[Answer]) -> frozenset[int]:
    """Keep answers, each to another prompt; give the ids of the prompts that had none."""
    if not given:
        return frozenset()
    rows = [{name: getattr(one, name) for name in Answer.__slots__} for one in given]
    return frozenset((await tx.execute(_record(tx.dialect.name), rows)).scalars())


async def answer(tx: Transaction, prompt_id: int) -> Answer | None:
    row = (await tx.execute(select(answers).where(answers.c.prompt_id == prompt_id))).mappings().first()
    return None if row is None else Answer(**row)


async def set_confidence(tx: Transaction, prompt_id: int, confidence: str) -> bool:
    """Keep how sure the person was; False when that was said already."""
    statement = (
        update(answers)
        .where(answers.c.prompt_id == prompt_id, answers.c.confidence.is_(None))
        .values(confidence=confidence)
        .returning(answers.c.prompt_id)
    )
    return (await tx.execute(statement)).first() is not None


async def last_asked(tx: Transaction, servant_id: int) -> Mapping[str, date]:
    """Scenarios that the servant was asked, with the last day."""
    statement = (
        select(prompts.c.scenario_id, func.max(prompts.c.day))
        .where(prompts.c.servant_id == servant_id)
        .group_by(prompts.c.scenario_id)
    )
    return {row[0]: row[1] for row in await tx.execute(statement)}


async def last_asked_by_servant(tx: Transaction, servant_ids: Sequence[int]) -> Mapping[int, Mapping[str, date]]:
    """The same of many servants, by id."""
    statement = (
        select(prompts.c.servant_id, prompts.c.scenario_id, func.max(prompts.c.day))
        .where(prompts.c.servant_id.in_(servant_ids))
        .group_by(prompts.c.servant_id, prompts.c.scenario_id)
    )
    found: dict[int, dict[str, date]] = {one: {} for one in servant_ids}
    for servant_id, scenario_id, day in await tx.execute(statement):
        found[servant_id][scenario_id] = day
    return found


async def memories_of_all(tx: Transaction, servant_ids: Sequence[int]) -> Mapping[int, Mapping[str, Memory]]:
    """What many servants hold, by their ids and by competency."""
    found: dict[int, dict[str, Memory]] = {one: {} for one in servant_ids}
    statement = select(memories).where(memories.c.servant_id.in_(servant_ids))
    for row in (await tx.execute(statement)).mappings():
        found[row["servant_id"]][row["competency_id"]] = Memory(**row)
    return found


async def memories_of(tx: Transaction, servant_id: int) -> dict[str, Memory]:
    rows = (await tx.execute(select(memories).where(memories.c.servant_id == servant_id))).mappings()
    return {row["competency_id"]: Memory(**row) for row in rows}


async def store_memory(tx: Transaction, held: Memory) -> None:
    await store_memories(tx, [held])


async def store_memories(tx: Transaction, held: Sequence[Memory]) -> None:
    """Keep what was reckoned, each of another servant or competency."""
    if held:
        rows = [{name: getattr(one, name) for name in Memory.__slots__} for one in held]
        await tx.execute(_remember(tx.dialect.name), rows)


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """What memory is reckoned from: one answer to a competency."""

    day: date
    is_right: bool
    confidence: str | None


async def past_answers(
    tx: Transaction, held: Collection[tuple[int, str]]
) -> Mapping[tuple[int, str], Sequence[PastAnswer]]:
    """All answers of servants to competencies, oldest first, for pairs of the two."""
    found: dict[tuple[int, str], list[PastAnswer]] = {pair: [] for pair in held}
    if held:
        values = {"of": [one for one, _ in held], "to": list({competency for _, competency in held})}
        for servant_id, competency, *rest in await tx.execute(_PASTS, values):
            if (servant_id, competency) in found:
                found[servant_id, competency].append(PastAnswer(*rest))
    return found


async def answers_of(tx: Transaction, servant_id: int, competency_id: str | None = None) -> list[Answer]:
    """A servant's answers, oldest first; of one competency, or all."""
    statement = _ANSWERS if competency_id is None else _ANSWERS_TO
    values: dict[str, object] = {"of": servant_id} | ({} if competency_id is None else {"to": competency_id})
    return [Answer(**row) for row in (await tx.execute(statement, values)).mappings()]


async def add_history(tx: Transaction, made: Sequence[tuple[Prompt, Answer | None]]) -> None:
    """Prompts, each with its answer if there was one: for a fictional past. Ids of prompts are given anew."""
    if made:
        async with aggregates.recount(tx, {one.servant_id for one, _ in made}):
            await _add_many(tx, made)


async def _add_many(tx: Transaction, made: Sequence[tuple[Prompt, Answer | None]]) -> None:
    rows = [{name: getattr(one, name) for name in Prompt.__slots__ if name != "id"} for one, _ in made]
    statement = dialect_insert(tx, prompts).values(rows).on_conflict_do_nothing()
    new = await tx.execute(statement.returning(prompts.c.servant_id, prompts.c.day, prompts.c.id))
    ids = {(servant_id, day): prompt_id for servant_id, day, prompt_id in new}
    given = []
    for planned, one in made:
        prompt_id = ids.pop((planned.servant_id, planned.day), None)  # a second prompt of a day was left out
        if one is not None and prompt_id is not None:
            given.append({name: getattr(one, name) for name in Answer.__slots__} | {"prompt_id": prompt_id})
    if given:
        await tx.execute(dialect_insert(tx, answers).values(given))


# ---------------------------------------------------------------- built once, for the road that every answer takes

_PROMPTS = select(*(prompts.c[name] for name in Prompt.__slots__)).where(
    prompts.c.id.in_(bindparam("wanted", expanding=True))
)
_NOTE_PLANNED = (
    update(servants)
    .where(
        servants.c.id.in_(
            select(servants.c.id)
            .where(servants.c.id.in_(bindparam("planned", expanding=True)))
            .with_for_update(skip_locked=True, key_share=True)
        )
    )
    .values(planned_on=bindparam("then"))
)
_PASTS = (
    select(answers.c.servant_id, answers.c.competency_id, *(answers.c[name] for name in PastAnswer.__slots__))
    .where(
        answers.c.servant_id.in_(bindparam("of", expanding=True)),
        answers.c.competency_id.in_(bindparam("to", expanding=True)),
    )
    .order_by(answers.c.answered_at, answers.c.prompt_id)
)
_ANSWERS = (
    select(answers).where(answers.c.servant_id == bindparam("of")).order_by(answers.c.answered_at, answers.c.prompt_id)
)
_ANSWERS_TO = _ANSWERS.where(answers.c.competency_id == bindparam("to"))


@cache
def _record(dialect: str) -> Executable:
    statement: Executable = insert_for_dialect(dialect, answers).on_conflict_do_nothing().returning(answers.c.prompt_id)
    return statement


@cache
def _remember(dialect: str) -> Executable:
    statement = insert_for_dialect(dialect, memories)
    new = {name: statement.excluded[name] for name in Memory.__slots__}
    kept: Executable = statement.on_conflict_do_update(index_elements=["servant_id", "competency_id"], set_=new)
    return kept
