"""The prompt of the day: who is due, with which scenario, and how it reads."""

from dataclasses import replace
from datetime import date, datetime

from content import course
from content.library import Library
from content.scenario import LETTERS, Scenario
from content.spacing import Strength
from content.text import Text
from handlers import help, openings, speak
from handlers.day import Day
from handlers.message import Button, Message
from handlers.speak import Listener, Occasion
from handlers.visit import House, Turn, Visit
from storage import addresses, outbox, progress, servants
from storage.database import Transaction
from storage.progress import Prompt
from storage.servants import Due


async def plan(tx: Transaction, library: Library, house: House, now: datetime, limit: int) -> int:
    """Plan at most `limit` prompts that are due at `now`; give how many were. Zero: there is nothing (more) to ask.

    A unique key a servant and day, in the table of prompts and in the outbox, makes a second plan empty. Whom only a
    template reaches is planned as far as the platform's limit of people goes (see handlers/openings.py).
    """
    day = Day.at(now, house)
    if day is None:
        return 0
    silences = openings.silences(house, now)
    due = await servants.due(tx, day.date, day.hour, silences, limit)
    planned = sum([await ask_one(tx, library, house, one, day) for one in due])
    for silence in silences:
        for one in await openings.choose(tx, library, house, silence, day, limit):
            if await ask_one(tx, library, house, one, day):
                await addresses.knock(tx, one.channel, one.address, now)
                planned += 1
    return planned


async def ask_one(tx: Transaction, library: Library, house: House, one: Due, day: Day) -> bool:
    """Plan the prompt of the day for somebody who is due; False when there is nothing to ask."""
    prompt = await _choose(tx, library, one.servant_id, day.date)
    if prompt is None:
        return False
    await _say(tx, library, house, one, prompt, day, f"daily:{day.date}:{one.servant_id}")
    return True


async def ask_again(tx: Transaction, library: Library, house: House, one: Due, now: datetime) -> None:
    """The platform had taken today's prompt and then refused it, as the person was silent: by template, once."""
    day = Day.at(now, house)
    prompt = await progress.prompt_of_day(tx, one.servant_id, day.date) if day else None
    if day is None or prompt is None or await progress.answer(tx, prompt.id) is not None:
        return
    await _say(tx, library, house, one, prompt, day, f"daily:{day.date}:{one.servant_id}:again")
    await addresses.knock(tx, one.channel, one.address, now)


async def _say(tx: Transaction, library: Library, house: House, one: Due, prompt: Prompt, day: Day, key: str) -> None:
    manner = house.manner(one.channel)
    if one.notice_version != library.phrases.template("es", "notice.version"):
        message = replace(renewal(library), knock=openings.tap(library, prompt.competency_id))
    else:
        scenario = library.scenarios[prompt.scenario_id]
        knock = await openings.knock(tx, library, manner, one, prompt, scenario)
        message = replace(ask(library, prompt, scenario), knock=knock)
    listener = Listener(one.channel, one.address, one.language)
    occasion = Occasion(key, outbox.Kind.PROMPT, day.now, day.ends)
    await speak.say(tx, library, listener, occasion, [message], manner=manner)


async def today(visit: Visit) -> Turn:
    """`/hoy`: the prompt of today, now; on a day off too, for whoever asks for it."""
    if visit.servant is None:
        return help.stranger(visit)
    return Turn(await first(visit))


async def first(visit: Visit) -> tuple[Message, ...]:
    """The prompt of today for this servant, planned if it is not yet."""
    assert visit.servant is not None
    prompt = await progress.prompt_of_day(visit.tx, visit.servant.id, visit.today)
    if prompt is None:
        prompt = await _choose(visit.tx, visit.library, visit.servant.id, visit.today)
    if prompt is None:
        return (Message("prompt.none"),)
    scenario = visit.library.scenarios.get(prompt.scenario_id)
    if scenario is None or await progress.answer(visit.tx, prompt.id) is not None:
        return (Message("prompt.answered_today"),)
    return (ask(visit.library, prompt, scenario),)


async def _choose(tx: Transaction, library: Library, servant_id: int, day: date) -> Prompt | None:
    held = {
        competency: Strength(one.stability, one.difficulty, one.reviewed_on, one.due_on, one.repetitions)
        for competency, one in (await progress.memories_of(tx, servant_id)).items()
    }
    choice = course.pick(library, held, await progress.seen(tx, servant_id), day, servant_id)
    if choice is None:
        return None
    scenario = choice.scenario
    return await progress.plan(tx, servant_id, day, scenario.id, scenario.competency, choice.reason)


def ask(library: Library, prompt: Prompt, scenario: Scenario) -> Message:
    """A scenario with its options as lettered buttons."""
    buttons = tuple(
        Button("button.option", f"answer:{prompt.id}:{letter}", {"letter": letter.upper()}, hint=option.text)
        for letter, option in zip(LETTERS, scenario.options, strict=False)
    )
    return Message("prompt.ask", shown(library, scenario), (buttons,))


def shown(library: Library, scenario: Scenario, chosen: str = "") -> dict[str, str | int | Text]:
    """What the phrases `prompt.*` are filled with; the chosen option carries a mark."""
    topic = library.topic_of[scenario.competency]

    def options(language: str) -> str:
        lines = []
        for letter, option in zip(LETTERS, scenario.options, strict=False):
            mark = "➤ " if letter == chosen else ""
            lines.append(f"{mark}{letter.upper()}) {option.text.in_language(language)}")
        return "\n".join(lines)

    return {
        "topic": topic.name,
        "situation": scenario.situation,
        "options": Text(es=options("es"), en=options("en")),
    }


def renewal(library: Library) -> Message:
    """The newer privacy notice, to be accepted before anything else is recorded."""
    version = library.phrases.template("es", "notice.version")
    yes = Button("button.accept", f"enroll:renew:{version}")
    return Message("enroll.renew", {}, ((yes, Button("button.leave", "leave:ask")),))
