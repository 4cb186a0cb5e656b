"""What a database without stored fingerprints shows of its keys: whether it was used, and rows written with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, inspect, literal, select

from storage import migrate
from storage.database import Transaction
from storage.schema import key_fingerprints, ledger, metadata, routes, updates

StoredRow = Row[Any]
NEWEST = 10  # rows of each kind: some may be older than a key that was lost and replaced
SINCE = "0009"  # revision: before, tables and columns had other names
ROWS_SINCE = {"route": "0019", "audit": "0022"}  # revision: the same for rows that were written with these keys

ROWS: Mapping[str, Select[Any]] = {
    "route": select(routes.c.sealed_address, routes.c.row.label("bound"))
    .order_by(routes.c.expires_on.desc())
    .limit(NEWEST),
    "inbox": select(updates.c.body, updates.c.channel)
    .where(updates.c.state == "waiting", updates.c.body.is_not(None))
    .order_by(updates.c.id.desc())
    .limit(NEWEST),
    "audit": select(ledger).order_by(ledger.c.seq.desc()).limit(1),
}
"""By the name of a key, what reads rows that were written with it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`rows` were written with the keys by whose names they stand."""

    is_used: bool = False  # a process has stored something, so there were keys
    rows: Mapping[str, Sequence[StoredRow]] = field(default_factory=dict)


UNUSED = Evidence()


async def read(tx: Transaction) -> Evidence:
    """Look for rows."""
    return await tx.run_sync(read_by_connection)


def read_by_connection(connection: Connection) -> Evidence:
    """The same; the schema may be older."""
    if not _has_rows(connection):
        return UNUSED
    revision = migrate.revision_of(connection) or ""
    readable = {name for name in ROWS if revision >= ROWS_SINCE.get(name, SINCE)}
    return Evidence(
        is_used=True, rows={name: connection.execute(rows).all() for name, rows in ROWS.items() if name in readable}
    )


def _has_rows(connection: Connection) -> bool:
    """Whether any table has a row. Migrations add none, and every process stores its fingerprints before anything."""
    existing = set(inspect(connection).get_table_names())
    tables = [table for name, table in metadata.tables.items() if name in existing and table is not key_fingerprints]
    return any(connection.scalar(select(literal(1)).select_from(table).limit(1)) for table in tables)
