"""A copy of all rows of all tables, as a thief of a backup has it: without `secrets/`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select

from storage import schema
from storage.database import Database

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Copy:
    """The rows of each table at the end of a day, in the order in which the database gives them."""

    day: date
    rows: Mapping[str, list[Row]]


async def take_copy(database: Database, day: date) -> Copy:
    """Copy everything at one moment."""
    async with database.read() as tx:
        rows: dict[str, list[Row]] = {}
        for table in schema.metadata.sorted_tables:
            rows[table.name] = [dict(row) for row in (await tx.execute(select(table))).mappings()]
    return Copy(day, rows)
