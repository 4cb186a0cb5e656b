"""A writer of rows: knows every row that ever stood in the tables, and puts back, moves, mixes or deletes them."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, Table, and_, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from storage import schema
from storage.database import Transaction

Row = dict[str, Any]
Snapshot = Mapping[str, Sequence[Row]]
Move = Callable[[Transaction, Snapshot], Awaitable[str]]

TABLES: Sequence[Table] = (
    schema.officers,
    schema.key_lists,
    schema.cases,
    schema.access,
    schema.letters,
    schema.links,
    schema.routes,
)
"""The tables of the confidential queries, parents before children."""

INTEREST = {"letters": 5, "access": 3, "cases": 3, "key_lists": 2, "officers": 2}
"""How much more the writer likes some tables than others."""

NOTHING = "nothing"


async def snapshot(tx: Transaction) -> Snapshot:
    """All rows of the tables, in the order of their keys."""
    ordered = ((table, select(table).order_by(*table.primary_key.columns)) for table in TABLES)
    return {table.name: [dict(row._mapping) for row in await tx.execute(statement)] for table, statement in ordered}


async def restore(tx: Transaction, rows: Snapshot) -> None:
    """Put the tables back to a snapshot; rows that are as they were stay, and what depends on them."""
    now = await snapshot(tx)
    for table in reversed(TABLES):
        for row in now[table.name]:
            if row not in rows[table.name]:  # deleted before any is inserted: two rows may have changed places
                await tx.execute(delete(table).where(_is(table, row)))
    now = await snapshot(tx)
    for table in TABLES:
        for row in rows[table.name]:
            if row not in now[table.name]:
                await put(tx, table, row)


Change = tuple[Table, Row | None, Row | None]
"""A row before and after, of which one may be missing."""


def changes(before: Snapshot, after: Snapshot) -> list[Change]:
    """What happened between two snapshots, in the order of the tables."""
    found: list[Change] = []
    for table in TABLES:
        old = {_key(table, row): row for row in before[table.name]}
        new = {_key(table, row): row for row in after[table.name]}
        found += [(table, old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)]
    return found


async def undo(tx: Transaction, now: Snapshot, made: Sequence[Change]) -> None:
    """Undo changes, but for rows that others have changed since."""
    for table, before, after in made:
        row = before or after
        assert row is not None
        current = next((one for one in now[table.name] if _key(table, one) == _key(table, row)), None)
        if current == after and before is not None:
            await put(tx, table, before)
        elif current == after:
            await tx.execute(delete(table).where(_is(table, row)))


async def put(tx: Transaction, table: Table, row: Row) -> bool:
    """Insert a row or write over the one with its key; False where the database refuses it."""
    await tx.exec_driver_sql("SAVEPOINT writer")
    try:
        changed = update(table).where(_is(table, row)).values(row).returning(*table.primary_key.columns)
        if (await tx.execute(changed)).first() is None:
            await tx.execute(insert(table).values(row))
    except SQLAlchemyError:
        await tx.exec_driver_sql("ROLLBACK TO SAVEPOINT writer")
        return False
    await tx.exec_driver_sql("RELEASE SAVEPOINT writer")
    return True


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key.columns)


def _is(table: Table, row: Row) -> ColumnElement[bool]:
    return and_(*(column == row[column.name] for column in table.primary_key.columns))


def name_of(table: Table, row: Row) -> str:
    """A row as the steps of an episode name it."""
    return f"{table.name} " + "/".join(str(part)[:8] for part in _key(table, row))


class Rows:
    """What the writer has seen, and his moves that need no key; `focus` is the case that he is busy with."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.focus = rng, ""
        self.seen: dict[str, list[Row]] = {table.name: [] for table in TABLES}
        self.snapshots: list[Snapshot] = []

    async def look(self, tx: Transaction) -> Snapshot:
        """Remember what stands in the tables now."""
        now = await snapshot(tx)
        for name, rows in now.items():
            self.seen[name] += [row for row in rows if row not in self.seen[name]]
        if not self.snapshots or self.snapshots[-1] != now:
            self.snapshots.append(now)
        return now

    @property
    def moves(self) -> Sequence[Move]:
        """The moves on rows as they are."""
        return self.delete, self.cut, self.put_back, self.mix, self.shift, self.count, self.put_all_back

    def near(self, rows: Snapshot) -> Snapshot:
        """The rows of the case in focus, and those of no case."""

        def is_near(name: str, row: Row) -> bool:
            case = row["id"] if name == "cases" else row.get("case_id", self.focus)
            return not self.focus or case == self.focus

        return {name: [row for row in found if is_near(name, row)] for name, found in rows.items()}

    def _drawn(self, rows: Snapshot) -> tuple[Table, Row] | None:
        near = self.near(rows)
        tables = [table for table in TABLES if near[table.name]]
        if not tables:
            return None
        (table,) = self.rng.choices(tables, [INTEREST.get(table.name, 1) for table in tables])
        return table, self.rng.choice(near[table.name])

    async def delete(self, tx: Transaction, now: Snapshot) -> str:
        """Delete a row."""
        if not (drawn := self._drawn(now)):
            return NOTHING
        table, row = drawn
        await tx.execute(delete(table).where(_is(table, row)))
        return f"delete {name_of(table, row)}"

    async def cut(self, tx: Transaction, now: Snapshot) -> str:
        """Delete the letters of a case from a number on."""
        found = self.near(now)["letters"]
        if not found:
            return NOTHING
        chosen = self.rng.choice(found)
        for row in found:
            if row["case_id"] == chosen["case_id"] and row["seq"] >= chosen["seq"]:
                await tx.execute(delete(schema.letters).where(_is(schema.letters, row)))
        return f"cut from {name_of(schema.letters, chosen)}"

    async def put_back(self, tx: Transaction, now: Snapshot) -> str:
        """Put a row back to an earlier value, or one that is gone."""
        if not (drawn := self._drawn(self.seen)):
            return NOTHING
        table, row = drawn
        await put(tx, table, row)
        return f"put back {name_of(table, row)}"

    async def mix(self, tx: Transaction, now: Snapshot) -> str:
        """Give a column of a row a value that a column of that name has had elsewhere or before."""
        values, near = self._values(), self.near(now)
        able = [
            (table, one.name) for table in TABLES if near[table.name] for one in table.c if len(values[one.name]) > 1
        ]
        if not able:
            return NOTHING
        table, column = self.rng.choice(able)
        row = self.rng.choice(near[table.name])
        await put(tx, table, {**row, column: self.rng.choice([one for one in values[column] if one != row[column]])})
        return f"mix {column} of {name_of(table, row)}"

    def _values(self) -> dict[str, list[Any]]:
        values: dict[str, list[Any]] = {}
        for name, rows in self.near(self.seen).items():
            for column in next(table for table in TABLES if table.name == name).c:
                known = values.setdefault(column.name, [])
                known += [one for one in dict.fromkeys(row[column.name] for row in rows) if one not in known]
        return values

    async def shift(self, tx: Transaction, now: Snapshot) -> str:
        """Copy a row to another key: another case, reader or number."""
        if not (drawn := self._drawn(self.seen)):
            return NOTHING
        table, row = drawn
        column = self.rng.choice(list(table.primary_key.columns)).name
        value = self.rng.choice(self.seen[table.name])[column]
        await put(tx, table, {**row, column: value})
        return f"copy {name_of(table, row)} to {column} {str(value)[:8]}"

    async def count(self, tx: Transaction, now: Snapshot) -> str:
        """Raise or lower a number of a row."""
        near = self.near(now)
        able = [(table, one.name) for table in TABLES for one in table.c if isinstance(one.type, Integer)]
        able = [(table, column) for table, column in able if near[table.name]]
        if not able:
            return NOTHING
        table, column = self.rng.choice(able)
        row = self.rng.choice(near[table.name])
        number = max(1, (row[column] or 0) + self.rng.choice((-1, 1, 1)))
        await put(tx, table, {**row, column: number})
        return f"{column} {number} in {name_of(table, row)}"

    async def put_all_back(self, tx: Transaction, now: Snapshot) -> str:
        """Put the tables, or one of them, back to an earlier state."""
        earlier = self.rng.choice(self.snapshots)
        table = self.rng.choice((None, *TABLES))
        mixed = earlier if table is None else {**now, table.name: earlier[table.name]}
        await restore(tx, mixed)
        return f"put back all of {table.name if table is not None else 'everything'}"
