"""The update worker: each update handled once and in order, with retries, also through failures and outages."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot import logging_setup
from bot.channels.events import Receipt
from bot.inbound import worker as worker_module
from bot.inbound.inbox import Inbox
from bot.inbound.worker import UpdateWorker
from content.library import Library
from handlers import router
from handlers.context import Installation, WorkContext
from handlers.message import Update, UpdateKind
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import outbox, updates
from storage.queue.outbox import NewDelivery
from storage.queue.receipts import DeliveryStatus
from storage.schema import deliveries, handled_updates
from storage.schema import updates as table
from tests.cast import Clock

KEY = bytes(range(32))
SECRET = "mi jefa me pidió firmar"


class Stage:
    """An update worker with a fake router, which records what it handled and raises for texts that begin with `bad`."""

    def __init__(self, database: Database, library: Library, clock: Clock) -> None:
        self.database = database
        self.handled: list[str] = []
        self.wakes = 0
        self.is_fixed = False
        self.inbox = Inbox(database, KEY, clock)
        installation = Installation(
            ZoneInfo("America/Mexico_City"), "http://127.0.0.1:8080", bytes(32), min_group=10, draw_key=bytes(32)
        )
        self.update_worker = UpdateWorker(database, self.inbox, library, installation, clock, self.wake_dispatcher)

    def wake_dispatcher(self) -> None:
        self.wakes += 1

    async def route(self, work: WorkContext, arrived: Sequence[Update]) -> None:
        """Replaces the router: add one reply for each update, then raise or not."""
        for update in arrived:
            reply = NewDelivery(
                f"for {update.key}", "telegram", update.address, outbox.DeliveryKind.REPLY, "[]", work.now
            )
            await outbox.add(work.tx, [reply])
            if update.text.startswith("bad") and not self.is_fixed:
                raise LookupError(f"cannot understand: {update.text}")
            if update.text.startswith("gone") and not self.is_fixed:
                raise DatabaseUnavailable("gone")
            self.handled.append(update.key)

    async def arrive(self, *texts: str) -> None:
        """Store updates, each given as `address:text`; the key is its position."""
        arrived = []
        for number, (address, text) in enumerate(text.split(":") for text in texts):
            arrived.append(Update("telegram", str(number), address, UpdateKind.TEXT, text=text))
        await self.inbox.store(arrived)

    async def states(self) -> dict[str, str]:
        """By the platform's key: waiting, aside, or done where only the key is left."""
        async with self.database.read() as tx:
            found = {row.key: row.state for row in await tx.execute(select(table.c.key, table.c.state))}
            found |= dict.fromkeys(await tx.scalars(select(handled_updates.c.key)), "done")
        keys = {self.name(str(number)): str(number) for number in range(10)}
        return {keys.get(name, "other"): state for name, state in found.items()}

    def name(self, key: str) -> str:
        return self.inbox.key_of("telegram", key)

    async def reply_keys(self) -> set[str]:
        async with self.database.read() as tx:
            return set((await tx.execute(select(deliveries.c.key))).scalars())


@pytest.fixture
def stage(database: Database, library: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage(database, library, clock)
    monkeypatch.setattr(router, "receive_all", stage.route)
    return stage


async def test_all_waiting_updates_are_handled_once_in_order(stage: Stage) -> None:
    await stage.arrive("ana:one", "beto:two", "ana:three")
    assert await stage.update_worker.drain() == 3
    assert stage.handled == ["0", "1", "2"]
    assert stage.wakes == 2, "after each transaction"
    assert await stage.update_worker.drain() == 0
    assert stage.handled == ["0", "1", "2"]


async def test_an_update_that_cannot_be_handled_is_set_aside_after_three_attempts_and_others_go_on(
    stage: Stage,
) -> None:
    await stage.arrive("ana:first", "ana:bad", "ana:after", "beto:hello")
    assert await stage.update_worker.drain() == 6  # one of them three times
    assert await stage.states() == {"0": "done", "1": "aside", "2": "done", "3": "done"}
    assert [key for key in stage.handled if key in "02"] == ["0", "2"], "Ana's updates in their order"
    async with stage.database.read() as tx:
        row = (await tx.execute(select(table).where(table.c.key == stage.name("1")))).one()
    assert (row.fault, row.attempts, row.body) == ("LookupError", 3, None)


async def test_the_effects_of_a_failed_handler_are_rolled_back(stage: Stage) -> None:
    await stage.arrive("ana:bad", "beto:hello")
    await stage.update_worker.drain()
    assert await stage.reply_keys() == {"for 1"}


async def test_nothing_is_lost_when_a_failing_handler_is_fixed_in_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = updates.fail

    async def fail_and_fix(tx: Transaction, now: datetime, update_id: int, fault: str) -> bool:
        stage.is_fixed = True
        return await fail(tx, now, update_id, fault)

    monkeypatch.setattr(updates, "fail", fail_and_fix)
    await stage.arrive("ana:bad luck", "ana:after")
    await stage.update_worker.drain()
    assert stage.handled == ["0", "1"]
    assert await stage.reply_keys() == {"for 0", "for 1"}
    assert await stage.states() == {"0": "done", "1": "done"}


async def test_an_outage_in_between_leaves_the_update_waiting(stage: Stage) -> None:
    await stage.arrive("ana:gone", "ana:after")
    with pytest.raises(DatabaseUnavailable):
        await stage.update_worker.drain()
    assert await stage.states() == {"0": "waiting", "1": "waiting"}
    async with stage.database.read() as tx:
        assert await tx.scalar(select(table.c.attempts).where(table.c.key == stage.name("0"))) == 0, (
            "an outage is not an attempt"
        )
    stage.is_fixed = True
    await stage.update_worker.drain()
    assert stage.handled == ["0", "1"]


async def test_an_update_that_cannot_be_decrypted_is_set_aside(stage: Stage, clock: Clock) -> None:
    other = Inbox(stage.database, bytes(32), clock)
    await other.store([Update("telegram", "other key", "ana", UpdateKind.TEXT, text="x")])
    await stage.arrive("ana:hello")
    await stage.update_worker.drain()
    assert await stage.states() == {"other": "aside", "0": "done"}


async def test_a_failure_is_logged_with_its_location_and_never_with_typed_text(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    logging_setup.set_up()
    try:
        await stage.arrive(f"ana:bad {SECRET}")
        await stage.update_worker.drain()
        output = capsys.readouterr().err
    finally:
        root.handlers, root.level = before
    assert output.count("update_failed") == 3
    assert "LookupError" in output
    assert "test_worker.py:" in output
    for private in (SECRET, "jefa", "cannot understand", '"ana"'):
        assert private not in output


async def test_it_wakes_on_arrival_and_survives_an_unavailable_database(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_INTERVAL", 3600)
    was_polled, is_unavailable = asyncio.Event(), True
    claim = updates.claim_batch

    async def maybe_claim(tx: Transaction, limit: int) -> list[updates.StoredUpdate]:
        was_polled.set()
        if is_unavailable:
            raise DatabaseUnavailable("gone")
        return await claim(tx, limit)

    handled = asyncio.Event()
    monkeypatch.setattr(updates, "claim_batch", maybe_claim)
    stage.update_worker._wake_dispatcher = handled.set
    running = asyncio.create_task(stage.update_worker.run())
    await was_polled.wait()
    is_unavailable = False
    await stage.arrive("ana:hello")
    await handled.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stage.handled == ["0"]


async def test_one_bad_update_of_a_batch_affects_no_other_and_is_retried(stage: Stage) -> None:
    await stage.arrive(*(f"person {number}:{'bad' if number == 5 else 'good'}" for number in range(10)))
    await stage.update_worker.drain()
    assert await stage.states() == {str(number): "aside" if number == 5 else "done" for number in range(10)}
    assert await stage.reply_keys() == {f"for {number}" for number in range(10) if number != 5}


class ObservableEvent(asyncio.Event):
    """An event that shows whether a task waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.is_awaited.set()
        return await super().wait()


@pytest.mark.parametrize("turns", range(6))
async def test_a_worker_cancelled_just_when_an_update_arrives_stops(stage: Stage, turns: int) -> None:
    arrived = stage.inbox.arrived = ObservableEvent()
    running = asyncio.create_task(stage.update_worker.run())
    await arrived.is_awaited.wait()
    arrived.set()
    for _ in range(turns):  # of the loop: in one the event is set, in a later one the waiting task goes on
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=3)
    running.cancel()
    assert done, "it was cancelled, and goes on"


async def test_a_receipt_that_adds_no_delivery_does_not_wake_the_dispatcher(stage: Stage) -> None:
    receipt = Receipt("whatsapp", "r", "wamid.1", DeliveryStatus.READ)
    await stage.inbox.store([receipt])
    await stage.update_worker.drain()
    assert stage.wakes == 0
    await stage.arrive("ana:hello")
    await stage.inbox.store([replace(receipt, key="r2")])
    await stage.update_worker.drain()
    assert stage.wakes == 1, "a message came with it"


async def test_of_several_tasks_one_polls_for_all_and_each_is_woken(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_INTERVAL", 3600)
    claims, is_idle = 0, asyncio.Event()
    claim = updates.claim_batch

    async def counted(tx: Transaction, limit: int) -> list[updates.StoredUpdate]:
        nonlocal claims
        claims += 1
        if claims == 4:
            is_idle.set()
        return await claim(tx, limit)

    monkeypatch.setattr(updates, "claim_batch", counted)
    running = [asyncio.create_task(stage.update_worker.run()) for _ in range(3)]
    await is_idle.wait()  # three when they start, and one poll
    stage.update_worker._wake_dispatcher = (handled := asyncio.Event()).set
    await stage.arrive("ana:hello")
    await handled.wait()
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    assert stage.handled == ["0"]
