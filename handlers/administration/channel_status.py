"""How far we reach people: which channels stand still, what waits in them, and whom a platform keeps waiting."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from content.course.template import Template
from content.library import Library
from content.text import LANGUAGES
from handlers.context import Installation
from handlers.learning import template_messages
from storage.channels import channel_facts
from storage.channels.channel_facts import Interruption, TemplateState
from storage.database import Transaction
from storage.people import addresses
from storage.queue import backlog
from storage.queue.backlog import Backlog


class Trouble(StrEnum):
    """What somebody should look at."""

    STOPPED = "stopped"  # a channel stands still
    DEAF = "deaf"  # nothing reaches us on a channel
    TEMPLATE = "template"  # a template of ours may not be sent
    PEOPLE = "people"  # people wait for room below the platform's limit


@dataclass(frozen=True, slots=True)
class People:
    """The platform's limit of silent people who are written to in 24 hours, and how far it is used up."""

    limit: int | None  # None: as many as there are
    is_assumed: bool  # the platform has not told its limit
    used: int
    waiting: int  # whose prompt did not get through; they are planned first

    @property
    def room(self) -> int | None:
        """How many more may be written to now; None: as many as there are."""
        return None if self.limit is None else max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class OurTemplate:
    """One of our templates in one language, and how the platform looks at it (empty: it has not told)."""

    name: str
    language: str
    code: str
    status: str
    category: str
    quality: str
    is_stopped: bool
    is_marketing_unasked: bool  # we filed it as something else

    def __str__(self) -> str:
        return f"{self.name} {self.code}"


@dataclass(frozen=True, slots=True)
class Reach:
    """What a channel lets us say to people who have been silent."""

    channel: str
    people: People
    templates: tuple[OurTemplate, ...]

    @property
    def stopped(self) -> tuple[OurTemplate, ...]:
        return tuple(one for one in self.templates if one.is_stopped)

    @property
    def holds_prompts(self) -> bool:
        """No prompt leaves to the silent people of some language."""
        return any(one.name == template_messages.TAP for one in self.stopped)


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """How one channel stands."""

    channel: str
    stop: Interruption | None
    backlog: Backlog
    reach: Reach | None  # None: people may be written to freely
    deaf: Interruption | None = None  # why nothing reaches us, while we may send

    @property
    def troubles(self) -> frozenset[Trouble]:
        is_so = {
            Trouble.STOPPED: self.stop is not None,
            Trouble.DEAF: self.deaf is not None,
            Trouble.TEMPLATE: self.reach is not None and bool(self.reach.stopped),
            Trouble.PEOPLE: self.reach is not None and self.reach.people.waiting > 0,
        }
        return frozenset(trouble for trouble, is_it in is_so.items() if is_it)


async def channel_statuses(
    tx: Transaction, library: Library, installation: Installation, names: Iterable[str], now: datetime
) -> list[ChannelStatus]:
    """How the channels of these names stand, in their order."""
    stops, deaf = (
        await channel_facts.interruptions(tx),
        await channel_facts.interruptions(tx, channel_facts.NOT_RECEIVING),
    )
    backlogs = await backlog.backlogs(tx, now, now - template_messages.ROLLING)
    found = {one.channel: one for one in await reaches(tx, library, installation, now)}
    return [
        ChannelStatus(name, stops.get(name), backlogs.get(name, Backlog()), found.get(name), deaf.get(name))
        for name in names
    ]


async def reaches(tx: Transaction, library: Library, installation: Installation, now: datetime) -> list[Reach]:
    """The channels of this house where whoever has been silent is reached by templates only."""
    found = []
    for name, capabilities in installation.channel_capabilities.items():
        if capabilities.window is not None:
            states = await channel_facts.templates(tx, name)
            found.append(Reach(name, await _people(tx, name, now), tuple(beside(library, states))))
    return found


def beside(library: Library, states: Mapping[tuple[str, str], TemplateState]) -> list[OurTemplate]:
    """Our templates by name, in each language, with what was told of them; what is not ours is left out."""
    ours = sorted(library.templates.values(), key=lambda one: one.name)
    return [
        _beside(one, language, states.get((one.name, one.code(language)))) for one in ours for language in LANGUAGES
    ]


def limit_of(told: str | None) -> int | None:
    """The limit of people as the fact `people` has it (None: never told); None: there is none."""
    limit = template_messages.FIRST_LIMIT if told is None else int(told)
    return None if limit < 0 else limit


def _beside(template: Template, language: str, state: TemplateState | None) -> OurTemplate:
    category = state.category if state else ""
    return OurTemplate(
        template.name,
        language,
        template.code(language),
        state.status if state else "",
        category,
        state.quality if state else "",
        state is not None and state.is_stopped,
        category == template_messages.MARKETING and template.category.upper() != template_messages.MARKETING,
    )


async def _people(tx: Transaction, channel: str, now: datetime) -> People:
    told = (await channel_facts.facts(tx, channel)).get(channel_facts.RECIPIENT_LIMIT)
    used = await addresses.count_template_recipients(tx, channel, now - template_messages.ROLLING)
    return People(limit_of(told), told is None, used, await addresses.count_deferred(tx, channel))
