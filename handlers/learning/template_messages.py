"""How a prompt reaches whoever has been silent on a channel that then takes approved templates only.

Who is silent is known before anything is sent. A platform also limits how many silent people may be written to in any
24 hours: whoever is due beyond that waits, and is planned first from then on, at their own hour.
Source: WhatsApp Cloud API, customer service windows, messaging limits.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from content.course.scenario import LETTERS, Scenario
from content.library import Library
from content.text import LANGUAGES
from handlers.capabilities import Capabilities
from handlers.context import Installation
from handlers.learning.send_window import Day
from handlers.message import TemplateMessage, Value
from storage.channels import channel_facts
from storage.channels.channel_facts import TemplateState
from storage.database import Transaction
from storage.learning.record import Prompt
from storage.people import addresses, due
from storage.people.due import DueGroup, DueServant, ReplyWindow, TemplateLanguages

TAP = "pregunta_diaria"  # says that there is a prompt; its quick reply brings it
WHOLE = "pregunta_completa"  # the scenario itself, its options as quick replies
NEWS = "novedades_consulta"
FIRST_LIMIT = 250  # people in 24 hours, for whoever was told no other number (Cloud API, messaging limits)
ROLLING = timedelta(hours=24)
MARGIN = timedelta(minutes=10)  # a window about to close counts as closed: the message may leave a little later
MARKETING = "MARKETING"

States = Mapping[tuple[str, str], TemplateState]


def silences(installation: Installation, now: datetime) -> list[ReplyWindow]:
    """The channels that have a window, and since when somebody must have been heard to be in it."""
    return [
        ReplyWindow(name, now - capabilities.window + MARGIN)
        for name, capabilities in installation.channel_capabilities.items()
        if capabilities.window
    ]


async def choose(
    tx: Transaction, library: Library, installation: Installation, silence: ReplyWindow, day: Day
) -> DueGroup:
    """Who of the silent ones is written to now: as many as the platform takes, once for all of them."""
    known = languages(library, installation, silence, await channel_facts.templates(tx, silence.channel))
    room = await room_left(tx, silence, day, known)
    if not known or room == 0:
        return DueGroup((), silence)
    return await due.outside_window(tx, day.date, day.hour, silence, known, room)


def languages(library: Library, installation: Installation, silence: ReplyWindow, states: States) -> TemplateLanguages:
    """The languages in which a template may leave, and whether all those that may count as marketing."""
    direct = installation.capabilities(silence.channel).openings == "direct"
    found: dict[str, bool] = {}
    for language in LANGUAGES:
        names = (TAP, WHOLE) if direct else (TAP,)
        known = [states.get((name, library.templates[name].code(language))) for name in names]
        usable = [state for state in known if state is None or not state.is_stopped]
        if usable:
            found[language] = all(state is not None and state.category == MARKETING for state in usable)
    return found


async def room_left(tx: Transaction, silence: ReplyWindow, day: Day, languages: TemplateLanguages) -> int | None:
    """How many silent people may still be written to now; places of those who wait since an earlier day are kept.

    None: as many as there are.
    """
    known = (await channel_facts.facts(tx, silence.channel)).get(channel_facts.RECIPIENT_LIMIT, str(FIRST_LIMIT))
    limit = int(known)
    if limit < 0:
        return None
    used = await addresses.count_template_recipients(tx, silence.channel, day.now - ROLLING)
    kept = await due.count_deferred_for_later_hours(tx, day.date, day.hour, silence, languages)
    return max(0, limit - used - kept)


def template_message(
    library: Library, capabilities: Capabilities, one: DueServant, prompt: Prompt, scenario: Scenario, states: States
) -> TemplateMessage | None:
    """The template that goes instead of a prompt, should the person be silent when it leaves."""
    if capabilities.window is None:
        return None
    if capabilities.openings == "direct":
        whole = _whole(library, prompt, scenario)
        if whole is not None and _fits(library, whole, one, states):
            return whole
    return tap(library, prompt.competency_id)


def tap(library: Library, competency: str) -> TemplateMessage:
    return TemplateMessage(TAP, {"topic": library.topic_of[competency].name}, ("profile:today",))


def _whole(library: Library, prompt: Prompt, scenario: Scenario) -> TemplateMessage | None:
    letters = LETTERS[: len(scenario.options)]
    if len(letters) != 3:  # as many as the template has quick replies
        return None
    values: dict[str, Value] = {
        "topic": library.topic_of[scenario.competency].name,
        "situation": scenario.situation,
        **{letter: option.text for letter, option in zip(letters, scenario.options, strict=True)},
    }
    return TemplateMessage(WHOLE, values, tuple(f"answer:{prompt.id}:{letter}" for letter in letters))


def _fits(library: Library, whole: TemplateMessage, one: DueServant, states: States) -> bool:
    template = library.templates[WHOLE]
    state = states.get((WHOLE, template.code(one.language)))
    is_refused = state is not None and (state.is_stopped or (state.category == MARKETING and one.no_marketing))
    return not is_refused and template.fits(one.language, whole.values)
