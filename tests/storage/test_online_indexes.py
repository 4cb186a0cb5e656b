"""Every step of the schema keeps the rule of docs/operations.md: processes of the version before go on working."""

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

FIRST_BOUND = "0004"  # steps before were taken before anybody ran several processes
PATIENCE = 20.0  # seconds until we call something held up

TABLE = re.compile(r"CREATE TABLE (\w+) \(")
COLUMN = re.compile(r"ALTER TABLE \w+ ADD COLUMN (?!.*\b(?:UNIQUE|REFERENCES|PRIMARY)\b)(.*)")
INDEX = re.compile(r"CREATE (UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?(\w+) ON (\w+) \((.*)\)")
DROP = re.compile(r"DROP INDEX (CONCURRENTLY )?(?:IF EXISTS )?(\w+)")
ENDS = ("COMMIT", "BEGIN")


@dataclass
class Ground:
    """What there is on PostgreSQL: indexes with their table and columns."""

    indexes: dict[str, tuple[str, frozenset[str], bool]] = field(default_factory=dict)

    def faults(self, statements: Sequence[str]) -> Iterator[str]:
        """Take one step, and give what it does against the rule."""
        tables = {found[1] for one in statements if (found := TABLE.match(one))}
        plain = [one for one in statements if one not in ENDS]
        built: set[str] = set()
        for one in plain:
            if index := INDEX.match(one):
                built.add(index[3])
                yield from self._index(one, index, tables)
            elif drop := DROP.match(one):
                yield from self._drop(one, drop, built)
            elif column := COLUMN.match(one):
                if "NOT NULL" in column[1] and "DEFAULT" not in column[1]:
                    yield f"the version before does not fill it: {one}"
            elif not TABLE.match(one):
                yield f"is not adding: {one}"
        if "COMMIT" in statements and not all("CONCURRENTLY" in one for one in plain):
            yield "begins again with what is there already, if an index fails"

    def _index(self, one: str, index: re.Match[str], tables: set[str]) -> Iterator[str]:
        is_new = index[4] in tables
        if not is_new and index[1]:
            yield f"the version before may write what it forbids: {one}"
        if not is_new and not index[2]:
            yield f"holds up whoever writes: {one}"
        self.indexes[index[3]] = index[4], frozenset(index[5].split(", ")), bool(index[1])

    def _drop(self, one: str, drop: re.Match[str], built: set[str]) -> Iterator[str]:
        table, columns, is_unique = self.indexes.pop(drop[2], ("", frozenset(), True))
        if is_unique:
            yield f"holds what nothing else holds, or was not made by a step: {one}"
        if not drop[1]:
            yield f"holds up whoever reads: {one}"
        heirs = [self.indexes[name] for name in built if name in self.indexes]
        if not any(heir[0] == table and columns <= heir[1] for heir in heirs):
            yield f"nothing built before stands in its place: {one}"


def _steps() -> Iterator[tuple[str, list[str]]]:
    """Every step by its revision, with what it says to PostgreSQL."""
    config = Config()
    config.set_main_option("script_location", str(migrate.HERE))
    config.set_main_option("path_separator", "os")
    for script in reversed(list(ScriptDirectory.from_config(config).walk_revisions())):
        said = StringIO()
        context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": said})
        with Operations.context(context):
            script.module.upgrade()
        yield script.revision, [" ".join(one.split()) for one in said.getvalue().split(";\n\n") if one.strip()]


def test_every_step_only_adds_and_holds_up_nobody() -> None:
    ground = Ground()
    faults = {revision: list(ground.faults(statements)) for revision, statements in _steps()}
    assert any(faults.values()), "the first steps know no such rule, or this test sees nothing"
    assert not {revision: told for revision, told in faults.items() if told and revision >= FIRST_BOUND}


NEW, OLD = "CREATE INDEX CONCURRENTLY new ON answers (day, a)", "CREATE INDEX old ON answers (a)"


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (["ALTER TABLE answers ADD COLUMN x INTEGER"], ""),
        (["ALTER TABLE answers ADD COLUMN x INTEGER DEFAULT '0' NOT NULL"], ""),
        (["ALTER TABLE answers ADD COLUMN x INTEGER NOT NULL"], "does not fill"),
        (["ALTER TABLE answers ADD COLUMN x INTEGER UNIQUE"], "not adding"),
        (["ALTER TABLE answers DROP COLUMN x"], "not adding"),
        (["ALTER TABLE answers RENAME COLUMN x TO y"], "not adding"),
        (["ALTER TABLE answers ADD CONSTRAINT c CHECK (x > 0)"], "not adding"),
        (["DROP TABLE answers"], "not adding"),
        (["UPDATE answers SET x = 1"], "not adding"),
        (["CREATE TABLE t ( x INTEGER)", "CREATE INDEX ix_t ON t (x)"], ""),
        (["CREATE INDEX ix ON answers (x)"], "whoever writes"),
        (["COMMIT", "CREATE UNIQUE INDEX CONCURRENTLY ix ON answers (x)", "BEGIN"], "forbids"),
        (["COMMIT", NEW, "BEGIN", "COMMIT", "DROP INDEX CONCURRENTLY old", "BEGIN"], ""),
        (["COMMIT", "DROP INDEX CONCURRENTLY old", "BEGIN", "COMMIT", NEW, "BEGIN"], "in its place"),
        (["COMMIT", NEW, "BEGIN", "COMMIT", "DROP INDEX CONCURRENTLY other", "BEGIN"], "in its place"),
        (["COMMIT", NEW, "BEGIN", "COMMIT", "DROP INDEX CONCURRENTLY only", "BEGIN"], "nothing else holds"),
        (["COMMIT", NEW, "BEGIN", "DROP INDEX old"], "whoever reads"),
        (["CREATE TABLE t ( x INTEGER)", "COMMIT", NEW, "BEGIN"], "begins again"),
    ],
)
def test_what_a_step_may_do_and_what_not(statements: list[str], fault: str) -> None:
    ground = Ground()
    list(ground.faults([OLD, "CREATE INDEX other ON answers (z)", "CREATE UNIQUE INDEX only ON answers (a)"]))
    told = list(ground.faults(statements))
    assert any(fault in one for one in told) if fault else told == []


# ---------------------------------------------------------------- on PostgreSQL


@pytest.fixture
async def older(postgres_socket: Path) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database as the last version before the rule left it."""
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
        await connection.run_sync(lambda one: command.upgrade(migrate._config(one), revision))
    await database.close()


async def _write(connection: asyncpg.Connection, key: str) -> None:
    await connection.execute(
        "INSERT INTO deliveries (key, channel, address, kind, priority, due_at, state)"
        " VALUES ($1, 'webchat', 'a', 'reply', 0, now(), 'pending')",
        key,
    )


async def _building(connection: asyncpg.Connection) -> None:
    """Come back when an index is being built."""
    while True:
        if await connection.fetchval("SELECT count(*) FROM pg_stat_progress_create_index"):
            return
        await asyncio.sleep(0.01)


async def test_who_writes_is_not_held_up_by_an_index(older: asyncpg.Connection, postgres_socket: Path) -> None:
    busy = await asyncpg.connect(host=str(postgres_socket), user="test", database="older")
    async with asyncio.timeout(PATIENCE):
        async with busy.transaction():
            await _write(busy, "a transaction that takes long")
            steps = asyncio.create_task(migrate.migrate(_url(postgres_socket)))
            others = asyncio.create_task(migrate.migrate(_url(postgres_socket)))
            await _building(older)
            await _write(older, "meanwhile")
            await _write(busy, "and once more")
        assert await steps or await others
    await busy.close()
    assert await older.fetchval("SELECT count(*) FROM deliveries") == 3


async def test_an_index_whose_building_broke_off_is_built_again(
    older: asyncpg.Connection, postgres_socket: Path
) -> None:
    for name in ("ix_deliveries_reference", "ix_deliveries_person"):
        await older.execute(f"CREATE INDEX {name} ON deliveries (id)")
    broken = "indexrelid = 'ix_deliveries_person'::regclass"
    await older.execute(f"UPDATE pg_index SET indisvalid = false WHERE {broken}")
    assert [step.revision for step in await migrate.migrate(_url(postgres_socket))][:2] == ["0004", "0005"]
    assert await older.fetchval(f"SELECT indisvalid AND indnatts = 3 FROM pg_index WHERE {broken}")
    whole = "SELECT indnatts FROM pg_index WHERE indexrelid = 'ix_deliveries_reference'::regclass"
    assert await older.fetchval(whole) == 1, "what was whole is not built once more"
