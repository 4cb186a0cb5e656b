"""Retention: old rows are deleted, at a cost that does not grow with the remaining rows."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select, update

from storage.database import Database
from storage.queue import outbox, retention
from storage.queue.outbox import DeliveryKind, DeliveryState, NewDelivery
from storage.schema import deliveries, handled_updates, updates
from tests import delivery_worker
from tests.cast import MONDAY_NINE as NOW

OLD, YOUNG = NOW - timedelta(days=9), NOW - timedelta(days=1)
BEFORE = NOW - timedelta(days=8)
PORTION = retention.BATCH_SIZE


async def fill(database: Database, old: int, young: int) -> None:
    """Add so many deliveries and updates that ended long ago, and after them so many recent ones."""
    moments = [OLD] * old + [YOUNG] * young
    common = {"channel": "telegram", "address": "1"}
    said = [
        common
        | {
            "key": f"k{number}",
            "kind": "reply",
            "priority": 0,
            "state": DeliveryState.SENT,
            "due_at": at,
            "ended_at": at,
        }
        for number, at in enumerate(moments)
    ]
    came = [common | {"key": f"{number}", "state": "aside", "received_at": at} for number, at in enumerate(moments)]
    async with database.write() as tx:
        await tx.execute(insert(deliveries), said)
        await tx.execute(insert(updates), came)


async def delete_old(database: Database) -> int:
    """Delete all old rows as the scheduler does; return the number of transactions."""
    count = 0
    for some in (retention.delete_ended_deliveries, retention.delete_updates_set_aside):
        last: int | None = 0
        while last is not None:
            async with database.write() as tx:
                last = await some(tx, BEFORE, last)
            count += 1
    return count


async def remaining(database: Database) -> tuple[int, int]:
    async with database.read() as tx:
        said = await tx.scalar(select(func.count()).select_from(deliveries))
        return said or 0, await tx.scalar(select(func.count()).select_from(updates)) or 0


@pytest.mark.parametrize("old", [0, 1, PORTION - 1, PORTION, PORTION + 1, 3 * PORTION])
async def test_old_rows_are_deleted_and_recent_ones_stay(database: Database, old: int) -> None:
    await fill(database, old, 2 * PORTION)
    took = await delete_old(database)
    assert await remaining(database) == (2 * PORTION, 2 * PORTION)
    assert took <= 2 * (old // PORTION + 2), "batches without old rows are not read"


async def test_waiting_rows_are_never_deleted_and_do_not_stop_the_deletion_behind_them(database: Database) -> None:
    await fill(database, 3 * PORTION, 1)
    async with database.write() as tx:  # a channel that has been stopped for nine days
        await tx.execute(
            update(deliveries).where(deliveries.c.id <= 2 * PORTION).values(state="waiting", ended_at=None)
        )
        await tx.execute(update(updates).where(updates.c.id <= 2 * PORTION).values(state="waiting"))
    await delete_old(database)
    assert await remaining(database) == (2 * PORTION + 1, 2 * PORTION + 1)


async def test_two_processes_delete_concurrently(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("one process")
    await fill(database, 2 * PORTION, 0)
    async with database.write() as first, database.engine.begin() as second:
        assert await retention.delete_ended_deliveries(first, BEFORE) == PORTION
        assert await retention.delete_ended_deliveries(second, BEFORE) == 2 * PORTION
    assert (await remaining(database))[0] == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_batch_reads_no_more_rows_than_it_may_delete(database: Database) -> None:
    await fill(database, 1, 4 * PORTION)
    seen: list[Any] = []

    def note(*arguments: Any) -> None:
        if arguments[2].lstrip().upper().startswith(("SELECT", "DELETE")):
            seen.append((arguments[2], arguments[3]))

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        await delete_old(database)
    finally:
        for engine in database.engines:
            event.remove(engine, "before_cursor_execute", note)
    async with database.read() as tx:
        steps: list[str] = []
        for text, values in seen:
            rows: Any = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
            steps += [row[3] for row in rows]
    assert steps
    assert all("INTEGER PRIMARY KEY" in step for step in steps), steps


async def test_sent_replies_are_deleted_soon_and_what_failed_or_shows_a_prompt_stays(database: Database) -> None:
    kinds = {"reply": DeliveryKind.REPLY, "signal": DeliveryKind.SIGNAL, "prompt": DeliveryKind.PROMPT}
    async with database.write() as tx:
        for state in (DeliveryState.SENT, DeliveryState.REFUSED):
            wanted = [NewDelivery(f"{key} {state}", "telegram", key, kind, "[]", NOW) for key, kind in kinds.items()]
            shows = NewDelivery(f"shows {state}", "telegram", "shows", DeliveryKind.REPLY, "[]", NOW, prompt_id=1)
            await outbox.add(tx, [*wanted, shows])
            for claimed in await delivery_worker.claim(tx, "w", ["telegram"], NOW, 9):
                await delivery_worker.finish(tx, claimed.id, state, NOW)
        await outbox.add(tx, [NewDelivery("waits", "telegram", "ana", DeliveryKind.REPLY, "[]", NOW)])
    async with database.write() as tx:
        assert not await retention.delete_sent_replies(tx)
        left = set(await tx.scalars(select(deliveries.c.key)))
    refused = {f"{key} refused" for key in (*kinds, "shows")}
    assert left == refused | {"prompt sent", "shows sent", "waits"}


async def test_sent_replies_are_deleted_in_batches(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_SIZE", 2)
    async with database.write() as tx:
        keys = [str(number) for number in range(5)]
        await outbox.add(tx, [NewDelivery(key, "telegram", key, DeliveryKind.REPLY, "[]", NOW) for key in keys])
        for claimed in await delivery_worker.claim(tx, "w", ["telegram"], NOW, 9):
            await delivery_worker.finish(tx, claimed.id, DeliveryState.SENT, NOW)
        assert [await retention.delete_sent_replies(tx) for _ in range(3)] == [True, True, False]


async def test_keys_of_handled_updates_are_deleted_after_eight_days(database: Database) -> None:
    days = [OLD.date()] * (PORTION + 1) + [BEFORE.date(), YOUNG.date()]
    async with database.write() as tx:
        rows = [{"key": f"k{number}", "day": day} for number, day in enumerate(days)]
        await tx.execute(insert(handled_updates), rows)
    are_left = [True]
    while are_left[-1]:
        async with database.write() as tx:
            are_left.append(await retention.delete_keys_of_updates(tx, BEFORE))
    assert are_left == [True, True, False], "in batches"
    async with database.read() as tx:
        left = set(await tx.scalars(select(handled_updates.c.day)))
    assert left == {BEFORE.date(), YOUNG.date()}, "no platform repeats for longer than seven days"
