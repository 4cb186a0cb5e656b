"""What a tick left behind in a database on which nothing is sent: counts only, for a rehearsal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from storage.database import Transaction
from storage.queue.outbox import DeliveryState
from storage.reports.blocks import count_after, newest_closing
from storage.schema import deliveries


@dataclass(frozen=True, slots=True)
class Outcome:
    """Deliveries by channel and kind that would be sent, and those whose deadline is over; what was closed."""

    to_send: Mapping[tuple[str, str], int]
    late: Mapping[tuple[str, str], int]
    weeks_closed: int
    blocks_of_people: int
    blocks_of_answers: int


async def read(tx: Transaction, now: datetime, closing: int) -> Outcome:
    """The deliveries that are due at `now` and that no running process holds, and what was closed after `closing`."""
    is_late = (deliveries.c.deadline.is_not(None)) & (deliveries.c.deadline <= now)
    is_free = (deliveries.c.state == DeliveryState.WAITING) | (
        (deliveries.c.state == DeliveryState.CLAIMED) & (deliveries.c.lease_until < now)
    )
    columns = (deliveries.c.channel, deliveries.c.kind)
    due = select(*columns, func.count()).where(is_free, deliveries.c.due_at <= now).group_by(*columns)
    to_send = {(row[0], row[1]): row[2] for row in await tx.execute(due.where(~is_late))}
    late = {(row[0], row[1]): row[2] for row in await tx.execute(due.where(is_late))}
    return Outcome(to_send, late, await newest_closing(tx) - closing, *await count_after(tx, closing))
