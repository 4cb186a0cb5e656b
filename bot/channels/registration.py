"""What a channel's folder registers: whether it is enabled, what it can do, how it is built and run.

The rest of the program never names a platform. It asks `bot/channels/registry.py` for registrations, and a built
channel for what it needs. Recipe for a new channel: docs/contributing.md.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from bot.channels.channel import Channel
from bot.channels.stop_reason import StopCause
from bot.channels.webhook import EventStore
from bot.config import Settings
from bot.encryption import SecretBox
from bot.secrets import Secrets
from content.library import Library
from handlers.capabilities import FULL_CAPABILITIES, Capabilities
from storage.database import Database
from storage.queue.claims import RecipientRateLimit


@dataclass(frozen=True, slots=True)
class ChannelServices:
    """What the wiring lends to every channel of one process. `box` encrypts what waits on disk."""

    settings: Settings
    secrets: Secrets
    library: Library
    database: Database
    inbox: EventStore
    box: SecretBox
    clock: Callable[[], datetime]


class ChannelRuntime:
    """A built channel. By itself it has no platform to connect to, such as the browser chat."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def attach(self, site: web.Application) -> None:
        """Add the channel's webhook or pages to the HTTP server."""

    async def close(self) -> None:
        """Release connections."""


class PlatformRuntime(ChannelRuntime, ABC):
    """A built channel with a platform behind it, to which the process connects."""

    @abstractmethod
    async def connect(self) -> str:
        """Check the credential and set up receiving; return why no updates will arrive, or an empty string.

        Raises ChannelError; after Stopped no retry helps.
        """

    async def receive(self) -> None:
        """Poll or watch the platform until cancelled; return at once if there is nothing to do. Raises Stopped."""


class Registration(ABC):
    """One channel as the registry lists it; no connection is opened before `build`."""

    name: str
    recipient_limit: RecipientRateLimit | None = None
    """Most messages that the platform allows to one recipient in a period; None: no limit."""
    confirms_deliveries: bool = False
    """Whether the platform reports deliveries by receipt: after a crash, claimed deliveries wait for the receipt or the
    end of their lease before a retry."""
    is_trial: bool = False
    """Whether anyone can make any number of accounts: their owners count in no group of people."""
    landing_link: tuple[str, str] | None = None
    """Phrase key below `front.` and path of a page of the channel, for the landing page."""

    @abstractmethod
    def is_enabled(self, settings: Settings) -> bool:
        """Whether the settings turn this channel on."""

    @abstractmethod
    def build(self, services: ChannelServices) -> ChannelRuntime:
        """Build the channel for an enabled registration."""

    def rate(self, settings: Settings) -> float | None:
        """Messages per second over all recipients; None: no limit."""
        return None

    def capabilities(self, settings: Settings) -> Capabilities:
        """What the channel can do, as far as handlers have to know."""
        return FULL_CAPABILITIES

    def start_lines(self, settings: Settings, *, serves: bool, works: bool) -> Sequence[tuple[str, str]]:
        """Label and value of the lines that `integra run` prints: what this process does for the channel.

        `serves`: it serves pages and webhooks; `works`: it sends and polls. Only what it serves has an address here.
        """
        return ()

    def stop_cause(self, reason: str) -> StopCause:
        """The cause behind the reason for which the channel was stopped."""
        return StopCause.OTHER
