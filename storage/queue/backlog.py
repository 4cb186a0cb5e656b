"""Counts and ages of what waits in the outbox and in the inbox, and of lost deliveries, for metrics and monitoring.

Ended rows stay for days and are many times more than waiting ones: no statement here reads all of them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Select, and_, case, func, or_, select, union_all

from storage.database import Transaction, day_of
from storage.queue import outbox
from storage.queue.outbox import FOLLOWING, PRIORITY, SAYS_NOTHING, DeliveryKind, DeliveryState
from storage.schema import deliveries, updates

OPEN = (DeliveryState.WAITING, DeliveryState.CLAIMED)
ENDED = tuple(state for state in DeliveryState if state not in OPEN)


async def counts(tx: Transaction, since: datetime) -> dict[tuple[str, str], int]:
    """Deliveries by channel and state: all open ones, and ended ones whose last attempt was due after `since`.

    Ended replies and signals keep the day alone: those of the day of `since` and of later ones count, sent ones until
    they are deleted (see storage/queue/retention.py).
    """
    on_channels = outbox.on_channels()
    moments = {PRIORITY[kind]: day_of(since) if kind in FOLLOWING else since for kind in DeliveryKind}
    is_recent = or_(
        *((deliveries.c.priority == priority) & (deliveries.c.due_at >= moment) for priority, moment in moments.items())
    )
    columns = (deliveries.c.channel, deliveries.c.state, func.count())
    statements = [
        select(*columns).where(on_channels, deliveries.c.state.in_(OPEN)).group_by(*columns[:2]),
        select(*columns).where(on_channels, deliveries.c.state.in_(ENDED), is_recent).group_by(*columns[:2]),
    ]
    values = {"channels": await outbox.channels(tx)}
    return {
        (channel, state): count
        for statement in statements
        for channel, state, count in await tx.execute(statement, values)
    }


async def count_expired_leases(tx: Transaction, now: datetime) -> int:
    """Claimed deliveries whose lease has expired."""
    statement = select(func.count()).where(outbox.in_state(DeliveryState.CLAIMED), deliveries.c.lease_until < now)
    return await tx.scalar(statement, {"channels": await outbox.channels(tx)}) or 0


async def count_delayed(tx: Transaction, now: datetime) -> dict[str, int]:
    """Waiting deliveries that are due later, by channel: mostly postponed ones that will be retried."""
    statement = (
        select(deliveries.c.channel, func.count())
        .where(outbox.in_state(DeliveryState.WAITING), deliveries.c.priority.in_(PRIORITY.values()))
        .where(deliveries.c.due_at > now)
        .group_by(deliveries.c.channel)
    )
    rows = await tx.execute(statement, {"channels": await outbox.channels(tx)})
    return {row[0]: row[1] for row in rows}


async def oldest_delivery_age(tx: Transaction, now: datetime, channels: Collection[str] | None = None) -> float:
    """Seconds that the oldest due delivery on these channels (None: on any) has been waiting; 0.0 when none is."""
    names = await outbox.channels(tx) if channels is None else tuple(channels)
    moment = await tx.scalar(_oldest(names)) if names else None
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


@cache
def _oldest(channels: tuple[str, ...]) -> Select[datetime]:
    """The earliest due time of all that waits, by the first of each range of the index instead of the whole ranges."""
    firsts = union_all(
        *(
            select(func.min(deliveries.c.due_at).label("due_at")).where(
                deliveries.c.channel == channel,
                deliveries.c.state == DeliveryState.WAITING,
                deliveries.c.priority == priority,
            )
            for channel in channels
            for priority in PRIORITY.values()
        )
    ).subquery()
    return select(func.min(firsts.c.due_at))


async def oldest_update_age(tx: Transaction, now: datetime) -> float:
    """Seconds that the oldest waiting update has been waiting; 0.0 when none is."""
    statement = select(updates.c.received_at).where(updates.c.state == "waiting").order_by(updates.c.id).limit(1)
    moment = await tx.scalar(statement)
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


@dataclass(frozen=True, slots=True)
class Backlog:
    """Undelivered messages of one channel."""

    waiting: int = 0  # due now or later
    oldest: datetime | None = None  # due time of the oldest that is due; None: none is due
    lost: int = 0  # refused, or failed after they had been sent


async def backlogs(tx: Transaction, now: datetime, since: datetime) -> dict[str, Backlog]:
    """Backlogs by channel, of channels that have any; lost deliveries count if they ended after `since`.

    Of replies and signals those that ended on its day count, too.
    """
    is_waiting = deliveries.c.state == DeliveryState.WAITING
    is_recent = or_(deliveries.c.ended_at > since, SAYS_NOTHING & (deliveries.c.ended_at >= day_of(since)))
    is_lost = and_(deliveries.c.state.in_((DeliveryState.REFUSED, DeliveryState.FAILED)), is_recent)
    statement = (
        select(
            deliveries.c.channel,
            func.sum(case((is_waiting, 1), else_=0)),
            func.min(case((is_waiting & (deliveries.c.due_at <= now), deliveries.c.due_at))),
            func.sum(case((is_lost, 1), else_=0)),
        )
        .where(
            outbox.on_channels(),
            deliveries.c.state.in_((DeliveryState.WAITING, DeliveryState.REFUSED, DeliveryState.FAILED)),
        )
        .where(or_(is_waiting, is_lost))
        .group_by(deliveries.c.channel)
    )
    rows = await tx.execute(statement, {"channels": await outbox.channels(tx)})
    return {row[0]: Backlog(row[1], row[2], row[3]) for row in rows}
