"""Database errors at the start of a command: one line for the administrator, and exit code 1."""

import asyncio
import os
import socket
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from bot import process_lock
from bot.config import WrongSetting, load
from storage import migrate, permissions
from storage.database import PermissionDenied, open_database
from tests.terminal import Integra, command_line

SECRET = "hunter2"
COMMANDS = (("run",), ("check",), ("migrate",), ("tick",), ("report",))
POSTGRES_URL = "postgresql+asyncpg://{user}:hunter2@/{name}?host={socket}"


@pytest.fixture
def integra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Integra]:
    """Runs commands in an empty folder."""
    with command_line(tmp_path, monkeypatch, capsys, DATA_DIR=str(tmp_path / "data"), HTTP_PORT="0") as integra:
        yield integra


def error_line(integra: Integra, *command: str, **settings: str) -> str:
    """Run a command that must fail; return its one line on standard error, which must hold no secret."""
    result = integra(*command, **settings)
    assert result.code == 1, result.err
    assert result.out == ""
    assert SECRET not in result.err
    line, *count = result.err.splitlines()
    assert count == (["1 problem."] if command == ("check",) else [])
    return line


# ---------------------------------------------------------------- SQLite


def _not_sqlite(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 100)


def _folder(path: Path) -> None:
    path.mkdir()


def _truncated(path: Path) -> None:
    asyncio.run(migrate.migrate(f"sqlite+aiosqlite:///{path}"))
    path.write_bytes(path.read_bytes()[:6000])


FILES: list[tuple[Callable[[Path], None], str]] = [
    (_not_sqlite, "the file is not an SQLite database; name another"),
    (_folder, "the file cannot be opened or created"),
    (_truncated, "the file is damaged; restore a backup"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(("make", "message"), FILES, ids=lambda value: getattr(value, "__name__", ""))
def test_an_unusable_database_file(
    integra: Integra, tmp_path: Path, make: Callable[[Path], None], message: str, command: tuple[str, ...]
) -> None:
    make(tmp_path / "x.db")
    line = error_line(integra, *command, DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/x.db")
    assert line.startswith("DATABASE_URL: ")
    assert message in line


def test_without_database_url_the_error_names_data_dir(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    _not_sqlite(tmp_path / "data" / "integra.db")
    for command in ("run", "check"):
        assert error_line(integra, command) == "DATA_DIR: the file is not an SQLite database; name another"


def test_a_data_dir_that_is_a_file(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    for command in ("run", "check"):
        assert error_line(integra, command).startswith("DATA_DIR: is not a folder, or not in one; name another (seen: ")


def test_a_second_process_on_the_same_file_is_refused_whatever_its_folder(integra: Integra, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/shared.db"
    assert integra("migrate", DATABASE_URL=url).code == 0
    with process_lock.hold(tmp_path / "shared.db"):
        line = error_line(integra, "run", DATABASE_URL=url)
        assert "another process runs on this SQLite database" in line
        (tmp_path / "link.db").symlink_to(tmp_path / "shared.db")
        assert "another process" in error_line(integra, "run", DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/link.db")


def test_a_database_of_an_older_version_is_migrated(integra: Integra, tmp_path: Path) -> None:
    assert integra("migrate").code == 0
    newest = migrate.newest()
    with closing(sqlite3.connect(tmp_path / "data" / "integra.db")) as raw:
        assert raw.execute("select version_num from alembic_version").fetchall() == [(newest,)]
    older = tmp_path / "older"
    older.mkdir()
    asyncio.run(_migrate_to(f"sqlite+aiosqlite:///{older}/integra.db", "0001"))
    result = integra("migrate", DATA_DIR=str(older))
    assert result.code == 0, result.err
    assert result.out.startswith("0002: ")


async def _migrate_to(url: str, revision: str) -> None:
    from alembic import command

    database = open_database(url, foreign_keys=False)
    async with database.write() as tx:
        await tx.run_sync(lambda connection: command.upgrade(migrate._config(connection), revision))
    await database.close()


def test_a_port_or_host_that_cannot_be_bound(integra: Integra) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert error_line(integra, "run", HTTP_PORT=port) == (
            f"HTTP_PORT: cannot listen on 127.0.0.1:{port} (Address already in use); choose another with HTTP_PORT=8081"
        )
    line = error_line(integra, "run", HTTP_HOST="192.0.2.7")
    assert line.startswith("HTTP_HOST: cannot listen on 192.0.2.7:0 (")
    assert line.endswith("expected an address of this machine")


# ---------------------------------------------------------------- PostgreSQL


async def _execute(socket: Path, name: str, *statements: str) -> None:
    connection = await asyncpg.connect(host=str(socket), user="test", database=name)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def server(postgres_socket: Path) -> Iterator[tuple[Path, str]]:
    """Socket and name of a new database with the schema, and a role `weak_<name>` that owns nothing."""
    name = f"b{uuid.uuid4().hex[:12]}"

    async def create() -> None:
        creation = f"CREATE DATABASE {name} TEMPLATE empty_integra"
        await _execute(postgres_socket, "postgres", creation, f"CREATE ROLE weak_{name} LOGIN")

    async def drop() -> None:
        await _execute(postgres_socket, "postgres", f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE weak_{name}")

    asyncio.run(create())
    yield postgres_socket, name
    asyncio.run(drop())


@pytest.mark.parametrize("command", COMMANDS[:4], ids=" ".join)
def test_a_server_that_refuses_the_connection(
    integra: Integra, server: tuple[Path, str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    socket, name = server
    rows = [
        (POSTGRES_URL.format(user="test", name="nowhere", socket=socket), "there is no such database on that server"),
        (POSTGRES_URL.format(user="unknown", name=name, socket=socket), "the server refuses the user"),
        (POSTGRES_URL.format(user="test", name=name, socket=tmp_path), "there is no such socket or folder"),
        (
            f"postgresql+asyncpg://u:{SECRET}@127.0.0.1:1/x",
            "connection refused; is PostgreSQL running on that host and port?",
        ),
        (f"postgresql+asyncpg://u:{SECRET}@nowhere.invalid/x", "there is no such host"),
    ]
    for url, message in rows:
        assert message in error_line(integra, *command, DATABASE_URL=url)


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (("REVOKE ALL ON SCHEMA public FROM public",), "may not use any schema there"),
        ((), "permission denied"),
        (("GRANT SELECT ON ALL TABLES IN SCHEMA public TO weak_{name}",), "no right to INSERT in access"),
        (
            (
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO weak_{name}",
                "REVOKE DELETE ON deliveries FROM weak_{name}",
            ),
            "no right to DELETE in deliveries",
        ),
    ],
    ids=["no schema", "no table", "read only", "one privilege missing"],
)
@pytest.mark.parametrize("command", [*(("run", "--role", role) for role in ("web", "worker", "all")), ("check",)])
def test_a_user_without_privileges(
    integra: Integra, server: tuple[Path, str], statements: tuple[str, ...], message: str, command: tuple[str, ...]
) -> None:
    socket, name = server
    asyncio.run(_execute(socket, name, *(statement.format(name=name) for statement in statements)))
    url = POSTGRES_URL.format(user=f"weak_{name}", name=name, socket=socket)
    line = error_line(integra, *command, DATABASE_URL=url)
    assert line.startswith("DATABASE_URL: its user may ")
    assert message in line


def test_a_user_who_may_read_and_write_but_owns_nothing_suffices(server: tuple[Path, str]) -> None:
    socket, name = server
    grant_all = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO weak_{name}"

    async def check() -> None:
        await _execute(socket, name, grant_all)
        database = open_database(POSTGRES_URL.format(user=f"weak_{name}", name=name, socket=socket))
        try:
            await permissions.check(database)
            await _execute(socket, name, f"REVOKE UPDATE ON rate_limits FROM weak_{name}")
            with pytest.raises(PermissionDenied, match="UPDATE in rate_limits"):
                await permissions.check(database)
        finally:
            await database.close()

    asyncio.run(check())


@pytest.mark.parametrize("command", [("run",), ("tick",), ("run", "--role", "web"), ("check",)], ids=" ".join)
def test_a_read_only_server(integra: Integra, server: tuple[Path, str], command: tuple[str, ...]) -> None:
    socket, name = server
    asyncio.run(_execute(socket, "postgres", f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    url = POSTGRES_URL.format(user="test", name=name, socket=socket)
    assert error_line(integra, *command, DATABASE_URL=url).startswith("DATABASE_URL: that server is read-only")


def test_a_newer_schema_is_left_alone_by_every_command(integra: Integra, server: tuple[Path, str]) -> None:
    socket, name = server
    asyncio.run(_execute(socket, name, "UPDATE alembic_version SET version_num = '9999'"))
    url = POSTGRES_URL.format(user="test", name=name, socket=socket)
    for command in (*COMMANDS, ("run", "--role", "web"), ("run", "--role", "worker")):
        line = error_line(integra, *command, DATABASE_URL=url)
        assert "schema 9999, newer than this version of Integra; upgrade Integra" in line


@pytest.mark.parametrize("state", ["40001", "40P01"], ids=["serialization failure", "deadlock"])
def test_a_conflict_with_another_process_says_to_run_it_again(
    integra: Integra, server: tuple[Path, str], state: str
) -> None:
    socket, name = server
    raising = (
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE 'conflict' USING ERRCODE = '{state}'; END $$",
        "CREATE TRIGGER fail BEFORE INSERT ON institutions EXECUTE FUNCTION fail()",
    )
    asyncio.run(_execute(socket, name, *raising))
    url = POSTGRES_URL.format(user="test", name=name, socket=socket)
    line = error_line(integra, "import", "institutions", "guanajuato", "--apply", DATABASE_URL=url)
    assert line == "DATABASE_URL: another process changed the same rows; run it again"


def test_a_missing_postgresql_driver_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(WrongSetting, match="the driver of PostgreSQL is not installed"):
        load(database_url="postgresql+asyncpg://u@h/n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_only_be_read(integra: Integra, tmp_path: Path) -> None:
    assert integra("migrate").code == 0
    (tmp_path / "data").chmod(0o500)
    (tmp_path / "data" / "integra.db").chmod(0o400)
    for command in ("run", "check"):
        assert "may not be written" in error_line(integra, command)
