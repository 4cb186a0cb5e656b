"""Prompts outside the reply window, where a channel accepts approved templates only.

Whether a recipient is outside the reply window is known before sending. The platform also limits how many of them may
be sent a template in any 24 hours; servants beyond the limit are deferred and planned first from then on, at their own
hour.
Source: Cloud API, customer service windows and messaging limits.
"""

from collections.abc import Mapping
from datetime import timedelta

from content.course.scenario import LETTERS, Scenario
from content.library import Library
from content.text import LANGUAGES
from handlers.capabilities import Capabilities
from handlers.context import WorkContext
from handlers.learning.send_window import SendDay
from handlers.message import TemplateMessage, Value
from storage.channels import channel_facts
from storage.channels.channel_facts import TemplateState
from storage.database import Transaction
from storage.learning.record import Prompt
from storage.people import addresses, due
from storage.people.due import DueGroup, DueServant, TemplateLanguages, WindowCutoff

TAP_TEMPLATE = "pregunta_diaria"  # announces a prompt; its quick reply fetches it
FULL_TEMPLATE = "pregunta_completa"  # the prompt itself, its options as quick replies
NEWS_TEMPLATE = "novedades_consulta"  # announces news of a confidential query; its quick reply fetches the link
LIMIT_PERIOD = timedelta(hours=24)
PLANNING_MARGIN = timedelta(minutes=10)
"""A reply window that closes sooner counts as closed when prompts are planned: they wait in the outbox before they are
sent. Longer than a channel's own margin at sending, so that a window found open here is still open then."""
MARKETING = "MARKETING"  # the platform's category of templates that users can opt out of

TemplateStates = Mapping[tuple[str, str], TemplateState]
"""Review status of our templates on one channel, by name and platform language code."""


def window_cutoffs(work: WorkContext) -> list[WindowCutoff]:
    """For each channel with a reply window, the time since which a user must have written to be inside it."""
    return [
        WindowCutoff(name, work.now - capabilities.reply_window + PLANNING_MARGIN)
        for name, capabilities in work.installation.channel_capabilities.items()
        if capabilities.reply_window
    ]


async def choose_recipients(work: WorkContext, window: WindowCutoff, day: SendDay) -> DueGroup:
    """The servants outside the reply window who are sent a template now: as many as the platform's limit allows."""
    states = await channel_facts.templates(work.tx, window.channel)
    languages = usable_languages(work, window.channel, states)
    quota = await remaining_quota(work.tx, window, day, languages)
    if not languages or quota == 0:
        return DueGroup((), window)
    return await due.outside_window(work.tx, day.due_time, window, languages, quota)


def usable_languages(work: WorkContext, channel: str, states: TemplateStates) -> TemplateLanguages:
    """The languages that have a sendable template, mapped to whether all such templates count as marketing.

    A template whose status the platform has not reported counts as sendable, and as no marketing.
    """
    is_direct = work.installation.capabilities(channel).prompt_template == "direct"
    languages: dict[str, bool] = {}
    for language in LANGUAGES:
        names = (TAP_TEMPLATE, FULL_TEMPLATE) if is_direct else (TAP_TEMPLATE,)
        known = [states.get((name, work.library.templates[name].code(language))) for name in names]
        usable = [state for state in known if state is None or not state.is_stopped]
        if usable:
            languages[language] = all(state is not None and state.category == MARKETING for state in usable)
    return languages


def reaches(work: WorkContext, servant: DueServant, states: TemplateStates) -> bool:
    """Whether a template may be sent to the servant: one is accepted in their language, and they did not opt out."""
    languages = usable_languages(work, servant.channel, states)
    return servant.language in languages and not (languages[servant.language] and servant.no_marketing)


async def remaining_quota(
    tx: Transaction, window: WindowCutoff, day: SendDay, languages: TemplateLanguages
) -> int | None:
    """How many recipients outside the reply window may still be sent a template now; None: any number.

    Quota is reserved for servants deferred since an earlier day whose hour is still to come today.
    """
    limit = (await channel_facts.recipient_limit(tx, window.channel)).recipients
    if limit is None:
        return None
    used = await addresses.count_template_recipients(tx, window.channel, day.now - LIMIT_PERIOD, day.now)
    reserved = await due.count_deferred_for_later_hours(tx, day.due_time, window, languages)
    return max(0, limit - used - reserved)


def template_message(
    library: Library,
    capabilities: Capabilities,
    servant: DueServant,
    prompt: Prompt,
    scenario: Scenario,
    states: TemplateStates,
) -> TemplateMessage | None:
    """The template sent instead of a prompt if the recipient is outside the reply window; None: there is no window."""
    if capabilities.reply_window is None:
        return None
    if capabilities.prompt_template == "direct":
        full = _full_template(library, prompt, scenario)
        if full is not None and _is_sendable(library, full, servant, states):
            return full
    return tap_template(library, prompt.competency_id)


def tap_template(library: Library, competency: str) -> TemplateMessage:
    """The template that announces the prompt of the day by its topic."""
    return TemplateMessage(TAP_TEMPLATE, {"topic": library.topic_of[competency].name}, ("profile:today",))


def is_announcement(message: TemplateMessage | None) -> bool:
    """Whether a template announces a prompt without showing it."""
    return message is not None and message.template == TAP_TEMPLATE


def _full_template(library: Library, prompt: Prompt, scenario: Scenario) -> TemplateMessage | None:
    """The template that carries the prompt itself; None: the scenario has another number of options."""
    letters = LETTERS[: len(scenario.options)]
    if len(letters) != 3:  # as many as the template has quick replies
        return None
    values: dict[str, Value] = {
        "topic": library.topic_of[scenario.competency].name,
        "situation": scenario.situation,
        **{letter: option.text for letter, option in zip(letters, scenario.options, strict=True)},
    }
    return TemplateMessage(FULL_TEMPLATE, values, tuple(f"answer:{prompt.id}:{letter}" for letter in letters))


def _is_sendable(library: Library, full: TemplateMessage, servant: DueServant, states: TemplateStates) -> bool:
    """Whether the platform and the servant's preference allow it, and the texts fit its limits."""
    template = library.templates[FULL_TEMPLATE]
    state = states.get((FULL_TEMPLATE, template.code(servant.language)))
    is_refused = state is not None and (state.is_stopped or (state.category == MARKETING and servant.no_marketing))
    return not is_refused and template.fits(servant.language, full.values)
