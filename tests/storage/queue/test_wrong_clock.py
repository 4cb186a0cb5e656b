"""What a clock that was ahead has left is undone, and nothing else."""

from datetime import timedelta

from sqlalchemy import select

from storage.database import Database
from storage.queue import outbox, wrong_clock
from storage.queue.outbox import DeliveryKind, NewDelivery
from storage.queue.wrong_clock import LaterPrompt
from storage.schema import deliveries
from tests.cast import MONDAY_NINE as NOW

DAY = timedelta(days=1)


async def test_what_is_put_off_further_than_anything_may_be_is_due_now(database: Database) -> None:
    days = {"due": 0, "tried again in a week": 7, "of the next year": 364}
    async with database.write() as tx:
        for kind in (DeliveryKind.REPLY, DeliveryKind.NOTICE):
            for name, number in days.items():
                key = f"{kind} {name}"
                await outbox.add(tx, [NewDelivery(key, "telegram", key, kind, "[]", NOW + number * DAY)])
        await wrong_clock.release_far(tx, NOW)
        rows = await tx.execute(select(deliveries.c.key, deliveries.c.due_at))
        found = {row.key: (row.due_at - NOW).days for row in rows}
    expected = {"due": 0, "tried again in a week": 7, "of the next year": 0}
    assert found == {f"{kind} {name}": number for kind in ("reply", "notice") for name, number in expected.items()}


async def test_only_prompts_of_later_days_that_wait_are_withdrawn(database: Database) -> None:
    async with database.write() as tx:
        for key in ("waiting", "claimed"):
            await outbox.add(tx, [NewDelivery(key, "telegram", key, DeliveryKind.PROMPT, "[]", NOW + 364 * DAY)])
        await tx.execute(deliveries.update().where(deliveries.c.key == "claimed").values(state="claimed"))
        later = {key: LaterPrompt(1, 1, (NOW + 364 * DAY).date()) for key in ("waiting", "claimed", "sent long ago")}
        assert await wrong_clock.withdraw(tx, later) == 1
        assert (await tx.scalars(select(deliveries.c.key))).all() == ["claimed"]
