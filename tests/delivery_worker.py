"""A worker of the outbox in a test's hand: claims on several channels, and ends one delivery at a time."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from storage.database import Transaction
from storage.queue import claims, outbox, rate_limits
from storage.queue.outbox import Delivery, DeliveryState, FinishedDelivery, PostponedDelivery
from storage.schema import deliveries


async def claim(tx: Transaction, worker: str, channels: Iterable[str], now: datetime, limit: int) -> list[Delivery]:
    """What a worker takes when it looks: leases that are over first come back."""
    await outbox.reclaim(tx, worker, now)  # its own too: nothing is under way in a test's hand
    taken: list[Delivery] = []
    for channel in channels:
        await rate_limits.look(tx, channel, now)
        taken += await claims.claim(tx, worker, channel, now, limit - len(taken)) if len(taken) < limit else []
    return taken


async def finish(
    tx: Transaction, delivery_id: int, state: DeliveryState, now: datetime, *, ref: str = "", fault: str = ""
) -> None:
    """By whoever holds it."""
    await outbox.end_all(tx, await holder(tx, delivery_id), [FinishedDelivery(delivery_id, state, ref, fault)], now)


async def postpone(tx: Transaction, delivery_id: int, until: datetime, fault: str) -> None:
    """By whoever holds it."""
    await outbox.postpone_all(tx, await holder(tx, delivery_id), [PostponedDelivery(delivery_id, until, fault)])


async def holder(tx: Transaction, delivery_id: int) -> str:
    return str(await tx.scalar(select(deliveries.c.worker).where(deliveries.c.id == delivery_id)))
