"""What the platforms told about ourselves: limits, why a channel stands still, how they look at our templates."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from storage.database import Transaction, dialect_insert
from storage.schema import channel_facts, template_states

STOPPED = "stopped"  # why the whole channel stands still
NOT_RECEIVING = "deaf"  # why nothing reaches us on it, while we may send
RECIPIENT_LIMIT = "people"  # how many silent people may be written to in 24 hours; -1: as many as there are

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
"""How a status begins by which a template cannot be sent now; any other word is only news, and it is tried."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """A channel stands still, or hears nothing: the reason as the platform gave it, and since when."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TemplateState:
    """How a platform looks at one template in one language (by the platform's code)."""

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
    """Remember a fact about a channel; another one takes its place, the same one keeps its first moment."""
    fields = {"channel": channel, "name": name, "value": value[:200], "noted_at": now}
    statement = dialect_insert(tx, channel_facts).values(**fields)
    differs = channel_facts.c.value != fields["value"]
    await tx.execute(statement.on_conflict_do_update(index_elements=["channel", "name"], set_=fields, where=differs))


async def clear(tx: Transaction, channel: str, name: str) -> None:
    await tx.execute(delete(channel_facts).where(channel_facts.c.channel == channel, channel_facts.c.name == name))


async def facts(tx: Transaction, channel: str) -> Mapping[str, str]:
    statement = select(channel_facts.c.name, channel_facts.c.value).where(channel_facts.c.channel == channel)
    return {row[0]: row[1] for row in await tx.execute(statement)}


async def stopped(tx: Transaction) -> Mapping[str, str]:
    """Channels that stand still, with the reason."""
    statement = select(channel_facts.c.channel, channel_facts.c.value).where(channel_facts.c.name == STOPPED)
    return {row[0]: row[1] for row in await tx.execute(statement)}


async def not_receiving(tx: Transaction) -> Mapping[str, str]:
    """Channels on which nothing reaches us, with the reason."""
    statement = select(channel_facts.c.channel, channel_facts.c.value).where(channel_facts.c.name == NOT_RECEIVING)
    return {row[0]: row[1] for row in await tx.execute(statement)}


async def interruptions(tx: Transaction, name: str = STOPPED) -> Mapping[str, Interruption]:
    """Channels of which this is so (`stopped`, `deaf`), with the reason and the moment."""
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
    """Remember what was told about a template; what was not told stays as it was."""
    told = {"status": status, "category": category, "quality": quality}
    new = {field: value.upper()[:20] for field, value in told.items() if value is not None} | {"noted_at": now}
    fields = {"channel": channel, "name": name[:100], "code": code[:10], "status": "", **new}
    statement = dialect_insert(tx, template_states).values(**fields)
    await tx.execute(statement.on_conflict_do_update(index_elements=["channel", "name", "code"], set_=new))


async def templates(tx: Transaction, channel: str) -> Mapping[tuple[str, str], TemplateState]:
    """All that was told about templates, by name and language code."""
    rows = (await tx.execute(select(template_states).where(template_states.c.channel == channel))).mappings()
    return {(row["name"], row["code"]): TemplateState(**row) for row in rows}


async def delete_absent_templates(tx: Transaction, channel: str, present: Collection[tuple[str, str]]) -> None:
    """The platform has these templates and no others any more."""
    for name, code in set(await templates(tx, channel)) - set(present):
        await tx.execute(
            delete(template_states).where(
                template_states.c.channel == channel, template_states.c.name == name, template_states.c.code == code
            )
        )
