"""Every migration step keeps the rule of docs/operations.md: processes of the previous version go on working."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage import migrate
from storage.database import open_database

FIRST_CHECKED = "0004"  # earlier steps were taken before any installation ran several processes
EXEMPT = {"0009", "0014", "0016", "0019", "0020", "0021", "0022", "0023", "0024", "0025", "0028"}
"""They rename or drop tables, so processes of the previous version fail until they are replaced. Accepted as long as no
installation has data, nor several processes to replace one by one: the plain names, the packed memories, the
blocks (one of the aggregates held the day of each person's last answer), the second protocol of queries with its
custodians, its accounts and sessions, its ledger by day and its count of news, and the outbox whose rows
tell of no person.
"""
UNWRITTEN = {"0010": "closures", "0011": "closures"}
"""Tables that no version before the step writes: a step may delete their rows, and make a column unique."""
PATIENCE = 20.0  # seconds until something counts as blocked

TABLE = re.compile(r"CREATE TABLE (\w+) \(")
COLUMN = re.compile(r"ALTER TABLE \w+ ADD COLUMN (?!.*\b(?:UNIQUE|REFERENCES|PRIMARY)\b)(.*)")
INDEX = re.compile(r"CREATE (UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?(\w+) ON (\w+) \((.*)\)")
DELETE = re.compile(r"DELETE FROM (\w+)")
DROP = re.compile(r"DROP INDEX (CONCURRENTLY )?(?:IF EXISTS )?(\w+)")
TRANSACTION_ENDS = ("COMMIT", "BEGIN")


@dataclass
class StepChecker:
    """Checks steps in their order; it tracks the indexes on PostgreSQL: table, columns, whether unique."""

    indexes: dict[str, tuple[str, frozenset[str], bool]] = field(default_factory=dict)

    def faults(self, statements: Sequence[str], unwritten: str = "") -> Iterator[str]:
        """Apply one step, and yield its violations of the rule; no version before it writes the table `unwritten`."""
        tables = {found[1] for statement in statements if (found := TABLE.match(statement))}
        plain = [statement for statement in statements if statement not in TRANSACTION_ENDS]
        built: set[str] = set()
        for statement in plain:
            if index := INDEX.match(statement):
                built.add(index[3])
                yield from self._index(statement, index, tables, unwritten)
            elif drop := DROP.match(statement):
                yield from self._drop(statement, drop, built)
            elif column := COLUMN.match(statement):
                if "NOT NULL" in column[1] and "DEFAULT" not in column[1]:
                    yield f"the previous version does not fill it: {statement}"
            elif (deleted := DELETE.match(statement)) and deleted[1] == unwritten:
                continue
            elif not TABLE.match(statement):
                yield f"does not add: {statement}"
        if "COMMIT" in statements and not all("CONCURRENTLY" in statement for statement in plain):
            yield "repeats what exists already when it is run again after a failed index"

    def _index(self, statement: str, index: re.Match[str], tables: set[str], unwritten: str) -> Iterator[str]:
        is_new = index[4] in tables
        if not is_new and index[1] and index[4] != unwritten:
            yield f"the previous version may write what it forbids: {statement}"
        if not is_new and not index[2]:
            yield f"blocks writers: {statement}"
        self.indexes[index[3]] = index[4], frozenset(index[5].split(", ")), bool(index[1])

    def _drop(self, statement: str, drop: re.Match[str], built: set[str]) -> Iterator[str]:
        table, columns, is_unique = self.indexes.pop(drop[2], ("", frozenset(), True))
        if is_unique:
            yield f"drops a unique index, or one that no step created: {statement}"
        if not drop[1]:
            yield f"blocks readers: {statement}"
        replacements = [self.indexes[name] for name in built if name in self.indexes]
        if not any(index[0] == table and columns <= index[1] for index in replacements):
            yield f"no index built before replaces it: {statement}"


def _steps() -> Iterator[tuple[str, list[str]]]:
    """Every step by its revision, with its statements for PostgreSQL."""
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    for script in reversed(list(ScriptDirectory.from_config(config).walk_revisions())):
        output = StringIO()
        context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": output})
        with Operations.context(context):
            script.module.upgrade()
        yield script.revision, [" ".join(text.split()) for text in output.getvalue().split(";\n\n") if text.strip()]


def test_every_step_only_adds_and_blocks_no_other_process() -> None:
    checker = StepChecker()
    faults = {
        revision: list(checker.faults(statements, UNWRITTEN.get(revision, ""))) for revision, statements in _steps()
    }
    assert any(faults.values()), "the first steps violate the rule, or this test checks nothing"
    checked = {revision: found for revision, found in faults.items() if revision >= FIRST_CHECKED}
    assert {revision for revision, found in checked.items() if found} == EXEMPT


NEW, OLD = "CREATE INDEX CONCURRENTLY new ON answers (day, a)", "CREATE INDEX old ON answers (a)"


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (["ALTER TABLE answers ADD COLUMN x INTEGER"], ""),
        (["ALTER TABLE answers ADD COLUMN x INTEGER DEFAULT '0' NOT NULL"], ""),
        (["ALTER TABLE answers ADD COLUMN x INTEGER NOT NULL"], "does not fill"),
        (["ALTER TABLE answers ADD COLUMN x INTEGER UNIQUE"], "does not add"),
        (["ALTER TABLE answers DROP COLUMN x"], "does not add"),
        (["ALTER TABLE answers RENAME COLUMN x TO y"], "does not add"),
        (["ALTER TABLE answers ADD CONSTRAINT c CHECK (x > 0)"], "does not add"),
        (["DROP TABLE answers"], "does not add"),
        (["UPDATE answers SET x = 1"], "does not add"),
        (["DELETE FROM answers"], "does not add"),
        (["DELETE FROM unwritten WHERE x = 1"], ""),
        (["DELETE FROM unwritten_too"], "does not add"),
        (["CREATE TABLE t ( x INTEGER)", "CREATE INDEX ix_t ON t (x)"], ""),
        (["CREATE INDEX ix ON answers (x)"], "blocks writers"),
        (["COMMIT", "CREATE UNIQUE INDEX CONCURRENTLY ix ON answers (x)", "BEGIN"], "forbids"),
        (["COMMIT", "CREATE UNIQUE INDEX CONCURRENTLY ix ON unwritten (x)", "BEGIN"], ""),
        (["CREATE UNIQUE INDEX ix ON unwritten (x)"], "blocks writers"),
        (["COMMIT", NEW, "BEGIN", "COMMIT", "DROP INDEX CONCURRENTLY old", "BEGIN"], ""),
        (["COMMIT", "DROP INDEX CONCURRENTLY old", "BEGIN", "COMMIT", NEW, "BEGIN"], "replaces it"),
        (["COMMIT", NEW, "BEGIN", "COMMIT", "DROP INDEX CONCURRENTLY other", "BEGIN"], "replaces it"),
        (["COMMIT", NEW, "BEGIN", "COMMIT", "DROP INDEX CONCURRENTLY only", "BEGIN"], "drops a unique index"),
        (["COMMIT", NEW, "BEGIN", "DROP INDEX old"], "blocks readers"),
        (["CREATE TABLE t ( x INTEGER)", "COMMIT", NEW, "BEGIN"], "repeats"),
    ],
)
def test_allowed_and_refused_statements_of_a_step(statements: list[str], fault: str) -> None:
    checker = StepChecker()
    list(checker.faults([OLD, "CREATE INDEX other ON answers (z)", "CREATE UNIQUE INDEX only ON answers (a)"]))
    faults = list(checker.faults(statements, unwritten="unwritten"))
    assert any(fault in found for found in faults) if fault else faults == []


# ---------------------------------------------------------------- on PostgreSQL


@pytest.fixture
async def older(postgres_socket: Path) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database with the schema of the last version before the rule."""
    server = await asyncpg.connect(host=str(postgres_socket), user="test", database="postgres")
    await server.execute("CREATE DATABASE older")
    await _up_to(_url(postgres_socket), "0003")
    connection = await asyncpg.connect(host=str(postgres_socket), user="test", database="older")
    yield connection
    await connection.close()
    await server.execute("DROP DATABASE older WITH (FORCE)")
    await server.close()


def _url(socket: Path) -> str:
    return f"postgresql+asyncpg://test@/older?host={socket}"


async def _up_to(url: str, revision: str) -> None:
    database = open_database(url)
    async with database.connection() as connection:
        await connection.run_sync(lambda sync: command.upgrade(migrate._config(sync), revision))
    await database.close()


async def _write(connection: asyncpg.Connection, key: str) -> None:
    await connection.execute(
        "INSERT INTO deliveries (key, channel, address, kind, priority, due_at, state)"
        " VALUES ($1, 'webchat', 'a', 'reply', 0, now(), 'pending')",
        key,
    )


async def _wait_for_index_build(connection: asyncpg.Connection) -> None:
    while True:
        if await connection.fetchval("SELECT count(*) FROM pg_stat_progress_create_index"):
            return
        await asyncio.sleep(0.01)


async def test_building_an_index_does_not_block_writers(older: asyncpg.Connection, postgres_socket: Path) -> None:
    busy = await asyncpg.connect(host=str(postgres_socket), user="test", database="older")
    async with asyncio.timeout(PATIENCE):
        async with busy.transaction():
            await _write(busy, "a long transaction")
            steps = asyncio.create_task(migrate.migrate(_url(postgres_socket)))
            others = asyncio.create_task(migrate.migrate(_url(postgres_socket)))
            await _wait_for_index_build(older)
            await _write(older, "meanwhile")
            await _write(busy, "and once more")
        assert await steps or await others
    await busy.close()
    assert await older.fetchval("SELECT count(*) FROM deliveries") == 3


async def test_an_index_whose_build_was_interrupted_is_built_again(
    older: asyncpg.Connection, postgres_socket: Path
) -> None:
    for name in ("ix_deliveries_reference", "ix_deliveries_person"):
        await older.execute(f"CREATE INDEX {name} ON deliveries (id)")
    invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_deliveries_person'::regclass"
    await older.execute(invalid)
    assert [step.revision for step in await migrate.migrate(_url(postgres_socket))][:2] == ["0004", "0005"]
    built = "SELECT indisvalid AND indnatts = 3 FROM pg_index WHERE indexrelid = 'ix_deliveries_recipient'::regclass"
    assert await older.fetchval(built), "the name since step 0009"
    valid = "SELECT indnatts FROM pg_index WHERE indexrelid = 'ix_deliveries_reference'::regclass"
    assert await older.fetchval(valid) == 1, "a valid index is not built again"
