"""Addresses that the platform does not reach now: tried again with growing pauses, silent after two weeks of refusals.

A refusal that may pass (not on the platform, no such chat, an app too old) is counted here, at most once for each try.
Until `retry_on` no prompt is planned for the address. What arrives, or comes from the person, ends the series; of
replies only those that show a prompt count, since the rows of others do not tell to whom they went.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, FromClause, and_, delete, exists, func, or_, select, update

from storage.database import Transaction, dialect_insert
from storage.queue import outbox
from storage.queue.outbox import DeliveryState
from storage.schema import address_refusals, addresses, deliveries

PAUSES = (1, 2, 4, 7)
"""Days until the next try, after each refusal of a series."""
LONGEST_SERIES = timedelta(days=14)
"""From the first refusal to the last try: refused again then, the address is unreachable."""
CONFIRMED_WITHIN = timedelta(minutes=15)
"""A message that was accepted longer ago, and of which no failure was reported, counts as arrived."""
NOT_REACHED = "not_reached"
"""Fault of deliveries that wait for the next try, or could not wait for it."""


@dataclass(frozen=True, slots=True)
class Series:
    """Refusals of one address. Days are those of UTC."""

    refusals: int
    first_on: date
    refused_at: datetime
    retry_on: date

    @property
    def retry_at(self) -> datetime:
        """When the next delivery may be tried: as many days after the refusal as `retry_on` is."""
        return self.refused_at + (self.retry_on - self.refused_at.date())


def after_refusal(known: Series | None, at: datetime) -> Series | None:
    """The series after one more refusal; None: it was the last, and the address is unreachable.

    A series begins afresh long after its last try, and where its days are in the future: a clock was wrong.
    """
    day = at.date()
    if known is None or known.first_on > day or day > known.retry_on + LONGEST_SERIES:
        return Series(1, day, at, day + timedelta(days=PAUSES[0]))
    if day < known.retry_on:
        return known
    last_try = known.first_on + LONGEST_SERIES
    if day >= last_try:
        return None
    pause = timedelta(days=PAUSES[min(known.refusals, len(PAUSES) - 1)])
    return Series(known.refusals + 1, known.first_on, at, min(day + pause, last_try))


async def count(tx: Transaction, channel: str, address: str, at: datetime) -> Series | None:
    """Count a refusal of an address; None: it is not tried again, as it was refused too often or is of no servant."""
    if await tx.scalar(select(addresses.c.address).where(_is_at(addresses, channel, address))) is None:
        return None
    columns = tuple(address_refusals.c[name] for name in Series.__slots__)
    row = (await tx.execute(select(*columns).where(_is_at(address_refusals, channel, address)))).first()
    known = None if row is None else Series(*row)
    if known is not None and await _has_arrived(tx, channel, address, known.refused_at):
        known = None
    after = after_refusal(known, at)
    if after is None:
        await tx.execute(delete(address_refusals).where(_is_at(address_refusals, channel, address)))
        return None
    fields = {name: getattr(after, name) for name in Series.__slots__}
    statement = dialect_insert(tx, address_refusals).values(channel=channel, address=address, **fields)
    await tx.execute(statement.on_conflict_do_update(index_elements=["channel", "address"], set_=fields))
    return after


async def _has_arrived(tx: Transaction, channel: str, address: str, since: datetime) -> bool:
    arrived = (deliveries.c.address == address) & (deliveries.c.channel == channel) & _arrived_after(since)
    return bool(await tx.scalar(select(exists().where(arrived))))


def _arrived_after(since: "datetime | ColumnElement[datetime]") -> ColumnElement[bool]:
    """Whether a delivery arrived: the platform accepted it and has reported no failure."""
    status = deliveries.c.platform_status
    return and_(
        deliveries.c.state == DeliveryState.SENT,
        deliveries.c.priority >= 0,
        deliveries.c.ended_at > since,
        or_(status.is_(None), status.in_(("delivered", "read"))),
    )


async def clear(tx: Transaction, channel: str, address: str) -> None:
    """End the series of an address, as its person has written; what waits for the next try is due at once."""
    waiting = outbox.is_to(tx, channel, address)
    waiting &= (deliveries.c.state == DeliveryState.WAITING) & (deliveries.c.fault == NOT_REACHED)
    refused = select(address_refusals.c.refused_at).where(_is_at(address_refusals, channel, address)).scalar_subquery()
    await tx.execute(update(deliveries).where(waiting).values(due_at=func.coalesce(refused, deliveries.c.due_at)))
    await tx.execute(delete(address_refusals).where(_is_at(address_refusals, channel, address)))


async def clear_reached(tx: Transaction, now: datetime) -> None:
    """End the series of all addresses at which something has arrived since."""
    recipient = (deliveries.c.address == address_refusals.c.address) & (
        deliveries.c.channel == address_refusals.c.channel
    )
    settled = deliveries.c.platform_status.is_not(None) | (deliveries.c.ended_at <= now - CONFIRMED_WITHIN)
    arrived = select(deliveries.c.id).where(recipient, _arrived_after(address_refusals.c.refused_at), settled).limit(1)
    # A value and no EXISTS, which PostgreSQL may turn into a join that reads all deliveries.
    await tx.execute(delete(address_refusals).where(arrived.scalar_subquery().is_not(None)))


async def count_waiting(tx: Transaction, today: date) -> dict[str, int]:
    """People whose address waits for its next try, by channel."""
    waiting = and_(address_refusals.c.first_on <= today, address_refusals.c.retry_on > today)
    columns = (address_refusals.c.channel, func.count())
    rows = await tx.execute(select(*columns).where(waiting).group_by(address_refusals.c.channel))
    return {row[0]: row[1] for row in rows}


def is_waiting(address: FromClause, day: "date | BindParameter[Any]") -> ColumnElement[bool]:
    """Condition that an address (a row of `addresses`) waits on that day for a later try.

    A series that began in the future is of a clock that was wrong.
    """
    refused = address_refusals.alias()
    return exists().where(
        refused.c.channel == address.c.channel,
        refused.c.address == address.c.address,
        refused.c.first_on <= day,
        refused.c.retry_on > day,
    )


def has_series() -> ColumnElement[bool]:
    """Whether an address has a series of refusals, as a column beside those of `addresses`."""
    known = address_refusals.alias()
    is_same = (known.c.channel == addresses.c.channel) & (known.c.address == addresses.c.address)
    return exists().where(is_same)


def _is_at(table: FromClause, channel: str, address: str) -> ColumnElement[bool]:
    return (table.c.channel == channel) & (table.c.address == address)
