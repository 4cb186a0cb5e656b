"""Databases to measure on: SQLite files, and one PostgreSQL server that writes every commit to disk.

A database is seeded once and copied for every run, so that each run begins with the same rows.
"""

import asyncio
import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from storage import migrate
from tests import keys, postgres

SQLITE, POSTGRES = "sqlite", "postgres"
NAMES = {SQLITE: "SQLite", POSTGRES: "PostgreSQL"}
Seed = Callable[[str], Awaitable[object]]
"""Fills the database at a URL."""

_numbers = count()


@dataclass(frozen=True)
class Databases:
    """SQLite files live in a folder that is deleted at the end; the PostgreSQL server starts on first use and runs on
    until this process ends."""

    folder: Path

    async def create(self, kind: str, seed: Seed) -> "SeededDatabase":
        """A database with the current schema and the rows that `seed` writes, to be copied."""
        name = f"original{next(_numbers)}"
        url = await self.create_empty(kind, name)
        await migrate.migrate(url)
        await seed(url)
        return SeededDatabase(self, kind, name, url)

    async def create_empty(self, kind: str, name: str, copy_of: str = "") -> str:
        """The URL of a new database without a schema, or of a copy of another."""
        if kind == SQLITE:
            if copy_of:
                shutil.copy(self.folder / f"{copy_of}.db", self.folder / f"{name}.db")
            return f"sqlite+aiosqlite:///{self.folder / name}.db"
        socket = await asyncio.to_thread(_socket)
        await _execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {copy_of}" if copy_of else ""))
        return f"postgresql+asyncpg://test@/{name}?host={socket}"

    async def drop(self, kind: str, name: str) -> None:
        """Delete a database to free its disk space."""
        if kind == POSTGRES:
            await _execute(f"DROP DATABASE {name}")
        else:
            for path in self.folder.glob(f"{name}.db*"):
                path.unlink()

    def data_dir(self) -> Path:
        """A folder for one run's DATA_DIR, with keys: a database with rows is refused without."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        keys.write(folder)
        return folder


@dataclass(frozen=True)
class SeededDatabase:
    """A seeded database, of which every run gets a copy."""

    databases: Databases
    kind: str
    name: str
    url: str

    async def drop(self) -> None:
        """Delete it; copies remain."""
        await self.databases.drop(self.kind, self.name)

    async def copy(self) -> str:
        """The URL of a copy for one run."""
        return await self.databases.create_empty(self.kind, f"run{next(_numbers)}", copy_of=self.name)


@contextmanager
def open_databases() -> Iterator[Databases]:
    """Databases in a temporary folder, which is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        yield Databases(Path(folder))


@cache
def _socket() -> Path:
    """The socket folder of the PostgreSQL server, which runs as long as this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(_server())


async def _execute(statement: str) -> None:
    connection = await asyncpg.connect(host=str(_socket()), user="test", database="postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _server() -> Iterator[Path]:
    """Like the tests' server, but with fsync and synchronous_commit, which the tests turn off; yields its socket."""
    root = Path(tempfile.mkdtemp(prefix="pg"))
    data = root / "d"
    data.mkdir()
    binaries, options = postgres.binaries(root)
    if options:
        os.chown(data, postgres.UNPRIVILEGED_ID, postgres.UNPRIVILEGED_ID)
    options |= {"cwd": "/", "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ["PATH"]}}
    options |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    user = ("-U", "test", "-A", "trust", "-E", "UTF8")
    initdb: list[str | Path] = [binaries / "initdb", "-D", data, *user, *locale, "--no-sync"]
    subprocess.run(initdb, check=True, **options)
    server = subprocess.Popen([binaries / "postgres", "-D", data, "-k", data, "-h", ""], **options)
    try:
        _wait_until_ready(server, [binaries / "pg_isready", "-h", data], options)
        yield data
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        shutil.rmtree(root)


def _wait_until_ready(server: subprocess.Popen[bytes], check: list[str | Path], options: dict[str, Any]) -> None:
    end = time.monotonic() + 20
    while subprocess.run(check, check=False, **options).returncode:
        assert server.poll() is None, "PostgreSQL did not start"
        assert time.monotonic() < end, "PostgreSQL is not ready after 20 s"
        time.sleep(0.02)
