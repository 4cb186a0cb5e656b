"""Undo what was stored while a clock was ahead, and what would otherwise keep people waiting until that day comes.

A prompt of a later day waits in the outbox until then, and no later one to the same person overtakes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import bindparam, delete, select, update

from storage.database import Transaction
from storage.queue.outbox import PRIORITY, DeliveryKind, DeliveryState, channels, in_state
from storage.schema import deliveries, prompts, servants

FURTHEST = timedelta(days=8)
"""No reply or notice is put off for longer: a recipient who is not reached is tried again after 7 days at most."""
CHUNK = 500  # rows deleted by one statement


@dataclass(frozen=True, slots=True)
class LaterPrompt:
    """A prompt of a later day, which only a clock that was ahead can have planned."""

    id: int
    servant_id: int
    day: date


async def prompts_after(tx: Transaction, day: date) -> list[LaterPrompt]:
    """The prompts of later days than this."""
    columns = (prompts.c.id, prompts.c.servant_id, prompts.c.day)
    return [LaterPrompt(*row) for row in await tx.execute(select(*columns).where(prompts.c.day > day))]


async def withdraw(tx: Transaction, later: Mapping[str, LaterPrompt]) -> int:
    """Delete prompts whose deliveries, given by their keys, wait still; return how many. Those that were sent stay.

    Their servants count as not planned, also on the day of the prompt.
    """
    keys, count = sorted(later), 0
    for start in range(0, len(keys), CHUNK):
        waiting = deliveries.c.key.in_(keys[start : start + CHUNK]) & (deliveries.c.state == DeliveryState.WAITING)
        deleted = (await tx.scalars(delete(deliveries).where(waiting).returning(deliveries.c.key))).all()
        found = [later[key] for key in deleted]
        await tx.execute(delete(prompts).where(prompts.c.id.in_([prompt.id for prompt in found])))
        of_theirs = servants.c.id.in_([prompt.servant_id for prompt in found])
        await tx.execute(update(servants).where(of_theirs).values(planned_on=date.min))
        count += len(found)
    return count


async def release_far(tx: Transaction, now: datetime) -> None:
    """Make replies and notices due now that are put off further than anything may be."""
    urgent = deliveries.c.priority.in_([PRIORITY[DeliveryKind.REPLY], PRIORITY[DeliveryKind.NOTICE]])
    far = deliveries.c.due_at > bindparam("furthest")
    statement = update(deliveries).where(in_state(DeliveryState.WAITING), urgent, far).values(due_at=bindparam("now"))
    await tx.execute(statement, {"channels": await channels(tx), "furthest": now + FURTHEST, "now": now})
