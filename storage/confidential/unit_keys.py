"""Who holds the unit's key: in the officers' rows, sealed so that only their own browsers open it."""

from sqlalchemy import update

from storage import schema
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import canonical
from storage.database import Transaction


async def replace(tx: Transaction, officer_id: str, unit_bundle: Box) -> None:
    """Let this officer hold another key of the unit, and take the former one from all."""
    table = schema.officers
    await tx.execute(update(table).values(unit_bundle=None))
    await tx.execute(update(table).where(table.c.id == officer_id).values(unit_bundle=canonical(unit_bundle)))
