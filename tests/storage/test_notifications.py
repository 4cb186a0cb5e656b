"""LISTEN/NOTIFY on PostgreSQL: listeners are woken at each commit, and survive a lost connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from storage import notifications
from storage.database import Database
from storage.queue import outbox, updates
from tests.cast import MONDAY_NINE as NOW

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[dict[str, asyncio.Event]]:
    """A running listener that has had its first callbacks (for what was stored before); its events by table."""
    woken = {table: asyncio.Event() for table in ("deliveries", "updates")}
    task = asyncio.create_task(notifications.listen(database, {table: event.set for table, event in woken.items()}))
    for event in woken.values():
        await event.wait()
        event.clear()
    try:
        yield woken
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_listener_is_woken_at_each_commit_and_only_then(database: Database) -> None:
    async with listening(database) as woken:
        async with database.write() as tx:
            await outbox.add(tx, [outbox.NewDelivery("a", "telegram", "ana", outbox.DeliveryKind.REPLY, "[]", NOW)])
            assert not woken["deliveries"].is_set()
        await woken["deliveries"].wait()
        assert not woken["updates"].is_set()
        async with database.write() as tx:
            await updates.store(tx, [updates.NewUpdate("telegram", "1", "ana", b"")], NOW)
        await woken["updates"].wait()


async def test_a_connection_lost_while_adding_a_listener_does_not_end_the_listener(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "RETRY_SECONDS", 0.01)
    add_listener = asyncpg.Connection.add_listener
    faults = [asyncpg.ConnectionDoesNotExistError("gone"), asyncpg.AdminShutdownError("stopping"), OSError()]
    is_listening = asyncio.Event()

    async def failing(connection: asyncpg.Connection, channel: str, callback: Callable[..., None]) -> None:
        if faults:
            connection.terminate()
            raise faults.pop()
        await add_listener(connection, channel, callback)
        if channel == "integra_updates":
            is_listening.set()

    monkeypatch.setattr(asyncpg.Connection, "add_listener", failing)
    async with listening(database) as woken:
        await is_listening.wait()
        for event in woken.values():
            event.clear()
        async with database.write() as tx:
            await updates.store(tx, [updates.NewUpdate("telegram", "1", "ana", b"")], NOW)
        async with asyncio.timeout(5):
            await woken["updates"].wait()
