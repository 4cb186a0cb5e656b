"""Undo what was stored while a clock was ahead, and what would otherwise keep people waiting until that day comes.

A prompt of a later day waits in the outbox until then, and no later one to the same person overtakes it.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import bindparam, delete, select, update

from storage.database import Transaction
from storage.queue.outbox import PRIORITY, DeliveryKind, DeliveryState, channels, in_state
from storage.schema import deliveries, prompts

FURTHEST = timedelta(days=8)
"""No reply or notice is put off for longer: a recipient who is not reached is tried again after 7 days at most."""
CHUNK = 500  # rows deleted by one statement


async def prompts_after(tx: Transaction, day: date) -> list[tuple[int, int, date]]:
    """Id, servant and day of the prompts of later days, which only a clock that was ahead can have planned."""
    statement = select(prompts.c.id, prompts.c.servant_id, prompts.c.day).where(prompts.c.day > day)
    return [(row.id, row.servant_id, row.day) for row in await tx.execute(statement)]


async def withdraw(tx: Transaction, prompts_by_key: Mapping[str, int]) -> int:
    """Delete prompts whose deliveries, given by their keys, wait still; return how many. Those that were sent stay."""
    keys, count = sorted(prompts_by_key), 0
    for start in range(0, len(keys), CHUNK):
        waiting = deliveries.c.key.in_(keys[start : start + CHUNK]) & (deliveries.c.state == DeliveryState.WAITING)
        deleted = (await tx.scalars(delete(deliveries).where(waiting).returning(deliveries.c.key))).all()
        await tx.execute(delete(prompts).where(prompts.c.id.in_([prompts_by_key[key] for key in deleted])))
        count += len(deleted)
    return count


async def release_far(tx: Transaction, now: datetime) -> None:
    """Make replies and notices due now that are put off further than anything may be."""
    urgent = deliveries.c.priority.in_([PRIORITY[DeliveryKind.REPLY], PRIORITY[DeliveryKind.NOTICE]])
    far = deliveries.c.due_at > bindparam("furthest")
    statement = update(deliveries).where(in_state(DeliveryState.WAITING), urgent, far).values(due_at=bindparam("now"))
    await tx.execute(statement, {"channels": await channels(tx), "furthest": now + FURTHEST, "now": now})
