"""Receipts: statuses that a platform reports for a delivery after accepting it, in any order."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CompoundSelect, Select, case, func, literal, null, or_, select, update

from storage.database import Transaction, day_of
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, DeliveryState
from storage.schema import deliveries


class DeliveryStatus(StrEnum):
    """Status of a delivery that the platform had accepted, from the least to the most that is known.

    They are reported in any order, and the highest one so far counts.
    """

    SENT = "sent"  # it left the platform
    FAILED = "failed"  # it will not arrive
    DELIVERED = "delivered"  # it is on the recipient's device
    READ = "read"  # read receipt: the recipient opened (or played) it

    @property
    def state(self) -> DeliveryState:
        """State of a delivery with this status: any but a failure shows that it was sent."""
        return DeliveryState.FAILED if self is DeliveryStatus.FAILED else DeliveryState.SENT

    @property
    def is_delivered(self) -> bool:
        """Whether it was on the recipient's device by then: a read receipt may come without the one before it."""
        return self in (DeliveryStatus.DELIVERED, DeliveryStatus.READ)

    @property
    def replaced(self) -> list[str]:
        """The lower statuses, which this one replaces."""
        ranks = list(DeliveryStatus)
        return [status.value for status in ranks[: ranks.index(self)]]


@dataclass(frozen=True, slots=True)
class UpdatedDelivery:
    """A delivery whose platform status has changed."""

    id: int
    channel: str
    address: str
    kind: DeliveryKind
    deadline: datetime | None


async def record_status(
    tx: Transaction,
    channel: str,
    number: int,
    ref: str,
    status: DeliveryStatus,
    now: datetime,
    at: datetime | None = None,
) -> UpdatedDelivery | None:
    """Record a status reported by the platform for a moment (None: now); None: the delivery is unknown, or no news.

    `number` is our id as returned by the platform (0: not returned), `ref` the platform's own. Any status shows that a
    delivery without a response was sent. A delivery with that id but another reference got the id later: not changed.
    """
    in_channel = deliveries.c.channel == channel
    matching: Select[Any] | CompoundSelect[Any]
    matching = by_ref = select(deliveries.c.id).where(in_channel, deliveries.c.platform_ref == ref)
    if number:
        is_attempted = deliveries.c.platform_ref.is_(None) & (deliveries.c.attempts > 0)
        matching = by_ref.union_all(select(deliveries.c.id).where(in_channel, deliveries.c.id == number, is_attempted))
    reported: dict[str, Any] = outbox.ended_at(now, keeps_end=True) | {
        "platform_status": status.value,
        "state": status.state.value,
        "platform_ref": case((outbox.SAYS_NOTHING, null()), else_=ref[:160]),
        "worker": None,
    }
    if status.is_delivered:
        delivered_at, known = at or now, deliveries.c.delivered_at
        day, moment = (literal(value, known.type) for value in (day_of(delivered_at), delivered_at))
        reported["delivered_at"] = func.coalesce(known, case((outbox.SAYS_NOTHING, day), else_=moment))
    statement = (
        update(deliveries)
        .where(deliveries.c.id.in_(matching))
        .where(or_(deliveries.c.platform_status.is_(None), deliveries.c.platform_status.in_(status.replaced)))
        .values(reported)
        .returning(*(deliveries.c[name] for name in UpdatedDelivery.__slots__))
    )
    row = (await tx.execute(statement)).mappings().first()
    return None if row is None else UpdatedDelivery(**{**row, "kind": DeliveryKind(row["kind"])})
