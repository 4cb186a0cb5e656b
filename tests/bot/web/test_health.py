"""`/health/live` and `/health/ready`: when a process is ready, and what it reports."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from bot.web import health
from content.library import Library
from storage import permissions
from storage.database import Database, open_database
from storage.queue import updates
from tests.bot.web.http_site import Site, add_deliveries, reply, restrict_whatsapp, stop_channel
from tests.cast import MONDAY_NINE as NOW
from tests.cast import Clock


async def test_a_process_that_answers_is_live_even_without_its_database(without_database: Site) -> None:
    async with without_database.client.get("/health/live") as answer:
        assert answer.status == 200


async def test_it_is_ready_when_the_database_answers_and_nothing_is_late(site: Site, database: Database) -> None:
    await add_deliveries(database, reply("fresh", 60), reply("later", -3600))
    async with database.write() as tx:
        await updates.store(tx, [updates.NewUpdate("telegram", "1", "ana", b"")], NOW)
    status, body = await site.ready()
    assert status == 200
    assert body == {
        "ready": True,
        "reason": "",
        "stopped": [],
        "not_receiving": [],
        "degraded": [],
        "outbox_age": 60.0,
        "delayed": 1,
        "inbox": 1,
        "inbox_age": 0.0,
        "templates": [],
        "deferred_recipients": 0,
    }


async def test_it_is_not_ready_without_its_database(without_database: Site) -> None:
    assert await without_database.ready() == (503, {"ready": False, "reason": "database"})


async def test_it_is_not_ready_while_due_deliveries_are_not_sent(site: Site, database: Database, clock: Clock) -> None:
    await add_deliveries(database, reply("stuck", health.MAX_AGE))
    assert (await site.ready())[0] == 200
    clock.move(seconds=1)
    status, body = await site.ready()
    assert (status, body["reason"]) == (503, "outbox")


async def test_what_waits_on_a_channel_that_was_turned_off_does_not_make_it_unready(
    site: Site, database: Database
) -> None:
    await add_deliveries(database, replace(reply("old", 2 * health.MAX_AGE), channel="webchat"))
    status, body = await site.ready()
    assert (status, body["outbox_age"]) == (200, 0.0)


async def test_it_is_not_ready_with_a_stopped_channel(site: Site) -> None:
    await stop_channel(site, "telegram")
    status, body = await site.ready()
    assert (status, body["reason"], body["stopped"]) == (503, "channel", ["telegram"])


async def test_it_stays_ready_and_reports_stopped_templates_and_waiting_recipients(
    site: Site, database: Database
) -> None:
    await restrict_whatsapp(database)
    status, body = await site.ready()
    assert (status, body["ready"]) == (200, True)
    assert (body["templates"], body["deferred_recipients"]) == (["pregunta_diaria es_MX"], 1)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_read_only_database_is_not_ready(
    database: Database, database_url: str, library: Library, clock: Clock
) -> None:
    read_only = open_database(database_url)

    @event.listens_for(read_only.engine.sync_engine, "connect")
    def _make_read_only(connection: Any, _: Any) -> None:
        connection.cursor().execute("SET default_transaction_read_only = on")
        connection.commit()

    site = Site(read_only, library, clock)
    async with site.client:
        status, body = await site.ready()
    await read_only.close()
    assert (status, body["reason"]) == (503, "database")
    async with database.read() as tx:
        assert not await permissions.is_read_only(tx)


async def test_updates_that_are_not_handled_make_the_process_unready(
    site: Site, database: Database, clock: Clock
) -> None:
    async with database.write() as tx:
        await updates.store(tx, [updates.NewUpdate("telegram", "1", "ana", b"")], NOW - timedelta(seconds=299))
    assert (await site.ready())[0] == 200
    async with database.write() as tx:
        await updates.store(tx, [updates.NewUpdate("telegram", "0", "beto", b"")], NOW - timedelta(seconds=301))
    async with database.write() as tx:
        await updates.finish(tx, NOW, 1)
    status, body = await site.ready()
    assert (status, body["reason"], body["inbox_age"]) == (503, "inbox", 301.0)
