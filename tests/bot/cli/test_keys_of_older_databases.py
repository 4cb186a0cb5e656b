"""Commands on databases that an earlier version wrote, and that store no fingerprints of its keys."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import insert, make_url

from bot import secrets
from bot.encryption import SecretBox
from storage import migrate, schema
from storage.database import Transaction, open_database
from tests.bot.cli.server import new_database
from tests.terminal import Integra, command_line

OLDER = "0009"  # the newest schema without fingerprints that an installation had
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
START = (
    "check",
    "tick",
    "import institutions guanajuato --apply",
    "officer invite a@example.org --name A --role admin",
)


@pytest.fixture(scope="module")
def older_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the older schema and no rows."""
    path = tmp_path_factory.mktemp("older") / "older.db"
    asyncio.run(migrate_to_older(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="module")
def older_name(postgres_socket: Path) -> Iterator[str]:
    """The name of a PostgreSQL database with the older schema and no rows."""
    with new_database(postgres_socket) as url:
        asyncio.run(migrate_to_older(url))
        yield make_url(url).database or ""


async def migrate_to_older(url: str) -> None:
    database = open_database(url, foreign_keys=False)
    async with database.write() if database.is_sqlite else database.connection() as connection:
        await connection.run_sync(lambda sync: command.upgrade(migrate._config(sync), OLDER))
    await database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with the older schema and no rows."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("older_file"), tmp_path / "older.db")
        yield f"sqlite+aiosqlite:///{tmp_path}/older.db"
    else:
        with new_database(*map(request.getfixturevalue, ("postgres_socket", "older_name"))) as url:
            yield url


@pytest.fixture
def integra(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Integra]:
    """Runs commands on that database."""
    with command_line(tmp_path, monkeypatch, capsys, DATABASE_URL=url) as integra:
        yield integra


def folder_of(tmp_path: Path, name: str, keys: dict[str, bytes] | None = None) -> Path:
    """A DATA_DIR with these keys."""
    folder = tmp_path / name
    folder.mkdir()
    if keys is not None:
        (folder / "secrets").mkdir()
        for key, value in keys.items():
            (folder / "secrets" / key).write_bytes(value)
    return folder


def new_keys() -> dict[str, bytes]:
    return {name: os.urandom(32) for name in secrets.KEY_NAMES}


WAITING = {"channel": "telegram", "address": "1", "state": "waiting", "received_at": NOW}
Write = Callable[[Transaction, dict[str, bytes]], Awaitable[None]]


async def institution(tx: Transaction, _: dict[str, bytes]) -> None:
    await tx.execute(insert(schema.institutions).values(code="LEON", name="León", sphere="municipal"))


async def waiting_update(tx: Transaction, keys: dict[str, bytes]) -> None:
    body = SecretBox(keys["inbox"]).encrypt(b'{"is": "unknown"}', "telegram")
    await tx.execute(insert(schema.updates).values(WAITING | {"key": "1", "body": body}))


def write_rows(url: str, keys: dict[str, bytes], *rows: Write) -> None:
    async def write() -> None:
        database = open_database(url, foreign_keys=False)
        async with database.write() as tx:
            for row in rows:
                await row(tx, keys)
        await database.close()

    asyncio.run(write())


def refusal(integra: Integra, folder: Path, command: str) -> str:
    """The one line with which a command is refused, having changed nothing in its folder."""
    before = sorted(folder.rglob("*"))
    result = integra(*command.split(), DATA_DIR=str(folder))
    assert (result.code, result.out) == (1, ""), result.err
    assert sorted(folder.rglob("*")) == before
    line = result.err.splitlines()[0]
    assert line.startswith(f"DATA_DIR: {str(folder / 'secrets')!r} ")
    assert line.endswith("lost for good: integra migrate --adopt-secrets")
    return line


@pytest.mark.parametrize("row", [institution, waiting_update], ids=lambda row: row.__name__)
def test_an_upgrade_with_an_empty_folder_is_refused_and_the_true_one_goes_on(
    integra: Integra, tmp_path: Path, url: str, row: Write
) -> None:
    keys = new_keys()
    write_rows(url, keys, row)
    empty, true = folder_of(tmp_path, "empty"), folder_of(tmp_path, "true", keys)
    for start in START if row is institution else START[:2]:
        assert "lacks keys that this database was written with (route, inbox, audit, csrf, webhook); name" in refusal(
            integra, empty, start
        )
    assert integra("check", DATA_DIR=str(true)).code == 0
    assert integra("tick", DATA_DIR=str(true)).code == 0
    assert {path.name: path.read_bytes() for path in (true / "secrets").iterdir()} == keys
    assert "lacks keys" in refusal(integra, empty, "tick")


def test_one_missing_key_is_refused_too(integra: Integra, tmp_path: Path, url: str) -> None:
    keys = new_keys()
    write_rows(url, keys, institution)
    folder = folder_of(tmp_path, "incomplete", {name: keys[name] for name in secrets.KEY_NAMES if name != "csrf"})
    for start in START[:2]:
        assert "lacks keys that this database was written with (csrf)" in refusal(integra, folder, start)


def test_other_keys_are_refused_where_a_row_shows_it(integra: Integra, tmp_path: Path, url: str) -> None:
    keys = new_keys()
    write_rows(url, keys, institution, waiting_update)
    wrong = folder_of(tmp_path, "wrong", new_keys())
    for start in START[:2]:
        line = refusal(integra, wrong, start)
        assert "does not hold the keys that this database was written with (others: inbox); keep that" in line
    assert integra("tick", DATA_DIR=str(folder_of(tmp_path, "true", keys))).code == 0


def test_keys_that_replaced_lost_ones_before_are_those_of_the_database(
    integra: Integra, tmp_path: Path, url: str
) -> None:
    lost, keys = new_keys(), new_keys()

    async def rows_of_both(tx: Transaction, _: dict[str, bytes]) -> None:
        await waiting_update(tx, lost)
        body = SecretBox(keys["inbox"]).encrypt(b'{"is": "unknown"}', "telegram")
        await tx.execute(insert(schema.updates).values(WAITING | {"key": "2", "body": body}))

    write_rows(url, keys, rows_of_both)
    assert integra("tick", DATA_DIR=str(folder_of(tmp_path, "true", keys))).code == 0


def test_lost_keys_of_an_older_database_are_replaced_with_the_option_only(
    integra: Integra, tmp_path: Path, url: str
) -> None:
    keys = new_keys()
    write_rows(url, keys, institution, waiting_update)
    others = new_keys()
    folder = folder_of(tmp_path, "other", {name: others[name] for name in ("route", "inbox", "csrf", "webhook")})
    adopted = integra("migrate", "--adopt-secrets", DATA_DIR=str(folder))
    assert adopted.code == 0, adopted.err
    assert [line.partition(":")[0] for line in adopted.out.splitlines() if line.startswith("  ")] == [
        "  inbox",
        "  audit",
    ], "proved to be another, and created; of the rest nothing shows that it is"
    assert integra("tick", DATA_DIR=str(folder)).code == 0
    refusal(integra, folder_of(tmp_path, "true", keys), "tick")


@pytest.mark.parametrize("first", ["import institutions guanajuato --apply", "tick"])
def test_a_database_that_was_only_migrated_is_new(integra: Integra, tmp_path: Path, url: str, first: str) -> None:
    folder = folder_of(tmp_path, "new")
    assert integra("migrate", DATA_DIR=str(folder)).code == 0
    assert integra("check", DATA_DIR=str(folder)).code == 0
    assert list(folder.iterdir()) == []
    result = integra(*first.split(), DATA_DIR=str(folder))
    assert result.code == 0, result.err
    assert sorted(path.name for path in (folder / "secrets").iterdir()) == sorted(secrets.KEY_NAMES)
    assert integra("tick", DATA_DIR=str(folder)).code == 0
    assert "lacks keys" in refusal(integra, folder_of(tmp_path, "empty"), "tick")
