"""What a platform tells of a delivery that it had taken: it moves on from there, in whatever order that comes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CompoundSelect, Select, func, or_, select, update

from storage.database import Transaction
from storage.queue.outbox import DeliveryKind, DeliveryState
from storage.schema import deliveries

STATUSES = ("sent", "failed", "delivered", "read")
"""What a platform may tell of a delivery, from the least to the most: words come in any order, and the most counts."""


@dataclass(frozen=True, slots=True)
class UpdatedDelivery:
    """A delivery of which the platform told something new."""

    id: int
    channel: str
    address: str
    kind: DeliveryKind
    deadline: datetime | None


async def record_status(
    tx: Transaction, channel: str, number: int, ref: str, fate: str, now: datetime
) -> UpdatedDelivery | None:
    """Note what the platform tells of a delivery; None: it is unknown, or nothing new.

    `number` is our id as the platform gave it back (0: it did not), `ref` its own. A delivery of which we never heard
    the answer is sent by any such word; one whose reference is another was given the same id later.
    """
    of_it = deliveries.c.channel == channel
    meant: Select[Any] | CompoundSelect[Any]
    meant = by_ref = select(deliveries.c.id).where(of_it, deliveries.c.platform_ref == ref)
    if number:
        is_tried = deliveries.c.platform_ref.is_(None) & (deliveries.c.attempts > 0)
        meant = by_ref.union_all(select(deliveries.c.id).where(of_it, deliveries.c.id == number, is_tried))
    below = STATUSES[: STATUSES.index(fate)]
    over = {"body": None, "lease_until": None, "worker": None, "platform_ref": ref[:160]}
    state = DeliveryState.FAILED if fate == "failed" else DeliveryState.SENT
    statement = (
        update(deliveries)
        .where(deliveries.c.id.in_(meant))
        .where(or_(deliveries.c.platform_status.is_(None), deliveries.c.platform_status.in_(below)))
        .values(platform_status=fate, state=state.value, ended_at=func.coalesce(deliveries.c.ended_at, now), **over)
        .returning(*(deliveries.c[name] for name in UpdatedDelivery.__slots__))
    )
    row = (await tx.execute(statement)).mappings().first()
    return None if row is None else UpdatedDelivery(**{**row, "kind": DeliveryKind(row["kind"])})
