"""Copies a database into a new SQLite file without changing it, while other processes use it."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import closing
from os import stat_result
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import Table

from storage import migrate
from storage.database import Database, DatabaseUnavailable, open_database
from storage.schema import metadata

PAGES = 2_000  # of an SQLite file copied in one step
ROWS = 2_000  # of a table read from a server at once
BUSY_SECONDS = 10

Report = Callable[[int, int], None]
"""Called with how much is copied, and of how much."""


class OtherSchema(Exception):
    """The server's database has not the schema of this version; the text is the revision that it has."""


# ---------------------------------------------------------------- SQLite


def copy_file(source: Path, target: Path, report: Report) -> None:
    """Copy an SQLite file as it was at one moment, by SQLite's backup. Raises DatabaseUnavailable.

    Without a write-ahead log no process has the file open; SQLite then needs no files beside it. Should one open it
    meanwhile, the copy is made again.
    """
    while True:
        before, is_at_rest = _state(source), not _log(source).exists()
        try:
            _backup(f"{source.resolve().as_uri()}?mode=ro{'&immutable=1' if is_at_rest else ''}", target, report)
        except sqlite3.Error as fault:
            raise DatabaseUnavailable(type(fault).__name__) from fault
        if not is_at_rest or (_state(source) == before and not _log(source).exists()):
            return


def _backup(uri: str, target: Path, report: Report) -> None:
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on it reads one snapshot
        reading.backup(writing, pages=PAGES, progress=lambda _, left, total: report(total - left, total), sleep=0)


def _log(file: Path) -> Path:
    return file.with_name(file.name + "-wal")


def _state(file: Path) -> tuple[int, int] | None:
    try:
        found: stat_result = file.stat()
    except OSError:  # the backup says what is wrong with it
        return None
    return found.st_mtime_ns, found.st_size


# ---------------------------------------------------------------- PostgreSQL


async def copy_server(source: str, target: str, report: Report) -> None:
    """Copy all rows of the database at one URL, as they were at one moment, into a new SQLite file at another.

    It needs nothing but to read. Raises OtherSchema, UnknownSchema, DatabaseUnavailable.
    """
    reading, writing = open_database(source), open_database(target, foreign_keys=False)
    try:
        async with writing.write() as tx:
            await tx.run_sync(metadata.create_all)
        async with reading.read() as tx:
            assert isinstance(tx, AsyncConnection)
            await tx.run_sync(_check_schema)
            await _copy_tables(tx, writing, report)
    finally:
        await reading.close()
        await writing.close()


def _check_schema(connection: Connection) -> None:
    revision = migrate.revision_of(connection)
    if revision != migrate.newest():
        raise OtherSchema(revision or "none")


async def _copy_tables(reading: AsyncConnection, copy: Database, report: Report) -> None:
    """Copy table after table: those that others refer to first."""
    tables = metadata.sorted_tables
    total = sum([await reading.scalar(select(func.count()).select_from(table)) or 0 for table in tables])
    done = 0
    for table in tables:
        async for rows in _chunks(reading, table):
            async with copy.write() as tx:
                await tx.execute(insert(table), rows)
            report(done := done + len(rows), total)


async def _chunks(reading: AsyncConnection, table: Table) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    """The rows of a table, by a cursor of the server."""
    found = await reading.stream(select(table).execution_options(yield_per=ROWS))
    async for part in found.mappings().partitions():
        yield [dict(row) for row in part]
