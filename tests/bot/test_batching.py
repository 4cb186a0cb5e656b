"""One writer for many: what comes together is written together, and each is told what became of their own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import insert, select

from bot.batching import Batcher, BatchOptions, RetryPolicy
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.schema import institutions

AT_ONCE = BatchOptions()
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Desk:
    """Writes names into the database, up to the test's gate; what begins with `bad` cannot be written."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.batches: list[list[str]] = []
        self.begun, self.opens = asyncio.Event(), asyncio.Event()
        self.opens.set()
        self.naps: list[float] = []

    def gathering(self, tries: int = 1, options: BatchOptions = AT_ONCE) -> Batcher[str, str]:
        return Batcher(self.database, self.write, RetryPolicy(tries, 7.0, self.nap), options)

    async def nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        await asyncio.sleep(0)

    async def write(self, tx: Transaction, names: Sequence[str]) -> Sequence[str]:
        self.batches.append(list(names))
        self.begun.set()
        await self.opens.wait()
        for name in names:
            await tx.execute(insert(institutions).values(code=name, name=name, sphere="state"))
            if name.startswith("bad"):
                raise LookupError(name)
        return [f"kept {name}" for name in names]

    async def kept(self) -> set[str]:
        async with self.database.read() as tx:
            return set(await tx.scalars(select(institutions.c.code)))


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


async def going(desk: Desk, gathering: Batcher[str, str], first: str, *others: str) -> "list[asyncio.Task[str]]":
    """The first is being written up to the gate, the others came meanwhile."""
    desk.opens.clear()
    tasks = [asyncio.create_task(gathering.add(first))]
    await desk.begun.wait()
    tasks += [asyncio.create_task(gathering.add(name)) for name in others]
    await asyncio.sleep(0)
    return tasks


# ---------------------------------------------------------------- together


async def test_what_comes_while_a_write_goes_on_shares_the_next_one(desk: Desk) -> None:
    tasks = await going(desk, desk.gathering(), "a", "b", "c", "d")
    desk.opens.set()
    assert await asyncio.gather(*tasks) == ["kept a", "kept b", "kept c", "kept d"]
    assert desk.batches == [["a"], ["b", "c", "d"]]
    assert await desk.kept() == set("abcd")


@asynccontextmanager
async def held(database: Database) -> AsyncIterator[None]:
    """Somebody else writes meanwhile."""
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
    """Whoever can go on without anybody's help has done so."""
    for _ in range(5):
        await asyncio.sleep(0)


@only_sqlite
async def test_what_comes_while_others_hold_the_database_is_written_together(desk: Desk) -> None:
    gathering, tasks = desk.gathering(), []
    async with held(desk.database):
        for name in "abc":
            tasks.append(asyncio.create_task(gathering.add(name)))
            await settled()
    await asyncio.gather(*tasks)
    assert desk.batches == [["a", "b", "c"]]


async def test_each_gets_their_own_result_however_they_are_gathered(desk: Desk) -> None:
    gathering = desk.gathering()

    async def come(number: int) -> str:
        for _ in range(number % 7):
            await asyncio.sleep(0)
        return await gathering.add(f"{number}")

    found = await asyncio.gather(*(come(number) for number in range(60)))
    assert found == [f"kept {number}" for number in range(60)]
    assert len(desk.batches) < 60
    assert len(await desk.kept()) == 60


# ---------------------------------------------------------------- a bad one


async def test_one_that_cannot_be_written_takes_no_other_down(desk: Desk) -> None:
    tasks = await going(desk, desk.gathering(), "a", "b", "bad", "c")
    desk.opens.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(one) for one in found] == ["kept a", "kept b", "bad", "kept c"]
    assert isinstance(found[2], LookupError)
    assert await desk.kept() == set("abc")
    assert desk.batches == [["a"], ["b", "bad", "c"], ["b"], ["bad"], ["c"]]


async def test_a_bad_one_alone_is_tried_once_and_told(desk: Desk) -> None:
    gathering = desk.gathering()
    with pytest.raises(LookupError):
        await gathering.add("bad")
    assert desk.batches == [["bad"]]
    assert await gathering.add("a") == "kept a"


async def test_whoever_adds_inside_a_transaction_of_their_own_is_told_instead_of_waiting_for_ever(desk: Desk) -> None:
    gathering = desk.gathering()
    async with desk.database.write():
        with pytest.raises(RuntimeError, match="already open"):
            await gathering.add("a")
    assert await gathering.add("b") == "kept b"


# ---------------------------------------------------------------- a database that is away


class Outage:
    """The database is away for some more transactions: when they begin, or when they commit."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch, moment: str, lasts: int) -> None:
        self._write = database.write
        self._moment = moment
        self.lasts = lasts
        monkeypatch.setattr(database, "write", self)

    @asynccontextmanager
    async def __call__(self, *, is_urgent: bool = False) -> AsyncIterator[Transaction]:
        is_away, self.lasts = self.lasts > 0, self.lasts - 1
        if is_away and self._moment == "begin":
            raise DatabaseUnavailable("gone")
        async with self._write(is_urgent=is_urgent) as tx:
            yield tx
            if is_away:
                raise DatabaseUnavailable("gone")


MOMENTS = pytest.mark.parametrize("moment", ["begin", "commit"])


@MOMENTS
async def test_all_that_wait_are_told_when_the_database_is_away_and_nothing_of_them_is_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    gathering = desk.gathering()
    Outage(desk.database, monkeypatch, moment, lasts=1)
    found = await asyncio.gather(*(gathering.add(name) for name in "abc"), return_exceptions=True)
    assert [type(one) for one in found] == [DatabaseUnavailable] * 3
    assert await desk.kept() == set()
    assert desk.naps == []
    assert await gathering.add("a") == "kept a"


@MOMENTS
async def test_with_patience_nothing_is_lost_while_the_database_is_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    gathering = desk.gathering(tries=4)
    Outage(desk.database, monkeypatch, moment, lasts=3)
    assert await asyncio.gather(*(gathering.add(name) for name in "abc")) == ["kept a", "kept b", "kept c"]
    assert desk.naps == [7.0] * 3
    assert desk.batches[-1] == ["a", "b", "c"]


@MOMENTS
async def test_patience_has_an_end_and_begins_anew_afterwards(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    gathering = desk.gathering(tries=3)
    outage = Outage(desk.database, monkeypatch, moment, lasts=3)
    with pytest.raises(DatabaseUnavailable):
        await gathering.add("a")
    assert desk.naps == [7.0] * 2
    outage.lasts = 2
    assert await gathering.add("b") == "kept b"
    assert await desk.kept() == {"b"}


async def test_whoever_comes_late_in_an_outage_is_tried_as_often_as_anybody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathering = desk.gathering(tries=3)
    Outage(desk.database, monkeypatch, "begin", lasts=4)
    late: list[asyncio.Task[str]] = []

    async def nap(seconds: float) -> None:
        if not late and len(desk.naps) == 1:
            late.append(asyncio.create_task(gathering.add("late")))
        desk.naps.append(seconds)
        await asyncio.sleep(0)

    gathering._patience = RetryPolicy(3, 7.0, nap)
    with pytest.raises(DatabaseUnavailable):
        await gathering.add("early")
    assert await late[0] == "kept late"
    assert await desk.kept() == {"late"}


async def test_a_database_that_goes_away_while_each_is_written_alone_is_waited_for_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathering = desk.gathering(tries=3)
    outage = Outage(desk.database, monkeypatch, "begin", lasts=0)
    write = desk.write

    async def once(tx: Transaction, names: Sequence[str]) -> Sequence[str]:
        if len(names) > 1 and not desk.naps:
            outage.lasts = 1
        return await write(tx, names)

    gathering._write = once
    found = await asyncio.gather(*(gathering.add(name) for name in ("a", "bad", "b")), return_exceptions=True)
    assert [str(one) for one in found] == ["kept a", "bad", "kept b"]


# ---------------------------------------------------------------- whoever goes away


@pytest.mark.parametrize("who", range(3))
async def test_whoever_is_cancelled_harms_nobody_else(desk: Desk, who: int) -> None:
    gathering = desk.gathering()
    tasks = await going(desk, gathering, "a", "b", "c")
    tasks[who].cancel()
    await asyncio.sleep(0)
    desk.opens.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(one) for place, one in enumerate(found) if place != who] == [
        f"kept {name}" for place, name in enumerate("abc") if place != who
    ]
    assert isinstance(found[who], asyncio.CancelledError)
    assert await gathering.add("d") == "kept d"
    assert await desk.kept() == set("abcd"), "what was handed over is written all the same"


async def test_whoever_is_cancelled_does_not_see_the_fault_and_nobody_misses_theirs(desk: Desk) -> None:
    tasks = await going(desk, desk.gathering(), "a", "bad 1", "bad 2")
    tasks[1].cancel()
    desk.opens.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [str, asyncio.CancelledError, LookupError]


# ---------------------------------------------------------------- manners


@only_sqlite
async def test_between_two_writes_it_rests_so_that_more_share_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathering = desk.gathering(options=BatchOptions(rest=3600))
    naps: list[float] = []
    resting, is_over = asyncio.Event(), asyncio.Event()

    lets_in = asyncio.sleep

    async def rest(seconds: float) -> None:
        if not seconds:
            await lets_in(0)
            return
        naps.append(seconds)
        resting.set()
        await is_over.wait()

    await gathering.add("a")  # after silence, at once
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", rest)
        tasks = [asyncio.create_task(gathering.add("b"))]
        await resting.wait()
        tasks += [asyncio.create_task(gathering.add(name)) for name in "cd"]
        is_over.set()
        await asyncio.gather(*tasks)
    assert desk.batches == [["a"], ["b", "c", "d"]]
    assert [0 < one <= 3600 for one in naps] == [True]


@only_sqlite
async def test_after_a_longer_silence_it_writes_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    gathering = desk.gathering(options=BatchOptions(rest=3600))
    await gathering.add("a")
    loop = asyncio.get_running_loop()
    now = loop.time
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", lambda: now() + 3601)
        await gathering.add("b")
    assert desk.batches == [["a"], ["b"]]


@only_sqlite
@pytest.mark.parametrize("is_urgent", [True, False])
async def test_what_is_urgent_goes_before_whoever_waits_to_write(desk: Desk, is_urgent: bool) -> None:
    gathering = desk.gathering(options=BatchOptions(is_urgent=is_urgent))

    async def other() -> None:
        async with desk.database.write():
            desk.batches.append(["other"])

    async with held(desk.database):
        waiting = asyncio.create_task(other())
        await settled()
        adding = asyncio.create_task(gathering.add("a"))
        await settled()
    await asyncio.gather(waiting, adding)
    assert desk.batches == ([["a"], ["other"]] if is_urgent else [["other"], ["a"]])
