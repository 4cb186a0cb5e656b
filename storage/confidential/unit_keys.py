"""Who holds the unit's key: in the officers' rows, sealed so that only their own browsers open it."""

from sqlalchemy import update

from storage import schema
from storage.database import Transaction


async def replace(tx: Transaction, officer_id: str, unit_key: str) -> None:
    """Let this officer hold another key of the unit, and take the former one from all."""
    table = schema.officers
    await tx.execute(update(table).values(unit_key=None))
    await tx.execute(update(table).where(table.c.id == officer_id).values(unit_key=unit_key))


async def share(tx: Transaction, officer_id: str, unit_key: str, *, replaces: bool = False) -> bool:
    """Let an officer hold the unit's key, too; False where they have one that this may not replace."""
    table = schema.officers
    changed = update(table).where(table.c.id == officer_id, *([] if replaces else [table.c.unit_key.is_(None)]))
    return (await tx.execute(changed.values(unit_key=unit_key).returning(table.c.id))).scalar_one_or_none() is not None
