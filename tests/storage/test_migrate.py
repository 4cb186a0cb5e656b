"""Migration steps on both databases: drift, preserved rows, concurrent processes, newer schemas."""

import asyncio
import re
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Dialect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import CreateIndex, CreateTable, Table

from storage import migrate
from storage.database import Database, DatabaseUnavailable, open_database
from storage.migrate import UnknownSchema
from storage.schema import metadata

DIALECTS: tuple[Dialect, ...] = (sqlite.dialect(), postgresql.dialect())  # type: ignore[no-untyped-call]

MIGRATING_PROCESS = """
import asyncio, sys
from storage import migrate
sys.stdin.readline()
print(len(asyncio.run(migrate.migrate(sys.argv[1]))))
"""


@pytest.fixture(params=["sqlite", "postgres"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database without any table."""
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
            return await tx.run_sync(_differences)
    finally:
        await database.close()


def _differences(connection: Connection) -> list[object]:
    """Differences between the database and `storage/schema`; empty when all steps together produce the schema."""
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


async def _migrate_to(url: str, revision: str) -> None:
    database = open_database(url, foreign_keys=False)
    opened = database.write() if database.is_sqlite else database.connection()
    async with opened as connection:
        await connection.run_sync(lambda sync: command.upgrade(migrate._config(sync), revision))
    await database.close()


async def test_all_steps_together_produce_the_schema(empty_url: str) -> None:
    assert await _drift(empty_url), "an empty database must differ, or this test checks nothing"
    steps = await migrate.migrate(empty_url)
    assert steps[0].revision == "0001"
    assert all(step.description for step in steps)
    assert await _drift(empty_url) == []


ROWS_OF_0008 = (
    "INSERT INTO institutions (id, code, name, sphere) VALUES (1, 'LEON', 'León', 'municipal')",
    "INSERT INTO servants (id, institution_id, state, language, hour, notice_version, consented_at, enrolled_on)"
    " VALUES (5, 1, 'active', 'es', 9, '1', '2026-11-23 15:00:00+00', '2026-11-23')",
    "INSERT INTO addresses (channel, address, servant_id, knocked_at, put_off_on)"
    " VALUES ('whatsapp', 'MX.1', 5, '2026-11-23 15:00:00+00', '2026-11-24')",
    "INSERT INTO deliveries (key, channel, address, kind, priority, due_at, state, fate)"
    " VALUES ('k', 'whatsapp', 'MX.1', 'prompt', 20, '2026-11-23 15:00:00+00', 'sent', 'read')",
    "INSERT INTO cases (id, day, state, epoch, due_on, size_step, road, locator_hash, asker_key, asker_bundle)"
    " VALUES ('c', '2026-11-23', 'open', 1, '2026-12-01', 2, 'chat', 'h', 'k', 'b')",
    "INSERT INTO kept_until (id, day, since) VALUES (1, '2026-11-23', '2026-11-22')",
    "INSERT INTO kept_answers (institution_id, topic_id, day, previous, people, answers, right_answers)"
    " VALUES (1, 'gifts', '2026-11-23', '0001-01-01', 3, 4, 2)",
    "INSERT INTO kept_prompts (institution_id, day, asked, answered) VALUES (1, '2026-11-23', 7, 6)",
    "INSERT INTO kept_last (servant_id, institution_id, topic_id, day) VALUES (5, 1, 'gifts', '2026-11-23')",
    "INSERT INTO paces (channel, next_at, refusals) VALUES ('telegram', 12.5, 3)",
    "INSERT INTO bubbles (address, token, is_mine, body, revision, at)"
    " VALUES ('ana', 't1', true, '{}', 4, '2026-11-23 15:00:00+00')",
    "INSERT INTO bubbles (address, token, is_mine, body, revision, at)"
    " VALUES ('ana', 't2', false, '{}', 5, '2026-11-23 15:00:00+00')",
    "INSERT INTO channel_facts (channel, name, value, noted_at)"
    " VALUES ('telegram', 'deaf', 'timeout', '2026-11-23 15:00:00+00'),"
    " ('whatsapp', 'people', '250', '2026-11-23 15:00:00+00'), ('whatsapp', 'stopped', 'x', '2026-11-23 15:00:00+00')",
)
ROWS_OF_0009 = {  # by the statement that reads them; dates and moments as text, since SQLite has no type for them
    "SELECT substr(CAST(template_sent_at AS VARCHAR(30)), 1, 16), CAST(deferred_on AS VARCHAR(10)) FROM addresses": [
        ("2026-11-23 15:00", "2026-11-24")
    ],
    "SELECT platform_status FROM deliveries": [("read",)],
    "SELECT channel, factor, refusals FROM rate_limits": [("telegram", 1.0, 3)],
    "SELECT count(*) FROM transcript_messages": [(0,)],  # 0023 deletes those with addresses
    "SELECT name, value FROM channel_facts ORDER BY name": [
        ("not_receiving", "timeout"),
        ("recipient_limit", "250"),
        ("stopped", "x"),
    ],
}
OLD_NAMES = re.compile(r"kept|pace|bubble|knocked|put_off|fate|road|person|integra_call")
NAMES_ON_POSTGRESQL = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL SELECT tgname FROM pg_trigger UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'integra%'
"""


async def test_step_0009_renames_and_preserves_all_rows(empty_url: str) -> None:
    await _migrate_to(empty_url, "0008")
    database = open_database(empty_url)
    async with database.write() as tx:
        for statement in ROWS_OF_0008:
            await tx.execute(text(statement))
    steps = await migrate.migrate(empty_url)
    assert steps[0].revision == "0009"
    assert await _drift(empty_url) == []
    async with database.write() as tx:
        for statement, rows in ROWS_OF_0009.items():
            assert [tuple(row) for row in await tx.execute(text(statement))] == rows, statement
        added = "('b', 't3', true, '{}', '2026-11-23 15:00:00+00:00')"
        await tx.execute(text(f"INSERT INTO transcript_messages (address, token, is_mine, body, at) VALUES {added}"))
        newest = await tx.scalar(text("SELECT max(id) FROM transcript_messages"))
        assert newest == (1 if database.is_sqlite else 3), "ids continue, on SQLite after the highest that is left"
        names = "SELECT name || coalesce(sql, '') FROM sqlite_master" if database.is_sqlite else NAMES_ON_POSTGRESQL
        assert [name for name in await tx.scalars(text(names)) if OLD_NAMES.search(name)] == []
    await database.close()


async def test_steps_0010_and_0011_name_closures_and_keep_each_day_of_all_institutions_once(empty_url: str) -> None:
    await _migrate_to(empty_url, "0009")
    database = open_database(empty_url)
    twice = "('2026-12-24'), ('2026-12-24'), ('2026-12-31')"
    async with database.write() as tx:
        await tx.execute(text("INSERT INTO institutions (id, code, name, sphere) VALUES (1, 'LEON', 'x', 'state')"))
        await tx.execute(text(f"INSERT INTO closures (day) VALUES {twice}"))
        await tx.execute(text("INSERT INTO closures (institution_id, day) VALUES (1, '2026-12-24'), (1, '2026-12-25')"))
    assert [step.revision for step in await migrate.migrate(empty_url)][:2] == ["0010", "0011"]
    assert await _drift(empty_url) == []
    async with database.write() as tx:
        await tx.execute(
            text("INSERT INTO closures (institution_id, day) VALUES (1, '2026-12-28')")
        )  # an older process
        rows = text("SELECT institution_id, CAST(day AS VARCHAR(10)), name FROM closures ORDER BY id")
        assert [tuple(row) for row in await tx.execute(rows)] == [
            (None, "2026-12-24", ""),
            (None, "2026-12-31", ""),
            (1, "2026-12-24", ""),
            (1, "2026-12-25", ""),
            (1, "2026-12-28", ""),
        ]
    with pytest.raises(IntegrityError):
        async with database.write() as tx:
            await tx.execute(text("INSERT INTO closures (day) VALUES ('2026-12-24')"))
    await database.close()


async def test_step_0019_empties_officers_and_queries_and_leaves_servants_alone(empty_url: str) -> None:
    await _migrate_to(empty_url, "0018")
    database = open_database(empty_url)
    async with database.write() as tx:
        for statement in (
            "INSERT INTO institutions (id, code, name, sphere) VALUES (1, 'LEON', 'x', 'state')",
            "INSERT INTO officers (id, email, name, role, state, reading_key) "
            "VALUES ('o', 'e', 'n', 'officer', 'active', 'k')",
            "INSERT INTO key_lists (serial, body, signature) VALUES (1, '{}', 's')",
            "INSERT INTO cases (id, day, state, epoch, due_on, size_step, origin, locator_hash, asker_key, "
            "asker_bundle) VALUES ('c', '2026-11-23', 'open', 1, '2026-11-26', 2, 'form', 'h', 'k', '{}')",
            "INSERT INTO letters (case_id, seq, epoch, envelope) VALUES ('c', 1, 1, '{}')",
        ):
            await tx.execute(text(statement))
    assert [step.revision for step in await migrate.migrate(empty_url)][:1] == ["0019"]
    assert await _drift(empty_url) == []
    async with database.read() as tx:
        left = {
            name: await tx.scalar(text(f"SELECT count(*) FROM {name}"))
            for name in ("officers", "key_lists", "cases", "letters")
        }
        assert left == dict.fromkeys(left, 0), "no key and no letter of the first protocol can be used by the second"
        assert await tx.scalar(text("SELECT count(*) FROM institutions")) == 1
    await database.close()


async def test_step_0024_counts_the_news_that_wait_once(empty_url: str) -> None:
    await _migrate_to(empty_url, "0022")
    database = open_database(empty_url)
    async with database.write() as tx:
        rows = "('waits', 'a', true, '2027-05-22'), ('waits not', 'b', false, '2027-05-22')"
        await tx.execute(text(f"INSERT INTO routes (row, sealed_address, has_news, expires_on) VALUES {rows}"))
    await migrate.migrate(empty_url)
    assert await _drift(empty_url) == []
    async with database.read() as tx:
        kept = text("SELECT row, sealed_address, news, failed_on, failures FROM routes ORDER BY row")
        assert [tuple(row) for row in await tx.execute(kept)] == [
            ("waits", "a", 1, None, 0),
            ("waits not", "b", 0, None, 0),
        ]
    await database.close()


async def test_a_column_that_no_step_created_is_reported_as_drift(empty_url: str) -> None:
    await migrate.migrate(empty_url)
    database = open_database(empty_url)
    async with database.write() as tx:
        await tx.execute(text("alter table servants add column shoe_size integer"))
    await database.close()
    assert "shoe_size" in str(await _drift(empty_url))


async def test_migrating_again_changes_nothing_and_preserves_the_rows(empty_url: str) -> None:
    await migrate.migrate(empty_url)
    database = open_database(empty_url)
    async with database.write() as tx:
        await tx.execute(text("insert into institutions (code, name, sphere) values ('LEON', 'León', 'municipal')"))
    assert await migrate.migrate(empty_url) == []
    async with database.read() as tx:
        assert await tx.scalar(text("select count(*) from institutions")) == 1
    await database.close()


@pytest.mark.process
async def test_two_processes_may_migrate_at_once(empty_url: str) -> None:
    arguments = [sys.executable, "-W", "error", "-c", MIGRATING_PROCESS, empty_url]
    processes = [
        await asyncio.create_subprocess_exec(
            *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    ended = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0, 0, 0], [err.decode() for _, err in ended]
    assert sorted(int(out) > 0 for out, _ in ended) == [False, False, True]
    assert await _drift(empty_url) == []


async def test_the_schema_of_a_newer_version_is_refused_and_not_changed(empty_url: str) -> None:
    await migrate.migrate(empty_url)
    database = open_database(empty_url)
    async with database.write() as tx:
        await tx.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(UnknownSchema, match="9999"):
        await migrate.migrate(empty_url)
    async with database.read() as tx:
        assert await tx.scalar(text("select version_num from alembic_version")) == "9999"
    await database.close()


async def test_migrating_an_unreachable_database_raises_database_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate.migrate("postgresql+asyncpg://user@/x?host=/nowhere/at/all")


async def test_foreign_keys_are_enforced_on_both_databases(database: Database) -> None:
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


@pytest.mark.parametrize("name", ["cases", "access", "letters", "routes", "links", "link_counts"])
def test_tables_of_confidential_queries_store_no_order_of_arrival(name: str) -> None:
    created = str(CreateTable(metadata.tables[name]).compile(dialect=sqlite.dialect()))
    assert "WITHOUT ROWID" in created


def test_no_foreign_key_joins_the_learning_record_to_confidential_queries() -> None:
    confidential = {"cases", "access", "letters", "routes", "links", "link_counts", "ledger"}
    learning = {"servants", "addresses", "prompts", "answers", "packed_memories", "institutions"}
    for table in metadata.sorted_tables:
        joined = {key.column.table.name for key in table.foreign_keys} | {table.name}
        assert not (joined & confidential and joined & learning), f"{table.name} joins the two"
