"""What every test can ask for: both databases, the course, the clock, the whole product, a browser."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from content import library as course
from content.library import Library
from storage import migrate
from storage.database import Database, open_database
from storage.schema import metadata
from tests import postgres
from tests.cast import Clock
from tests.product import Product, running

TABLES = ", ".join(metadata.tables)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


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
        asyncio.run(_statement(socket, "CREATE DATABASE template_integra"))
        asyncio.run(migrate.migrate(_postgres_url(socket, "template_integra")))
        yield socket


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
def postgres_url(postgres_socket: Path) -> str:
    """One migrated database for the tests of this worker; each test finds it empty."""
    return _postgres_url(postgres_socket, "template_integra")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty, migrated database: once on each of the two."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    url: str = request.getfixturevalue("postgres_url")
    socket: Path = request.getfixturevalue("postgres_socket")
    asyncio.run(_statement(socket, f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE", "template_integra"))
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(database_url)
    yield opened
    await opened.close()


# ---------------------------------------------------------------- the product


@pytest.fixture
async def product(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Product]:
    """The whole product on SQLite, with Telegram (a fake) and the browser chat."""
    async with running(sqlite_url, tmp_path, library, clock) as one:
        yield one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _chromium() -> AsyncIterator[Browser]:
    """The system's chromium, once a worker. Without one the test is skipped, and fails where CI=true."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no chromium: `apt-get install chromium`, then again")
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
