"""The WhatsApp channel: free-form messages within the 24-hour reply window, approved templates outside of it.

The client is our own, over aiohttp: the existing library loses batched and incomplete webhooks and checks no length.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.channels.channel import (
    ChannelError,
    NotReached,
    RecipientThrottled,
    Refused,
    Stopped,
    TemplateStopped,
    Throttled,
    UnknownRefusal,
    Unreachable,
    WindowClosed,
)
from bot.channels.events import ErrorMeaning, UnreadablePayload
from bot.channels.http_client import NoResponse
from bot.channels.stop_reason import code_reason
from bot.channels.whatsapp import messages
from bot.channels.whatsapp.client import Graph, GraphError
from bot.channels.whatsapp.errors import error_meaning, row_of
from bot.channels.whatsapp.fields import NAME, hashed_key, messaging_limit
from handlers.capabilities import Capabilities
from handlers.message import Action, Parcel, RenderedTemplate
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.people import addresses
from storage.people.addresses import ServantAddress
from storage.queue.claims import RecipientRateLimit

WINDOW = timedelta(hours=24)
SENDING_MARGIN = timedelta(minutes=5)
"""A reply window that closes sooner counts as closed when a message is sent: clocks differ, and requests take time.
Shorter than the margin of planning, which also covers the wait in the outbox."""
BACK_OFF_SECONDS = 5.0
NUMBER_PAUSE_SECONDS = 3600.0
DAY_SECONDS = 24 * 3600.0
PAIR_BACKOFF_BASE = 4.0  # seconds to wait, to the power of the attempts made: 4, 16, 64 (Cloud API, pair rate limits)

RECIPIENT_RATE_LIMIT = RecipientRateLimit(20, 120.0)
"""The pair rate limit: one message per 6 seconds to one recipient, and bursts of up to 45 that later seconds make up
    for; we stay below it.
    Source: Cloud API, about the platform."""

log = structlog.get_logger()


def capabilities(prompt_template: str) -> Capabilities:
    """Capabilities of WhatsApp; `prompt_template` selects how a prompt is sent outside the reply window."""
    return Capabilities(
        can_edit=False,
        can_erase=False,
        joins_messages=True,
        max_buttons=messages.MAX_ROWS,
        has_menus=True,
        typed_commands=True,
        reply_window=WINDOW,
        prompt_template=prompt_template,
    )


@dataclass(frozen=True, slots=True)
class RecipientState:
    """What is known before sending: the recipient's address, their reply window, and the state of the template."""

    address: ServantAddress | None
    is_window_open: bool
    is_template_stopped: bool


class WhatsApp:
    """One number of the Cloud API. Implements Channel; receiving is in `webhook`."""

    name = NAME

    def __init__(self, graph: Graph, database: Database, clock: Callable[[], datetime]) -> None:
        self._graph = graph
        self._database = database
        self._clock = clock

    async def start(self) -> None:
        """Fetch our messaging limit and the states of our templates. Raises the channel's errors."""
        try:
            number = await self._graph.number()
            templates = await self._graph.templates()
        except GraphError as error:
            raise self._channel_error(error) from None
        except NoResponse as error:
            raise Unreachable(error.kind, in_doubt=False) from None
        async with self._database.write() as tx:
            await _record_limit(tx, number, self._clock())
            await _record_templates(tx, templates, self._clock())

    async def close(self) -> None:
        await self._graph.close()

    async def send(self, parcel: Parcel) -> str:
        """Deliver one parcel and return the message's identifier. Raises the channel's errors and nothing else."""
        if parcel.action in (Action.ACKNOWLEDGE, Action.ERASE):
            return ""  # WhatsApp needs no acknowledgement, and cannot erase a user's message
        try:
            recipient = await self._recipient_state(parcel)
            if recipient.is_window_open:
                return await self._send_free_form(parcel)
            return await self._send_template(parcel, recipient)
        except DatabaseUnavailable as error:
            raise Unreachable("the database is unavailable", in_doubt=False) from error

    async def _recipient_state(self, parcel: Parcel) -> RecipientState:
        async with self._database.quick_read() as tx:
            address = await addresses.find(tx, NAME, parcel.address)
            template, states = parcel.template, {}
            if template is not None:
                states = dict(await channel_facts.templates(tx, NAME))
        state = states.get((template.template, template.code)) if template else None
        # Nothing is stored about strangers: replies to them have a deadline of their own, all else needs a template.
        heard_at = address.heard_at if address else None
        is_open = template is None if address is None else False
        if heard_at is not None:
            is_open = self._clock() < heard_at + WINDOW - SENDING_MARGIN
        return RecipientState(address, is_open, state is not None and state.is_stopped)

    async def _send_free_form(self, parcel: Parcel) -> str:
        """Send the message itself; where Meta reports the window as closed, send the template at once."""
        try:
            return await self._post(messages.free_form(parcel))
        except GraphError as error:
            if error_meaning(error.code) is not ErrorMeaning.WINDOW_CLOSED:
                raise await self._record_refusal(error, parcel) from None
        if not parcel.leaves_no_row:
            async with self._database.write() as tx:  # Meta's response takes precedence, even within the window
                await addresses.record_window_closed(tx, NAME, parcel.address, self._clock())
        return await self._send_template(parcel, await self._recipient_state(parcel))

    async def _send_template(self, parcel: Parcel, recipient: RecipientState) -> str:
        template = parcel.template
        if template is None:
            raise WindowClosed("no message from the recipient within 24 hours, and the parcel has no template")
        if recipient.is_template_stopped:
            raise TemplateStopped("the template is not accepted now", template.template, template.code)
        try:
            ref = await self._post(messages.template(parcel, template))
        except GraphError as error:
            raise await self._record_refusal(error, parcel, template) from None
        if not parcel.leaves_no_row:
            await self._record_template_sent(parcel.address)
        return ref

    async def _record_template_sent(self, address: str) -> None:
        try:
            async with self._database.write() as tx:
                await addresses.record_template_sent(tx, NAME, address, self._clock())
        except DatabaseUnavailable as error:  # it was sent: better not counted than sent twice
            log.warning("whatsapp_template_not_recorded", fault=str(error))

    async def _post(self, body: messages.Body) -> str:
        """Post a message and return its key. Raises GraphError, Unreachable."""
        try:
            response = await self._graph.post_message(body)
        except NoResponse as error:
            raise Unreachable(error.kind, in_doubt=error.in_doubt) from None
        try:
            return hashed_key(str(response["messages"][0]["id"]))  # the same key as in its receipts
        except (KeyError, IndexError, TypeError):
            raise Unreachable("a response without a message id", in_doubt=True) from None

    # ------------------------------------------------------------ refusals

    async def _record_refusal(
        self, error: GraphError, parcel: Parcel, template: RenderedTemplate | None = None
    ) -> ChannelError:
        """Store what a refusal reveals about the template or the recipient; return the channel's error."""
        meaning = error_meaning(error.code)
        now = self._clock()
        if meaning is ErrorMeaning.TEMPLATE_STOPPED and template is not None:
            log.error("whatsapp_template_stopped", template=template.template, code=template.code, fault=error.code)
            status = f"REFUSED_{error.code}"
            async with self._database.write() as tx:
                await channel_facts.store_template(tx, NAME, template.template, template.code, now, status=status)
            return TemplateStopped(code_reason(error.code), template.template, template.code)
        if meaning is ErrorMeaning.NO_MARKETING and not parcel.leaves_no_row:
            async with self._database.write() as tx:
                await addresses.set_no_marketing(tx, NAME, parcel.address, no_marketing=True)
        return self._channel_error(error)

    @staticmethod
    def _channel_error(error: GraphError) -> ChannelError:
        reason = code_reason(error.code)
        match error_meaning(error.code):
            case ErrorMeaning.BACK_OFF:
                return Throttled(BACK_OFF_SECONDS)
            case ErrorMeaning.NUMBER_PAUSED:
                log.error("whatsapp_number_paused", fault=error.code, hint=row_of(error.code).remedy)
                return Throttled(NUMBER_PAUSE_SECONDS)
            case ErrorMeaning.RECIPIENT_THROTTLED:
                return RecipientThrottled(reason, PAIR_BACKOFF_BASE, is_exponential=True)
            case ErrorMeaning.NOT_TODAY:
                return RecipientThrottled(reason, DAY_SECONDS)
            case ErrorMeaning.RECIPIENT_GONE:
                return NotReached(reason)
            case ErrorMeaning.WINDOW_CLOSED:
                return WindowClosed(reason)
            case ErrorMeaning.CHANNEL_STOPPED:
                return Stopped(reason)
            case ErrorMeaning.UNKNOWN:
                return UnknownRefusal(reason)
        return Refused(reason)


# ---------------------------------------------------------------- the account at start


async def _record_limit(tx: Transaction, number: Mapping[str, Any], now: datetime) -> None:
    """Record the messaging limit of our number; a number without a readable one keeps what was reported before."""
    try:
        limit = messaging_limit(number.get("whatsapp_business_manager_messaging_limit"))
    except UnreadablePayload:
        return
    await channel_facts.store_recipient_limit(tx, NAME, limit, now)


async def _record_templates(tx: Transaction, templates: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Record the states of the templates at Meta, and delete those of templates that are no longer there."""
    for template in templates:
        name, language, status, category = (
            str(template.get(field, "")) for field in ("name", "language", "status", "category")
        )
        await channel_facts.store_template(tx, NAME, name, language, now, status=status, category=category)
    present = {(str(template["name"]), str(template["language"])) for template in templates}
    await channel_facts.delete_absent_templates(tx, NAME, present)
