"""One-time links into the letterbox, and the chat addresses that are notified of news; no row names a case."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import delete, insert, update

from storage import schema
from storage.database import Transaction

DAYS_KEPT = 180  # of a chat address, whether its link was used or not: the server cannot tell
_OVER = date(2000, 1, 1)  # the last day of an address that has had its last notice


@dataclass(frozen=True, slots=True)
class Route:
    """An encrypted chat address under the name of its row."""

    row: str
    sealed_address: str


async def add_link(tx: Transaction, row: str, expires_at: datetime) -> None:
    """Store a one-time link. `expires_at` must be a full hour: a finer time would reveal who asked when.

    Raises ValueError.
    """
    if expires_at.minute or expires_at.second or expires_at.microsecond:
        raise ValueError("a link expires on the hour")
    await tx.execute(insert(schema.links).values(row=row, expires_at=expires_at))


async def redeem_link(tx: Transaction, row: str, now: datetime) -> bool:
    """Delete a link; False: it is unknown, redeemed or expired."""
    links = schema.links
    statement = delete(links).where(links.c.row == row, links.c.expires_at > now).returning(links.c.row)
    return (await tx.execute(statement)).scalar_one_or_none() is not None


async def add_route(tx: Transaction, route: Route, expires_on: date) -> None:
    """Store the address that a link was sent to."""
    await tx.execute(
        insert(schema.routes).values(row=route.row, sealed_address=route.sealed_address, expires_on=expires_on)
    )


async def flag_news(tx: Transaction, row: str) -> None:
    """Record that there is news for this address; no effect if it is gone."""
    await tx.execute(update(schema.routes).where(schema.routes.c.row == row).values(has_news=True))


async def end_route(tx: Transaction, row: str) -> None:
    """Let an address expire: it is deleted once no news waits for it."""
    await tx.execute(update(schema.routes).where(schema.routes.c.row == row).values(expires_on=_OVER))


async def claim_news(tx: Transaction) -> list[Route]:
    """Addresses with news, which then count as notified."""
    table = schema.routes
    claimed = update(table).where(table.c.has_news.is_(True)).values(has_news=False)
    rows = (await tx.execute(claimed.returning(table.c.row, table.c.sealed_address))).all()
    return [Route(row.row, row.sealed_address) for row in rows]


async def delete_expired(tx: Transaction, now: datetime, today: date) -> None:
    """Delete links and addresses whose time is over; an address with news waits until that is claimed."""
    links, routes = schema.links, schema.routes
    await tx.execute(delete(links).where(links.c.expires_at <= now))
    await tx.execute(delete(routes).where(routes.c.expires_on < today, routes.c.has_news.is_(False)))
