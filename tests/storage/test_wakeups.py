import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from storage import outbox, updates, wakeups
from storage.database import Database
from tests.cast import MONDAY_NINE as NOW

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[dict[str, asyncio.Event]]:
    """Somebody who listens, and has heard the first call (of what was there before)."""
    rung = {"deliveries": asyncio.Event(), "updates": asyncio.Event()}
    task = asyncio.create_task(wakeups.listen(database, {table: event.set for table, event in rung.items()}))
    for event in rung.values():
        await event.wait()
        event.clear()
    try:
        yield rung
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_whoever_listens_is_called_at_each_commit_and_only_then(database: Database) -> None:
    async with listening(database) as rung:
        async with database.write() as tx:
            await outbox.add(tx, [outbox.New("a", "telegram", "ana", outbox.Kind.REPLY, "[]", NOW)])
            assert not rung["deliveries"].is_set()
        await rung["deliveries"].wait()
        assert not rung["updates"].is_set()
        async with database.write() as tx:
            await updates.keep(tx, [updates.New("telegram", "1", "ana", b"")], NOW)
        await rung["updates"].wait()


async def test_only_one_may_do_what_one_alone_can_and_the_next_takes_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "RETRY", 0.01)
    order: list[str] = []
    first_is_in, first_may_go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with wakeups.alone(database, 77):
            order.append("first in")
            first_is_in.set()
            await first_may_go.wait()
            order.append("first out")

    async def second() -> None:
        await first_is_in.wait()
        first_may_go.set()
        async with wakeups.alone(database, 77):
            order.append("second in")

    await asyncio.gather(first(), second())
    assert order == ["first in", "first out", "second in"]
