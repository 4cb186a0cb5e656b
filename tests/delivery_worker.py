"""A worker of the outbox, controlled step by step by a test: claims on several channels, ends single deliveries."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from storage import envelopes
from storage.database import Transaction
from storage.queue import claims, outbox, rate_limits
from storage.queue.outbox import Delivery, DeliveryState, FinishedDelivery, PostponedDelivery
from storage.schema import deliveries


async def claim(tx: Transaction, worker: str, channels: Iterable[str], now: datetime, limit: int) -> list[Delivery]:
    """Claim up to `limit` deliveries for the worker, after reclaiming those whose lease has expired."""
    await outbox.reclaim(tx, worker, now)  # its own too: a test has nothing in flight
    claimed: list[Delivery] = []
    for channel in channels:
        await rate_limits.take_over(tx, channel, worker, now)
        if len(claimed) < limit:
            claimed += await claims.claim(tx, worker, channel, now, limit - len(claimed))
    return [delivery.opened(envelopes.of(tx)) for delivery in claimed]


async def finish(
    tx: Transaction, delivery_id: int, state: DeliveryState, now: datetime, *, ref: str = "", fault: str = ""
) -> None:
    """End a delivery on behalf of the worker that has claimed it."""
    finished = FinishedDelivery(delivery_id, state, ref, fault)
    await outbox.finish_all(tx, await claimed_by(tx, delivery_id), [finished], now)


async def postpone(tx: Transaction, delivery_id: int, until: datetime, fault: str) -> None:
    """Postpone a delivery on behalf of the worker that has claimed it."""
    await outbox.postpone_all(tx, await claimed_by(tx, delivery_id), [PostponedDelivery(delivery_id, until, fault)])


async def claimed_by(tx: Transaction, delivery_id: int) -> str:
    """The worker that has claimed a delivery."""
    return str(await tx.scalar(select(deliveries.c.worker).where(deliveries.c.id == delivery_id)))
