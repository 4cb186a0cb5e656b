"""Closures: days on which an institution, or the UEIPCI and all institutions, do not work."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import bindparam, delete, select

from storage.database import Transaction, dialect_insert
from storage.schema import closures

ClosedDay = tuple[date, int | None]
"""A day and the id of the institution that is closed on it, as a `Calendar` of `content/workdays.py` takes them."""


@dataclass(frozen=True, slots=True)
class Closure:
    """A day on which an institution does not work; None: the UEIPCI and all institutions."""

    institution_id: int | None
    day: date
    name: str = ""

    @property
    def closed_day(self) -> ClosedDay:
        """What is stored once, whatever its name."""
        return self.day, self.institution_id


async def store(tx: Transaction, added: Iterable[Closure]) -> None:
    """Add closures; those that are known get the new name.

    In one order, as in `remove`: two that run at once would otherwise wait for each other's rows.
    """
    general, own = _sorted_rows(added)
    insertion = dialect_insert(tx, closures)
    for rows, columns, where in (
        (general, [closures.c.day], closures.c.institution_id.is_(None)),
        (own, [closures.c.institution_id, closures.c.day], None),
    ):
        if rows:
            name = {"name": insertion.excluded.name}
            statement = insertion.on_conflict_do_update(index_elements=columns, index_where=where, set_=name)
            await tx.execute(statement, rows)


async def remove(tx: Transaction, removed: Iterable[Closure]) -> None:
    """Remove closures by day and institution, whatever their name; those that are not stored are passed over."""
    general, own = _sorted_rows(removed)
    for rows, is_of_institution in (
        (general, closures.c.institution_id.is_(None)),
        (own, closures.c.institution_id == bindparam("institution")),
    ):
        if rows:
            values = [{"on_day": row["day"], "institution": row["institution_id"]} for row in rows]
            await tx.execute(delete(closures).where(is_of_institution, closures.c.day == bindparam("on_day")), values)


def _sorted_rows(given: Iterable[Closure]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of general closures, and those of single institutions, each in one order."""
    ordered = sorted(given, key=lambda closure: (closure.institution_id or 0, closure.day))
    rows = [asdict(closure) for closure in ordered]
    general = [row for row in rows if row["institution_id"] is None]
    return general, [row for row in rows if row["institution_id"] is not None]


async def all_closures(tx: Transaction) -> list[Closure]:
    """All closures by day, those of all institutions first."""
    columns = closures.c.institution_id, closures.c.day, closures.c.name
    order = closures.c.day, closures.c.institution_id.is_not(None), closures.c.institution_id
    return [Closure(*row) for row in await tx.execute(select(*columns).order_by(*order))]


async def between(tx: Transaction, first: date, last: date | None = None) -> frozenset[ClosedDay]:
    """Days and institutions that are closed from `first` to `last`, inclusive; None: for ever. For a `Calendar`."""
    statement = select(closures.c.day, closures.c.institution_id).where(closures.c.day >= first)
    if last is not None:
        statement = statement.where(closures.c.day <= last)
    return frozenset((day, institution_id) for day, institution_id in await tx.execute(statement))
