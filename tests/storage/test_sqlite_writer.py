"""SQLite's single writer: atomic, in order, and without traces of cancelled transactions."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, func, insert, select
from sqlalchemy.exc import IntegrityError

from storage import database as database_module
from storage.database import Database, DatabaseUnavailable, open_database
from storage.schema import addresses, institutions
from storage.sqlite_writer import _Queue

ONE = {"code": "a", "name": "x", "sphere": "state"}


@pytest.fixture
async def own(sqlite_url: str) -> AsyncIterator[Database]:
    """A database of one test alone, which it may lock, fill and damage."""
    opened = open_database(sqlite_url)
    yield opened
    await opened.close()


@pytest.fixture
def file(sqlite_url: str) -> Path:
    return Path(sqlite_url.partition("///")[2])


async def write(database: Database, *codes: str, name: str = "x", is_urgent: bool = False) -> None:
    async with database.write(is_urgent=is_urgent) as tx:
        for code in codes:
            await tx.execute(insert(institutions).values(code=code, name=name, sphere="state"))


async def codes_in(database: Database) -> set[str]:
    async with database.read() as tx:
        return set(await tx.scalars(select(institutions.c.code)))


async def assert_writable(database: Database, file: Path) -> None:
    """Assert that the next write succeeds at once, by another process too."""
    await write(database, "next")
    with locked(file):
        pass
    assert "next" in await codes_in(database)


@contextmanager
def locked(file: Path) -> Iterator[sqlite3.Connection]:
    """Another process is writing; it does not wait for the lock itself."""
    other = sqlite3.connect(file, timeout=0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        other.close()


async def settled() -> None:
    """Let all tasks run that do not wait for another one."""
    for _ in range(5):
        await asyncio.sleep(0)


# ---------------------------------------------------------------- atomicity


async def test_a_committed_write_is_visible_to_all(own: Database, file: Path) -> None:
    await write(own, "a", "b")
    assert await codes_in(own) == {"a", "b"}
    await assert_writable(own, file)


class Abort(BaseException):
    """Not an Exception."""


@pytest.mark.parametrize("fault", [KeyError, Abort, asyncio.CancelledError])
async def test_anything_raised_rolls_back(own: Database, file: Path, fault: type[BaseException]) -> None:
    async def write_and_fail() -> None:
        async with own.write() as tx:
            await tx.execute(insert(institutions).values(**ONE))
            raise fault

    with pytest.raises(fault):
        await write_and_fail()
    assert await codes_in(own) == set()
    await assert_writable(own, file)


# ---------------------------------------------------------------- cancellation


class Disk:
    """Holds up the end of a transaction where a test wants it: the writer's first takes place in its thread, as nothing
    is known of the disk yet."""

    def __init__(self, database: Database) -> None:
        self.reached, self._goes_on = asyncio.Event(), threading.Event()
        self.go_on = self._goes_on.set
        self._loop = asyncio.get_running_loop()
        (*_, engine) = database.engines
        event.listen(engine, "commit", self._hold)

    def _hold(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.reached.set)
        self._goes_on.wait()


@asynccontextmanager
async def cancelled_during_commit(database: Database, times: int = 1) -> AsyncIterator[None]:
    """Cancel a transaction while it commits, perhaps more than once; inside, it has not ended yet."""
    disk = Disk(database)
    writing = asyncio.create_task(write(database, "a", "b"))
    await disk.reached.wait()
    for _ in range(times):
        writing.cancel()
        await settled()
    assert not writing.done(), "the work in the thread is waited for"
    yield
    disk.go_on()
    with pytest.raises(asyncio.CancelledError):
        await writing


async def test_a_write_cancelled_while_waiting_for_another_process_leaves_nothing(own: Database, file: Path) -> None:
    await write(own)  # connects
    with locked(file):
        writing = asyncio.create_task(write(own, "a"))
        await settled()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    assert await codes_in(own) == set()
    await assert_writable(own, file)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_write_cancelled_during_commit_is_complete(own: Database, file: Path, times: int) -> None:
    async with cancelled_during_commit(own, times):
        pass
    assert await codes_in(own) == {"a", "b"}
    await assert_writable(own, file)


async def test_a_write_queued_behind_a_cancelled_one_runs_once_that_has_ended(own: Database, file: Path) -> None:
    async with cancelled_during_commit(own):
        waiting = asyncio.create_task(write(own, "behind"))
        await settled()
        assert not waiting.done()
    await waiting
    assert "behind" in await codes_in(own)
    await assert_writable(own, file)


async def test_a_write_cancelled_between_statements_leaves_nothing(own: Database, file: Path) -> None:
    inside = asyncio.Event()

    async def body() -> None:
        async with own.write() as tx:
            await tx.execute(insert(institutions).values(**ONE))
            inside.set()
            await asyncio.Event().wait()

    writing = asyncio.create_task(body())
    await inside.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await codes_in(own) == set()
    await assert_writable(own, file)


async def test_a_long_statement_does_not_block_the_event_loop(own: Database, file: Path) -> None:
    reached, goes_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(*arguments: object) -> None:
        if "INSERT" in str(arguments[2]):
            loop.call_soon_threadsafe(reached.set)
            goes_on.wait()

    (*_, engine) = own.engines
    event.listen(engine, "before_cursor_execute", hold)

    async def body() -> None:
        async with own.write(is_long=True) as tx:
            await tx.execute(insert(institutions).values(**ONE))

    writing = asyncio.create_task(body())
    await reached.wait()
    assert await codes_in(own) == set(), "the event loop and readers keep running"
    goes_on.set()
    await writing
    event.remove(engine, "before_cursor_execute", hold)
    assert await codes_in(own) == {"a"}
    await assert_writable(own, file)


async def test_a_task_that_writes_in_a_loop_lets_others_run_in_between(own: Database) -> None:
    await write(own)  # the disk is known to be fast
    order: list[str] = []

    async def often(name: str) -> None:
        for _ in range(3):
            await write(own)
            order.append(name)

    await asyncio.gather(often("a"), often("b"))
    assert order[:3] != ["a"] * 3


async def test_a_write_cancelled_in_the_queue_does_not_block_others(own: Database, file: Path) -> None:
    async with holding(own):
        waiting = [asyncio.create_task(write(own, code)) for code in "abc"]
        await settled()
        waiting[0].cancel()
        await settled()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in found] == [asyncio.CancelledError, type(None), type(None)]
    assert await codes_in(own) == {"b", "c"}
    await assert_writable(own, file)


@pytest.mark.parametrize("is_urgent", [False, True])
async def test_a_waiter_cancelled_just_when_woken_wakes_the_next_one_in_order(
    is_urgent: bool,
) -> None:
    queue, order = _Queue(), list[str]()

    async def come(name: str) -> None:
        async with queue.turn(is_urgent=is_urgent):
            order.append(name)
            await asyncio.sleep(0)

    async with queue.turn():
        waiting = [asyncio.create_task(come(name)) for name in "abc"]
        await settled()
    waiting[0].cancel()  # it was woken by the line before, and has not run yet
    await asyncio.gather(come("late"), *waiting, return_exceptions=True)
    assert order == ["b", "c", "late"]


@asynccontextmanager
async def holding(database: Database) -> AsyncIterator[None]:
    """Another task of this process is writing."""
    inside, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with database.write():
            inside.set()
            await leave.wait()

    task = asyncio.create_task(hold())
    await inside.wait()
    yield
    leave.set()
    await task


# ---------------------------------------------------------------- order


async def test_urgent_writes_go_before_waiting_ones_and_others_first_come_first_served(own: Database) -> None:
    order: list[str] = []

    async def come(name: str) -> None:
        async with own.write(is_urgent=name.isupper()):
            order.append(name)

    async with holding(own):
        coming = []
        for name in "abXcYdZ":
            coming.append(asyncio.create_task(come(name)))
            await settled()
    await asyncio.gather(*coming)
    assert order == list("XYZabcd")


async def test_each_concurrent_write_sees_the_writes_before_it(own: Database) -> None:
    seen: list[int] = []

    async def come(number: int) -> None:
        async with own.write(is_urgent=number % 3 == 0) as tx:
            seen.append(await tx.scalar(select(func.count()).select_from(institutions)) or 0)
            await asyncio.sleep(0)
            await tx.execute(insert(institutions).values(code=f"{number}", name="x", sphere="state"))

    coming = [asyncio.create_task(come(number)) for number in range(40)]
    for number in range(0, 40, 5):
        await asyncio.sleep(0)
        coming[number].cancel()
    await asyncio.gather(*coming, return_exceptions=True)
    assert seen == sorted(seen)
    assert len(await codes_in(own)) >= 32


# ---------------------------------------------------------------- another process is writing


async def test_a_write_waits_for_another_process_and_readers_keep_running(own: Database, file: Path) -> None:
    await codes_in(own)
    with locked(file) as other:
        writing = asyncio.create_task(write(own, "a"))
        await settled()
        assert await codes_in(own) == set(), "readers keep running, and so does the event loop"
        assert not writing.done()
        other.execute("COMMIT")
        await writing
    assert await codes_in(own) == {"a"}


async def test_a_write_that_does_not_wait_raises_and_works_afterwards(
    file: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0)
    hasty = open_database(sqlite_url)
    with locked(file):
        found = await asyncio.gather(*(write(hasty, code) for code in "abc"), return_exceptions=True)
    assert [type(one) for one in found] == [DatabaseUnavailable] * 3
    await assert_writable(hasty, file)
    assert await codes_in(hasty) == {"next"}
    await hasty.close()


# ---------------------------------------------------------------- a full disk


@contextmanager
def full(database: Database, file: Path) -> Iterator[None]:
    """The disk is full."""
    with sqlite3.connect(file) as counting:
        (pages,) = counting.execute("PRAGMA page_count").fetchone()
    counting.close()
    limit = pages

    def keep_small(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={limit}")

    for engine in database.engines:
        event.listen(engine, "begin", keep_small)
    yield
    limit = 2**30


async def test_a_full_disk_stores_nothing_and_writes_work_once_there_is_room(own: Database, file: Path) -> None:
    with full(own, file):
        with pytest.raises(DatabaseUnavailable):
            await write(own, "small", "large", name="x" * 100_000)
        assert await codes_in(own) == set()
    await assert_writable(own, file)
    await write(own, "after")
    assert await codes_in(own) == {"next", "after"}


async def test_a_disk_that_is_full_at_the_commit_raises_and_the_next_write_works(
    own: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    (*_, engine) = own.engines
    with monkeypatch.context() as patch:
        patch.setattr(engine.dialect, "do_commit", refuse)
        with pytest.raises(DatabaseUnavailable):
            await write(own, "a")
    assert await codes_in(own) == set()
    await assert_writable(own, file)


async def test_an_error_at_the_commit_rolls_the_transaction_back(own: Database, file: Path) -> None:
    async def violate_foreign_key() -> None:
        async with own.write() as tx:
            await tx.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            await tx.execute(insert(institutions).values(**ONE))
            await tx.execute(insert(addresses).values(channel="webchat", address="x", servant_id=4711))

    with pytest.raises(IntegrityError):
        await violate_foreign_key()
    assert await codes_in(own) == set()
    await assert_writable(own, file)
