"""Fixtures of all tests: both databases, the course, the clock, the whole product, a browser."""

import asyncio
import gc
import os
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis.internal.conjecture import engine
from playwright.async_api import Browser, async_playwright
from sqlalchemy import Connection, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from content import library as course
from content.library import Library
from storage import migrate
from storage.database import Database, Transaction, open_database
from storage.schema import metadata, servants
from tests import chromium, opened_deliveries, postgres, shipped_course
from tests.cast import Clock
from tests.fakes.letterbox import Letterbox
from tests.fakes.letterbox import running as letterbox
from tests.product import Product, running

shipped_course.share()
opened_deliveries.use_invented_key()

NEEDS = {
    "postgres_socket": "postgres",
    "_chromium": "browser",
    **dict.fromkeys(("aiogram", "integra", "process", "wheel"), "process"),
    **dict.fromkeys(("api", "box", "meta", "product", "stage", "testbed", "visitor"), "server"),
    "copy": "slow",  # of the whole course, read again after a change
}
"""Fixtures that start or take much, and the mark of the tests that use them."""

COMMANDS = Path(__file__).parent / "bot" / "cli"
"""Most tests of commands run them as processes."""

CHROMIUM = chromium.find_browser()
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]

# Hypothesis has no setting for how long it looks for a simpler counterexample. Five minutes, its own limit, is as long
# as all tests together, and with a database each example takes some hundredths of a second.
assert engine.MAX_SHRINKING_SECONDS == 300, "its name or meaning changed: see that a failing property ends in time"
engine.MAX_SHRINKING_SECONDS = 15


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests by what they need, and run those marked `long` first."""
    for item in items:
        for mark in _needs(item):
            item.add_marker(mark)
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@cache
def _runs_commands(file: Path) -> bool:
    return file.is_relative_to(COMMANDS)


def _needs(item: pytest.Item) -> set[str]:
    """The marks of what a test starts, by its fixtures; `database` starts a server for one of its parameters only."""
    assert isinstance(item, pytest.Function)
    needs = {NEEDS[name] for name in item.fixturenames if name in NEEDS}
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    needs |= {"postgres"} if "postgres" in parameters else set()
    return needs | ({"process"} if _runs_commands(item.path) else set())


def pytest_collection_finish() -> None:
    """Keep the collector from walking through all modules and tests, which stay, again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def library() -> Library:
    """The course as it is shipped."""
    return course.load()


@pytest.fixture(autouse=True)
def _restore_umask() -> Iterator[None]:
    """Restore the umask, which commands set so that others cannot read their files, and which a test may run here."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def clock() -> Clock:
    return Clock()


# ---------------------------------------------------------------- databases


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the current schema and no rows, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    asyncio.run(migrate.migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """A PostgreSQL server with the migrated databases `template_integra`, and `empty_integra` to be copied."""
    with postgres.running() as socket:
        _run_in_thread(_execute(socket, "CREATE DATABASE template_integra"))
        _run_in_thread(migrate.migrate(_postgres_url(socket, "template_integra")))
        _run_in_thread(_execute(socket, "CREATE DATABASE empty_integra TEMPLATE template_integra"))
        yield socket


def _run_in_thread(work: Coroutine[Any, Any, object]) -> None:
    """Run it on its own event loop: in an asynchronous fixture that requests this one, a loop is running already."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def _postgres_url(socket: Path, name: str) -> str:
    return f"postgresql+asyncpg://test@/{name}?host={socket}"


async def _execute(socket: Path, statement: str, name: str = "postgres") -> None:
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
    """A migrated file shared by the tests of this worker; each test starts with empty tables."""
    path = migrated_file.with_name("shared.db")
    shutil.copy(migrated_file, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_shared_url(postgres_socket: Path) -> str:
    """A migrated database shared by the tests of this worker; each test starts with empty tables."""
    return _postgres_url(postgres_socket, "template_integra")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _databases() -> AsyncIterator[dict[str, Database]]:
    """Open databases by URL, one per dialect and worker: an engine per test would compile every statement again."""
    databases: dict[str, Database] = {}
    yield databases
    for database in databases.values():
        await database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of `database`, for tests that open it again; the test runs on SQLite and on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_shared_url"))


@pytest.fixture
async def database(database_url: str, _databases: dict[str, Database]) -> Database:
    """An empty, migrated database."""
    if database_url not in _databases:
        _databases[database_url] = open_database(database_url)
    await clear_tables(_databases[database_url])
    return _databases[database_url]


async def count_enrolled(tx: Transaction) -> int:
    """The number of servants who have not left."""
    return int(await tx.scalar(select(func.count()).select_from(servants).where(servants.c.state != "left")))


@asynccontextmanager
async def rolled_back(tx: Transaction) -> AsyncIterator[None]:
    """Undo at the end what was done in between; the transaction goes on."""
    await tx.exec_driver_sql("SAVEPOINT attempt")
    yield
    await tx.exec_driver_sql("ROLLBACK TO SAVEPOINT attempt")


CLEAR = [f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)]


async def clear_tables(database: Database) -> None:
    """Delete every row and restart ids at 1; a hundred times faster than new files or TRUNCATE."""
    async with database.write() as tx:
        if database.is_sqlite:  # only AUTOINCREMENT tables are listed; others continue from their highest id
            await tx.run_sync(_clear_file)
        else:  # in one round trip, which the driver alone can do
            restart = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"
            assert isinstance(tx, AsyncConnection)
            driver: Any = (await tx.get_raw_connection()).driver_connection
            await driver.execute(";".join((*CLEAR, restart)))


def _clear_file(connection: Connection) -> None:
    for statement in (*CLEAR, "DELETE FROM sqlite_sequence"):
        connection.exec_driver_sql(statement)


# ---------------------------------------------------------------- the product


@pytest.fixture
async def product(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Product]:
    """The whole product on SQLite, with fakes of Telegram and WhatsApp, and the browser chat."""
    async with running(sqlite_url, tmp_path, library, clock) as product:
        yield product


@pytest.fixture
async def box(sqlite_url: str, library: Library) -> AsyncIterator[Letterbox]:
    """The letterbox alone; the unit of one officer and the recovery key is adopted."""
    database = open_database(sqlite_url)
    async with letterbox(database, library) as box:
        yield box
    await database.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _chromium() -> AsyncIterator[Browser]:
    """The installed chromium, one per worker. Without one the test is skipped, or fails where CI=true."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no chromium found; install it with `apt-get install {chromium.NAMES[0]}`")
        pytest.skip("no chromium on this machine")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def browser(_chromium: Browser) -> AsyncIterator[Browser]:
    """A browser without pages, cookies or storage of earlier tests."""
    yield _chromium
    for context in _chromium.contexts:
        await context.close()
