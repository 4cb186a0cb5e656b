"""What every test can ask for: both databases, the course, the clock, the whole product, a browser."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright
from sqlalchemy import delete, text

from content import library as course
from content.library import Library
from storage import migrate
from storage.database import Database, open_database
from storage.schema import metadata
from tests import chromium, postgres
from tests.cast import Clock
from tests.fakes.letterbox import Letterbox
from tests.fakes.letterbox import running as letterbox
from tests.product import Product, running

CHROMIUM = chromium.found()
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def library() -> Library:
    """The course as it is shipped."""
    return course.load()


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    """Commands close what they make to others; a test that runs one in this process leaves no trace of it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def clock() -> Clock:
    return Clock()


# ---------------------------------------------------------------- databases


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    asyncio.run(migrate.migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """A PostgreSQL server with a migrated database `template_integra`."""
    with postgres.running() as socket:
        _apart(_statement(socket, "CREATE DATABASE template_integra"))
        _apart(migrate.migrate(_postgres_url(socket, "template_integra")))
        yield socket


def _apart(work: Coroutine[Any, Any, object]) -> None:
    """Run it on a loop of its own: an asynchronous fixture that asks for this one has a loop running already."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def _postgres_url(socket: Path, name: str) -> str:
    return f"postgresql+asyncpg://test@/{name}?host={socket}"


async def _statement(socket: Path, statement: str, name: str = "postgres") -> None:
    connection = await asyncpg.connect(host=str(socket), user="test", database=name)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    path = tmp_path / "integra.db"
    shutil.copy(migrated_file, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(scope="session")
def sqlite_shared_url(migrated_file: Path) -> str:
    """One migrated file for the tests of this worker; each test finds it empty."""
    path = migrated_file.with_name("shared.db")
    shutil.copy(migrated_file, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_shared_url(postgres_socket: Path) -> str:
    """One migrated database for the tests of this worker; each test finds it empty."""
    return _postgres_url(postgres_socket, "template_integra")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Database]]:
    """One engine a dialect and worker: an engine of its own for every test would compile every statement anew."""
    engines: dict[str, Database] = {}
    yield engines
    for engine in engines.values():
        await engine.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of `database`, for whoever opens it once more: once on each of the two."""
    return str(request.getfixturevalue(f"{request.param}_shared_url"))


@pytest.fixture
async def database(database_url: str, _opened: dict[str, Database]) -> Database:
    """An empty, migrated database."""
    if database_url not in _opened:
        _opened[database_url] = open_database(database_url)
    await clear_tables(_opened[database_url])
    return _opened[database_url]


async def clear_tables(database: Database) -> None:
    """Delete every row and count from 1 again: a hundred times quicker than new files, or TRUNCATE's."""
    async with database.write() as tx:
        for table in reversed(metadata.sorted_tables):
            await tx.execute(delete(table))
        if database.is_sqlite:  # counts on from the highest id there is, but for tables that never give one again
            await tx.execute(text("DELETE FROM sqlite_sequence"))
        else:
            await tx.execute(text("SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"))


# ---------------------------------------------------------------- the product


@pytest.fixture
async def product(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Product]:
    """The whole product on SQLite, with Telegram (a fake) and the browser chat."""
    async with running(sqlite_url, tmp_path, library, clock) as one:
        yield one


@pytest.fixture
async def box(sqlite_url: str, library: Library) -> AsyncIterator[Letterbox]:
    """The letterbox alone, with a unit of two officers whose keys are in force."""
    database = open_database(sqlite_url)
    async with letterbox(database, library) as one:
        yield one
    await database.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _chromium() -> AsyncIterator[Browser]:
    """The system's chromium, once a worker. Without one the test is skipped, and fails where CI=true."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no chromium: `apt-get install {chromium.NAMES[0]}`, then again")
        pytest.skip("no chromium on this machine")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        await opened.close()


@pytest.fixture
async def browser(_chromium: Browser) -> AsyncIterator[Browser]:
    """A browser without any page or memory of an earlier test."""
    yield _chromium
    for context in _chromium.contexts:
        await context.close()
