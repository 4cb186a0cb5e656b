"""Facts that the platforms report about our accounts: limits, why a channel is stopped, the status of our templates."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from storage.database import Transaction, dialect_insert
from storage.schema import channel_facts, template_states

STOPPED = "stopped"  # why nothing can be sent on the channel
NOT_RECEIVING = "not_receiving"  # why no updates reach us on the channel, while we may send
RECIPIENT_LIMIT = "recipient_limit"  # see RecipientLimit
DEFAULT_RECIPIENT_LIMIT = 250
"""Recipients in 24 hours while the platform has reported no other limit (Cloud API, messaging limits)."""
_UNLIMITED = "-1"
_RECIPIENTS = re.compile(r"[0-9]{1,9}")

STOPPING_STATUSES = (
    "PENDING",
    "REJECTED",
    "PAUSED",
    "DISABLED",
    "DELETED",
    "ARCHIVED",
    "LOCKED",
    "IN_APPEAL",
    "LIMIT",
    "REFUSED",
)
"""Prefixes of statuses with which a template cannot be sent now; with any other one, sending is attempted."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """A channel is stopped or not receiving: the reason as given by the platform, and since when."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecipientLimit:
    """Recipients outside the reply window to whom the platform lets us send templates in 24 hours."""

    recipients: int | None  # None: unlimited
    is_reported: bool  # False: the platform has reported none, and the default counts


@dataclass(frozen=True, slots=True)
class TemplateState:
    """The status of one template in one language (by the platform's code)."""

    channel: str
    name: str
    code: str
    status: str
    category: str
    quality: str
    noted_at: datetime

    @property
    def is_stopped(self) -> bool:
        return is_stopping(self.status)


def is_stopping(status: str) -> bool:
    return status.startswith(STOPPING_STATUSES)


async def store(tx: Transaction, channel: str, name: str, value: str, now: datetime) -> None:
    """Store a fact about a channel, replacing another value; the same value keeps its first time."""
    fields = {"channel": channel, "name": name, "value": value[:200], "noted_at": now}
    statement = dialect_insert(tx, channel_facts).values(**fields)
    differs = channel_facts.c.value != fields["value"]
    await tx.execute(statement.on_conflict_do_update(index_elements=["channel", "name"], set_=fields, where=differs))


async def clear(tx: Transaction, channel: str, name: str) -> None:
    await tx.execute(delete(channel_facts).where(channel_facts.c.channel == channel, channel_facts.c.name == name))


async def facts(tx: Transaction, channel: str) -> Mapping[str, str]:
    statement = select(channel_facts.c.name, channel_facts.c.value).where(channel_facts.c.channel == channel)
    return {row[0]: row[1] for row in await tx.execute(statement)}


def recipient_limit_text(recipients: int | None) -> str:
    """A recipient limit as text, in facts and account events; None: unlimited."""
    return _UNLIMITED if recipients is None else str(recipients)


def parse_recipient_limit(text: str) -> int | None:
    """The limit in a text of `recipient_limit_text`; None: unlimited. Raises ValueError for any other text."""
    if text == _UNLIMITED:
        return None
    if not _RECIPIENTS.fullmatch(text):
        raise ValueError("not a number of recipients")
    return int(text)


async def store_recipient_limit(tx: Transaction, channel: str, recipients: int | None, now: datetime) -> None:
    """Store the limit that the platform reported; None: unlimited."""
    await store(tx, channel, RECIPIENT_LIMIT, recipient_limit_text(recipients), now)


async def recipient_limit(tx: Transaction, channel: str) -> RecipientLimit:
    """The limit that the platform reported last, or the default."""
    reported = (await facts(tx, channel)).get(RECIPIENT_LIMIT)
    if reported is None:
        return RecipientLimit(DEFAULT_RECIPIENT_LIMIT, is_reported=False)
    return RecipientLimit(parse_recipient_limit(reported), is_reported=True)


async def stopped(tx: Transaction) -> Mapping[str, str]:
    """Channels that are stopped, with the reason."""
    statement = select(channel_facts.c.channel, channel_facts.c.value).where(channel_facts.c.name == STOPPED)
    return {row[0]: row[1] for row in await tx.execute(statement)}


async def not_receiving(tx: Transaction) -> Mapping[str, str]:
    """Channels on which no updates reach us, with the reason."""
    statement = select(channel_facts.c.channel, channel_facts.c.value).where(channel_facts.c.name == NOT_RECEIVING)
    return {row[0]: row[1] for row in await tx.execute(statement)}


async def interruptions(tx: Transaction, name: str = STOPPED) -> Mapping[str, Interruption]:
    """Channels with this fact (STOPPED or NOT_RECEIVING), with the reason and the time."""
    columns = (channel_facts.c.channel, channel_facts.c.value, channel_facts.c.noted_at)
    rows = await tx.execute(select(*columns).where(channel_facts.c.name == name))
    return {row[0]: Interruption(row[1], row[2]) for row in rows}


async def store_template(
    tx: Transaction,
    channel: str,
    name: str,
    code: str,
    now: datetime,
    *,
    status: str | None = None,
    category: str | None = None,
    quality: str | None = None,
) -> None:
    """Store what was reported about a template; fields that are None are not changed."""
    reported = {"status": status, "category": category, "quality": quality}
    new = {field: value.upper()[:20] for field, value in reported.items() if value is not None} | {"noted_at": now}
    fields = {"channel": channel, "name": name[:100], "code": code[:10], "status": "", **new}
    statement = dialect_insert(tx, template_states).values(**fields)
    await tx.execute(statement.on_conflict_do_update(index_elements=["channel", "name", "code"], set_=new))


async def templates(tx: Transaction, channel: str) -> Mapping[tuple[str, str], TemplateState]:
    """The states of all templates, by name and language code."""
    rows = (await tx.execute(select(template_states).where(template_states.c.channel == channel))).mappings()
    return {(row["name"], row["code"]): TemplateState(**row) for row in rows}


async def delete_absent_templates(tx: Transaction, channel: str, present: Collection[tuple[str, str]]) -> None:
    """Delete the states of templates that the platform no longer has."""
    for name, code in set(await templates(tx, channel)) - set(present):
        await tx.execute(
            delete(template_states).where(
                template_states.c.channel == channel, template_states.c.name == name, template_states.c.code == code
            )
        )
