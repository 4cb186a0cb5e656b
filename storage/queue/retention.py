"""Retention: old rows are deleted in batches, so that writers never wait for long and few remaining rows are read.

Ids are assigned in the order of arrival, so that old rows are at the beginning of the table: each batch begins after
the previous one, and the first batch without an old row is the last. This needs no index. Sent replies go at the next
quarter of an hour: receipts that are late find nothing, and nothing would follow from them.
"""

from datetime import datetime, timedelta

from sqlalchemy import Select, delete, select

from storage.database import Transaction
from storage.queue.outbox import DeliveryState
from storage.schema import deliveries, handled_updates, updates

UPDATE_RETENTION = timedelta(days=8)  # of handled updates: no platform repeats one for longer than 7 days
DELIVERY_RETENTION = timedelta(days=8)  # of ended deliveries: for late receipts and for support
BATCH_SIZE = 250  # rows


async def delete_ended_deliveries(tx: Transaction, before: datetime, after: int = 0) -> int | None:
    """Delete, in the next batch of ids above `after`, the deliveries that ended before `before`.

    Returns the last id examined; None: no older rows follow.
    """
    columns = (deliveries.c.id, deliveries.c.due_at, deliveries.c.ended_at)
    rows = (await tx.execute(_batch(select(*columns).where(deliveries.c.id > after).order_by(deliveries.c.id)))).all()
    expired = [row.id for row in rows if row.ended_at is not None and row.ended_at < before]
    if expired:
        await tx.execute(delete(deliveries).where(deliveries.c.id.in_(expired)))
    is_old = bool(expired) or any(row.due_at < before for row in rows)  # a channel may be stopped for longer than that
    return rows[-1].id if is_old and len(rows) == BATCH_SIZE else None


async def delete_updates_set_aside(tx: Transaction, before: datetime, after: int = 0) -> int | None:
    """The same for updates that were set aside before `before`, which no platform repeats any more."""
    columns = (updates.c.id, updates.c.state, updates.c.received_at)
    rows = (await tx.execute(_batch(select(*columns).where(updates.c.id > after).order_by(updates.c.id)))).all()
    expired = [row.id for row in rows if row.state == "aside" and row.received_at < before]
    if expired:
        await tx.execute(delete(updates).where(updates.c.id.in_(expired)))
    is_old = any(row.received_at < before for row in rows)
    return rows[-1].id if is_old and len(rows) == BATCH_SIZE else None


async def delete_keys_of_updates(tx: Transaction, before: datetime) -> bool:
    """Delete a batch of the keys of updates handled before that day; False: none is left."""
    columns = handled_updates.c
    keys = list((await tx.scalars(_batch(select(columns.key).where(columns.day < before.date())))).all())
    if keys:
        await tx.execute(delete(handled_updates).where(columns.key.in_(keys)))
    return len(keys) == BATCH_SIZE


async def delete_sent_replies(tx: Transaction) -> bool:
    """Delete a batch of sent replies and signals whose rows tell nothing any more; False: none is left.

    Beside the answers of those days their number, channel and order would still tell something. What failed or was
    refused stays as long as other deliveries, to be counted.
    """
    columns = deliveries.c
    sent = select(columns.id).where(columns.address == "", columns.state == DeliveryState.SENT)
    ids = list((await tx.scalars(_batch(sent))).all())
    if ids:
        await tx.execute(delete(deliveries).where(columns.id.in_(ids)))
    return len(ids) == BATCH_SIZE


def _batch(statement: Select[*tuple[object, ...]]) -> Select[*tuple[object, ...]]:
    """The next batch, without the rows that another process is deleting at the same time."""
    return statement.limit(BATCH_SIZE).with_for_update(skip_locked=True)
