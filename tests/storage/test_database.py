"""Transactions, moments, URLs and errors of databases."""

import asyncio
import sqlite3
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from storage import database as database_module
from storage.database import Database, DatabaseUnavailable, open_database, parse_url
from storage.queue import updates
from storage.schema import institutions
from storage.schema import updates as updates_table
from tests.cast import MONDAY_NINE

SECRET = "hunter2-secret"
ONE = {"code": "LEON", "name": "León", "sphere": "municipal"}


async def test_a_second_write_in_the_same_task_raises_instead_of_deadlocking(database: Database) -> None:
    async with database.write():
        with pytest.raises(RuntimeError, match="already open"):
            async with database.write():
                pass
    async with database.write() as tx:
        assert await tx.scalar(select(1)) == 1


async def test_another_task_may_write_as_soon_as_the_first_is_done(database: Database) -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.write() as tx:
            await tx.execute(insert(institutions).values(**ONE))
            inside.set()
            await leave.wait()

    async def second() -> int:
        async with database.write() as tx:
            return await tx.scalar(select(func.count()).select_from(institutions)) or 0

    holder = asyncio.create_task(first())
    await inside.wait()
    waiter = asyncio.create_task(second())
    leave.set()
    await holder
    assert await waiter in ((1,) if database.is_sqlite else (0, 1))


async def test_an_exception_inside_a_write_rolls_it_back(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.write() as tx:
            await tx.execute(insert(institutions).values(**ONE))
            raise KeyError

    with pytest.raises(KeyError):
        await write_and_fail()
    async with database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(institutions)) == 0


async def test_a_read_and_its_write_are_one_transaction_for_many_workers(database_url: str) -> None:
    """Three databases opened at the same URL act as three processes: their writers share no queue."""
    opened = [open_database(database_url) for _ in range(3)]
    handed: list[int] = []
    async with opened[0].write() as tx:
        for number in range(45):
            await updates.store(
                tx, [updates.NewUpdate("webchat", str(number), f"address {number}", b"body")], MONDAY_NINE
            )

    async def work(database: Database) -> None:
        while True:
            async with database.write() as tx:
                taken = await updates.claim(tx)
                await asyncio.sleep(0)  # lets every other worker run between the read and the write
                if taken is None:
                    return
                handed.append(taken.id)
                await updates.finish(tx, MONDAY_NINE, taken.id)

    await asyncio.gather(*(work(database) for database in opened for _ in range(3)))
    for database in opened:
        await database.close()
    assert sorted(handed) == sorted(set(handed))
    assert len(handed) == 45


async def test_a_counter_read_and_then_written_loses_no_increment_on_sqlite(sqlite_url: str) -> None:
    opened = [open_database(sqlite_url) for _ in range(2)]
    async with opened[0].write() as tx:
        await updates.store(tx, [updates.NewUpdate("webchat", "counter", "a", b"")], MONDAY_NINE)

    async def count_up(database: Database) -> None:
        for _ in range(5):
            async with database.write() as tx:
                seen = await tx.scalar(select(updates_table.c.attempts))
                await asyncio.sleep(0)
                await tx.execute(update(updates_table).values(attempts=(seen or 0) + 1))

    await asyncio.gather(*(count_up(database) for database in opened for _ in range(2)))
    async with opened[0].read() as tx:
        assert await tx.scalar(select(updates_table.c.attempts)) == 20
    for database in opened:
        await database.close()


# ---------------------------------------------------------------- moments


async def test_a_moment_without_a_zone_is_never_stored(database: Database) -> None:
    naive = datetime(2026, 11, 23, 9)  # noqa: DTZ001
    with pytest.raises(StatementError, match="without a time zone"):
        async with database.write() as tx:
            await updates.store(tx, [updates.NewUpdate("webchat", "1", "a", b"")], naive)


async def test_a_moment_of_any_zone_comes_back_in_utc(database: Database) -> None:
    local = datetime(2026, 11, 23, 9, 30, 1, 123456, tzinfo=ZoneInfo("America/Mexico_City"))
    async with database.write() as tx:
        await updates.store(tx, [updates.NewUpdate("webchat", "1", "a", b"")], local)
        back = await tx.scalar(select(updates_table.c.received_at))
    assert back == local
    assert back is not None
    assert back.utcoffset() == timedelta(0)


async def test_moments_of_different_zones_are_compared_as_moments(database: Database) -> None:
    later = datetime(2026, 11, 23, 9, 1, tzinfo=ZoneInfo("America/Mexico_City"))  # 15:01 in UTC
    async with database.write() as tx:
        await updates.store(tx, [updates.NewUpdate("webchat", "1", "a", b"")], later)
        bound = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
        found = select(func.count()).select_from(updates_table).where(updates_table.c.received_at > bound)
        assert await tx.scalar(found) == 1


# ---------------------------------------------------------------- single statements and URLs


async def test_a_single_statement_is_committed_when_it_returns_or_not_at_all(database: Database) -> None:
    other = ONE | {"code": "SALUD"}
    async with database.write_statement(is_urgent=True) as tx:
        await tx.execute(insert(institutions).values(**ONE))
    with pytest.raises(IntegrityError):
        async with database.write_statement() as tx:
            await tx.execute(insert(institutions).values([other, ONE]))
    async with database.read() as tx:
        assert list(await tx.scalars(select(institutions.c.code))) == ["LEON"]


@pytest.mark.parametrize(
    "text",
    [
        f"postgres://user:{SECRET}@host/name",
        f"postgresql://user:{SECRET}@host/name",
        f"postgresql+psycopg://user:{SECRET}@host/name",
        f"postgresql+asyncpg://user:p@ss:{SECRET}@host/name",
        f"postgresql+asyncpg://user:{SECRET}@host:port/name",
        f"mysql://user:{SECRET}@host/name",
        "sqlite:///data/integra.db",
        SECRET,
        "",
    ],
)
def test_an_invalid_url_raises_with_the_expected_form_and_without_its_password(text: str) -> None:
    with pytest.raises(ValueError, match="expected sqlite\\+aiosqlite or postgresql\\+asyncpg") as raised:
        parse_url(text)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_opening_a_database_creates_its_folder(tmp_path: Path) -> None:
    open_database(f"sqlite+aiosqlite:///{tmp_path}/new/folder/integra.db")
    assert (tmp_path / "new" / "folder").is_dir()


# ---------------------------------------------------------------- unavailable databases


async def _read(url: str) -> None:
    database = open_database(url)
    try:
        async with database.read() as tx:
            await tx.scalar(select(func.count()).select_from(institutions))
    finally:
        await database.close()


async def _write(url: str) -> None:
    database = open_database(url)
    try:
        async with database.write() as tx:
            await tx.execute(insert(institutions).values(**ONE))
    finally:
        await database.close()


@pytest.mark.parametrize("place", ["/x?host=/nowhere/at/all", "127.0.0.1:1/x"])
async def test_an_unreachable_postgresql_is_unavailable(place: str) -> None:
    with pytest.raises(DatabaseUnavailable) as raised:
        await _read(f"postgresql+asyncpg://user:{SECRET}@{place}")
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(("user", "name"), [("test", "absent"), ("stranger", "template_integra")])
async def test_a_postgresql_that_refuses_our_login_is_unavailable(postgres_socket: Path, user: str, name: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _read(f"postgresql+asyncpg://{user}:{SECRET}@/{name}?host={postgres_socket}")


async def test_a_terminated_connection_is_unavailable_and_the_next_one_works(
    postgres_socket: Path,
) -> None:
    url = f"postgresql+asyncpg://test@/template_integra?host={postgres_socket}"
    database = open_database(url)
    other = open_database(url)

    async def be_terminated() -> None:
        async with database.read() as tx:
            mine = await tx.scalar(select(func.pg_backend_pid()))
            async with other.read() as elsewhere:
                await elsewhere.scalar(select(func.pg_terminate_backend(mine)))
            await tx.scalar(select(func.count()).select_from(institutions))

    with pytest.raises(DatabaseUnavailable):
        await be_terminated()
    async with database.read() as tx:
        assert await tx.scalar(select(1)) == 1
    await database.close()
    await other.close()


async def test_a_locked_sqlite_file_is_unavailable(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0)
    holder = sqlite3.connect(sqlite_url.partition("///")[2], isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        await _read(sqlite_url)  # a writer does not block readers
        with pytest.raises(DatabaseUnavailable):
            await _write(sqlite_url)
    finally:
        holder.close()
    await _write(sqlite_url)


async def test_a_read_only_sqlite_file_is_unavailable(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the folder of "file:..." would be created here
    path = sqlite_url.partition("///")[2]
    with pytest.raises(DatabaseUnavailable):
        await _write(f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true")


@pytest.mark.parametrize("what", ["folder", "text", "no parent"])
async def test_a_path_that_is_no_sqlite_file_is_unavailable(tmp_path: Path, what: str) -> None:
    path = tmp_path / "integra.db"
    if what == "folder":
        path.mkdir()
    else:
        path.write_text("not a database, but long enough to look like one\n" * 200)
    if what == "no parent":
        path = path / "integra.db"
    with pytest.raises(DatabaseUnavailable):
        await _read(f"sqlite+aiosqlite:///{path}")


# ---------------------------------------------------------------- secrets


@pytest.mark.parametrize("fault", ["repeated", "missing"])
async def test_an_exception_never_shows_what_was_being_stored(database: Database, fault: str) -> None:
    row = {"code": SECRET, "name": "León", "sphere": "municipal"}
    if fault == "missing":
        del row["sphere"]

    async def store() -> None:
        async with database.write() as tx:
            await tx.execute(insert(institutions).values(**row))
            await tx.execute(insert(institutions).values(**row))

    with pytest.raises(IntegrityError) as raised:
        await store()
    assert SECRET not in "".join(traceback.format_exception(raised.value))


async def test_an_exception_never_shows_what_was_searched_for(database: Database) -> None:
    async def search() -> None:
        async with database.read() as tx:
            await tx.execute(text("SELECT * FROM missing WHERE word = :word"), {"word": SECRET})

    with pytest.raises((DBAPIError, DatabaseUnavailable)) as raised:  # SQLite gives one code to many faults
        await search()
    assert SECRET not in "".join(traceback.format_exception(raised.value))
