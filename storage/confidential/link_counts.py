"""How many links a chat was given on a day: counted under a keyed name of both, which no row of another table has."""

import hmac
from datetime import date

from sqlalchemy import delete

from storage import schema
from storage.confidential.protocol.canonical import canonical, encode
from storage.database import Transaction, dialect_insert


def row_of(route_key: bytes, channel: str, address: str, day: date) -> str:
    """The name of a chat on a day; who has no key finds neither the chat nor the chat of another day."""
    return encode(
        hmac.digest(route_key, b"links\n" + canonical([day.isoformat(), channel, address]).encode(), "sha256")
    )


async def try_take(tx: Transaction, row: str, day: date, limit: int) -> bool:
    """Count one more link; False, and no change: there were as many as the limit."""
    table = schema.link_counts
    counted = dialect_insert(tx, table).values(row=row, links=1, day=day)
    one_more = counted.on_conflict_do_update(
        index_elements=[table.c.row], set_={"links": table.c.links + 1}, where=table.c.links < limit
    )
    return (await tx.execute(one_more.returning(table.c.links))).scalar_one_or_none() is not None


async def delete_before(tx: Transaction, today: date) -> None:
    """Delete the counts of days that are over."""
    await tx.execute(delete(schema.link_counts).where(schema.link_counts.c.day < today))
