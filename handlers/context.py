"""What all work in a transaction shares (WorkContext); what handlers of updates get (Context) and give (Response).

A handler is `async def handle(context: Context) -> Response`. It reads and writes through `context.tx` and returns the
messages to send. It never commits, never sends and never reads the clock: the caller owns the transaction,
`handlers/router.py` puts the messages into the outbox, and the time is `context.now`.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from content.library import Library
from handlers.capabilities import FULL_CAPABILITIES, Capabilities, CapabilitiesByChannel
from handlers.message import Message, Update
from storage.confidential.unit_trust import UnitTrust
from storage.database import Transaction
from storage.people.servants import Servant

MAX_UNIX_TIME = 2**37  # seconds; later timestamps cannot be converted and count as unknown


@dataclass(frozen=True, slots=True)
class Installation:
    """Settings of this installation that handlers need; constant while the process runs."""

    timezone: ZoneInfo  # of the servants and of the office
    public_url: str  # an origin as browsers write it; the letterbox and the privacy notice are below it
    route_key: bytes  # 32 bytes: encrypts chat addresses of open cases; decrypts no content
    min_group: int  # smallest group of servants whose numbers a report may show
    channel_capabilities: CapabilitiesByChannel = field(default_factory=dict)  # of the channels that are on
    has_enrolment: bool = True  # False: the privacy notice lacks an address, so no user is asked to accept it
    responsible_address: str = ""  # of who answers for the data, for the privacy notice; empty: not set
    transparency_address: str = ""  # of the Transparency Unit
    draw_key: bytes = field(kw_only=True)  # 32 bytes: draws in which part an answer is counted, and how it is rounded
    trial_channels: frozenset[str] = frozenset()  # on which anyone can make any number of accounts
    unit: UnitTrust = field(default_factory=UnitTrust, kw_only=True)  # whose lists of readers are believed

    def capabilities(self, channel: str) -> Capabilities:
        """The capabilities of a channel, by the channel's name."""
        return self.channel_capabilities.get(channel, FULL_CAPABILITIES)


@dataclass(frozen=True, slots=True)
class WorkContext:
    """One piece of work in one transaction, at one moment: what the scheduler, pages, commands and handlers share."""

    tx: Transaction  # opened, committed or rolled back by the caller
    library: Library  # the course, the phrases and the law
    installation: Installation
    now: datetime  # UTC, the same for everything in this transaction

    @property
    def today(self) -> date:
        """The calendar day in the installation's time zone."""
        return self.local_day(self.now)

    def local_day(self, moment: datetime) -> date:
        """The calendar day of a moment in the installation's time zone."""
        return moment.astimezone(self.installation.timezone).date()


@dataclass(frozen=True, slots=True)
class Context(WorkContext):
    """One update being handled."""

    update: Update
    language: str  # "es" or "en"
    servant: Servant | None  # None: the sender is not enrolled

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of the channel that the update arrived on."""
        return self.installation.capabilities(self.update.channel)

    @property
    def heard_at(self) -> datetime | None:
        """When the user wrote, by the platform's clock: the start of the reply window. None: the channel has no window.

        An update that arrives a week late opens no window, hence not `now`.
        """
        return None if self.capabilities.reply_window is None else self.acted_at

    @property
    def acted_at(self) -> datetime:
        """When the user typed or pressed: by the platform's clock, and no later than we received it.

        Where the platform reports no time, the moment of receipt: an update may wait until we handle it.
        """
        at, received_at = self.update.at, self.update.received_at
        received = datetime.fromtimestamp(received_at, UTC) if 0 < received_at < MAX_UNIX_TIME else self.now
        reported = datetime.fromtimestamp(at, UTC) if 0 < at < MAX_UNIX_TIME else received
        return min(reported, received, self.now)

    @property
    def acted_on(self) -> date:
        """The calendar day of `acted_at`."""
        return self.local_day(self.acted_at)


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler returns: the messages that reply to the update.

    There is no dialogue state. Every button carries all that its handler needs, so updates may arrive in any order, a
    button may be pressed at any later time, and no half-finished dialogue is stored.
    """

    messages: tuple[Message, ...] = ()
    erase_incoming: bool = False  # delete the user's own message from the chat
    language: str = ""  # the language of these messages, if the user has just chosen another; empty: context.language
