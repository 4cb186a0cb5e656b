"""How much waits in the outbox and in the inbox, for how long, and what was lost: the gauges.

What ended stays for days, and is many times more than what waits: nothing here looks at all of it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, or_, select, union_all

from storage.database import Transaction
from storage.queue.outbox import CHANNELS, PRIORITY, DeliveryState, in_state
from storage.schema import deliveries, updates

OPEN = (DeliveryState.WAITING, DeliveryState.CLAIMED)
ENDED = tuple(state for state in DeliveryState if state not in OPEN)


async def counts(tx: Transaction, since: datetime) -> dict[tuple[str, str], int]:
    """Deliveries by channel and state: all that are open, and those ended ones whose last try was due after `since`."""
    of_all = deliveries.c.channel.in_(CHANNELS)
    is_recent = deliveries.c.priority.in_(PRIORITY.values()) & (deliveries.c.due_at > since)
    columns = (deliveries.c.channel, deliveries.c.state, func.count())
    both = [
        select(*columns).where(of_all, deliveries.c.state.in_(OPEN)).group_by(*columns[:2]),
        select(*columns).where(of_all, deliveries.c.state.in_(ENDED), is_recent).group_by(*columns[:2]),
    ]
    return {(channel, state): number for one in both for channel, state, number in await tx.execute(one)}


async def count_expired_leases(tx: Transaction, now: datetime) -> int:
    """Claimed deliveries whose lease is over."""
    statement = select(func.count()).where(in_state(DeliveryState.CLAIMED), deliveries.c.lease_until < now)
    return await tx.scalar(statement) or 0


async def count_delayed(tx: Transaction, now: datetime) -> dict[str, int]:
    """Deliveries that wait for a later moment, by channel: mostly those that could not leave and are tried again."""
    statement = (
        select(deliveries.c.channel, func.count())
        .where(in_state(DeliveryState.WAITING), deliveries.c.priority.in_(PRIORITY.values()), deliveries.c.due_at > now)
        .group_by(deliveries.c.channel)
    )
    return {row[0]: row[1] for row in await tx.execute(statement)}


async def oldest_delivery_age(tx: Transaction, now: datetime) -> float:
    """Seconds that the oldest due delivery has been waiting; 0.0 when none is."""
    moment = await tx.scalar(_OLDEST)
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


_firsts = union_all(  # the first of each stretch of the index, instead of all that waits
    *(
        select(func.min(deliveries.c.due_at).label("due_at")).where(
            deliveries.c.channel == channel,
            deliveries.c.state == DeliveryState.WAITING,
            deliveries.c.priority == priority,
        )
        for channel in CHANNELS
        for priority in PRIORITY.values()
    )
).subquery()
_OLDEST = select(func.min(_firsts.c.due_at))


async def oldest_update_age(tx: Transaction, now: datetime) -> float:
    """Seconds that the first of the waiting updates has been waiting; 0.0 when none is."""
    statement = select(updates.c.received_at).where(updates.c.state == "waiting").order_by(updates.c.id).limit(1)
    moment = await tx.scalar(statement)
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a channel has not brought to people."""

    waiting: int = 0  # to leave now or later
    oldest: datetime | None = None  # since when the oldest that is due waits; None: none is due
    lost: int = 0  # refused, or failed after they had left


async def backlogs(tx: Transaction, now: datetime, since: datetime) -> dict[str, Backlog]:
    """By channel, where there is anything; what was lost counts if it ended after `since`."""
    is_waiting = deliveries.c.state == DeliveryState.WAITING
    of_all = deliveries.c.channel.in_(CHANNELS)
    is_lost = and_(deliveries.c.state.in_((DeliveryState.REFUSED, DeliveryState.FAILED)), deliveries.c.ended_at > since)
    statement = (
        select(
            deliveries.c.channel,
            func.sum(case((is_waiting, 1), else_=0)),
            func.min(case((is_waiting & (deliveries.c.due_at <= now), deliveries.c.due_at))),
            func.sum(case((is_lost, 1), else_=0)),
        )
        .where(of_all, deliveries.c.state.in_((DeliveryState.WAITING, DeliveryState.REFUSED, DeliveryState.FAILED)))
        .where(or_(is_waiting, is_lost))
        .group_by(deliveries.c.channel)
    )
    return {row[0]: Backlog(row[1], row[2], row[3]) for row in await tx.execute(statement)}
