"""The inbox: inbound updates, stored before they are acknowledged, handled once, then emptied.

    (new) --store--> waiting --finish--> done
      |                 |  ^
      |                 |  '--fail (attempts + 1), fewer than ATTEMPTS
      |                 '--fail, at the last attempt--> aside
      '--store, without a body (unreadable)-----------> aside

`aside` is the dead-letter state: the update is not handled any more and has no body. A body is encrypted by the caller;
its content is opaque here, and so is `sender`, by which updates are handled in order. Emptied rows stay for a while, so
that an update that the platform repeats is recognized by its key: without sender, and with the day alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Executable, bindparam, exists, func, select, update

from storage.database import Transaction, day_of, insert_for_dialect
from storage.schema import updates

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class NewUpdate:
    """An update to be stored; without a body it could not be read, and `fault` is the class name of the error."""

    channel: str
    key: str
    sender: str  # a keyed name: equal for updates that must be handled one after the other
    body: bytes | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class StoredUpdate:
    """A stored update that waits to be handled."""

    id: int
    channel: str
    key: str
    body: bytes


async def store(tx: Transaction, new: Sequence[NewUpdate], now: datetime) -> frozenset[tuple[str, str]]:
    """Store updates; return channel and key of those that are new and readable. A known key changes nothing."""
    if not new:
        return frozenset()
    rows = [
        {
            "channel": received.channel,
            "key": received.key,
            "address": "" if received.body is None else received.sender,
            "state": "aside" if received.body is None else "waiting",
            "body": received.body,
            "received_at": day_of(now) if received.body is None else now,
            "fault": received.fault[:80] or None,
        }
        for received in new
    ]
    stored = (await tx.execute(_store(tx.dialect.name), rows)).all()
    return frozenset((channel, key) for channel, key, state in stored if state == "waiting")


@cache
def _store(dialect: str) -> Executable:
    statement = insert_for_dialect(dialect, updates).on_conflict_do_nothing()
    returning: Executable = statement.returning(updates.c.channel, updates.c.key, updates.c.state)
    return returning


async def claim(tx: Transaction) -> StoredUpdate | None:
    """The oldest waiting update whose sender has no older one, locked for this transaction; None: none waits."""
    return next(iter(await claim_batch(tx, 1)), None)


async def claim_batch(tx: Transaction, limit: int, only: int | None = None) -> list[StoredUpdate]:
    """The oldest waiting update of each sender, oldest first, locked for this transaction; `only`: just this id.

    The row lock is the lease: when a process dies its updates are released, and other processes claim those of other
    senders meanwhile.
    """
    statement = _CLAIM if only is None else _CLAIM.where(updates.c.id == only)
    return [StoredUpdate(*row) for row in await tx.execute(statement, {"limit": limit})]


_older = updates.alias()
_CLAIM = (
    select(*(updates.c[name] for name in StoredUpdate.__slots__))
    .where(
        updates.c.state == "waiting",
        ~exists().where(
            _older.c.state == "waiting",
            _older.c.channel == updates.c.channel,
            _older.c.address == updates.c.address,
            _older.c.id < updates.c.id,
        ),
    )
    .order_by(updates.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)


async def finish(tx: Transaction, now: datetime, *update_ids: int) -> None:
    """Mark updates as handled; empty their bodies, and leave nothing of who sent them and when on that day."""
    await tx.execute(_FINISH, {"ids": list(update_ids), "new_state": "done", "today": day_of(now)})


_FINISH = (
    update(updates)
    .where(updates.c.id.in_(bindparam("ids", expanding=True)))
    .values(state=bindparam("new_state"), body=None, address="", received_at=bindparam("today"))
)


async def fail(tx: Transaction, now: datetime, update_id: int, fault: str) -> bool:
    """Count a failed attempt: retry later, or set the update aside after the last one. True when it was set aside."""
    attempts = await tx.scalar(
        update(updates)
        .where(updates.c.id == update_id)
        .values(attempts=updates.c.attempts + 1, fault=fault[:80])
        .returning(updates.c.attempts)
    )
    if attempts is not None and attempts >= ATTEMPTS:
        await tx.execute(_FINISH, {"ids": [update_id], "new_state": "aside", "today": day_of(now)})
        return True
    return False


async def count_waiting(tx: Transaction) -> int:
    return await tx.scalar(select(func.count()).where(updates.c.state == "waiting")) or 0
