"""How much waits in the outbox, for how long, and what was lost: the gauges of sending."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, or_, select

from storage.database import Transaction
from storage.outbox import State, in_state
from storage.schema import deliveries


async def counts(tx: Transaction) -> dict[tuple[str, str], int]:
    """Deliveries by channel and state."""
    statement = select(deliveries.c.channel, deliveries.c.state, func.count()).group_by(
        deliveries.c.channel, deliveries.c.state
    )
    return {(channel, state): number for channel, state, number in await tx.execute(statement)}


async def count_expired(tx: Transaction, now: datetime) -> int:
    """Claimed deliveries whose lease is over."""
    statement = select(func.count()).where(in_state(State.CLAIMED), deliveries.c.lease_until < now)
    return await tx.scalar(statement) or 0


async def oldest_waiting(tx: Transaction, now: datetime) -> float:
    """Seconds that the oldest due delivery has been waiting; 0.0 when none is."""
    statement = select(func.min(deliveries.c.due_at)).where(in_state(State.WAITING), deliveries.c.due_at <= now)
    moment = await tx.scalar(statement)
    return 0.0 if moment is None else (now - moment).total_seconds()


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a channel has not brought to people."""

    waiting: int = 0  # to leave now or later
    oldest: datetime | None = None  # since when the oldest that is due waits; None: none is due
    lost: int = 0  # refused, or failed after they had left


async def backlogs(tx: Transaction, now: datetime, since: datetime) -> dict[str, Backlog]:
    """By channel, where there is anything; what was lost counts if it ended after `since`."""
    is_waiting = deliveries.c.state == State.WAITING
    is_lost = and_(deliveries.c.state.in_((State.REFUSED, State.FAILED)), deliveries.c.ended_at > since)
    statement = (
        select(
            deliveries.c.channel,
            func.sum(case((is_waiting, 1), else_=0)),
            func.min(case((is_waiting & (deliveries.c.due_at <= now), deliveries.c.due_at))),
            func.sum(case((is_lost, 1), else_=0)),
        )
        .where(or_(is_waiting, is_lost))
        .group_by(deliveries.c.channel)
    )
    return {row[0]: Backlog(row[1], row[2], row[3]) for row in await tx.execute(statement)}
