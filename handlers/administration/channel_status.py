"""Status of the channels: stopped or not receiving, backlog, template approval and recipient limits."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from content.course.template import Template
from content.library import Library
from content.text import LANGUAGES
from handlers.context import WorkContext
from handlers.learning import template_messages
from storage.channels import channel_facts
from storage.channels.channel_facts import Interruption, TemplateState
from storage.database import Transaction
from storage.people import addresses, refusals
from storage.queue import backlog, refusal_streaks
from storage.queue.backlog import Backlog


class Trouble(StrEnum):
    """A condition that an operator should look at."""

    STOPPED = "stopped"  # a channel sends nothing
    NOT_RECEIVING = "not_receiving"  # a channel receives nothing, although it may send
    REFUSED = "refused"  # a kind of delivery is refused by a code that we do not know, and pauses
    TEMPLATE = "template"  # one of our templates may not be sent
    PEOPLE = "people"  # prompts are deferred because of the platform's recipient limit


@dataclass(frozen=True, slots=True)
class RecipientQuota:
    """The platform's limit of recipients outside their reply window in 24 hours, and how much of it is used."""

    limit: int | None  # None: unlimited
    is_assumed: bool  # the platform has not reported its limit: the default counts
    used: int
    waiting: int  # deferred recipients; they are planned first

    @property
    def room(self) -> int | None:
        """How many more recipients are allowed now; None: unlimited."""
        return None if self.limit is None else max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class TemplateStatus:
    """One of our templates in one language, with its status on the platform (empty fields: not reported)."""

    name: str
    language: str
    code: str
    status: str
    category: str
    quality: str
    is_stopped: bool
    is_marketing_unasked: bool  # the platform counts it as marketing, we submitted it as something else

    def __str__(self) -> str:
        return f"{self.name} {self.code}"


@dataclass(frozen=True, slots=True)
class TemplateReach:
    """What a channel allows us to send outside the reply window: recipients and templates."""

    channel: str
    people: RecipientQuota
    templates: tuple[TemplateStatus, ...]

    @property
    def stopped(self) -> tuple[TemplateStatus, ...]:
        """Templates that may not be sent."""
        return tuple(template for template in self.templates if template.is_stopped)

    @property
    def holds_prompts(self) -> bool:
        """Whether prompts outside the reply window are blocked in some language."""
        return any(template.name == template_messages.TAP_TEMPLATE for template in self.stopped)


@dataclass(frozen=True, slots=True)
class PausedKind:
    """A kind of delivery that is refused by a code that we do not know; it pauses, and is tried again after that."""

    channel: str
    kind: str  # notice | prompt
    code: str
    since: datetime
    until: datetime | None  # None: the pause is over, and none has arrived yet
    waiting: int  # deliveries of the kind

    def __str__(self) -> str:
        return f"{self.channel} {self.kind}"


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """Status of one channel."""

    channel: str
    stop: Interruption | None  # why it sends nothing; None: it sends
    backlog: Backlog
    reach: TemplateReach | None  # None: the channel has no reply window
    not_receiving: Interruption | None = None  # why it receives nothing although it may send
    paused: tuple[PausedKind, ...] = ()
    retrying: int = 0  # people whom the platform did not reach, and who are tried again on a later day

    @property
    def troubles(self) -> frozenset[Trouble]:
        """The conditions that hold now."""
        conditions = {
            Trouble.STOPPED: self.stop is not None,
            Trouble.NOT_RECEIVING: self.not_receiving is not None,
            Trouble.REFUSED: bool(self.paused),
            Trouble.TEMPLATE: self.reach is not None and bool(self.reach.stopped),
            Trouble.PEOPLE: self.reach is not None and self.reach.people.waiting > 0,
        }
        return frozenset(trouble for trouble, holds in conditions.items() if holds)


async def channel_statuses(work: WorkContext, names: Iterable[str]) -> list[ChannelStatus]:
    """Status of the channels with these names, in their order."""
    tx, now = work.tx, work.now
    stops, not_receiving = (
        await channel_facts.interruptions(tx),
        await channel_facts.interruptions(tx, channel_facts.NOT_RECEIVING),
    )
    backlogs = await backlog.backlogs(tx, now, now - template_messages.LIMIT_PERIOD)
    found = {reach.channel: reach for reach in await template_reaches(work)}
    retrying = await refusals.count_waiting(tx, now.date())
    paused = defaultdict(list)
    for kind in await paused_kinds(work):
        paused[kind.channel].append(kind)
    return [
        ChannelStatus(
            name,
            stops.get(name),
            backlogs.get(name, Backlog()),
            found.get(name),
            not_receiving.get(name),
            tuple(paused[name]),
            retrying.get(name, 0),
        )
        for name in names
    ]


async def paused_kinds(work: WorkContext) -> list[PausedKind]:
    """The kinds of delivery that were refused so often that they paused, and of which none has arrived since."""
    return [
        PausedKind(
            streak.channel,
            streak.kind.value,
            streak.code,
            streak.began_at,
            streak.pause_end(work.now),
            await refusal_streaks.count_waiting(work.tx, streak),
        )
        for streak in await refusal_streaks.open_streaks(work.tx)
        if streak.has_paused
    ]


async def template_reaches(work: WorkContext) -> list[TemplateReach]:
    """The channels with a reply window, outside of which only templates may be sent."""
    found = []
    for name, capabilities in work.installation.channel_capabilities.items():
        if capabilities.reply_window is not None:
            statuses = template_statuses(work.library, await channel_facts.templates(work.tx, name))
            found.append(TemplateReach(name, await _quota(work.tx, name, work.now), tuple(statuses)))
    return found


def template_statuses(library: Library, states: Mapping[tuple[str, str], TemplateState]) -> list[TemplateStatus]:
    """Status of our templates, by name and language; templates that are not ours are left out."""
    templates = sorted(library.templates.values(), key=lambda template: template.name)
    return [
        _template_status(template, language, states.get((template.name, template.code(language))))
        for template in templates
        for language in LANGUAGES
    ]


def _template_status(template: Template, language: str, state: TemplateState | None) -> TemplateStatus:
    category = state.category if state else ""
    return TemplateStatus(
        template.name,
        language,
        template.code(language),
        state.status if state else "",
        category,
        state.quality if state else "",
        state is not None and state.is_stopped,
        category == template_messages.MARKETING and template.category.upper() != template_messages.MARKETING,
    )


async def _quota(tx: Transaction, channel: str, now: datetime) -> RecipientQuota:
    limit = await channel_facts.recipient_limit(tx, channel)
    used = await addresses.count_template_recipients(tx, channel, now - template_messages.LIMIT_PERIOD, now)
    waiting = await addresses.count_deferred(tx, channel)
    return RecipientQuota(limit.recipients, not limit.is_reported, used, waiting)
