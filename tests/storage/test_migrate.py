import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Dialect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import CreateIndex, CreateTable, Table

from storage import migrate
from storage.database import Database, DatabaseUnavailable, open_database
from storage.migrate import UnknownSchema
from storage.schema import metadata

DIALECTS: tuple[Dialect, ...] = (sqlite.dialect(), postgresql.dialect())  # type: ignore[no-untyped-call]

ONE_PROCESS = """
import asyncio, sys
from storage import migrate
sys.stdin.readline()
print(len(asyncio.run(migrate.migrate(sys.argv[1]))))
"""


@pytest.fixture(params=["sqlite", "postgres"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/empty.db"
        return
    socket: Path = request.getfixturevalue("postgres_socket")
    name = f"e{uuid.uuid4().hex}"
    await _on_server(socket, f"CREATE DATABASE {name}")
    yield f"postgresql+asyncpg://test@/{name}?host={socket}"
    await _on_server(socket, f"DROP DATABASE {name} WITH (FORCE)")


async def _on_server(socket: Path, statement: str) -> None:
    engine = create_async_engine(f"postgresql+asyncpg://test@/postgres?host={socket}", isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


async def _drift(url: str) -> list[object]:
    database = open_database(url)
    try:
        async with database.read() as tx:
            return await tx.run_sync(migrate.drift)
    finally:
        await database.close()


async def test_all_steps_together_are_the_schema(empty_url: str) -> None:
    assert await _drift(empty_url), "an empty database must differ, or this test sees nothing"
    steps = await migrate.migrate(empty_url)
    assert steps[0].revision == "0001"
    assert all(step.description for step in steps)
    assert await _drift(empty_url) == []


async def test_a_column_that_no_step_made_is_seen_as_drift(empty_url: str) -> None:
    await migrate.migrate(empty_url)
    database = open_database(empty_url)
    async with database.write() as tx:
        await tx.execute(text("alter table servants add column shoe_size integer"))
    await database.close()
    assert "shoe_size" in str(await _drift(empty_url))


async def test_migrating_again_changes_nothing_and_keeps_what_is_there(empty_url: str) -> None:
    await migrate.migrate(empty_url)
    database = open_database(empty_url)
    async with database.write() as tx:
        await tx.execute(text("insert into institutions (code, name, sphere) values ('LEON', 'León', 'municipal')"))
    assert await migrate.migrate(empty_url) == []
    async with database.read() as tx:
        assert await tx.scalar(text("select count(*) from institutions")) == 1
    await database.close()


async def test_two_processes_may_migrate_at_once(empty_url: str) -> None:
    command = [sys.executable, "-W", "error", "-c", ONE_PROCESS, empty_url]
    started = [
        await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    ended = await asyncio.gather(*(one.communicate(b"go\n") for one in started))
    assert [one.returncode for one in started] == [0, 0, 0], [err.decode() for _, err in ended]
    assert sorted(int(out) > 0 for out, _ in ended) == [False, False, True]
    assert await _drift(empty_url) == []


async def test_the_schema_of_a_newer_version_is_refused_and_left_alone(empty_url: str) -> None:
    await migrate.migrate(empty_url)
    database = open_database(empty_url)
    async with database.write() as tx:
        await tx.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(UnknownSchema, match="9999"):
        await migrate.migrate(empty_url)
    async with database.read() as tx:
        assert await tx.scalar(text("select version_num from alembic_version")) == "9999"
    await database.close()


async def test_a_database_that_is_away_is_told_as_such() -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate.migrate("postgresql+asyncpg://user@/x?host=/nowhere/at/all")


async def test_references_are_checked_on_both_databases(database: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        async with database.write() as tx:
            await tx.execute(text("insert into addresses (channel, address, servant_id) values ('webchat', 'a', 77)"))


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: str(table.name))
def test_both_dialects_compile_every_table(table: Table) -> None:
    for dialect in DIALECTS:
        created = str(CreateTable(table).compile(dialect=dialect))
        assert all(column.name in created for column in table.columns)
        for index in table.indexes:
            assert table.name in str(CreateIndex(index).compile(dialect=dialect))


@pytest.mark.parametrize("name", ["cases", "access", "letters", "routes", "links"])
def test_the_confidential_lane_keeps_no_order_of_arrival(name: str) -> None:
    created = str(CreateTable(metadata.tables[name]).compile(dialect=sqlite.dialect()))
    assert "WITHOUT ROWID" in created


def test_no_column_joins_the_learning_record_to_the_confidential_lane() -> None:
    lane = {"cases", "access", "letters", "routes", "links", "ledger"}
    people = {"servants", "addresses", "prompts", "answers", "memories", "institutions"}
    for table in metadata.sorted_tables:
        joined = {key.column.table.name for key in table.foreign_keys} | {table.name}
        assert not (joined & lane and joined & people), f"{table.name} joins the two"
