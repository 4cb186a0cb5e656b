"""`integra check` looks at the database and at the keys beside it, and leaves everything as it was."""

import asyncio
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest
from alembic import command as alembic

from bot import secrets
from storage import migrate
from storage.database import open_database
from tests.terminal import Integra, command_line

SECRET = "hunter2"


@pytest.fixture
def integra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Integra]:
    """Runs commands in an empty folder, with DATA_DIR below it."""
    with command_line(tmp_path, monkeypatch, capsys, DATA_DIR=str(tmp_path / "data"), HTTP_PORT="0") as integra:
        yield integra


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below a folder, with the bytes of files."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def problem_of(integra: Integra, folder: Path, **settings: str) -> str:
    """The one problem that `check` reports, having changed nothing."""
    before = contents(folder)
    result = integra("check", **settings)
    assert (result.code, result.out) == (1, "")
    line, count = result.err.splitlines()
    assert count == "1 problem."
    assert SECRET not in line
    assert contents(folder) == before
    return line


def test_on_a_fresh_machine_nothing_is_wrong_and_nothing_is_created(integra: Integra, tmp_path: Path) -> None:
    result = integra("check")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("No problems: ")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_an_existing_file_is_read_and_left_as_it_was(integra: Integra, tmp_path: Path, journal: str) -> None:
    assert integra("tick").code == 0
    with closing(sqlite3.connect(tmp_path / "data" / "integra.db")) as raw:
        raw.execute(f"pragma journal_mode={journal}")
    before = contents(tmp_path)
    assert str(tmp_path / "data" / "secrets" / "inbox") in before
    assert integra("check").code == 0
    assert contents(tmp_path) == before


def test_what_a_running_process_has_just_written_is_seen(integra: Integra, tmp_path: Path) -> None:
    assert integra("tick").code == 0
    with closing(sqlite3.connect(tmp_path / "data" / "integra.db")) as other:
        other.execute("update key_fingerprints set fingerprint = 'another' where name = 'route'")
        other.commit()  # into the write-ahead log only
        assert (tmp_path / "data" / "integra.db-wal").stat().st_size
        result = integra("check")
    assert "(others: route)" in result.err


def test_a_file_without_tables_will_be_migrated(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "integra.db").write_bytes(b"")
    result = integra("check")
    assert result.code == 0, result.err
    assert result.out.startswith("The database has no tables yet: the first start creates them.\nNo problems: ")


def test_an_older_schema_is_a_note(integra: Integra, tmp_path: Path) -> None:
    async def migrate_to(revision: str) -> None:
        database = open_database(f"sqlite+aiosqlite:///{tmp_path}/data/integra.db", foreign_keys=False)
        async with database.write() as tx:
            await tx.run_sync(lambda connection: alembic.upgrade(migrate._config(connection), revision))
        await database.close()

    asyncio.run(migrate_to("0009"))
    result = integra("check")
    assert result.code == 0, result.err
    note = f"The database has schema 0009: the next start migrates it to {migrate.newest()}. Take a backup before."
    assert result.out.splitlines()[0] == note


def test_a_folder_that_cannot_be_created_is_a_problem(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "deep"):
        line = problem_of(integra, tmp_path, DATA_DIR=str(folder))
        assert line == f"DATA_DIR: is not a folder, or not in one; name another (seen: {str(folder)!r})"
        line = problem_of(integra, tmp_path, DATABASE_URL=f"sqlite+aiosqlite:///{folder}/x.db")
        assert line.startswith("DATABASE_URL: the file cannot be opened or created; does its folder exist")


# ---------------------------------------------------------------- keys


def test_keys_of_another_database_are_a_problem_and_missing_ones_are_not_created(
    integra: Integra, tmp_path: Path
) -> None:
    assert integra("tick").code == 0
    folder = tmp_path / "data" / "secrets"
    folder.rename(tmp_path / "kept")
    assert "lacks keys that this database was written with (route, inbox" in problem_of(integra, tmp_path)
    folder.mkdir()
    assert "lacks keys" in problem_of(integra, tmp_path)
    for name in secrets.KEY_NAMES:
        (folder / name).write_bytes(b"f" * 32)
    assert "does not hold the keys that this database was written with" in problem_of(integra, tmp_path)
    (folder / "audit").write_bytes(b"short")
    assert "'audit' in secrets/ is damaged" in problem_of(integra, tmp_path)


def test_keys_without_a_place_to_create_them_are_a_problem(integra: Integra, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/elsewhere.db"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secrets").symlink_to(tmp_path / "nowhere")
    line = problem_of(integra, tmp_path, DATABASE_URL=url)
    assert line.startswith(f"DATA_DIR: {str(tmp_path / 'data' / 'secrets')!r} cannot be created or written")


def test_all_problems_are_reported_at_once(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "data" / "secrets").mkdir(parents=True)
    (tmp_path / "data" / "secrets" / "route").write_bytes(b"short")
    (tmp_path / "data" / "content" / "scenarios").mkdir(parents=True)
    (tmp_path / "data" / "content" / "scenarios" / "x.toml").write_text("=")
    result = integra("check", DATABASE_URL=f"postgresql+asyncpg://u:{SECRET}@127.0.0.1:1/x")
    assert result.code == 1
    database, keys, *_, count = result.err.splitlines()
    assert database.startswith("DATABASE_URL: the database does not answer: connection refused")
    assert keys.startswith("DATA_DIR: 'route' in secrets/ is damaged")
    assert "scenarios/x.toml" in result.err
    assert int(count.split()[0]) > 2
    assert SECRET not in result.err


# ---------------------------------------------------------------- PostgreSQL


@pytest.fixture
def server(postgres_socket: Path) -> Iterator[tuple[Path, str]]:
    """Socket and name of a new database without tables, and a role `weak_<name>` that owns nothing."""
    name = f"c{uuid.uuid4().hex[:12]}"

    async def execute(*statements: str) -> None:
        connection = await asyncpg.connect(host=str(postgres_socket), user="test", database="postgres")
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(execute(f"CREATE DATABASE {name}", f"CREATE ROLE weak_{name} LOGIN"))
    yield postgres_socket, name
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE weak_{name}"))


def test_a_database_without_tables_needs_a_user_who_may_create_them(
    integra: Integra, server: tuple[Path, str], tmp_path: Path
) -> None:
    socket, name = server
    result = integra("check", DATABASE_URL=f"postgresql+asyncpg://test:{SECRET}@/{name}?host={socket}")
    assert result.code == 0, result.err
    assert result.out.startswith("The database has no tables yet")
    line = problem_of(integra, tmp_path, DATABASE_URL=f"postgresql+asyncpg://weak_{name}@/{name}?host={socket}")
    assert line.startswith("DATABASE_URL: its user may not create or change tables there (no right to CREATE in schema")


def test_keys_of_another_machine_are_a_problem(integra: Integra, server: tuple[Path, str], tmp_path: Path) -> None:
    url = "postgresql+asyncpg://test@/{1}?host={0}".format(*server)
    assert integra("tick", DATABASE_URL=url).code == 0
    assert integra("check", DATABASE_URL=url).code == 0
    line = problem_of(integra, tmp_path, DATABASE_URL=url, DATA_DIR=str(tmp_path / "other"))
    assert "lacks keys that this database was written with" in line
