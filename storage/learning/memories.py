"""What each servant remembers, and what they were sent: one row a servant, packed by content/learning and opaque here.

A row whose `memory` is null, or that is missing, has to be rebuilt from prompts and answers before it is used.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Executable, Row, bindparam, delete, select

from storage.database import Transaction, insert_for_dialect
from storage.schema import packed_memories


@dataclass(frozen=True, slots=True)
class PackedMemory:
    """One servant's row. Answers write `memory`, planning writes `sent`: neither overwrites the other."""

    memory: bytes
    sent: bytes


async def of(tx: Transaction, servant_ids: Collection[int]) -> dict[int, PackedMemory]:
    """The rows of these servants, without those that have to be rebuilt."""
    rows = await tx.execute(_ROWS, {"servant_ids": list(servant_ids)})
    return _packed(rows.all())


async def lock(tx: Transaction, servant_ids: Collection[int]) -> dict[int, PackedMemory]:
    """The same, locked until the transaction ends, so that two answers of one servant are learned one after the other.

    Rows that are missing are added, to be locked as well.
    """
    ids = sorted(set(servant_ids))  # in one order in all transactions: none waits for another that waits for it
    rows = (await tx.execute(_LOCKED_ROWS, {"servant_ids": ids})).all()
    if missing := sorted(set(ids) - {row[0] for row in rows}):
        await tx.execute(_add_rows(tx.dialect.name), [{"servant_id": servant_id} for servant_id in missing])
        rows = (await tx.execute(_LOCKED_ROWS, {"servant_ids": ids})).all()
    return _packed(rows)


def _packed(rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[int, PackedMemory]:
    return {servant_id: PackedMemory(memory, sent or b"") for servant_id, memory, sent in rows if memory is not None}


async def store(tx: Transaction, new: Mapping[int, PackedMemory]) -> None:
    """Store both values of servants."""
    rows = [{"servant_id": key, "memory": row.memory, "sent": row.sent} for key, row in sorted(new.items())]
    await _upsert(tx, rows, ("memory", "sent"))


async def store_memories(tx: Transaction, new: Mapping[int, bytes]) -> None:
    """Store what servants remember, after answers; the caller has locked the rows."""
    await _upsert(tx, [{"servant_id": key, "memory": memory} for key, memory in sorted(new.items())], ("memory",))


async def store_sent(tx: Transaction, new: Mapping[int, bytes]) -> None:
    """Store what servants were sent, with their new prompts."""
    await _upsert(tx, [{"servant_id": key, "sent": sent} for key, sent in sorted(new.items())], ("sent",))


async def discard(tx: Transaction, servant_ids: Collection[int]) -> None:
    """Delete the rows of servants; where there are answers, the next use rebuilds them."""
    await tx.execute(delete(packed_memories).where(packed_memories.c.servant_id.in_(sorted(servant_ids))))


async def _upsert(tx: Transaction, rows: list[dict[str, object]], columns: tuple[str, ...]) -> None:
    if rows:
        await tx.execute(_upsert_statement(tx.dialect.name, columns), rows)


# ---------------------------------------------------------------- statements built once, since every answer uses them

_ROWS = select(packed_memories).where(packed_memories.c.servant_id.in_(bindparam("servant_ids", expanding=True)))
_LOCKED_ROWS = _ROWS.order_by(packed_memories.c.servant_id).with_for_update()


@cache
def _add_rows(dialect: str) -> Executable:
    statement: Executable = insert_for_dialect(dialect, packed_memories).on_conflict_do_nothing()
    return statement


@cache
def _upsert_statement(dialect: str, columns: tuple[str, ...]) -> Executable:
    statement = insert_for_dialect(dialect, packed_memories)
    new = {name: statement.excluded[name] for name in columns}
    upsert: Executable = statement.on_conflict_do_update(index_elements=["servant_id"], set_=new)
    return upsert
