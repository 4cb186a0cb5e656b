"""People who live through working days with the product: the handlers plan and send, and they answer or not."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select

from content.course.scenario import LETTERS, Scenario
from content.library import Library
from handlers import router
from handlers.context import WorkContext
from handlers.message import Update, UpdateKind
from storage.database import Database
from storage.learning import record
from storage.learning.record import Prompt
from storage.people import servants
from storage.schema import answers, prompts
from tests.cast import Clock, SampleServant
from tests.handlers.conversation import CHANNEL, INSTALLATION, Talk

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Habit:
    """How a person takes part: the shares (0 to 1) of right answers, answered prompts, and answers said to be sure."""

    accuracy: float
    response: float
    sure: float = 0.2


@dataclass(frozen=True, slots=True)
class Lived:
    """One prompt of a person's history; `is_right` is None where they did not answer."""

    day: date
    competency: str
    scenario: str
    reason: str
    is_right: bool | None
    confidence: str | None


async def live(
    database: Database, library: Library, start: date, workdays: int, habits: Sequence[Habit]
) -> list[list[Lived]]:
    """Let one person of each habit live so many working days from `start` on; return their histories, in that order."""
    clock = Clock()
    clock.moment = clock.moment.replace(year=start.year, month=start.month, day=start.day)  # at nine in the morning
    talk = Talk(database, library, clock)
    await talk.open()
    people = [SampleServant(f"Person {number}", "LEON", f"2{number:05}") for number in range(len(habits))]
    for who in people:
        await talk.enrol(who)
    ids = await _ids(database, people)
    chance = [random.Random(number) for number in range(len(habits))]
    for day in range(workdays):
        while day and not await talk.tick():
            clock.move(days=1)  # a weekend or a rest day
        await _answer_all(talk, people, ids, habits, chance)
        clock.move(days=1)
    return await histories(database, ids)


async def _ids(database: Database, people: Sequence[SampleServant]) -> list[int]:
    async with database.read() as tx:
        found = [await servants.by_address(tx, CHANNEL, who.address) for who in people]
    return [servant.id for servant in found if servant is not None]


async def _answer_all(
    talk: Talk,
    people: Sequence[SampleServant],
    ids: Sequence[int],
    habits: Sequence[Habit],
    chance: Sequence[random.Random],
) -> None:
    """Everybody who answers today does so, in one batch, and says how sure they were in a second one."""
    today = talk.clock().astimezone(INSTALLATION.timezone).date()
    async with talk.database.read() as tx:
        rows = await tx.execute(select(prompts).where(prompts.c.day == today))
        asked = {row["servant_id"]: row for row in rows.mappings()}
    pressed, confident = [], []
    for who, servant_id, habit, own in zip(people, ids, habits, chance, strict=True):
        responds, is_right, is_sure = (own.random() < share for share in (habit.response, habit.accuracy, habit.sure))
        if not responds or servant_id not in asked:
            continue
        row = asked[servant_id]
        letter = letter_of(talk.library.scenarios[row["scenario_id"]], is_right)
        pressed.append(_press(who, today, f"answer:{row['id']}:{letter}"))
        if is_sure:
            confident.append(_press(who, today, f"sure:{row['id']}:sure"))
    for batch in (pressed, confident):
        async with talk.database.write() as tx:
            await router.receive_all(WorkContext(tx, talk.library, INSTALLATION, talk.clock()), batch)


async def answer_today(talk: Talk, who: SampleServant, scenario: Scenario, is_right: bool) -> int:
    """Have today's prompt of a person be this scenario, and let them answer it; return the prompt's id."""
    known, today = await talk.servant(who), talk.clock().astimezone(INSTALLATION.timezone).date()
    assert known is not None
    async with talk.database.write() as tx:
        await tx.execute(prompts.delete().where(prompts.c.servant_id == known.id, prompts.c.day == today))
        wanted = Prompt(0, known.id, today, scenario.id, scenario.competency, "review")
        (prompt,) = await record.plan_all(tx, [wanted])
    await talk.press(who, f"answer:{prompt.id}:{letter_of(scenario, is_right)}")
    return prompt.id


def letter_of(scenario: Scenario, is_right: bool) -> str:
    """The first option that is right, or that is wrong."""
    return next(letter for letter, option in zip(LETTERS, scenario.options, strict=False) if option.right is is_right)


def _press(who: SampleServant, today: date, choice: str) -> Update:
    return Update(CHANNEL, f"{today} {who.address} {choice}", who.address, UpdateKind.CHOICE, choice=choice, ref="55")


async def histories(database: Database, ids: Sequence[int]) -> list[list[Lived]]:
    """What each of these servants was asked, in the order of the days, and how they answered."""
    columns = (prompts.c.servant_id, prompts.c.day, prompts.c.competency_id, prompts.c.scenario_id, prompts.c.reason)
    statement = (
        select(*columns, answers.c.is_right, answers.c.confidence)
        .outerjoin(answers, answers.c.prompt_id == prompts.c.id)
        .order_by(prompts.c.day)
    )
    found: dict[int, list[Lived]] = {servant_id: [] for servant_id in ids}
    async with database.read() as tx:
        for servant_id, *lived in await tx.execute(statement):
            found[servant_id].append(Lived(*lived))
    return list(found.values())
