"""Demonstration data: fictional institutions with servants and weeks of answers, so that no page is empty.

Everything created here belongs to institutions that are marked fictional, and pages say so.
"""

import random
from datetime import UTC, date, datetime, timedelta

from content.course.scenario import LETTERS
from content.workdays import Calendar
from handlers.context import WorkContext
from storage.learning import record
from storage.learning.record import Answer, Prompt
from storage.people import closures, servants

CODE = "DEMO"
WEEKS = 3
PEOPLE = (34, 21, 6)  # servants of each institution; the last group is small on purpose: reports suppress it
SEED = 2026  # the same seed creates the same data
ANSWERED = 0.72  # share of prompts that are answered
KNOWS = 0.62  # probability that an answer is right


async def add_demo_data(work: WorkContext) -> bool:
    """Fill an empty database; False (and nothing is changed) if there is an institution already."""
    tx, library, now = work.tx, work.library, work.now
    if await servants.all_institutions(tx):
        return False
    for entry in library.institutions:
        if entry.fictional:
            await servants.add_institution(tx, entry.code, entry.name, entry.sphere, is_fictional=True)
    chance = random.Random(SEED)
    first = work.today - timedelta(weeks=WEEKS)
    calendar = Calendar(await closures.between(tx, first, work.today))
    days = [day for day in (first + timedelta(days=n) for n in range(WEEKS * 7)) if calendar.is_workday(day)]
    institutions = await servants.all_institutions(tx)
    institutions.sort(key=lambda institution: institution.code != CODE)
    for institution, size in zip(institutions, PEOPLE, strict=False):
        for _ in range(size):
            servant_id = await servants.add_fictional(
                tx, institution.id, library.phrases.template("es", "notice.version"), now, first
            )
            past = [_prompt_and_answer(work, servant_id, institution.id, day, chance) for day in days]
            await record.add_history(tx, past)
    return True


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
