"""Schema migrations, forward only; run at every start and by `integra migrate`.

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

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
RETRY_SECONDS = 0.2  # between two tries to acquire the migration lock


class UnknownSchema(Exception):
    """The database was migrated by a newer version of Integra: this one must not touch it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One migration step that was applied."""

    revision: str
    description: str


def newest() -> str:
    """The revision of the newest migration."""
    return max(revisions())


def revisions() -> set[str]:
    """The revisions that this version knows: the names of the migrations' files begin with them."""
    return {path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}


def revision_of(connection: Connection) -> str | None:
    """The revision of a database's schema; None: it has none. Raises UnknownSchema: it is newer than this version."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("select version_num from alembic_version"))
    if revision is not None and revision not in revisions():
        raise UnknownSchema(revision)
    return revision


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def migrate(url: str) -> list[Step]:
    """Migrate the database at `url` to the newest schema; return the steps that were applied.

    On SQLite all steps are one transaction. On PostgreSQL each step is one, except that indexes are built concurrently
    outside of any: such a step continues where it was interrupted.

    Raises UnknownSchema, DatabaseUnavailable, ValueError (URL).
    """
    database = open_database(url, foreign_keys=False)  # recreating a table with them on would delete its child rows
    try:
        if database.is_sqlite:
            async with database.write() as tx:
                return await tx.run_sync(_upgrade)
        async with database.connection() as connection:
            await _lock(connection)
            return await connection.run_sync(_upgrade)
    finally:
        await database.close()  # also releases the lock


async def _lock(connection: AsyncConnection) -> None:
    """Acquire the migration lock, waiting for other processes that migrate.

    It polls instead of blocking in a statement: building an index concurrently waits for all running statements, and
    would wait for ours.
    """
    while not await connection.scalar(text("select pg_try_advisory_lock(:lock)"), {"lock": Lock.MIGRATION}):
        await connection.rollback()
        await asyncio.sleep(RETRY_SECONDS)
    await connection.rollback()  # the lock belongs to the session, not to the transaction


def _upgrade(connection: Connection) -> list[Step]:
    current = revision_of(connection)
    if current == newest():
        return []
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config(connection)
    script = ScriptDirectory.from_config(config)
    pending = list(script.iterate_revisions("head", current))
    if connection.dialect.name == "postgresql":
        connection.rollback()  # ends the transaction of the reads above: each step begins its own
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        assert not broken, f"a migration broke references in {broken[0][0]}"
    return [Step(step.revision, (step.doc or "").strip()) for step in reversed(pending)]
