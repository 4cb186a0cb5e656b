"""The schema, step by step forward; run from code at every start and by `integra migrate`."""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from storage.database import open_database
from storage.schema import metadata

HERE = Path(__file__).parent / "migrations"
LOCK = 4_637_112  # PostgreSQL advisory lock: one process migrates at a time


class UnknownSchema(Exception):
    """The database was made by a newer version of Integra: this one must not touch it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One migration that was applied."""

    revision: str
    what: str


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def migrate(url: str) -> list[Step]:
    """Bring the database at `url` to the newest schema; give the steps that were taken.

    Raises UnknownSchema, DatabaseUnavailable, ValueError (address).
    """
    database = open_database(url, foreign_keys=False)  # a table re-made with them on would empty its children
    try:
        async with database.write() as tx:
            return await tx.run_sync(_upgrade)
    finally:
        await database.close()


def _upgrade(connection: Connection) -> list[Step]:
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    config = _config(connection)
    script = ScriptDirectory.from_config(config)
    known = {one.revision: one for one in script.walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise UnknownSchema(current)
    pending = [] if current == script.get_current_head() else list(script.iterate_revisions("head", current))
    if pending:
        command.upgrade(config, "head")
        if connection.dialect.name == "sqlite":
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            assert not broken, f"a migration broke references in {broken[0][0]}"
    return [Step(one.revision, (one.doc or "").strip()) for one in reversed(pending)]


def drift(connection: Connection) -> list[object]:
    """Differences between the database and `storage/schema`; empty when all steps together are the schema."""
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))
