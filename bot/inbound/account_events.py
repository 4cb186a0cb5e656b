"""What a platform tells about ourselves: our templates, our limits, our account."""

import re
from datetime import datetime

import structlog

from bot.channels.events import AccountEvent, AccountEventKind
from bot.channels.whatsapp.errors import ErrorMeaning, error_meaning
from storage.channels import channel_facts
from storage.database import Transaction

log = structlog.get_logger()

PEOPLE = re.compile(r"-1|[0-9]{1,9}")
STOPPING = ("ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED")
RESUMING = ("ACCOUNT_RECONNECTED",)
BANNED, REINSTATED = "DISABLE", "REINSTATE"


async def receive(tx: Transaction, bulletin: AccountEvent, now: datetime) -> None:
    """Note it where planning, sending, the console and the metrics look; what stops us is an error in the log."""
    told = bulletin.fields
    match bulletin.topic:
        case AccountEventKind.TEMPLATE:
            await _template(tx, bulletin, now)
        case AccountEventKind.TEMPLATE_CATEGORY:
            await _note(tx, bulletin, now, category=told.get("category", ""))
        case AccountEventKind.TEMPLATE_QUALITY:
            await _note(tx, bulletin, now, quality=told.get("quality", ""))
        case AccountEventKind.LIMIT:
            if PEOPLE.fullmatch(told.get("people", "")):
                await channel_facts.note(tx, bulletin.channel, channel_facts.PEOPLE, told["people"], now)
        case AccountEventKind.ACCOUNT:
            await _account(tx, bulletin, now)
        case AccountEventKind.FAULT:
            await _fault(tx, bulletin, now)


async def _template(tx: Transaction, bulletin: AccountEvent, now: datetime) -> None:
    told = bulletin.fields
    status = told.get("status", "").upper()
    if channel_facts.is_stopping(status):
        log.error("template_stopped", template=told.get("name"), code=told.get("language"), status=status)
    await _note(tx, bulletin, now, status=status)


async def _note(tx: Transaction, bulletin: AccountEvent, now: datetime, **told: str) -> None:
    name, code = bulletin.fields.get("name", ""), bulletin.fields.get("language", "")
    if name and code:
        await channel_facts.note_template(tx, bulletin.channel, name, code, now, **told)


async def _account(tx: Transaction, bulletin: AccountEvent, now: datetime) -> None:
    event, ban = bulletin.fields.get("event", ""), bulletin.fields.get("ban", "")
    log.warning("account_update", channel=bulletin.channel, event_kind=event, ban=ban)
    if ban == REINSTATED or event in RESUMING:
        await channel_facts.clear(tx, bulletin.channel, channel_facts.STOPPED)
    elif event in STOPPING or ban == BANNED:
        await channel_facts.note(tx, bulletin.channel, channel_facts.STOPPED, f"{event} {ban}".strip(), now)
    else:
        await channel_facts.note(tx, bulletin.channel, "account", event, now)


async def _fault(tx: Transaction, bulletin: AccountEvent, now: datetime) -> None:
    code = int(bulletin.fields.get("code", "0") or 0)
    log.warning("account_fault", channel=bulletin.channel, code=code)
    if error_meaning(code) is ErrorMeaning.CHANNEL_STOPPED:
        await channel_facts.note(tx, bulletin.channel, channel_facts.STOPPED, f"code {code}", now)
