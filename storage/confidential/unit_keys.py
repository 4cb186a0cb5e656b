"""Who holds the unit's key: in the officers' rows, sealed so that only their own browsers open it."""

from sqlalchemy import update

from storage import schema
from storage.database import Transaction


async def replace(tx: Transaction, officer_id: str, unit_key: str) -> None:
    """Let this officer hold another key of the unit, and take the former one from all."""
    table = schema.officers
    await tx.execute(update(table).values(unit_key=None))
    await tx.execute(update(table).where(table.c.id == officer_id).values(unit_key=unit_key))
