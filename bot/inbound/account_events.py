"""Record what a platform reports about our own account: its templates, limits and restrictions."""

from datetime import datetime

import structlog

from bot.channels.events import AccountEffect, AccountEvent, AccountEventKind
from bot.channels.stop_reason import code_reason
from storage.channels import channel_facts
from storage.database import Transaction

log = structlog.get_logger()


async def receive(tx: Transaction, event: AccountEvent, now: datetime) -> None:
    """Record the event for planning, delivery, the console and the metrics; log an error for what stops us."""
    fields = event.fields
    match event.topic:
        case AccountEventKind.TEMPLATE:
            await _record_template_status(tx, event, now)
        case AccountEventKind.TEMPLATE_CATEGORY:
            await _record_template(tx, event, now, category=fields.get("category", ""))
        case AccountEventKind.TEMPLATE_QUALITY:
            await _record_template(tx, event, now, quality=fields.get("quality", ""))
        case AccountEventKind.LIMIT:
            await _record_limit(tx, event, now)
        case AccountEventKind.ACCOUNT:
            await _record_account_status(tx, event, now)
        case AccountEventKind.FAULT:
            await _record_fault(tx, event, now)


async def _record_template_status(tx: Transaction, event: AccountEvent, now: datetime) -> None:
    fields = event.fields
    status = fields.get("status", "").upper()
    if channel_facts.is_stopping(status):
        log.error("template_stopped", template=fields.get("name"), code=fields.get("language"), status=status)
    await _record_template(tx, event, now, status=status)


async def _record_template(tx: Transaction, event: AccountEvent, now: datetime, **facts: str) -> None:
    name, code = event.fields.get("name", ""), event.fields.get("language", "")
    if name and code:
        await channel_facts.store_template(tx, event.channel, name, code, now, **facts)


async def _record_limit(tx: Transaction, event: AccountEvent, now: datetime) -> None:
    try:
        recipients = channel_facts.parse_recipient_limit(event.fields.get("people", ""))
    except ValueError:
        return
    await channel_facts.store_recipient_limit(tx, event.channel, recipients, now)


async def _record_account_status(tx: Transaction, event: AccountEvent, now: datetime) -> None:
    event_kind, ban = event.fields.get("event", ""), event.fields.get("ban", "")
    log.warning("account_update", channel=event.channel, event_kind=event_kind, ban=ban)
    if event.effect is AccountEffect.RESUME:
        await channel_facts.clear(tx, event.channel, channel_facts.STOPPED)
    elif event.effect is AccountEffect.STOP:
        await channel_facts.store(tx, event.channel, channel_facts.STOPPED, f"{event_kind} {ban}".strip(), now)
    else:
        await channel_facts.store(tx, event.channel, "account", event_kind, now)


async def _record_fault(tx: Transaction, event: AccountEvent, now: datetime) -> None:
    code = int(event.fields.get("code", "0") or 0)
    log.warning("account_fault", channel=event.channel, code=code)
    if event.effect is AccountEffect.STOP:
        await channel_facts.store(tx, event.channel, channel_facts.STOPPED, code_reason(code), now)
