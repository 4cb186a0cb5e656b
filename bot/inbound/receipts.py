"""Apply delivery receipts: what a platform reports about a message that it had accepted."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from bot.channels.events import ErrorMeaning, Receipt
from bot.channels.stop_reason import code_reason
from handlers.context import WorkContext
from handlers.learning import daily
from storage.channels import channel_facts
from storage.people import addresses, refusals
from storage.queue import outbox, receipts, refusal_streaks
from storage.queue.outbox import DeliveryKind
from storage.queue.receipts import DeliveryStatus, UpdatedDelivery

log = structlog.get_logger()

DEFERRING = (ErrorMeaning.BACK_OFF, ErrorMeaning.TEMPLATE_STOPPED, ErrorMeaning.NOT_TODAY, ErrorMeaning.NUMBER_PAUSED)
"""A prompt that failed for one of these does not arrive today; its recipient is planned first from then on."""
OF_RECIPIENTS = (ErrorMeaning.RECIPIENT_GONE, ErrorMeaning.NO_MARKETING, ErrorMeaning.WINDOW_CLOSED)
"""What these say concerns the recipient alone."""


async def receive(work: WorkContext, receipt: Receipt) -> bool:
    """Move the delivery to its new state, in whatever order receipts arrive; return whether it is sent again.

    A failure has the same consequences as a refusal while sending, but for the recipient of a reply: its row does not
    tell any more to whom it went.
    """
    tx, now = work.tx, work.now
    at = min(datetime.fromtimestamp(receipt.at, UTC), now) if receipt.at else now
    delivery = await receipts.record_status(tx, receipt.channel, receipt.number, receipt.ref, receipt.status, now, at)
    if delivery is not None and receipt.status is DeliveryStatus.FAILED:
        code, meaning = receipt.code, receipt.meaning
        log.warning(
            "delivery_failed_later", delivery=delivery.id, channel=delivery.channel, code=code, meaning=meaning.value
        )
        return await _apply_failure(work, Failure(delivery, meaning, code, at))
    return False


@dataclass(frozen=True, slots=True)
class Failure:
    """A delivery that will not arrive; `at` is when the platform found that out, which may be days ago."""

    delivery: UpdatedDelivery
    meaning: ErrorMeaning
    code: int
    at: datetime


async def _apply_failure(work: WorkContext, failure: Failure) -> bool:
    tx, now = work.tx, work.now
    delivery, meaning = failure.delivery, failure.meaning
    recipient = await addresses.find(tx, delivery.channel, delivery.address)
    has_written_since = recipient is not None and recipient.heard_at is not None and recipient.heard_at > failure.at
    if not delivery.address and meaning in OF_RECIPIENTS:
        return False
    if meaning is ErrorMeaning.RECIPIENT_GONE and not has_written_since:
        if await refusals.count(tx, delivery.channel, delivery.address, failure.at) is None:
            await outbox.drop_unreachable(tx, delivery.channel, delivery.address, now)
    elif meaning is ErrorMeaning.UNKNOWN:
        return await _apply_unknown(work, failure)
    elif meaning is ErrorMeaning.NO_MARKETING:
        await addresses.set_no_marketing(tx, delivery.channel, delivery.address, no_marketing=True)
    elif meaning is ErrorMeaning.CHANNEL_STOPPED:
        await channel_facts.store(tx, delivery.channel, channel_facts.STOPPED, code_reason(failure.code), now)
    elif meaning is ErrorMeaning.WINDOW_CLOSED and not has_written_since:
        await addresses.record_window_closed(tx, delivery.channel, delivery.address, failure.at)
        if delivery.kind is DeliveryKind.PROMPT and delivery.deadline is not None and delivery.deadline > now:
            await daily.resend_as_template(work, delivery.channel, delivery.address)
            return True
    elif meaning in DEFERRING and delivery.kind is DeliveryKind.PROMPT:
        await addresses.defer(tx, delivery.channel, delivery.address, work.today)
    return False


async def _apply_unknown(work: WorkContext, failure: Failure) -> bool:
    """Count a failure by an unknown code; return whether prompts are sent again after a pause.

    What failed in the streak before its kind paused is sent again too, and what fails while it pauses.
    """
    tx, now, failed = work.tx, work.now, failure.delivery
    code = code_reason(failure.code)
    counted = await refusal_streaks.refuse_later(tx, failed.id, failed.channel, failed.kind, code, now)
    retry_at = None if counted is None else counted.streak.retry_at(now)
    if counted is None or retry_at is None:
        return False
    if counted.begins_pause:
        log.error("kind_paused", channel=failed.channel, kind=failed.kind.value, code=code, until=retry_at.isoformat())
    if failed.kind is not DeliveryKind.PROMPT:
        return False
    for address in await refusal_streaks.failed_later(tx, counted, failed.id):
        await daily.resend_after_pause(work, failed.channel, address, retry_at, counted.streak.pauses)
    return True
