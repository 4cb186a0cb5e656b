"""The road to people on WhatsApp: inside the 24 hours after their last word freely, outside by an approved template.

An own client over aiohttp, as the library that is there loses batched and incomplete webhooks and checks no length.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.channels.channel import (
    Blocked,
    ChannelError,
    RecipientThrottled,
    Refused,
    Stopped,
    TemplateStopped,
    Throttled,
    Unreachable,
    WindowClosed,
)
from bot.channels.whatsapp import messages
from bot.channels.whatsapp.client import Graph, GraphError, NoResponse
from bot.channels.whatsapp.errors import ErrorMeaning, error_meaning
from bot.channels.whatsapp.fields import hashed_key
from handlers.capabilities import Capabilities
from handlers.message import Action, Parcel, RenderedTemplate
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable
from storage.people import addresses
from storage.people.addresses import ServantAddress
from storage.queue.claims import PersonLimit

NAME = "whatsapp"
WINDOW = timedelta(hours=24)
MARGIN = timedelta(minutes=5)  # a window about to close counts as closed: clocks differ, and the way takes time
SLOWER_SECONDS = 5.0
REST_SECONDS = 3600.0
DAY_SECONDS = 24 * 3600.0
PAIR_SECONDS = 4.0  # and four times that at each refusal (about-the-platform, pair rate limits)
UNLIMITED = -1
LIMITS = {"TIER_UNLIMITED": UNLIMITED, "TIER_100K": 100_000, "TIER_10K": 10_000, "TIER_2K": 2_000, "TIER_1K": 1_000,
          "TIER_250": 250, "TIER_50": 50}  # fmt: skip

RECIPIENT_LIMIT = PersonLimit(20, 120.0)
"""The pair rate: one message in 6 seconds, of which up to 45 may be borrowed from the future; a margin is kept.
Source: Cloud API, about the platform."""

log = structlog.get_logger()


def capabilities(openings: str) -> Capabilities:
    """How WhatsApp talks; `openings` is how a prompt opens a closed window."""
    return Capabilities(
        edits=False,
        erases=False,
        joins=True,
        buttons=messages.MAX_ROWS,
        menus=True,
        typed_commands=True,
        window=WINDOW,
        openings=openings,
    )


@dataclass(frozen=True, slots=True)
class RecipientState:
    """What is known before sending: where the person is, whether they were heard, how the template stands."""

    place: ServantAddress | None
    is_open: bool
    is_stopped: bool


class WhatsApp:
    """One number of the Cloud API. Implements Channel; receiving is in `whatsapp_intake`."""

    name = NAME

    def __init__(self, graph: Graph, database: Database, clock: Callable[[], datetime]) -> None:
        self._graph = graph
        self._database = database
        self._clock = clock

    async def start(self) -> None:
        """Learn our limit of people and how our templates stand. Raises the channel's errors."""
        try:
            number = await self._graph.number()
            listed = await self._graph.templates()
        except GraphError as fault:
            raise self._refusal(fault) from None
        except NoResponse as fault:
            raise Unreachable(fault.kind, in_doubt=False) from None
        await self._note_standing(str(number.get("whatsapp_business_manager_messaging_limit", "")), listed)

    async def _note_standing(self, tier: str, listed: list[dict[str, Any]]) -> None:
        now = self._clock()
        async with self._database.write() as tx:
            if tier in LIMITS:
                await channel_facts.note(tx, NAME, channel_facts.PEOPLE, str(LIMITS[tier]), now)
            for one in listed:
                told = {name: str(one.get(name, "")) for name in ("name", "language", "status", "category")}
                await channel_facts.note_template(
                    tx, NAME, told["name"], told["language"], now, status=told["status"], category=told["category"]
                )
            await channel_facts.forget_templates(tx, NAME, {(str(one["name"]), str(one["language"])) for one in listed})

    async def stop(self) -> None:
        await self._graph.close()

    async def send(self, parcel: Parcel) -> str:
        """Deliver one parcel; gives the message's identifier. Raises the channel's errors and nothing else."""
        if parcel.act in (Action.ACKNOWLEDGE, Action.ERASE):
            return ""  # nobody waits for the one, and nothing of the other can be done here
        try:
            standing = await self._standing(parcel)
            if standing.is_open:
                return await self._freely(parcel)
            return await self._by_template(parcel, standing)
        except DatabaseUnavailable as fault:
            raise Unreachable("the database is away", in_doubt=False) from fault

    async def _standing(self, parcel: Parcel) -> RecipientState:
        async with self._database.glance() as tx:
            place = await addresses.find(tx, NAME, parcel.address)
            opening, states = parcel.opening, {}
            if opening is not None:
                states = dict(await channel_facts.templates(tx, NAME))
        state = states.get((opening.template, opening.code)) if opening else None
        # Of strangers nothing is kept: what answers them has a deadline of its own, and all else knocks.
        heard_at = place.heard_at if place else None
        is_open = opening is None if place is None else False
        if heard_at is not None:
            is_open = self._clock() < heard_at + WINDOW - MARGIN
        return RecipientState(place, is_open, state is not None and state.is_stopped)

    async def _freely(self, parcel: Parcel) -> str:
        try:
            return await self._post(messages.free(parcel))
        except GraphError as fault:
            if error_meaning(fault.code) is not ErrorMeaning.WINDOW_CLOSED:
                raise await self._refused(fault, parcel) from None
        async with self._database.write() as tx:  # Meta knows better: it happens even within the window
            await addresses.be_silent(tx, NAME, parcel.address, self._clock())
        return await self._by_template(parcel, await self._standing(parcel))

    async def _by_template(self, parcel: Parcel, standing: RecipientState) -> str:
        opening = parcel.opening
        if opening is None:
            raise WindowClosed("silent for 24 hours, and no template says this")
        if standing.is_stopped:
            raise TemplateStopped("the template is not taken now", opening.template, opening.code)
        try:
            ref = await self._post(messages.template(parcel, opening))
        except GraphError as fault:
            raise await self._refused(fault, parcel, opening) from None
        try:
            async with self._database.write() as tx:
                await addresses.record_template_sent(tx, NAME, parcel.address, self._clock())
        except DatabaseUnavailable as fault:  # it was taken: what is not counted is better than what is sent twice
            log.warning("whatsapp_knock_not_noted", fault=str(fault))
        return ref

    async def _post(self, body: messages.Body) -> str:
        """Raises GraphFault, Unreachable."""
        try:
            answer = await self._graph.post_message(body)
        except NoResponse as fault:
            raise Unreachable(fault.kind, in_doubt=fault.in_doubt) from None
        try:
            return hashed_key(str(answer["messages"][0]["id"]))  # as its receipts will name it
        except (KeyError, IndexError, TypeError):
            raise Unreachable("an answer without a message", in_doubt=True) from None

    # ------------------------------------------------------------ what a refusal leads to

    async def _refused(
        self, fault: GraphError, parcel: Parcel, opening: RenderedTemplate | None = None
    ) -> ChannelError:
        """The channel's error, after whatever is to be remembered was."""
        what = error_meaning(fault.code)
        now = self._clock()
        if what is ErrorMeaning.TEMPLATE_STOPPED and opening is not None:
            log.error("whatsapp_template_stopped", template=opening.template, code=opening.code, fault=fault.code)
            status = f"REFUSED_{fault.code}"
            async with self._database.write() as tx:
                await channel_facts.note_template(tx, NAME, opening.template, opening.code, now, status=status)
            return TemplateStopped(f"code {fault.code}", opening.template, opening.code)
        if what is ErrorMeaning.NO_MARKETING:
            async with self._database.write() as tx:
                await addresses.prefer_no_marketing(tx, NAME, parcel.address, no_marketing=True)
        return self._refusal(fault)

    @staticmethod
    def _refusal(fault: GraphError) -> ChannelError:
        says = f"code {fault.code}"
        match error_meaning(fault.code):
            case ErrorMeaning.BACK_OFF:
                return Throttled(SLOWER_SECONDS)
            case ErrorMeaning.NUMBER_PAUSED:
                log.error("whatsapp_number_rests", fault=fault.code, hint="look at the number's quality at Meta")
                return Throttled(REST_SECONDS)
            case ErrorMeaning.RECIPIENT_THROTTLED:
                return RecipientThrottled(says, PAIR_SECONDS, is_exponential=True)
            case ErrorMeaning.NOT_TODAY:
                return RecipientThrottled(says, DAY_SECONDS)
            case ErrorMeaning.RECIPIENT_GONE:
                return Blocked(says)
            case ErrorMeaning.WINDOW_CLOSED:
                return WindowClosed(says)
            case ErrorMeaning.CHANNEL_STOPPED:
                return Stopped(says)
        return Refused(says)
