"""News are announced from memory, once for each address, in the channel's pace, and leave no row that names anyone."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from bot.delivery.rate_limiter import Limits, RateLimiter, Urgency
from content.library import Library
from storage import schema
from storage.confidential import routes
from storage.database import Database, DatabaseUnavailable, open_database
from storage.queue.outbox import PRIORITY, DeliveryKind
from tests.bot.delivery.news_process import Process
from tests.bot.delivery.stage import Gate
from tests.cast import Clock

LONGEST = 20  # seconds after which a test that waits for ever fails
FIVE = ("ana", "beto", "caro", "dora", "eva")


async def all_rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    async with database.read() as tx:
        return {
            table.name: sorted((tuple(row) for row in await tx.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
        }


# ---------------------------------------------------------------- what is sent, and what is stored


@pytest.mark.attack
async def test_a_notice_leaves_no_row_and_no_change_but_the_end_of_its_news(process: Process) -> None:
    await process.flag("ana", "beto")
    async with process.dispatcher.keeping_credentials():  # takes over
        before = await all_rows(process.database)
    assert await process.announce() == 2
    after = await all_rows(process.database)
    assert {name for name in after if after[name] != before[name]} == {"routes"}
    assert await process.waiting() == set()
    async with process.database.write() as tx:
        await routes.flag_news(tx, "route of ana")
        await routes.flag_news(tx, "route of beto")
    assert await all_rows(process.database) == before, "the routes are as they were when a letter came"


async def test_a_notice_says_that_there_is_something_to_read_and_names_nothing(
    process: Process, library: Library
) -> None:
    await process.flag("ana")
    await process.announce()
    (parcel,) = process.platform.parcels
    assert parcel.text == library.phrases.plain("es", "consult.news", {})
    assert (parcel.token, parcel.number, parcel.prompt_id, parcel.leaves_no_row) == ("", 0, 0, True)


async def test_each_address_is_notified_once_however_many_of_its_cases_have_news(process: Process) -> None:
    await process.flag("ana")
    await process.flag("ana", row="another case of ana")
    await process.flag("ana", row="another case of ana")
    assert await process.announce() == 1
    assert await process.waiting() == set()


async def test_notices_leave_in_random_order(process: Process) -> None:
    orders = set()
    for _ in range(4):
        process.platform.reached = []
        await process.flag(*FIVE)
        assert await process.announce() == 5
        orders.add(tuple(process.platform.reached))
    assert len(orders) > 1, "one case in 1,728,000 otherwise"


async def test_nothing_is_sent_before_it_is_due(process: Process) -> None:
    await process.flag("ana")
    async with process.dispatcher.keeping_credentials():
        assert await process.sender.drain() == 0
    assert await process.announce() == 1
    assert await process.announce() == 0


async def test_notices_keep_the_distance_that_the_platform_asks_for(
    database: Database, library: Library, clock: Clock
) -> None:
    process = Process(database, library, clock, limits=Limits(0.25))
    left: list[float] = []
    process.platform.on_attempt = lambda: left.append(process.slept)
    await process.flag("ana", "beto", "caro")
    await process.announce()
    assert [round(moment) for moment in left] == [4, 8, 12]


async def test_a_notice_has_the_urgency_of_one(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies go before it, and prompts after it, as the rate limiter gives turns by urgency (test_rate_limiter.py)."""
    urgencies: list[Urgency] = []

    async def wait(_: RateLimiter, urgency: Urgency) -> None:
        urgencies.append(urgency)

    monkeypatch.setattr(RateLimiter, "wait", wait)
    await process.flag("ana")
    await process.announce()
    ((priority, _),) = urgencies
    assert PRIORITY[DeliveryKind.REPLY] < priority < PRIORITY[DeliveryKind.PROMPT]


# ---------------------------------------------------------------- crashes, stops, other processes


async def test_a_crash_before_the_result_is_recorded_notifies_twice_and_never_not_at_all(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await process.flag("ana")

    async def crash(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(routes, "clear_news", crash)
        await process.announce()
    assert await process.waiting() == {"route of ana"}
    await process.announce()
    assert process.platform.reached == ["ana", "ana"]
    assert await process.waiting() == set()


async def test_a_letter_that_comes_while_its_notice_is_sent_is_announced_again(process: Process) -> None:
    await process.flag("ana")
    gate = process.platform.gate = Gate()
    sending = asyncio.create_task(process.announce())
    await gate.reached.wait()
    await process.flag("ana")
    gate.set()
    await sending
    await process.announce()
    await process.announce()
    assert process.platform.reached == ["ana", "ana"]


async def test_a_stop_waits_for_the_notice_in_flight_and_leaves_the_others_for_later(process: Process) -> None:
    await process.flag(*FIVE)
    gate = process.platform.gate = Gate()
    process.sender.due.set()
    running = [
        asyncio.create_task(process.dispatcher.run()),
        asyncio.create_task(process.sender.run(process.dispatcher.credentials_tried)),
    ]
    async with asyncio.timeout(LONGEST):
        await gate.reached.wait()
    for task in running:
        task.cancel()
    gate.set()
    await asyncio.wait(running)
    (reached,) = process.platform.reached
    assert await process.waiting() == {f"route of {name}" for name in FIVE if name != reached}


async def test_a_stop_sends_nothing_that_waits_for_its_turn(database: Database, library: Library, clock: Clock) -> None:
    process = Process(database, library, clock, limits=Limits(0.25))
    await process.flag(*FIVE)
    gate = process.sleep_gate = Gate()
    process.sender.due.set()
    running = [
        asyncio.create_task(process.dispatcher.run()),
        asyncio.create_task(process.sender.run(process.dispatcher.credentials_tried)),
    ]
    async with asyncio.timeout(LONGEST):
        await gate.reached.wait()
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    assert process.platform.tried == []
    assert len(await process.waiting()) == 5


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_only_the_process_that_holds_the_credential_sends_and_another_one_does_when_it_has_gone(
    database_url: str, process: Process, library: Library, clock: Clock
) -> None:
    other = Process(open_database(database_url), library, clock)
    await process.flag("ana")
    async with process.dispatcher.keeping_credentials():
        assert await other.announce() == 0
        assert await process.waiting() == {"route of ana"}
    await process.dispatcher.close()
    assert await other.announce() == 1
    assert (process.platform.tried, other.platform.reached) == ([], ["ana"])
    await other.dispatcher.close()
    await other.database.close()


async def test_a_process_that_loses_its_credential_sends_no_more(process: Process) -> None:
    await process.flag(*FIVE)
    process.platform.on_attempt = lambda: process.dispatcher._credentials.give_up("telegram")
    await process.announce()
    assert len(process.platform.tried) == 1


async def test_a_running_process_waits_until_it_knows_what_it_holds(process: Process) -> None:
    await process.flag("ana")
    sent, tried = asyncio.Event(), asyncio.Event()
    process.platform.on_attempt = sent.set
    process.sender.due.set()
    running = asyncio.create_task(process.sender.run(tried))
    assert await process.waiting() == {"route of ana"}
    assert process.sender.due.is_set(), "it has not begun"
    async with process.dispatcher.keeping_credentials():
        tried.set()
        async with asyncio.timeout(LONGEST):
            await sent.wait()
    running.cancel()
    await asyncio.wait([running])
    assert process.platform.reached == ["ana"]
