"""Updates that reached us: stored before they are acknowledged, handled once, then emptied.

    (new) --keep--> waiting --finish--> done
      |                |  ^
      |                |  '--fail (attempts + 1), fewer than ATTEMPTS
      |                '--fail, at the last attempt--> aside
      '--keep, without a body (unreadable)-----------> aside

A body is sealed bytes: what it holds is the business of whoever stores it. Emptied rows stay for a while, so that
a repetition by the platform is known as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Executable, bindparam, exists, func, select, update

from storage.database import Transaction, insert_for_dialect
from storage.schema import updates

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class NewUpdate:
    """An update to be stored; without a body it could not be read, and `fault` names the kind of the fault."""

    channel: str
    key: str
    address: str
    body: bytes | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class StoredUpdate:
    """A stored update that is to be handled."""

    id: int
    channel: str
    address: str
    key: str
    body: bytes


async def store(tx: Transaction, wanted: Sequence[NewUpdate], now: datetime) -> frozenset[tuple[str, str]]:
    """Store updates; give channel and key of those that are new and can be read. A known key changes nothing."""
    if not wanted:
        return frozenset()
    rows = [
        {
            "channel": one.channel,
            "key": one.key,
            "address": one.address,
            "state": "aside" if one.body is None else "waiting",
            "body": one.body,
            "received_at": now,
            "fault": one.fault[:80] or None,
        }
        for one in wanted
    ]
    kept = (await tx.execute(_keep(tx.dialect.name), rows)).all()
    return frozenset((channel, key) for channel, key, state in kept if state == "waiting")


@cache
def _keep(dialect: str) -> Executable:
    statement = insert_for_dialect(dialect, updates).on_conflict_do_nothing()
    kept: Executable = statement.returning(updates.c.channel, updates.c.key, updates.c.state)
    return kept


async def claim(tx: Transaction) -> StoredUpdate | None:
    """The oldest waiting update whose address has no older one, locked for this transaction; None: nothing waits."""
    return next(iter(await claim_batch(tx, 1)), None)


async def claim_batch(tx: Transaction, limit: int, only: int | None = None) -> list[StoredUpdate]:
    """The oldest waiting updates, of each address the oldest, locked for this transaction; `only` asks for one by id.

    The lock is the lease: a process that dies gives them back, and another takes those of other addresses meanwhile.
    """
    statement = _TAKE if only is None else _TAKE.where(updates.c.id == only)
    return [StoredUpdate(*row) for row in await tx.execute(statement, {"most": limit})]


_older = updates.alias()
_TAKE = (
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
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


async def finish(tx: Transaction, *update_ids: int) -> None:
    """Handled: their bodies go."""
    await tx.execute(_FINISH, {"over": list(update_ids)})


_FINISH = update(updates).where(updates.c.id.in_(bindparam("over", expanding=True))).values(state="done", body=None)


async def fail(tx: Transaction, update_id: int, fault: str) -> bool:
    """Handling raised: try again later, or set it aside at the last attempt. True when it was set aside."""
    attempts = await tx.scalar(
        update(updates)
        .where(updates.c.id == update_id)
        .values(attempts=updates.c.attempts + 1, fault=fault[:80])
        .returning(updates.c.attempts)
    )
    if attempts is not None and attempts >= ATTEMPTS:
        await tx.execute(update(updates).where(updates.c.id == update_id).values(state="aside", body=None))
        return True
    return False


async def count_waiting(tx: Transaction) -> int:
    return await tx.scalar(select(func.count()).where(updates.c.state == "waiting")) or 0


async def erase_address(tx: Transaction, channel: str, address: str) -> None:
    """Somebody leaves: only the keys of what they sent stay, so that a repetition is known as one."""
    await tx.execute(
        update(updates)
        .where(updates.c.channel == channel, updates.c.address == address, updates.c.state != "waiting")
        .values(address="")
    )
