"""An option's letter that was typed: it answers the prompt that the servant saw when they typed it, or they are asked.

The prompt is the quoted one, else the newest that had been delivered to the servant by then. Where the platform reports
when a message is on the device, only that counts; elsewhere its acceptance of our call.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from content.course.scenario import LETTERS
from content.text import LANGUAGES, Text, fold
from handlers.context import Context, Response
from handlers.learning import answer
from handlers.learning.answer import ANSWERABLE
from handlers.message import Button, Message
from storage.learning import record
from storage.learning.record import Prompt
from storage.queue import shown_prompts
from storage.queue.shown_prompts import ShownPrompt

CLOCK_GRAIN = timedelta(seconds=1)
"""Platforms report whole seconds: what was delivered within the second of the letter had been delivered."""
MAX_OFFERED = 3  # prompts to choose from: as many buttons as the strictest channel has below one message
MAX_QUOTED = 60  # characters of a situation by which a servant recognizes it


@dataclass(frozen=True, slots=True)
class Sighting:
    """A prompt that reached a servant, or may have; `seen_at` is None while that is not certain."""

    prompt_id: int
    possible_at: datetime  # from when on it may have been in front of them
    seen_at: datetime | None


async def handle(context: Context) -> Response | None:
    """The answer that the letter is, or the question which prompt is meant; None: the text is no letter, or no prompt.

    Nothing is recorded for a prompt that has an answer, nor where two prompts may be meant.
    """
    letter = fold(context.update.text)
    if context.servant is None or len(letter) != 1 or letter not in LETTERS:
        return None
    typed_by = context.acted_at + CLOCK_GRAIN
    shown = await shown_prompts.of_servant(context.tx, context.servant.id, context.acted_at - ANSWERABLE)
    sightings = [one for one in (_sighting(context, one) for one in shown) if one.possible_at < typed_by]
    meant_id = await _quoted(context) if context.update.quoted else newest_seen(sightings, typed_by)
    prompts = await _with_option(context, {one.prompt_id for one in sightings} | {meant_id or 0}, letter)
    answered = await record.answered(context.tx, prompts.keys())
    meant = prompts.get(meant_id or 0)
    if meant is not None and meant.id not in answered:
        return await answer.record_choice(context, meant, letter)
    messages = [] if meant is None else [await _stands(context, meant)]
    offered = sorted((one for one in prompts.values() if one.id not in answered), key=lambda one: one.day, reverse=True)
    if offered:
        messages.append(_question(context, offered[:MAX_OFFERED], letter))
    return Response(tuple(messages)) if messages else None


def newest_seen(sightings: Sequence[Sighting], typed_by: datetime) -> int | None:
    """The id of the prompt that was certainly the newest in front of the servant; None: unclear, or there is none.

    `sightings` are those that were possible by then. One that is possible only makes it unclear which is the newest,
    unless it shows the same prompt, or no other is possible at all.
    """
    seen = [(one.seen_at, one.prompt_id) for one in sightings if one.seen_at is not None and one.seen_at < typed_by]
    if not seen:
        possible = {one.prompt_id for one in sightings}
        return possible.pop() if len(possible) == 1 else None
    newest_at, newest = max(seen)
    uncertain = {
        one.prompt_id
        for one in sightings
        if (one.seen_at is None or one.seen_at >= typed_by) and one.possible_at >= newest_at
    }
    return newest if uncertain <= {newest} else None


def _sighting(context: Context, shown: ShownPrompt) -> Sighting:
    reports_delivery = context.installation.capabilities(shown.channel).reports_delivery
    seen_at = shown.delivered_at if reports_delivery else shown.accepted_at
    return Sighting(shown.prompt_id, shown.accepted_at or shown.planned_at, seen_at)


async def _quoted(context: Context) -> int | None:
    """The id of the prompt that the quoted message shows."""
    assert context.servant is not None
    update = context.update
    return await shown_prompts.of_message(context.tx, context.servant.id, update.channel, update.address, update.quoted)


async def _with_option(context: Context, prompt_ids: Collection[int], letter: str) -> Mapping[int, Prompt]:
    """Those of these prompts that are the servant's and have such an option, by id."""
    assert context.servant is not None
    found = await record.prompts_of(context.tx, prompt_ids)
    scenarios = context.library.scenarios
    return {
        id: prompt
        for id, prompt in found.items()
        if prompt.servant_id == context.servant.id
        and prompt.scenario_id in scenarios
        and scenarios[prompt.scenario_id].option(letter) is not None
    }


# ---------------------------------------------------------------- what is said instead of recording


async def _stands(context: Context, prompt: Prompt) -> Message:
    """The first answer to a prompt counts."""
    given = await record.answer(context.tx, prompt.id)
    assert given is not None
    return Message("answer.stands", {"letter": given.option.upper()})


def _question(context: Context, prompts: Sequence[Prompt], letter: str) -> Message:
    """Ask to which of these prompts the letter is the answer; each button answers one of them."""
    lines = {language: "\n".join(_line(context, prompt, language) for prompt in prompts) for language in LANGUAGES}
    rows = tuple(
        (Button("button.which", f"answer:{prompt.id}:{letter}", {"day": _day_label(context, prompt)}),)
        for prompt in prompts
    )
    return Message("answer.which", {"letter": letter.upper(), "lines": Text(**lines)}, rows)


def _line(context: Context, prompt: Prompt, language: str) -> str:
    """For example: Lunes 23: «La proveedora de uniformes te invita a comer ...»."""
    situation = context.library.scenarios[prompt.scenario_id].situation.in_language(language)
    begin = situation if len(situation) <= MAX_QUOTED else situation[:MAX_QUOTED].rsplit(" ", 1)[0] + " ..."
    return f"{_day_label(context, prompt).in_language(language)}: «{begin}»"


def _day_label(context: Context, prompt: Prompt) -> Text:
    """Weekday and day of the month of a prompt."""
    names = {
        language: context.library.phrases.plain(language, f"weekday.{prompt.day.isoweekday()}", {"day": prompt.day.day})
        for language in LANGUAGES
    }
    return Text(**names)
