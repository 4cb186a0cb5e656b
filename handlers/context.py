"""What a handler gets (Visit) and what it gives (Turn)."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from content.library import Library
from handlers.capabilities import FULL_CAPABILITIES, Capabilities, CapabilitiesByChannel
from handlers.message import Message, Update
from storage.database import Transaction
from storage.people.servants import Servant

LATEST = 2**37  # Unix seconds that are no moment any more


@dataclass(frozen=True, slots=True)
class Installation:
    """The few plain facts about this installation that handlers need."""

    timezone: ZoneInfo
    public_url: str
    route_key: bytes  # 32 bytes: encrypts chat addresses of open cases; opens no content
    min_group: int = 10
    channel_capabilities: CapabilitiesByChannel = field(default_factory=dict)  # of the channels that have some

    def capabilities(self, channel: str) -> Capabilities:
        return self.channel_capabilities.get(channel, FULL_CAPABILITIES)


@dataclass(frozen=True, slots=True)
class Context:
    """One update being handled, in one transaction, at one moment."""

    tx: Transaction
    library: Library
    installation: Installation
    update: Update
    now: datetime
    language: str  # "es" or "en"
    servant: Servant | None  # None: a stranger

    @property
    def capabilities(self) -> Capabilities:
        """How the channel talks on which the update came."""
        return self.installation.capabilities(self.update.channel)

    @property
    def heard_at(self) -> datetime | None:
        """When the person spoke by the platform's clock, where the channel has a window that this opens.

        What comes a week late opens none.
        """
        if self.capabilities.window is None:
            return None
        at = self.update.at
        return min(datetime.fromtimestamp(at, UTC), self.now) if 0 < at < LATEST else self.now

    @property
    def today(self) -> date:
        """The calendar day where the servants are."""
        return self.now.astimezone(self.installation.timezone).date()


@dataclass(frozen=True, slots=True)
class Response:
    """What is said in answer.

    There is no open dialogue to keep: every button carries all that its handler needs, so whatever arrives in
    between, and however late a button is pressed, nothing is lost, and nothing of a half-told story is stored.
    """

    messages: tuple[Message, ...] = ()
    erases: bool = False  # the person's own message is to disappear from the chat
    language: str = ""  # the language of these messages, when the person has just chosen another one
