"""What a platform does not take waits as long as it must, holds up no one else, and is not kept for ever."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from bot.channels.channel import (
    Blocked,
    ChannelError,
    NotReached,
    RecipientThrottled,
    Refused,
    Stopped,
    TemplateStopped,
    Throttled,
    UnknownRefusal,
    Unreachable,
)
from bot.delivery.rate_limiter import Limits
from content.library import Library
from handlers.capabilities import Capabilities
from handlers.casework import news
from handlers.context import WorkContext
from storage import schema
from storage.channels import channel_facts
from storage.confidential import routes
from storage.database import Database, DatabaseUnavailable
from tests.bot.delivery.news_process import ALL_ON, Process
from tests.cast import Clock

FIVE = ("ana", "beto", "caro", "dora", "eva")
TOMORROW = "tomorrow"
NEXT_TIME = "next time"
NEVER = "never"


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Blocked("blocked"), NEVER),
        (Refused("no such address"), NEVER),
        (NotReached("chat not found"), TOMORROW),
        (UnknownRefusal("code 7"), TOMORROW),
        (Unreachable("timeout", in_doubt=True), TOMORROW),
        (RecipientThrottled("not today", 24 * 3600.0), TOMORROW),
        (Unreachable("away", in_doubt=False), NEXT_TIME),
        (RecipientThrottled("too many", 4.0), NEXT_TIME),
        (TemplateStopped("paused", "novedades_consulta", "es"), NEXT_TIME),
        (Stopped("token revoked"), NEXT_TIME),
        (Throttled(30.0), NEXT_TIME),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
async def test_what_is_not_taken_waits_as_long_as_it_must(process: Process, error: ChannelError, again: str) -> None:
    await process.flag("ana")
    process.platform.refuse(["ana"], error)
    await process.announce()
    process.clock.move(minutes=15)
    async with process.database.write() as tx:
        await channel_facts.clear(tx, "telegram", channel_facts.STOPPED)
    assert await process.announce() == (again == NEXT_TIME)
    process.clock.move(days=1)
    assert await process.announce() == (again == TOMORROW)
    assert await process.waiting() == set()


async def test_a_defect_in_one_notice_does_not_stop_the_others(process: Process) -> None:
    await process.flag(*FIVE)
    process.platform.faults["caro"] = [KeyError("a defect")]
    assert await process.announce() == 4
    assert await process.waiting() == {"route of caro"}


@pytest.mark.parametrize("error", [Unreachable("away", in_doubt=False), UnknownRefusal("code 7")])
async def test_after_three_in_a_row_the_others_wait_for_the_next_time(process: Process, error: ChannelError) -> None:
    await process.flag(*FIVE)
    process.platform.refuse(FIVE, error)
    await process.announce()
    assert len(process.platform.tried) == 3
    assert len(await process.waiting()) == 5


async def test_people_who_are_gone_hold_up_no_one_else(process: Process) -> None:
    await process.flag(*FIVE)
    process.platform.refuse(FIVE[:4], NotReached("chat not found"))
    assert await process.announce() == 1
    assert process.platform.reached == ["eva"]


async def test_a_429_holds_the_whole_channel_and_is_recorded_for_the_next_process(
    database: Database, library: Library, clock: Clock
) -> None:
    process = Process(database, library, clock, limits=Limits(25))
    await process.flag(*FIVE)
    process.platform.refuse(FIVE, Throttled(30.0))
    await process.announce()
    await process.announce()
    assert len(process.platform.tried) == 1, "the pause is not over"
    process.clock.move(seconds=31)
    process.platform.faults.clear()
    assert await process.announce() == 5


async def test_a_stopped_channel_is_not_tried(process: Process) -> None:
    await process.flag(*FIVE)
    process.platform.refuse(FIVE, Stopped("token revoked"))
    await process.announce()
    await process.announce()
    assert len(process.platform.tried) == 1
    await process.dispatcher.resume("telegram")
    process.platform.faults.clear()
    assert await process.announce() == 5


@pytest.mark.parametrize("channel", ["off", "telegram"])
async def test_an_address_of_no_channel_or_of_another_key_is_not_kept_for_ever(
    process: Process, library: Library, channel: str
) -> None:
    await process.flag("ana", channel=channel)
    if channel == "telegram":
        async with process.database.write() as tx:
            await tx.execute(update(schema.routes).values(sealed_address="altered"))
    for _ in range(14):
        assert await process.waiting() == {"route of ana"}
        await process.announce()
        await process.announce()
        process.clock.move(days=1)
    assert await process.waiting() == set()
    assert process.platform.tried == []


async def test_a_channel_that_shows_news_on_its_page_sends_none_and_keeps_the_address_for_some_time(
    database: Database, library: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "DAYS_KEPT", 30)
    shown = replace(ALL_ON, channel_capabilities={"telegram": Capabilities(shows_news=True)})
    process = Process(database, library, clock, shown)
    await process.flag("ana")
    for _ in range(30):
        async with database.read() as tx:
            work = WorkContext(tx, library, shown, clock())
            assert len(await news.waiting_for(work, "telegram", "ana")) == 1
            assert await news.waiting_for(work, "telegram", "beto") == []
        await process.announce()
        await process.announce()
        clock.move(days=1)
    assert await process.waiting() == set()
    assert process.platform.tried == []


async def test_an_unavailable_database_ends_no_process(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    await process.flag("ana")
    pending, tried, sent = news.pending, asyncio.Event(), asyncio.Event()
    faults = [DatabaseUnavailable("gone")]

    async def fail_once(work: Any) -> Any:
        if faults:
            process.sender.due.set()
            raise faults.pop()
        return await pending(work)

    monkeypatch.setattr(news, "pending", fail_once)
    process.platform.on_attempt = sent.set
    process.sender.due.set()
    tried.set()
    async with process.dispatcher.keeping_credentials():
        running = asyncio.create_task(process.sender.run(tried))
        await sent.wait()
        running.cancel()
        await asyncio.wait([running])
    assert process.platform.reached == ["ana"]
