"""The schema, step by step forward; run from code at every start and by `integra migrate`.

Alembic (0.3 s of imports) is imported inside the functions that need it: a start with nothing to migrate does without.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.advisory_locks import Lock
from storage.database import open_database
from storage.schema import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HERE = Path(__file__).parent / "migrations"
RETRY = 0.2  # seconds between two tries to get it


class UnknownSchema(Exception):
    """The database was made by a newer version of Integra: this one must not touch it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One migration that was applied."""

    revision: str
    description: str


def newest() -> str:
    """The revision of the last step: files are named after theirs."""
    return max(path.name.partition("_")[0] for path in (HERE / "versions").glob("[0-9]*.py"))


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("select version_num from alembic_version"))
    return revision


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def migrate(url: str) -> list[Step]:
    """Bring the database at `url` to the newest schema; give the steps that were taken.

    On SQLite it is one transaction. On PostgreSQL each step is one, or begins again where it broke off: an index that
    holds up nobody is built outside of any.

    Raises UnknownSchema, DatabaseUnavailable, ValueError (address).
    """
    database = open_database(url, foreign_keys=False)  # a table re-made with them on would empty its children
    try:
        if database.is_sqlite:
            async with database.write() as tx:
                return await tx.run_sync(_upgrade)
        async with database.connection() as connection:
            await _lock(connection)
            return await connection.run_sync(_upgrade)
    finally:
        await database.close()  # and the lock is free


async def _lock(connection: AsyncConnection) -> None:
    """Wait until no other process migrates.

    Not inside a statement: whoever builds an index waits for all statements that go on, and would wait for ours.
    """
    while not await connection.scalar(text("select pg_try_advisory_lock(:lock)"), {"lock": Lock.MIGRATION}):
        await connection.rollback()
        await asyncio.sleep(RETRY)
    await connection.rollback()  # the lock is the connection's, not the transaction's


def _upgrade(connection: Connection) -> list[Step]:
    current = _current(connection)
    if current == newest():
        return []
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config(connection)
    script = ScriptDirectory.from_config(config)
    known = {one.revision: one for one in script.walk_revisions()}
    if current is not None and current not in known:
        raise UnknownSchema(current)
    pending = list(script.iterate_revisions("head", current))
    if connection.dialect.name == "postgresql":
        connection.rollback()  # what was read so far: each step begins a transaction of its own
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        assert not broken, f"a migration broke references in {broken[0][0]}"
    return [Step(one.revision, (one.doc or "").strip()) for one in reversed(pending)]


def drift(connection: Connection) -> list[object]:
    """Differences between the database and `storage/schema`; empty when all steps together are the schema."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))
