"""What a platform tells of a delivery that it had taken: it moves the delivery, and may concern the person."""

from datetime import datetime

import structlog

from bot.channels.arrivals import Fate, Receipt
from bot.channels.whatsapp_errors import Meaning, meaning
from content.library import Library
from handlers import daily
from handlers.visit import House
from storage import addresses, channels, outbox, servants
from storage.database import Transaction
from storage.outbox import Kind, Told
from storage.servants import Due

log = structlog.get_logger()

WAITS = (Meaning.SLOWER, Meaning.TEMPLATE_STOPPED, Meaning.NOT_TODAY, Meaning.REST)
"""A prompt that failed so does not arrive today; the person is planned first from then on."""


async def receive(tx: Transaction, library: Library, house: House, receipt: Receipt, now: datetime) -> None:
    """Move the delivery, in whatever order words about it come; a failure has the consequences of a refusal."""
    told = await outbox.told(tx, receipt.channel, receipt.number, receipt.ref, receipt.fate, now)
    if told is not None and receipt.fate is Fate.FAILED:
        await _fail(tx, library, house, told, receipt.code, now)


async def _fail(tx: Transaction, library: Library, house: House, told: Told, code: int, now: datetime) -> None:
    what = meaning(code)
    log.warning("delivery_failed_later", delivery=told.id, channel=told.channel, code=code, meaning=what.value)
    if what is Meaning.PERSON_GONE:
        await outbox.drop_unreachable(tx, told.channel, told.address, now)
    elif what is Meaning.NO_MARKETING:
        await addresses.prefer_no_marketing(tx, told.channel, told.address, no_marketing=True)
    elif what is Meaning.CHANNEL_STOPPED:
        await channels.note(tx, told.channel, channels.STOPPED, f"code {code}", now)
    elif what is Meaning.BY_TEMPLATE:
        await addresses.be_silent(tx, told.channel, told.address)
        if told.kind is Kind.PROMPT:
            await _ask_again(tx, library, house, told, now)
    elif what in WAITS and told.kind is Kind.PROMPT:
        today = now.astimezone(house.timezone).date()
        await addresses.put_off(tx, told.channel, told.address, today)


async def _ask_again(tx: Transaction, library: Library, house: House, told: Told, now: datetime) -> None:
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
    await daily.ask_again(tx, library, house, one, now)
