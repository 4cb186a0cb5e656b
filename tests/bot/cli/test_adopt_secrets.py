"""Real processes: `integra migrate --adopt-secrets` beside a server, and twice at once."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import asyncpg
import pytest

from bot import secrets
from storage import key_fingerprints
from storage.database import open_database
from tests.bot.cli.processes import Command, integra, running
from tests.bot.cli.server import new_database

PATIENCE = 60.0  # seconds until a process counts as stuck


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that has keys, those in `tmp_path`."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/shared.db"
        assert integra(tmp_path, "tick", DATABASE_URL=url).code == 0
        yield url
        return
    with new_database(request.getfixturevalue("postgres_socket")) as url:
        assert integra(tmp_path, "tick", DATABASE_URL=url).code == 0
        yield url


def machine(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


def stored(url: str) -> dict[str, str]:
    async def read() -> dict[str, str]:
        database = open_database(url)
        async with database.read() as tx:
            found = await key_fingerprints.stored(tx)
        await database.close()
        return found

    return asyncio.run(read())


def fingerprints_of(folder: Path) -> dict[str, str]:
    return {name: key_fingerprints.fingerprint(name, key) for name, key in secrets.read(folder).items()}


def test_it_is_refused_beside_a_running_process(tmp_path: Path, url: str) -> None:
    other, before = machine(tmp_path, "other"), stored(url)
    for role in ("all",) if url.startswith("sqlite") else ("all", "web", "worker"):
        with running(tmp_path, "run", "--role", role, DATABASE_URL=url, HTTP_PORT="0"):
            result = integra(other, "migrate", "--adopt-secrets", DATABASE_URL=url)
            assert result.code == 1
            (line,) = result.err.splitlines()
            if url.startswith("sqlite"):
                assert line.startswith("DATABASE_URL: another process runs on this SQLite database")
            else:
                assert line.startswith("DATABASE_URL: processes of Integra are connected to this database (")
                assert line.endswith("sessions); stop all, on every machine, and try again")
            assert list(other.iterdir()) == []
            assert stored(url) == before
    result = integra(other, "migrate", "--adopt-secrets", DATABASE_URL=url)
    assert result.code == 0, result.err
    assert stored(url) == fingerprints_of(other)


def test_of_two_at_once_one_at_most_claims_success(tmp_path: Path, url: str) -> None:
    folders = [machine(tmp_path, name) for name in ("first", "second")]
    before = stored(url)
    with both_held_up(url) as commands:
        commands += [Command(folder, "migrate", "--adopt-secrets", DATABASE_URL=url) for folder in folders]
    results = [command.result() for command in commands]
    winners = [folder for folder, result in zip(folders, results, strict=True) if result.code == 0]
    assert len(winners) <= 1, [result.out for result in results]
    assert stored(url) == (fingerprints_of(winners[0]) if winners else before)
    for folder, result in zip(folders, results, strict=True):
        assert (folder / "secrets").exists() == (result.code == 0)
        assert result.code == 0 or len(result.err.splitlines()) == 1


@contextmanager
def both_held_up(url: str) -> Iterator[list[Command]]:
    """Let both processes read, and neither write, until both wait, or on SQLite one has been refused."""
    commands: list[Command] = []
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.partition("///")[2], isolation_level=None)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            yield commands
            asyncio.run(wait_for_end_of_one(commands))
            raw.execute("ROLLBACK")
        return
    with asyncio.Runner() as runner:
        holder = runner.run(hold_table(url))
        yield commands
        runner.run(wait_for_both(holder))
        runner.run(holder.close())


async def hold_table(url: str) -> asyncpg.Connection:
    holder = await asyncpg.connect(url.replace("+asyncpg", ""))
    await holder.execute("BEGIN; LOCK TABLE key_fingerprints IN SHARE ROW EXCLUSIVE MODE")
    return holder


async def wait_for_both(holder: asyncpg.Connection) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'key_fingerprints'::regclass"
    async with asyncio.timeout(PATIENCE):
        while True:
            if await holder.fetchval(waiting) == 2:
                return
            await asyncio.sleep(0.01)


async def wait_for_end_of_one(commands: list[Command]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if any(command.process.poll() is not None for command in commands):
                return
            await asyncio.sleep(0.01)
