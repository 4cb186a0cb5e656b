"""What an administrator reads when the database of a start is not as it should be: one line, and exit code 1."""

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

from bot import lifecycle
from bot.config import WrongSetting, load
from storage import migrate, permissions
from storage.database import NoRights, open_database
from tests.terminal import Integra, prompt

SECRET = "hunter2"
COMMANDS = (("run",), ("migrate",), ("tick",), ("report",))
PLACE = "postgresql+asyncpg://{user}:hunter2@/{name}?host={socket}"


@pytest.fixture
def integra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Integra]:
    """Nothing is there but an empty folder."""
    with prompt(tmp_path, monkeypatch, capsys, DATA_DIR=str(tmp_path / "data"), HTTP_PORT="0") as integra:
        yield integra


def line_of(integra: Integra, *command: str, **settings: str) -> str:
    ended = integra(*command, **settings)
    assert ended.code == 1, ended.err
    assert ended.out == ""
    assert SECRET not in ended.err
    (line,) = ended.err.splitlines()
    return line


# ---------------------------------------------------------------- SQLite


def _junk(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 100)


def _folder(path: Path) -> None:
    path.mkdir()


def _cut(path: Path) -> None:
    asyncio.run(migrate.migrate(f"sqlite+aiosqlite:///{path}"))
    path.write_bytes(path.read_bytes()[:6000])


FILES: list[tuple[Callable[[Path], None], str]] = [
    (_junk, "the file is no database of SQLite; name another"),
    (_folder, "the file cannot be opened or made"),
    (_cut, "the file is damaged; go back to a copy"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(("make", "says"), FILES, ids=lambda one: getattr(one, "__name__", ""))
def test_a_file_that_cannot_serve(
    integra: Integra, tmp_path: Path, make: Callable[[Path], None], says: str, command: tuple[str, ...]
) -> None:
    make(tmp_path / "x.db")
    line = line_of(integra, *command, DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/x.db")
    assert line.startswith("DATABASE_URL: ")
    assert says in line


def test_without_an_address_the_folder_is_the_setting_to_look_at(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    _junk(tmp_path / "data" / "integra.db")
    assert line_of(integra, "run") == "DATA_DIR: the file is no database of SQLite; name another"


def test_a_folder_that_is_a_file(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert line_of(integra, "run").endswith("is not a folder; name one")


def test_a_second_process_on_the_same_file_is_refused_wherever_its_own_folder_is(
    integra: Integra, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/shared.db"
    assert integra("migrate", DATABASE_URL=url).code == 0
    with lifecycle._lock_file(tmp_path / "shared.db"):
        line = line_of(integra, "run", DATABASE_URL=url)
        assert "another process runs on this SQLite database" in line
        (tmp_path / "link.db").symlink_to(tmp_path / "shared.db")
        assert "another process" in line_of(integra, "run", DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/link.db")


def test_a_database_of_an_older_version_is_brought_forward(integra: Integra, tmp_path: Path) -> None:
    assert integra("migrate").code == 0
    newest = migrate.newest()
    with closing(sqlite3.connect(tmp_path / "data" / "integra.db")) as raw:
        assert raw.execute("select version_num from alembic_version").fetchall() == [(newest,)]
    older = tmp_path / "older"
    older.mkdir()
    asyncio.run(_up_to(f"sqlite+aiosqlite:///{older}/integra.db", "0001"))
    told = integra("migrate", DATA_DIR=str(older))
    assert told.code == 0, told.err
    assert told.out.startswith("0002: ")


async def _up_to(url: str, revision: str) -> None:
    from alembic import command

    database = open_database(url, foreign_keys=False)
    async with database.write() as tx:
        await tx.run_sync(lambda connection: command.upgrade(migrate._config(connection), revision))
    await database.close()


def test_a_port_or_host_that_is_not_ours(integra: Integra) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert line_of(integra, "run", HTTP_PORT=port) == (
            f"HTTP_PORT: cannot listen on 127.0.0.1:{port} (Address already in use); choose another with HTTP_PORT=8081"
        )
    line = line_of(integra, "run", HTTP_HOST="192.0.2.7")
    assert line.startswith("HTTP_HOST: cannot listen on 192.0.2.7:0 (")
    assert line.endswith("expected an address of this machine")


# ---------------------------------------------------------------- PostgreSQL


async def _on(socket: Path, name: str, *statements: str) -> None:
    connection = await asyncpg.connect(host=str(socket), user="test", database=name)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def place(postgres_socket: Path) -> Iterator[tuple[Path, str]]:
    """A database of its own, with the schema, and a role `weak_...` that owns nothing."""
    name = f"b{uuid.uuid4().hex[:12]}"

    async def make() -> None:
        await _on(postgres_socket, "postgres", f"CREATE DATABASE {name}", f"CREATE ROLE weak_{name} LOGIN")
        await migrate.migrate(PLACE.format(user="test", name=name, socket=postgres_socket))

    async def drop() -> None:
        await _on(postgres_socket, "postgres", f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE weak_{name}")

    asyncio.run(make())
    yield postgres_socket, name
    asyncio.run(drop())


@pytest.mark.parametrize("command", COMMANDS[:3], ids=" ".join)
def test_a_server_that_does_not_take_us(
    integra: Integra, place: tuple[Path, str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    socket, name = place
    rows = [
        (PLACE.format(user="test", name="nowhere", socket=socket), "there is no such database on that server"),
        (PLACE.format(user="nobody", name=name, socket=socket), "the server refuses the user"),
        (PLACE.format(user="test", name=name, socket=tmp_path), "there is no such socket or folder"),
        (f"postgresql+asyncpg://u:{SECRET}@127.0.0.1:1/x", "nobody listens there"),
        (f"postgresql+asyncpg://u:{SECRET}@nowhere.invalid/x", "there is no such host"),
    ]
    for url, says in rows:
        assert says in line_of(integra, *command, DATABASE_URL=url)


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (("REVOKE ALL ON SCHEMA public FROM public",), "may use no schema there"),
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
    ids=["no schema", "no table", "only reading", "one thing missing"],
)
@pytest.mark.parametrize("role", ["web", "worker", "all"])
def test_a_user_without_rights(
    integra: Integra, place: tuple[Path, str], statements: tuple[str, ...], says: str, role: str
) -> None:
    socket, name = place
    asyncio.run(_on(socket, name, *(one.format(name=name) for one in statements)))
    url = PLACE.format(user=f"weak_{name}", name=name, socket=socket)
    line = line_of(integra, "run", "--role", role, DATABASE_URL=url)
    assert line.startswith("DATABASE_URL: its user may ")
    assert says in line


def test_a_user_who_may_read_and_write_but_owns_nothing_serves(place: tuple[Path, str]) -> None:
    socket, name = place
    every = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO weak_{name}"

    async def look() -> None:
        await _on(socket, name, every)
        database = open_database(PLACE.format(user=f"weak_{name}", name=name, socket=socket))
        try:
            await permissions.check(database)
            await _on(socket, name, f"REVOKE UPDATE ON paces FROM weak_{name}")
            with pytest.raises(NoRights, match="UPDATE in paces"):
                await permissions.check(database)
        finally:
            await database.close()

    asyncio.run(look())


@pytest.mark.parametrize("command", [("run",), ("tick",), ("run", "--role", "web")], ids=" ".join)
def test_a_server_that_only_reads(integra: Integra, place: tuple[Path, str], command: tuple[str, ...]) -> None:
    socket, name = place
    asyncio.run(_on(socket, "postgres", f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    url = PLACE.format(user="test", name=name, socket=socket)
    assert line_of(integra, *command, DATABASE_URL=url).startswith("DATABASE_URL: that server only reads")


def test_a_newer_schema_is_left_alone_by_every_command(integra: Integra, place: tuple[Path, str]) -> None:
    socket, name = place
    asyncio.run(_on(socket, name, "UPDATE alembic_version SET version_num = '9999'"))
    url = PLACE.format(user="test", name=name, socket=socket)
    for command in (*COMMANDS, ("run", "--role", "web"), ("run", "--role", "worker")):
        line = line_of(integra, *command, DATABASE_URL=url)
        assert "schema 9999, newer than this version of Integra; upgrade Integra" in line


def test_without_the_driver_of_postgresql_the_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(WrongSetting, match="the driver of PostgreSQL is not installed"):
        load(database_url="postgresql+asyncpg://u@h/n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_only_be_read(integra: Integra, tmp_path: Path) -> None:
    assert integra("migrate").code == 0
    (tmp_path / "data").chmod(0o500)
    (tmp_path / "data" / "integra.db").chmod(0o400)
    assert "may not be written" in line_of(integra, "run")
