"""Demonstration data: fictional institutions with servants and weeks of answers, so that no page is empty.

Everything created here belongs to institutions that are marked fictional, and pages say so. The weeks are closed one
after the other, as if they had been lived, into blocks of their own: invented people are never counted with real ones.
"""

import random
from datetime import UTC, date, datetime, timedelta
from functools import partial

from content.course.scenario import LETTERS
from content.workdays import Calendar
from handlers.administration.closing import closing_rules
from handlers.context import WorkContext
from storage.learning import lanes, record
from storage.learning.record import Answer, Prompt
from storage.people import closures, servants
from storage.reports import blocks, ladders, members

CODE = "DEMO"
WEEKS = 9  # at least one whole month is closed in them
PEOPLE = (34, 21, 6)  # servants of each institution; the last group is small on purpose: it has no block of its own
SEED = 2026  # the same seed creates the same data
ANSWERED = 0.72  # share of prompts that are answered
KNOWS = 0.62  # probability that an answer is right


async def add_demo_data(work: WorkContext) -> bool:
    """Fill an empty database; False (and nothing is changed) if there is an institution already."""
    tx, library = work.tx, work.library
    if await servants.all_institutions(tx):
        return False
    for entry in library.institutions:
        if entry.fictional:
            await servants.add_institution(tx, entry.code, entry.name, entry.sphere, is_fictional=True)
    people = await _add_people(work)
    first = ladders.monday(work.today) - timedelta(weeks=WEEKS)
    calendar = Calendar(await closures.between(tx, first, work.today))
    chance = random.Random(SEED)
    for start in (first + timedelta(weeks=number) for number in range(WEEKS + 1)):
        await blocks.close(tx, start, closing_rules(work))  # the week before, as on that Monday
        days = [start + timedelta(days=number) for number in range(7)]
        worked = [day for day in days if day < work.today and calendar.is_workday(day)]
        past = [_prompt_and_answer(work, *person, day, chance) for person in people for day in worked]
        await record.add_history(tx, past, partial(lanes.draw, work.installation.draw_key))
    return True


async def _add_people(work: WorkContext) -> list[tuple[int, int]]:
    """Invented people of the fictional institutions, members for long enough to be counted; ids and institutions."""
    institutions = await servants.all_institutions(work.tx)
    institutions.sort(key=lambda institution: institution.code != CODE)
    enrolled_on = work.today - timedelta(weeks=WEEKS + 1) - members.ESTABLISHED
    notice = work.library.phrases.template("es", "notice.version")
    return [
        (await servants.add_fictional(work.tx, institution.id, notice, work.now, enrolled_on), institution.id)
        for institution, size in zip(institutions, PEOPLE, strict=False)
        for _ in range(size)
    ]


def _prompt_and_answer(
    work: WorkContext, servant_id: int, institution_id: int, day: date, chance: random.Random
) -> tuple[Prompt, Answer | None]:
    """A random prompt of a day, with a random answer or none."""
    library = work.library
    scenario = chance.choice(sorted(library.scenarios.values(), key=lambda scenario: scenario.id))
    right = chance.random() < KNOWS
    letters = [letter for letter, option in zip(LETTERS, scenario.options, strict=False) if option.right is right]
    prompt = Prompt(0, servant_id, day, scenario.id, scenario.competency, "fictional")
    if chance.random() >= ANSWERED:
        return prompt, None
    answer = Answer(
        prompt_id=0,
        servant_id=servant_id,
        institution_id=institution_id,
        topic_id=library.topic_of[scenario.competency].id,
        competency_id=scenario.competency,
        scenario_id=scenario.id,
        option=chance.choice(letters),
        is_right=right,
        confidence=chance.choice(("sure", "think", "guess", None)),
        day=day,
        answered_at=_same_hour_on(work, day),
    )
    return prompt, answer


def _same_hour_on(work: WorkContext, day: date) -> datetime:
    """The moment of a local day at which clocks showed the present local time; UTC."""
    local = work.now.astimezone(work.installation.timezone)
    return datetime.combine(day, local.time(), local.tzinfo).astimezone(UTC)
