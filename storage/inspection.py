"""Looks at a database without changing anything: whether it serves, its schema, and whose keys it was written with."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from storage import key_evidence, key_fingerprints, migrate, permissions
from storage.confidential import custody, key_lists
from storage.confidential.custody import NOTHING, Kept
from storage.confidential.key_lists import StoredList
from storage.database import Transaction, open_database, parse_url, sqlite_file
from storage.key_evidence import UNUSED, Evidence

BUSY_SECONDS = 1  # another program may lock an SQLite file for as long


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen. `revision` of the schema is None where there are no tables yet.

    `evidence` is of use where there are no fingerprints.
    """

    revision: str | None
    fingerprints: Mapping[str, str]
    is_read_only: bool = False
    evidence: Evidence = UNUSED
    key_lists: Sequence[StoredList] = ()  # where the schema is the newest
    custody: Kept = NOTHING


async def inspect(url: str) -> Inspection:
    """Look at the database at `url`; an SQLite file must exist.

    On PostgreSQL the privileges are checked too: on every table, or to create tables where the schema is older.

    Raises UnknownSchema, PermissionDenied, DatabaseUnavailable, or the database's own error.
    """
    if file := sqlite_file(parse_url(url)):
        return _inspect_file(file)
    database = open_database(url)
    try:
        async with database.read() as tx:
            return await _inspect_server(tx)
    finally:
        await database.close()


def _inspect_file(path: Path) -> Inspection:
    """Read an SQLite file. Without a write-ahead log nothing is being written: SQLite then needs no files beside it."""
    is_at_rest = not path.with_name(path.name + "-wal").exists()
    uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if is_at_rest else ''}"
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS),
        hide_parameters=True,
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        return _inspect_schema(connection)


async def _inspect_server(tx: Transaction) -> Inspection:
    if await permissions.is_read_only(tx):
        return Inspection(None, {}, is_read_only=True)
    found = await tx.run_sync(_inspect_schema)
    if found.revision == migrate.newest():
        await permissions.check_privileges(tx)
    else:
        await permissions.check_may_create(tx)
    return found


def _inspect_schema(connection: Connection) -> Inspection:
    revision = migrate.revision_of(connection)
    fingerprints = key_fingerprints.stored_if_any(connection)
    evidence = UNUSED if fingerprints else key_evidence.read_by_connection(connection)
    is_newest = revision == migrate.newest()
    lists = key_lists.all_by_connection(connection) if is_newest else ()
    kept = custody.all_by_connection(connection) if is_newest else NOTHING
    return Inspection(revision, fingerprints, evidence=evidence, key_lists=lists, custody=kept)
