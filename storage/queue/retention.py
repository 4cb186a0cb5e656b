"""Forgetting what ended long ago, in portions: nobody who writes waits for long, and nothing is read that stays.

Ids are given in the order of arrival, so that what is old stands at the beginning of the table: a portion begins behind
the one before, and the first portion without anything old is the last. No index is kept for this.
"""

from datetime import datetime

from sqlalchemy import Select, delete, select

from storage.database import Transaction
from storage.schema import deliveries, updates

BATCH_SIZE = 250


async def delete_ended_deliveries(tx: Transaction, before: datetime, after: int = 0) -> int | None:
    """Forget deliveries that ended before then, among the next ones behind the id `after`.

    Gives the last id that was looked at; None: there is nothing older.
    """
    columns = (deliveries.c.id, deliveries.c.due_at, deliveries.c.ended_at)
    rows = (await tx.execute(_next(select(*columns).where(deliveries.c.id > after).order_by(deliveries.c.id)))).all()
    over = [row.id for row in rows if row.ended_at is not None and row.ended_at < before]
    if over:
        await tx.execute(delete(deliveries).where(deliveries.c.id.in_(over)))
    is_old = bool(over) or any(row.due_at < before for row in rows)  # a channel may stand still for longer than that
    return rows[-1].id if is_old and len(rows) == BATCH_SIZE else None


async def delete_handled_updates(tx: Transaction, before: datetime, after: int = 0) -> int | None:
    """The same with handled updates that no platform will repeat any more."""
    columns = (updates.c.id, updates.c.state, updates.c.received_at)
    rows = (await tx.execute(_next(select(*columns).where(updates.c.id > after).order_by(updates.c.id)))).all()
    over = [row.id for row in rows if row.state != "waiting" and row.received_at < before]
    if over:
        await tx.execute(delete(updates).where(updates.c.id.in_(over)))
    is_old = any(row.received_at < before for row in rows)
    return rows[-1].id if is_old and len(rows) == BATCH_SIZE else None


def _next(statement: Select[*tuple[object, ...]]) -> Select[*tuple[object, ...]]:
    """Of several processes that forget at once each takes others."""
    return statement.limit(BATCH_SIZE).with_for_update(skip_locked=True)
