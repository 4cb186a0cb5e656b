"""Databases to measure on: SQLite files, and one PostgreSQL server that writes every commit to the disk.

What is seeded once is copied for every run, so that each begins with the same rows.
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

from bot import config
from storage import migrate
from tests import postgres

SQLITE, POSTGRES = "sqlite", "postgres"
NAMES = {SQLITE: "SQLite", POSTGRES: "PostgreSQL"}
Seed = Callable[[str], Awaitable[object]]


_numbers = count()


@dataclass(frozen=True)
class Ground:
    """SQLite's files lie in a folder that goes at the end; the server starts when it is first asked for, and stays."""

    folder: Path

    async def seeded(self, kind: str, seed: Seed) -> "Original":
        """A database with the schema and whatever `seed` puts there, to be copied."""
        name = f"original{next(_numbers)}"
        url = await self._create(kind, name, "")
        await migrate.migrate(url)
        await seed(url)
        return Original(self, kind, name, url)

    async def _create(self, kind: str, name: str, original: str) -> str:
        if kind == SQLITE:
            if original:
                shutil.copy(self.folder / f"{original}.db", self.folder / f"{name}.db")
            return f"sqlite+aiosqlite:///{self.folder / name}.db"
        socket = await asyncio.to_thread(_socket)
        await _state(f"CREATE DATABASE {name}" + (f" TEMPLATE {original}" if original else ""))
        return f"postgresql+asyncpg://test@/{name}?host={socket}"

    async def drop(self, kind: str, name: str) -> None:
        """The room on the disk is given back."""
        if kind == POSTGRES:
            await _state(f"DROP DATABASE {name}")
        else:
            for path in self.folder.glob(f"{name}.db*"):
                path.unlink()

    def data(self) -> Path:
        """A folder for one run's DATA_DIR; the keys are there, as processes that start together would all make them."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        config.load_secrets(folder)
        return folder


@dataclass(frozen=True)
class Original:
    """A seeded database."""

    ground: Ground
    kind: str
    name: str
    url: str

    async def drop(self) -> None:
        """It is no longer needed."""
        await self.ground.drop(self.kind, self.name)

    async def copy(self) -> str:
        """The address of a copy for one run."""
        return await self.ground._create(self.kind, f"run{next(_numbers)}", self.name)


@contextmanager
def ground() -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        yield Ground(Path(folder))


@cache
def _socket() -> Path:
    """Where the server listens, for as long as this process lives."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(_server())


async def _state(statement: str) -> None:
    connection = await asyncpg.connect(host=str(_socket()), user="test", database="postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _server() -> Iterator[Path]:
    """Like the tests' server, but with fsync and synchronous_commit, which those leave out; gives its socket."""
    root = Path(tempfile.mkdtemp(prefix="pg"))
    data = root / "d"
    data.mkdir()
    binaries, how = postgres._binaries(root)
    if how:
        os.chown(data, postgres.NOBODY, postgres.NOBODY)
    how |= {"cwd": "/", "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ["PATH"]}}
    how |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    user = ("-U", "test", "-A", "trust", "-E", "UTF8")
    initdb: list[str | Path] = [binaries / "initdb", "-D", data, *user, *locale, "--no-sync"]
    subprocess.run(initdb, check=True, **how)
    server = subprocess.Popen([binaries / "postgres", "-D", data, "-k", data, "-h", ""], **how)
    try:
        _await(server, [binaries / "pg_isready", "-h", data], how)
        yield data
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        shutil.rmtree(root)


def _await(server: subprocess.Popen[bytes], question: list[str | Path], how: dict[str, Any]) -> None:
    end = time.monotonic() + 20
    while subprocess.run(question, check=False, **how).returncode:
        assert server.poll() is None, "PostgreSQL did not start"
        assert time.monotonic() < end, "PostgreSQL is not ready after 20 s"
        time.sleep(0.02)
