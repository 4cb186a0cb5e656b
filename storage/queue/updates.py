"""The inbox: inbound updates, stored before they are acknowledged, handled once, then deleted.

    (new) --store--> waiting --finish--> (deleted; the key stays)
      |                 |  ^
      |                 |  '--fail (attempts + 1), fewer than ATTEMPTS
      |                 '--fail, at the last attempt--> aside
      '--store, without a body (unreadable)-----------> aside

`aside` is the dead-letter state: the update is not handled any more and has no body. A body is encrypted by the caller;
its content is opaque here, and so are `key`, by which a repeated update is recognized, and `sender`, by which updates
are handled in order. Keys of handled updates stay for a while in a table without order, and nothing else of them:
beside the answers of a day, number and order of all that arrived would tell who did something else too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Date, Executable, bindparam, delete, exists, func, select, update

from storage.database import Transaction, day_of, insert_for_dialect
from storage.schema import handled_updates, updates

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class NewUpdate:
    """An update to be stored; without a body it could not be read, and `fault` is the class name of the error."""

    channel: str
    key: str  # a keyed name of channel and platform's key: equal for repetitions of one update
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
    handled = await _remove_handled(tx, [key for _, key, _ in stored])
    return frozenset((channel, key) for channel, key, state in stored if state == "waiting" and key not in handled)


async def _remove_handled(tx: Transaction, keys: Sequence[str]) -> frozenset[str]:
    """Remove rows that repeat a handled update, and return their keys.

    Asked after they were stored: another process may have finished the same update since, and storing waits for it.
    """
    if not keys:
        return frozenset()
    handled = frozenset(await tx.scalars(_HANDLED, {"keys": list(keys)}))
    if handled:
        await tx.execute(delete(updates).where(updates.c.key.in_(handled)))
    return handled


_HANDLED = select(handled_updates.c.key).where(handled_updates.c.key.in_(bindparam("keys", expanding=True)))


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
    """Delete handled updates. What stays is their keys and the day, in no order and without channel and sender."""
    values = {"ids": list(update_ids), "today": now.date()}
    await tx.execute(_keep_keys(tx.dialect.name), values)
    await tx.execute(_DELETE, values)


_are_finished = updates.c.id.in_(bindparam("ids", expanding=True))
_DELETE = delete(updates).where(_are_finished)


@cache
def _keep_keys(dialect: str) -> Executable:
    finished = select(updates.c.key, bindparam("today", type_=Date)).where(_are_finished)
    statement = insert_for_dialect(dialect, handled_updates).from_select(["key", "day"], finished)
    return statement.on_conflict_do_nothing()  # type: ignore[no-any-return]


async def fail(tx: Transaction, now: datetime, update_id: int, fault: str) -> bool:
    """Count a failed attempt: retry later, or set the update aside after the last one. True when it was set aside."""
    attempts = await tx.scalar(
        update(updates)
        .where(updates.c.id == update_id)
        .values(attempts=updates.c.attempts + 1, fault=fault[:80])
        .returning(updates.c.attempts)
    )
    if attempts is not None and attempts >= ATTEMPTS:
        emptied = {"state": "aside", "body": None, "address": "", "received_at": day_of(now)}
        await tx.execute(update(updates).where(updates.c.id == update_id).values(emptied))
        return True
    return False


async def count_waiting(tx: Transaction) -> int:
    return await tx.scalar(select(func.count()).where(updates.c.state == "waiting")) or 0
