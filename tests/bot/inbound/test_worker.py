import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot import logging_setup
from bot.inbound import worker as receiver_module
from bot.inbound.inbox import Inbox
from bot.inbound.worker import UpdateWorker
from content.library import Library
from handlers import router
from handlers.context import Installation
from handlers.message import Update, UpdateKind
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import outbox, updates
from storage.queue.outbox import NewDelivery
from storage.schema import deliveries
from storage.schema import updates as table
from tests.cast import Clock

KEY = bytes(range(32))
SECRET = "mi jefa me pidió firmar"


class Stage:
    """A receiver whose router is the test's: it notes who was handled, and raises for texts that begin with `bad`."""

    def __init__(self, database: Database, library: Library, clock: Clock) -> None:
        self.database = database
        self.handled: list[str] = []
        self.spoken = 0
        self.mended = False
        self.inbox = Inbox(database, KEY, clock)
        installation = Installation(ZoneInfo("America/Mexico_City"), "http://127.0.0.1:8080", bytes(32))
        self.update_worker = UpdateWorker(database, self.inbox, library, installation, clock, self.speak)

    def speak(self) -> None:
        self.spoken += 1

    async def route(
        self, tx: Transaction, _: Library, __: Installation, several: Sequence[Update], now: datetime
    ) -> None:
        """Stands in for the router: says one thing to each, then raises or not."""
        for update in several:
            said = NewDelivery(f"for {update.key}", "telegram", update.address, outbox.DeliveryKind.REPLY, "[]", now)
            await outbox.add(tx, [said])
            if update.text.startswith("bad") and not self.mended:
                raise LookupError(f"cannot understand: {update.text}")
            if update.text.startswith("away") and not self.mended:
                raise DatabaseUnavailable("gone")
            self.handled.append(update.key)

    async def arrive(self, *texts: str) -> None:
        """Each is `address:text`; the key is its place."""
        arrivals = []
        for number, (address, text) in enumerate(one.split(":") for one in texts):
            arrivals.append(Update("telegram", str(number), address, UpdateKind.TEXT, text=text))
        await self.inbox.store(arrivals)

    async def states(self) -> list[tuple[str, str]]:
        async with self.database.read() as tx:
            found = await tx.execute(select(table.c.key, table.c.state).order_by(table.c.id))
            return [(row.key, row.state) for row in found]

    async def said(self) -> set[str]:
        async with self.database.read() as tx:
            return set((await tx.execute(select(deliveries.c.key))).scalars())


@pytest.fixture
def stage(database: Database, library: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage(database, library, clock)
    monkeypatch.setattr(router, "receive_all", made.route)
    return made


async def test_everything_that_waits_is_handled_once_in_order(stage: Stage) -> None:
    await stage.arrive("ana:one", "beto:two", "ana:three")
    assert await stage.update_worker.drain() == 3
    assert stage.handled == ["0", "1", "2"]
    assert stage.spoken == 2, "after each transaction"
    assert await stage.update_worker.drain() == 0
    assert stage.handled == ["0", "1", "2"]


async def test_an_update_that_cannot_be_handled_is_set_aside_after_three_tries_and_the_rest_goes_on(
    stage: Stage,
) -> None:
    await stage.arrive("ana:first", "ana:bad", "ana:after", "beto:hello")
    assert await stage.update_worker.drain() == 6  # one of them three times
    assert await stage.states() == [("0", "done"), ("1", "aside"), ("2", "done"), ("3", "done")]
    assert [one for one in stage.handled if one in "02"] == ["0", "2"], "Ana's order is kept"
    async with stage.database.read() as tx:
        row = (await tx.execute(select(table).where(table.c.key == "1"))).one()
    assert (row.fault, row.attempts, row.body) == ("LookupError", 3, None)


async def test_what_a_failed_handler_did_is_undone(stage: Stage) -> None:
    await stage.arrive("ana:bad", "beto:hello")
    await stage.update_worker.drain()
    assert await stage.said() == {"for 1"}


async def test_nothing_is_lost_when_handling_fails_and_is_mended_in_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = updates.fail

    async def fail_and_mend(tx: Transaction, update_id: int, fault: str) -> bool:
        stage.mended = True
        return await fail(tx, update_id, fault)

    monkeypatch.setattr(updates, "fail", fail_and_mend)
    await stage.arrive("ana:bad luck", "ana:after")
    await stage.update_worker.drain()
    assert stage.handled == ["0", "1"]
    assert await stage.said() == {"for 0", "for 1"}
    assert await stage.states() == [("0", "done"), ("1", "done")]


async def test_a_database_that_goes_away_in_between_leaves_the_update_waiting(stage: Stage) -> None:
    await stage.arrive("ana:away", "ana:after")
    with pytest.raises(DatabaseUnavailable):
        await stage.update_worker.drain()
    assert await stage.states() == [("0", "waiting"), ("1", "waiting")]
    async with stage.database.read() as tx:
        assert await tx.scalar(select(table.c.attempts).where(table.c.key == "0")) == 0, "it is not its fault"
    stage.mended = True
    await stage.update_worker.drain()
    assert stage.handled == ["0", "1"]


async def test_an_update_that_no_key_opens_is_set_aside(stage: Stage, clock: Clock) -> None:
    other = Inbox(stage.database, bytes(32), clock)
    await other.store([Update("telegram", "sealed elsewhere", "ana", UpdateKind.TEXT, text="x")])
    await stage.arrive("ana:hello")
    await stage.update_worker.drain()
    assert await stage.states() == [("sealed elsewhere", "aside"), ("0", "done")]


async def test_the_log_of_a_failure_tells_where_and_never_what_was_typed(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    logging_setup.set_up()
    try:
        await stage.arrive(f"ana:bad {SECRET}")
        await stage.update_worker.drain()
        told = capsys.readouterr().err
    finally:
        root.handlers, root.level = before
    assert told.count("update_failed") == 3
    assert "LookupError" in told
    assert "test_worker.py:" in told
    for private in (SECRET, "jefa", "cannot understand", '"ana"'):
        assert private not in told


async def test_it_wakes_on_arrival_and_outlives_a_database_that_is_away(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "LOOK", 3600)
    looked, is_away = asyncio.Event(), True
    take_some = updates.take_some

    async def maybe_take(tx: Transaction, limit: int) -> list[updates.StoredUpdate]:
        looked.set()
        if is_away:
            raise DatabaseUnavailable("gone")
        return await take_some(tx, limit)

    handled = asyncio.Event()
    monkeypatch.setattr(updates, "take_some", maybe_take)
    stage.update_worker._spoken = handled.set
    running = asyncio.create_task(stage.update_worker.run())
    await looked.wait()
    is_away = False
    await stage.arrive("ana:hello")
    await handled.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stage.handled == ["0"]


async def test_one_bad_update_of_a_batch_costs_no_other_and_is_tried_again(stage: Stage) -> None:
    await stage.arrive(*(f"person {number}:{'bad' if number == 5 else 'good'}" for number in range(10)))
    await stage.update_worker.drain()
    assert dict(await stage.states()) == {str(number): "aside" if number == 5 else "done" for number in range(10)}
    assert await stage.said() == {f"for {number}" for number in range(10) if number != 5}


class Noticed(asyncio.Event):
    """Tells that somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.is_awaited.set()
        return await super().wait()


@pytest.mark.parametrize("turns", range(6))
async def test_whoever_is_stopped_just_when_something_arrives_stops(stage: Stage, turns: int) -> None:
    arrived = stage.inbox.arrived = Noticed()
    life = asyncio.create_task(stage.update_worker.run())
    await arrived.is_awaited.wait()
    arrived.set()
    for _ in range(turns):  # of the loop: in one it is known that it arrived, in a later one whoever waits goes on
        await asyncio.sleep(0)
    life.cancel()
    done, _ = await asyncio.wait([life], timeout=3)
    life.cancel()
    assert done, "it was told to stop, and goes on"
