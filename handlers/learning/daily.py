"""The prompt of the day: who is due, with which scenario, and how it reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from content.course.scenario import LETTERS, Scenario
from content.learning import selection
from content.learning.memory import MemoryState
from content.library import Library
from content.text import Text
from handlers import help, outgoing
from handlers.context import Context, Installation, Response
from handlers.learning import template_messages
from handlers.learning.send_window import Day
from handlers.message import Button, Message
from handlers.outgoing import Listener, Occasion
from storage.channels import channel_facts
from storage.database import Transaction
from storage.learning import record
from storage.learning.record import Memory, Prompt
from storage.people import addresses, due
from storage.people.due import Due, DueGroup
from storage.queue import outbox

States = Mapping[str, template_messages.States]
"""How the platforms look at our templates, by the channel."""


async def look(tx: Transaction, library: Library, installation: Installation, now: datetime) -> list[DueGroup]:
    """Who is due at `now`, found once: whoever may be written to freely, and then the silent ones.

    Whom only a template reaches is found as far as the platform's limit of people goes (see handlers/learning/template_messages.py).
    """
    day = Day.at(now, installation)
    if day is None:
        return []
    silences = template_messages.silences(installation, now)
    groups = [await due.free(tx, day.date, day.hour, silences)]
    return groups + [await template_messages.choose(tx, library, installation, silence, day) for silence in silences]


async def ask_some(tx: Transaction, library: Library, installation: Installation, now: datetime, some: DueGroup) -> int:
    """Plan prompts for people whom a look found at `now` and who are due as before; give how many were planned.

    A unique key a servant and day, in the table of prompts and in the outbox, makes a second plan empty.
    """
    day = Day.at(now, installation)
    assert day is not None
    states = {
        name: await channel_facts.templates(tx, name)
        for name, capabilities in installation.channel_capabilities.items()
        if capabilities.window
    }
    silence, silences = some.silence, template_messages.silences(installation, now)
    known = template_messages.languages(library, installation, silence, states[silence.channel]) if silence else {}
    found = await due.still(tx, day.date, day.hour, some, silences, known)
    asked = await _ask_all(tx, library, installation, found, day, states)
    if silence:
        await addresses.record_templates_sent(tx, silence.channel, [one.address for one in asked], now)
    return len(asked)


async def left_over(tx: Transaction, installation: Installation, now: datetime) -> list[DueGroup]:
    """The silent people who are due and were not planned, as far as they do not wait yet."""
    day = Day.at(now, installation)
    silences = template_messages.silences(installation, now) if day else []
    return [await due.left_over(tx, day.date, day.hour, silence) for silence in silences if day]


async def put_off(tx: Transaction, installation: Installation, now: datetime, some: DueGroup) -> None:
    """They wait, and are planned first from now on."""
    day = Day.at(now, installation)
    assert day is not None
    await due.put_off(tx, day.date, day.hour, some)


async def _ask_all(
    tx: Transaction, library: Library, installation: Installation, found: Sequence[Due], day: Day, states: States
) -> list[Due]:
    """Plan the prompts of the day for people who are due; give those who have one now. One statement each for all."""
    if not found:
        return []
    ids = [one.servant_id for one in found]
    memories, seen = await record.memories_of_all(tx, ids), await record.seen_by_all(tx, ids)
    wanted = []
    for one in found:
        choice = selection.pick(
            library, _held(memories[one.servant_id]), seen[one.servant_id], day.date, one.servant_id
        )
        if choice is not None:
            scenario = choice.scenario
            wanted.append(Prompt(0, one.servant_id, day.date, scenario.id, scenario.competency, choice.reason))
    prompts = {prompt.servant_id: prompt for prompt in await record.plan_all(tx, wanted)}
    asked = [one for one in found if one.servant_id in prompts]
    news = []
    for one in asked:
        key = f"daily:{day.date}:{one.servant_id}"
        news += _said(library, installation, one, prompts[one.servant_id], day, key, states.get(one.channel, {}))
    await outbox.add(tx, news)
    return asked


def _held(memories: Mapping[str, Memory]) -> dict[str, MemoryState]:
    return {
        competency: MemoryState(one.stability, one.difficulty, one.reviewed_on, one.due_on, one.repetitions)
        for competency, one in memories.items()
    }


async def ask_again(tx: Transaction, library: Library, installation: Installation, one: Due, now: datetime) -> None:
    """The platform had taken today's prompt and then refused it, as the person was silent: by template, once."""
    day = Day.at(now, installation)
    prompt = await record.prompt_of_day(tx, one.servant_id, day.date) if day else None
    if day is None or prompt is None or await record.answer(tx, prompt.id) is not None:
        return
    states = await channel_facts.templates(tx, one.channel)
    key = f"daily:{day.date}:{one.servant_id}:again"
    await outbox.add(tx, _said(library, installation, one, prompt, day, key, states))
    await addresses.record_template_sent(tx, one.channel, one.address, now)


def _said(
    library: Library,
    installation: Installation,
    one: Due,
    prompt: Prompt,
    day: Day,
    key: str,
    states: template_messages.States,
) -> list[outbox.NewDelivery]:
    capabilities = installation.capabilities(one.channel)
    if one.notice_version != library.phrases.template("es", "notice.version"):
        message = replace(renewal(library), template_message=template_messages.tap(library, prompt.competency_id))
    else:
        scenario = library.scenarios[prompt.scenario_id]
        template_message = template_messages.template_message(library, capabilities, one, prompt, scenario, states)
        message = replace(ask(library, prompt, scenario), template_message=template_message)
    listener = Listener(one.channel, one.address, one.language)
    occasion = Occasion(key, outbox.DeliveryKind.PROMPT, day.now, day.ends)
    return outgoing.said(library, listener, occasion, [message], capabilities=capabilities)


async def today(context: Context) -> Response:
    """`/hoy`: the prompt of today, now; on a day off too, for whoever asks for it."""
    if context.servant is None:
        return help.stranger(context)
    return Response(await first(context))


async def first(context: Context) -> tuple[Message, ...]:
    """The prompt of today for this servant, planned if it is not yet."""
    assert context.servant is not None
    prompt = await record.prompt_of_day(context.tx, context.servant.id, context.today)
    if prompt is None:
        prompt = await _choose(context.tx, context.library, context.servant.id, context.today)
    if prompt is None:
        return (Message("prompt.none"),)
    scenario = context.library.scenarios.get(prompt.scenario_id)
    if scenario is None or await record.answer(context.tx, prompt.id) is not None:
        return (Message("prompt.answered_today"),)
    return (ask(context.library, prompt, scenario),)


async def _choose(tx: Transaction, library: Library, servant_id: int, day: date) -> Prompt | None:
    held = _held(await record.memories_of(tx, servant_id))
    choice = selection.pick(library, held, await record.seen(tx, servant_id), day, servant_id)
    if choice is None:
        return None
    scenario = choice.scenario
    return await record.plan(tx, servant_id, day, scenario.id, scenario.competency, choice.reason)


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
