"""The batcher: items that arrive together are written together, and each caller gets the result of its own item."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import insert, select

from bot.batching import Batcher, BatchOptions, RetryPolicy
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.schema import institutions

DEFAULT_OPTIONS = BatchOptions()
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class RecordingWriter:
    """Writes names into the database while the test's gate is open; a name that begins with `bad` cannot be written."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.batches: list[list[str]] = []
        self.begun, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.sleeps: list[float] = []

    def batcher(self, attempts: int = 1, options: BatchOptions = DEFAULT_OPTIONS) -> Batcher[str, str]:
        return Batcher(self.database, self.write, RetryPolicy(attempts, 7.0, self.sleep), options)

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await asyncio.sleep(0)

    async def write(self, tx: Transaction, names: Sequence[str]) -> Sequence[str]:
        self.batches.append(list(names))
        self.begun.set()
        await self.gate.wait()
        for name in names:
            await tx.execute(insert(institutions).values(code=name, name=name, sphere="state"))
            if name.startswith("bad"):
                raise LookupError(name)
        return [f"stored {name}" for name in names]

    async def stored(self) -> set[str]:
        async with self.database.read() as tx:
            return set(await tx.scalars(select(institutions.c.code)))


@pytest.fixture
def writer(database: Database) -> RecordingWriter:
    return RecordingWriter(database)


async def adding(
    writer: RecordingWriter, batcher: Batcher[str, str], first: str, *others: str
) -> "list[asyncio.Task[str]]":
    """Tasks that add items: the first is being written up to the gate, the others arrived meanwhile."""
    writer.gate.clear()
    tasks = [asyncio.create_task(batcher.add(first))]
    await writer.begun.wait()
    tasks += [asyncio.create_task(batcher.add(name)) for name in others]
    await asyncio.sleep(0)
    return tasks


# ---------------------------------------------------------------- shared transactions


async def test_items_that_arrive_during_a_write_share_the_next_one(writer: RecordingWriter) -> None:
    tasks = await adding(writer, writer.batcher(), "a", "b", "c", "d")
    writer.gate.set()
    assert await asyncio.gather(*tasks) == ["stored a", "stored b", "stored c", "stored d"]
    assert writer.batches == [["a"], ["b", "c", "d"]]
    assert await writer.stored() == set("abcd")


@asynccontextmanager
async def held(database: Database) -> AsyncIterator[None]:
    """Another writer holds the database meanwhile."""
    inside, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with database.write():
            inside.set()
            await leave.wait()

    holding = asyncio.create_task(hold())
    await inside.wait()
    yield
    leave.set()
    await holding


async def settled() -> None:
    """Let all tasks run that can go on."""
    for _ in range(5):
        await asyncio.sleep(0)


@only_sqlite
async def test_items_that_arrive_while_others_hold_the_database_are_written_together(writer: RecordingWriter) -> None:
    batcher, tasks = writer.batcher(), []
    async with held(writer.database):
        for name in "abc":
            tasks.append(asyncio.create_task(batcher.add(name)))
            await settled()
    await asyncio.gather(*tasks)
    assert writer.batches == [["a", "b", "c"]]


async def test_each_caller_gets_its_own_result_however_items_are_batched(writer: RecordingWriter) -> None:
    batcher = writer.batcher()

    async def add_later(number: int) -> str:
        for _ in range(number % 7):
            await asyncio.sleep(0)
        return await batcher.add(f"{number}")

    found = await asyncio.gather(*(add_later(number) for number in range(60)))
    assert found == [f"stored {number}" for number in range(60)]
    assert len(writer.batches) < 60
    assert len(await writer.stored()) == 60


# ---------------------------------------------------------------- a bad item


async def test_an_item_that_cannot_be_written_fails_no_other(writer: RecordingWriter) -> None:
    tasks = await adding(writer, writer.batcher(), "a", "b", "bad", "c")
    writer.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(result) for result in found] == ["stored a", "stored b", "bad", "stored c"]
    assert isinstance(found[2], LookupError)
    assert await writer.stored() == set("abc")
    assert writer.batches == [["a"], ["b", "bad", "c"], ["b"], ["bad"], ["c"]]


async def test_a_single_bad_item_is_tried_once_and_raises(writer: RecordingWriter) -> None:
    batcher = writer.batcher()
    with pytest.raises(LookupError):
        await batcher.add("bad")
    assert writer.batches == [["bad"]]
    assert await batcher.add("a") == "stored a"


async def test_adding_inside_an_open_transaction_raises_instead_of_waiting_forever(writer: RecordingWriter) -> None:
    batcher = writer.batcher()
    async with writer.database.write():
        with pytest.raises(RuntimeError, match="already open"):
            await batcher.add("a")
    assert await batcher.add("b") == "stored b"


# ---------------------------------------------------------------- an unavailable database


class Outage:
    """The database is unavailable for the next `lasts` transactions: when they begin, or when they commit."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch, moment: str, lasts: int) -> None:
        self._write = database.write
        self._moment = moment
        self.lasts = lasts
        monkeypatch.setattr(database, "write", self)

    @asynccontextmanager
    async def __call__(self, *, is_urgent: bool = False) -> AsyncIterator[Transaction]:
        is_unavailable, self.lasts = self.lasts > 0, self.lasts - 1
        if is_unavailable and self._moment == "begin":
            raise DatabaseUnavailable("gone")
        async with self._write(is_urgent=is_urgent) as tx:
            yield tx
            if is_unavailable:
                raise DatabaseUnavailable("gone")


MOMENTS = pytest.mark.parametrize("moment", ["begin", "commit"])


@MOMENTS
async def test_an_unavailable_database_raises_for_all_callers_and_nothing_is_stored(
    writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    batcher = writer.batcher()
    Outage(writer.database, monkeypatch, moment, lasts=1)
    found = await asyncio.gather(*(batcher.add(name) for name in "abc"), return_exceptions=True)
    assert [type(result) for result in found] == [DatabaseUnavailable] * 3
    assert await writer.stored() == set()
    assert writer.sleeps == []
    assert await batcher.add("a") == "stored a"


@MOMENTS
async def test_with_retries_nothing_is_lost_while_the_database_is_unavailable(
    writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    batcher = writer.batcher(attempts=4)
    Outage(writer.database, monkeypatch, moment, lasts=3)
    assert await asyncio.gather(*(batcher.add(name) for name in "abc")) == ["stored a", "stored b", "stored c"]
    assert writer.sleeps == [7.0] * 3
    assert writer.batches[-1] == ["a", "b", "c"]


@MOMENTS
async def test_retries_end_and_start_over_afterwards(
    writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    batcher = writer.batcher(attempts=3)
    outage = Outage(writer.database, monkeypatch, moment, lasts=3)
    with pytest.raises(DatabaseUnavailable):
        await batcher.add("a")
    assert writer.sleeps == [7.0] * 2
    outage.lasts = 2
    assert await batcher.add("b") == "stored b"
    assert await writer.stored() == {"b"}


async def test_an_item_that_arrives_late_in_an_outage_gets_all_its_retries(
    writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = writer.batcher(attempts=3)
    Outage(writer.database, monkeypatch, "begin", lasts=4)
    late: list[asyncio.Task[str]] = []

    async def sleep(seconds: float) -> None:
        if not late and len(writer.sleeps) == 1:
            late.append(asyncio.create_task(batcher.add("late")))
        writer.sleeps.append(seconds)
        await asyncio.sleep(0)

    batcher._retry_policy = RetryPolicy(3, 7.0, sleep)
    with pytest.raises(DatabaseUnavailable):
        await batcher.add("early")
    assert await late[0] == "stored late"
    assert await writer.stored() == {"late"}


async def test_an_outage_while_items_are_written_individually_is_retried_too(
    writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = writer.batcher(attempts=3)
    outage = Outage(writer.database, monkeypatch, "begin", lasts=0)
    write = writer.write

    async def once(tx: Transaction, names: Sequence[str]) -> Sequence[str]:
        if len(names) > 1 and not writer.sleeps:
            outage.lasts = 1
        return await write(tx, names)

    batcher._write = once
    found = await asyncio.gather(*(batcher.add(name) for name in ("a", "bad", "b")), return_exceptions=True)
    assert [str(result) for result in found] == ["stored a", "bad", "stored b"]


# ---------------------------------------------------------------- cancelled callers


@pytest.mark.parametrize("cancelled", range(3))
async def test_a_cancelled_caller_does_not_affect_others(writer: RecordingWriter, cancelled: int) -> None:
    batcher = writer.batcher()
    tasks = await adding(writer, batcher, "a", "b", "c")
    tasks[cancelled].cancel()
    await asyncio.sleep(0)
    writer.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(result) for place, result in enumerate(found) if place != cancelled] == [
        f"stored {name}" for place, name in enumerate("abc") if place != cancelled
    ]
    assert isinstance(found[cancelled], asyncio.CancelledError)
    assert await batcher.add("d") == "stored d"
    assert await writer.stored() == set("abcd"), "an added item is written all the same"


async def test_a_cancelled_caller_does_not_get_the_error_and_others_get_theirs(writer: RecordingWriter) -> None:
    tasks = await adding(writer, writer.batcher(), "a", "bad 1", "bad 2")
    tasks[1].cancel()
    writer.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in found] == [str, asyncio.CancelledError, LookupError]


# ---------------------------------------------------------------- options


@only_sqlite
async def test_writes_keep_their_interval_so_that_more_items_share_one(
    writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = writer.batcher(options=BatchOptions(interval=3600))
    sleeps: list[float] = []
    sleeping, is_over = asyncio.Event(), asyncio.Event()

    original_sleep = asyncio.sleep

    async def long_sleep(seconds: float) -> None:
        if not seconds:
            await original_sleep(0)
            return
        sleeps.append(seconds)
        sleeping.set()
        await is_over.wait()

    await batcher.add("a")  # after a longer pause, at once
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", long_sleep)
        tasks = [asyncio.create_task(batcher.add("b"))]
        await sleeping.wait()
        tasks += [asyncio.create_task(batcher.add(name)) for name in "cd"]
        is_over.set()
        await asyncio.gather(*tasks)
    assert writer.batches == [["a"], ["b", "c", "d"]]
    assert [0 < seconds <= 3600 for seconds in sleeps] == [True]


@only_sqlite
async def test_after_a_longer_pause_items_are_written_at_once(
    writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = writer.batcher(options=BatchOptions(interval=3600))
    await batcher.add("a")
    loop = asyncio.get_running_loop()
    now = loop.time
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", lambda: now() + 3601)
        await batcher.add("b")
    assert writer.batches == [["a"], ["b"]]


@only_sqlite
@pytest.mark.parametrize("is_urgent", [True, False])
async def test_urgent_writes_go_before_waiting_writers(writer: RecordingWriter, is_urgent: bool) -> None:
    batcher = writer.batcher(options=BatchOptions(is_urgent=is_urgent))

    async def other() -> None:
        async with writer.database.write():
            writer.batches.append(["other"])

    async with held(writer.database):
        waiting = asyncio.create_task(other())
        await settled()
        adding = asyncio.create_task(batcher.add("a"))
        await settled()
    await asyncio.gather(waiting, adding)
    assert writer.batches == ([["a"], ["other"]] if is_urgent else [["other"], ["a"]])
