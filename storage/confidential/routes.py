"""One-time links into the letterbox, and the chat addresses that are notified of news; no row names a case."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import delete, insert, select, update

from storage import schema
from storage.database import Transaction

DAYS_KEPT = 180  # of a chat address, whether its link was used or not: the server cannot tell
FAILURES_ALLOWED = 14  # days on which a notice is tried in vain, before its news are given up
_OVER = date(2000, 1, 1)  # the last day of an address that has had its last notice
_MOST_NEWS = 30_000  # the count starts again at 1 then


@dataclass(frozen=True, slots=True)
class Route:
    """An encrypted chat address under the name of its row."""

    row: str
    sealed_address: str


@dataclass(frozen=True, slots=True)
class PendingNews:
    """News that wait for a route's address, as they were read: `count` changes with each further letter."""

    route: Route
    count: int
    failures: int


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
    table = schema.routes
    await tx.execute(update(table).where(table.c.row == row).values(news=table.c.news % _MOST_NEWS + 1))


async def end_route(tx: Transaction, row: str) -> None:
    """Let an address expire: it is deleted once no news waits for it."""
    await tx.execute(update(schema.routes).where(schema.routes.c.row == row).values(expires_on=_OVER))


async def pending_news(tx: Transaction, except_failed_on: date | None = None) -> list[PendingNews]:
    """All news that wait, but for addresses that were tried in vain on a day."""
    table = schema.routes
    columns = (table.c.row, table.c.sealed_address, table.c.news, table.c.failures)
    waiting = select(*columns).where(table.c.news > 0)
    if except_failed_on is not None:
        waiting = waiting.where(table.c.failed_on.is_distinct_from(except_failed_on))
    rows = await tx.execute(waiting)
    return [PendingNews(Route(row.row, row.sealed_address), row.news, row.failures) for row in rows]


async def clear_news(tx: Transaction, news: Sequence[PendingNews]) -> None:
    """Record that these news were announced; a letter that came since they were read is announced by another notice."""
    table = schema.routes
    for one in news:
        seen = (table.c.row == one.route.row) & (table.c.news == one.count)
        await tx.execute(update(table).where(seen).values(news=0, failed_on=None, failures=0))


async def record_failure(
    tx: Transaction, news: Sequence[PendingNews], today: date, allowed: int = FAILURES_ALLOWED
) -> None:
    """Record that the address was tried in vain today; after so many days its news are given up."""
    await clear_news(tx, [one for one in news if one.failures + 1 >= allowed])
    table = schema.routes
    for one in news:
        seen = (table.c.row == one.route.row) & (table.c.news > 0)
        await tx.execute(update(table).where(seen).values(failed_on=today, failures=one.failures + 1))


async def delete_expired(tx: Transaction, now: datetime, today: date) -> None:
    """Delete links and addresses whose time is over; an address with news waits until that is announced."""
    links, routes = schema.links, schema.routes
    await tx.execute(delete(links).where(links.c.expires_at <= now))
    await tx.execute(delete(routes).where(routes.c.expires_on < today, routes.c.news == 0))
