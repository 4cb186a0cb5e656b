"""The daily prompt: find who is due, choose a scenario for each, and render it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from content.course.scenario import LETTERS, Scenario
from content.learning import selection
from content.learning.selection import Choice, Learner
from content.library import Library
from content.text import Text
from handlers import help, outgoing
from handlers.context import Context, Response, WorkContext
from handlers.learning import memories, send_window, template_messages
from handlers.learning.send_window import SendDay
from handlers.message import Button, Message, TemplateMessage
from handlers.outgoing import Recipient, Trigger
from storage.channels import channel_facts
from storage.learning import memories as packed_memories
from storage.learning import record
from storage.learning.record import Prompt
from storage.people import addresses, due
from storage.people.due import DueGroup, DueServant, TemplateLanguages
from storage.queue import outbox, wrong_clock

TemplateStatesByChannel = Mapping[str, template_messages.TemplateStates]
"""Review status of our templates on the platforms, by channel."""


async def find_due(work: WorkContext) -> list[DueGroup]:
    """Find the servants who are due now, in groups that `plan_prompts` plans.

    The first group can be sent free text. Each channel with a reply window adds a group of servants outside it, who
    need a template: at most as many as the platform's recipient limit allows (see
    handlers/learning/template_messages.py).
    """
    day = await send_window.current(work)
    if day is None:
        return []
    windows = template_messages.window_cutoffs(work)
    groups = [await due.within_window(work.tx, day.due_time, windows)]
    for window in windows:
        groups.append(await template_messages.choose_recipients(work, window, day))
    return groups


async def plan_prompts(work: WorkContext, group: DueGroup) -> int:
    """Plan prompts for those of a group, found at the same moment, who are still due; return how many were planned.

    Idempotent: prompts and deliveries have a unique key for each servant and day, so a second run plans nothing.
    A closure that was stored since the group was found counts.
    """
    day = await send_window.current(work)
    if day is None:
        return 0
    states = {
        name: await channel_facts.templates(work.tx, name)
        for name, capabilities in work.installation.channel_capabilities.items()
        if capabilities.reply_window
    }
    window, windows = group.window, template_messages.window_cutoffs(work)
    languages: TemplateLanguages = {}
    if window:
        languages = template_messages.usable_languages(work, window.channel, states[window.channel])
    due_servants = await due.recheck(work.tx, day.due_time, group, windows, languages)
    planned = await _plan_all(work, due_servants, day, states, needs_template=window is not None)
    if window:
        addresses_written_to = [servant.address for servant in planned]
        await addresses.record_templates_sent(work.tx, window.channel, addresses_written_to, work.now)
    return len(planned)


async def find_unplanned(work: WorkContext) -> list[DueGroup]:
    """Servants outside their reply window who are due, were not planned and are not deferred yet."""
    day = await send_window.current(work)
    if day is None:
        return []
    windows = template_messages.window_cutoffs(work)
    return [await due.not_yet_deferred(work.tx, day.due_time, window) for window in windows]


async def defer(work: WorkContext, group: DueGroup) -> None:
    """Mark a group as deferred: its servants are planned first from now on."""
    day = await send_window.current(work)
    if day is not None:
        await due.defer(work.tx, day.due_time, group)


async def withdraw_later_days(work: WorkContext) -> int:
    """Withdraw prompts of later days that wait in the outbox, planned by a clock that was ahead; return how many.

    Until their day they would keep those of today waiting, and on it the servant would count as asked.
    """
    later = await wrong_clock.prompts_after(work.tx, work.today)
    return await wrong_clock.withdraw(work.tx, {f"{_key(one.day, one.servant_id)}:say": one for one in later})


def _key(day: date, servant_id: int) -> str:
    """The idempotency key of a servant's prompt of a day."""
    return f"daily:{day}:{servant_id}"


async def _plan_all(
    work: WorkContext,
    due_servants: Sequence[DueServant],
    day: SendDay,
    states: TemplateStatesByChannel,
    *,
    needs_template: bool,
) -> list[DueServant]:
    """Plan the day's prompts, one statement per table for all; return the servants who have a new prompt."""
    if not due_servants:
        return []
    tx, ids = work.tx, [servant.servant_id for servant in due_servants]
    prompts = {prompt.servant_id: prompt for prompt in await _choose_and_store(work, ids, day.date)}
    planned = [servant for servant in due_servants if servant.servant_id in prompts]
    deliveries = []
    for servant in planned:
        key = _key(day.date, servant.servant_id)
        channel_states = states.get(servant.channel, {})
        prompt = prompts[servant.servant_id]
        deliveries += _deliveries(work, servant, prompt, day, key, channel_states, needs_template=needs_template)
    await outbox.add(tx, deliveries)
    return planned


async def _choose_and_store(work: WorkContext, servant_ids: Sequence[int], day: date) -> list[Prompt]:
    """Choose a scenario for each servant and store the prompts of those who had none on that day; return these."""

    def choose(packed: memories.Rows) -> list[Choice | None]:
        learners = [Learner(id, packed[id].memory, packed[id].sent) for id in servant_ids]
        return selection.choose(work.library, learners, day)

    chosen = zip(servant_ids, await memories.read(work.tx, servant_ids, choose), strict=True)
    choices = {servant_id: choice for servant_id, choice in chosen if choice is not None}
    wanted = [
        Prompt(0, servant_id, day, choice.scenario.id, choice.scenario.competency, choice.reason)
        for servant_id, choice in choices.items()
    ]
    planned = await record.plan_all(work.tx, wanted)
    await packed_memories.store_sent(
        work.tx, {prompt.servant_id: choices[prompt.servant_id].sent for prompt in planned}
    )
    return planned


async def resend_as_template(work: WorkContext, channel: str, address: str) -> None:
    """Send today's prompt again, once, after the platform accepted it and then reported the reply window as closed.

    Not to a servant who has paused or answered meanwhile, whose institution is closed, or whom no template may reach.

    The caller has recorded the window as closed (`addresses.record_window_closed`), so the channel sends the template.
    """
    tx, day = work.tx, await send_window.current(work)
    servant = await due.at_address(tx, channel, address, day.due_time) if day else None
    if day is None or servant is None:
        return
    states = await channel_facts.templates(tx, channel)
    prompt = await record.prompt_of_day(tx, servant.servant_id, day.date)
    if prompt is None or not template_messages.reaches(work, servant, states):
        return
    if await record.answer(tx, prompt.id) is not None:
        return
    key = f"daily:{day.date}:{servant.servant_id}:again"
    await outbox.add(tx, _deliveries(work, servant, prompt, day, key, states, needs_template=True))
    await addresses.record_template_sent(tx, channel, address, work.now)


async def resend_after_pause(work: WorkContext, channel: str, address: str, until: datetime, pause: int) -> None:
    """Send today's prompt again, once for each pause of prompts, after the platform accepted it and then refused it.

    Not to a servant who has paused or answered meanwhile, or whose institution is closed; nor after the day's end.
    """
    tx, day = work.tx, await send_window.current(work)
    servant = await due.at_address(tx, channel, address, day.due_time) if day else None
    if day is None or servant is None or until >= day.ends:
        return
    prompt = await record.prompt_of_day(tx, servant.servant_id, day.date)
    if prompt is None or await record.answer(tx, prompt.id) is not None:
        return
    key = f"{_key(day.date, servant.servant_id)}:again{pause}"
    states = await channel_facts.templates(tx, channel)
    is_outside = await _is_outside_window(work, channel, address)
    again = _deliveries(work, servant, prompt, day, key, states, needs_template=is_outside)
    await outbox.add(tx, [replace(delivery, due_at=until) for delivery in again])


async def _is_outside_window(work: WorkContext, channel: str, address: str) -> bool:
    """Whether the channel's reply window is closed to an address."""
    known = await addresses.find(work.tx, channel, address)
    heard_at = None if known is None else known.heard_at
    since = [window.since for window in template_messages.window_cutoffs(work) if window.channel == channel]
    return bool(since) and (heard_at is None or heard_at <= since[0])


def _deliveries(
    work: WorkContext,
    servant: DueServant,
    prompt: Prompt,
    day: SendDay,
    key: str,
    states: template_messages.TemplateStates,
    *,
    needs_template: bool,
) -> list[outbox.NewDelivery]:
    """The prompt, or a newer privacy notice in its place, with the template that may replace it.

    `needs_template`: the servant is outside the reply window, so a template that announces the prompt does not show it.
    """
    library, capabilities = work.library, work.installation.capabilities(servant.channel)
    if servant.notice_version != library.phrases.template("es", "notice.version"):
        template_message: TemplateMessage | None = template_messages.tap_template(library, prompt.competency_id)
        message = renewal_message(library)
    else:
        scenario = library.scenarios[prompt.scenario_id]
        template_message = template_messages.template_message(library, capabilities, servant, prompt, scenario, states)
        message = prompt_message(library, prompt, scenario)
        if needs_template and template_messages.is_announcement(template_message):
            message = replace(message, prompt_id=0)
    message = replace(message, template_message=template_message)
    recipient = Recipient(servant.channel, servant.address, servant.language)
    trigger = Trigger(key, outbox.DeliveryKind.PROMPT, day.ends)
    return outgoing.deliveries(work, recipient, trigger, [message])


async def today(context: Context) -> Response:
    """`/hoy`: today's prompt at once, also on a day off."""
    if context.servant is None:
        return help.stranger(context)
    return Response(await todays_prompt(context))


async def todays_prompt(context: Context) -> tuple[Message, ...]:
    """Today's prompt of this servant, planned now if it is not yet."""
    assert context.servant is not None
    prompt = await record.prompt_of_day(context.tx, context.servant.id, context.today)
    if prompt is None:
        prompt = next(iter(await _choose_and_store(context, [context.servant.id], context.today)), None)
    if prompt is None:
        return (Message("prompt.none"),)
    scenario = context.library.scenarios.get(prompt.scenario_id)
    if scenario is None or await record.answer(context.tx, prompt.id) is not None:
        return (Message("prompt.answered_today"),)
    return (prompt_message(context.library, prompt, scenario),)


async def own_prompt(context: Context) -> Prompt | None:
    """The prompt that a button names; None: it does not exist or is another servant's."""
    number = prompt_id(context)
    if context.servant is None or number is None:
        return None
    prompt = await record.prompt(context.tx, number)
    return prompt if prompt is not None and prompt.servant_id == context.servant.id else None


def prompt_id(context: Context) -> int | None:
    """The id in a button such as `answer:1742:b`; None: it has none that a database could hold."""
    number = context.update.choice.split(":")[1] if ":" in context.update.choice else ""
    return int(number) if number.isascii() and number.isdecimal() and len(number) <= 15 else None


def prompt_message(library: Library, prompt: Prompt, scenario: Scenario) -> Message:
    """A prompt: the scenario with its options as lettered buttons."""
    buttons = tuple(
        Button("button.option", f"answer:{prompt.id}:{letter}", {"letter": letter.upper()}, hint=option.text)
        for letter, option in zip(LETTERS, scenario.options, strict=False)
    )
    return Message("prompt.ask", prompt_values(library, scenario), (buttons,), prompt_id=prompt.id)


def prompt_values(library: Library, scenario: Scenario, chosen: str = "") -> dict[str, str | int | Text]:
    """Values of the phrases `prompt.*`; the chosen option is marked."""
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


def renewal_message(library: Library) -> Message:
    """Ask to accept the newer privacy notice, before anything else is recorded."""
    version = library.phrases.template("es", "notice.version")
    accept = Button("button.accept", f"enroll:renew:{version}")
    return Message("enroll.renew", {}, ((accept, Button("button.leave", "leave:ask")),))
