"""Which prompts a servant has in front of them: the deliveries that show one, as far as their rows are kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from storage.database import Transaction
from storage.queue.outbox import DeliveryState
from storage.schema import addresses, deliveries, prompts


@dataclass(frozen=True, slots=True)
class ShownPrompt:
    """A delivery that shows a prompt, and as much as is known about when it reached the servant.

    `accepted_at` is None for a delivery that may have been sent, as its worker died or the platform did not answer.
    """

    prompt_id: int
    channel: str
    planned_at: datetime
    accepted_at: datetime | None  # when the platform accepted it, by our clock
    delivered_at: datetime | None  # when it was on the servant's device, by the platform's clock


async def of_servant(tx: Transaction, servant_id: int, since: datetime) -> list[ShownPrompt]:
    """What was sent since then, or may have been, to any address of a servant; in no particular order."""
    statement = (
        select(
            deliveries.c.prompt_id,
            deliveries.c.channel,
            deliveries.c.due_at,
            deliveries.c.state,
            deliveries.c.ended_at,
            deliveries.c.delivered_at,
        )
        .join(addresses, (addresses.c.address == deliveries.c.address) & (addresses.c.channel == deliveries.c.channel))
        .where(
            addresses.c.servant_id == servant_id,
            deliveries.c.prompt_id.is_not(None),
            deliveries.c.state.in_([state.value for state in _SHOWING]),
            deliveries.c.due_at >= since,
        )
    )
    return [_shown(row) for row in await tx.execute(statement)]


async def of_message(tx: Transaction, servant_id: int, channel: str, address: str, ref: str) -> int | None:
    """The id of the servant's prompt that a message shows, by the platform's identifier; None: it shows none."""
    statement = (
        select(deliveries.c.prompt_id)
        .join(prompts, prompts.c.id == deliveries.c.prompt_id)
        .where(
            deliveries.c.platform_ref == ref,
            deliveries.c.channel == channel,
            deliveries.c.address == address,
            prompts.c.servant_id == servant_id,
        )
    )
    prompt_id: int | None = await tx.scalar(statement.limit(1))
    return prompt_id


_SHOWING = (DeliveryState.SENT, DeliveryState.CLAIMED, DeliveryState.DOUBTED)


def _shown(row: Row[tuple[Any, ...]]) -> ShownPrompt:
    accepted_at = row.ended_at if row.state == DeliveryState.SENT else None
    return ShownPrompt(row.prompt_id, row.channel, row.due_at, accepted_at, row.delivered_at)
