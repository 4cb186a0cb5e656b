"""Closures: days on which an institution, or the UEIPCI and all institutions, do not work."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import delete, select

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
    """Add closures; those that are known get the new name."""
    for closure in added:
        columns = closures.c
        is_general = closure.institution_id is None
        statement = dialect_insert(tx, closures).values(
            institution_id=closure.institution_id, day=closure.day, name=closure.name
        )
        statement = statement.on_conflict_do_update(
            index_elements=[columns.day] if is_general else [columns.institution_id, columns.day],
            index_where=columns.institution_id.is_(None) if is_general else None,
            set_={"name": statement.excluded.name},
        )
        await tx.execute(statement)


async def remove(tx: Transaction, removed: Iterable[Closure]) -> None:
    """Remove closures by day and institution, whatever their name; those that are not stored are passed over."""
    for closure in removed:
        of_institution = closures.c.institution_id == closure.institution_id  # IS NULL where it is None
        await tx.execute(delete(closures).where(of_institution, closures.c.day == closure.day))


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
