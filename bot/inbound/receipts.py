"""What a platform tells of a delivery that it had taken: it moves the delivery, and may concern the person."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from bot.channels.events import DeliveryStatus, Receipt
from bot.channels.whatsapp.errors import ErrorMeaning, error_meaning
from content.library import Library
from handlers.context import Installation
from handlers.learning import daily
from storage.channels import channel_facts
from storage.database import Transaction
from storage.people import addresses, servants
from storage.people.due import Due
from storage.queue import outbox, receipts
from storage.queue.outbox import DeliveryKind
from storage.queue.receipts import Told

log = structlog.get_logger()

WAITS = (ErrorMeaning.BACK_OFF, ErrorMeaning.TEMPLATE_STOPPED, ErrorMeaning.NOT_TODAY, ErrorMeaning.NUMBER_PAUSED)
"""A prompt that failed so does not arrive today; the person is planned first from then on."""


async def receive(
    tx: Transaction, library: Library, installation: Installation, receipt: Receipt, now: datetime
) -> None:
    """Move the delivery, in whatever order words about it come; a failure has the consequences of a refusal."""
    told = await receipts.note(tx, receipt.channel, receipt.number, receipt.ref, receipt.status, now)
    if told is not None and receipt.status is DeliveryStatus.FAILED:
        code, what = receipt.code, error_meaning(receipt.code)
        log.warning("delivery_failed_later", delivery=told.id, channel=told.channel, code=code, meaning=what.value)
        at = min(datetime.fromtimestamp(receipt.at, UTC), now) if receipt.at else now
        await _fail(tx, library, installation, Failure(told, what, code, at), now)


@dataclass(frozen=True, slots=True)
class Failure:
    """A delivery that will not arrive; `at` is when that was found, which may be days ago."""

    told: Told
    what: ErrorMeaning
    code: int
    at: datetime


async def _fail(tx: Transaction, library: Library, installation: Installation, failure: Failure, now: datetime) -> None:
    told, what = failure.told, failure.what
    place = await addresses.find(tx, told.channel, told.address)
    has_spoken = place is not None and place.heard_at is not None and place.heard_at > failure.at
    if what is ErrorMeaning.RECIPIENT_GONE and not has_spoken:
        await outbox.drop_unreachable(tx, told.channel, told.address, now)
    elif what is ErrorMeaning.NO_MARKETING:
        await addresses.prefer_no_marketing(tx, told.channel, told.address, no_marketing=True)
    elif what is ErrorMeaning.CHANNEL_STOPPED:
        await channel_facts.note(tx, told.channel, channel_facts.STOPPED, f"code {failure.code}", now)
    elif what is ErrorMeaning.WINDOW_CLOSED and not has_spoken:
        await addresses.be_silent(tx, told.channel, told.address, failure.at)
        if told.kind is DeliveryKind.PROMPT and told.deadline is not None and told.deadline > now:
            await _ask_again(tx, library, installation, told, now)
    elif what in WAITS and told.kind is DeliveryKind.PROMPT:
        today = now.astimezone(installation.timezone).date()
        await addresses.put_off(tx, told.channel, told.address, today)


async def _ask_again(tx: Transaction, library: Library, installation: Installation, told: Told, now: datetime) -> None:
    servant = await servants.at(tx, told.channel, told.address)
    if servant is None:
        return
    one = Due(
        servant.id,
        servant.institution_id,
        servant.hour,
        servant.language,
        servant.notice_version,
        told.channel,
        told.address,
    )
    await daily.ask_again(tx, library, installation, one, now)
