"""How many links a chat was given on a day, on both databases."""

from datetime import date, timedelta

from sqlalchemy import select

from storage import schema
from storage.confidential import link_counts
from storage.database import Database

DAY = date(2026, 11, 23)


async def test_as_many_as_the_limit_and_each_name_for_itself(database: Database) -> None:
    async with database.write() as tx:
        assert [await link_counts.try_take(tx, "ana", DAY, 2) for _ in range(4)] == [True, True, False, False]
        assert await link_counts.try_take(tx, "beto", DAY, 2)


async def test_counts_are_deleted_once_their_day_is_over(database: Database) -> None:
    async with database.write() as tx:
        for days in range(3):
            await link_counts.try_take(tx, f"row {days}", DAY + timedelta(days=days), 2)
        await link_counts.delete_before(tx, DAY + timedelta(days=1))
        assert sorted(await tx.scalars(select(schema.link_counts.c.row))) == ["row 1", "row 2"]


def test_a_name_depends_on_all_that_it_is_of() -> None:
    names = {
        link_counts.row_of(key, channel, address, day)
        for key in (b"k" * 32, b"x" * 32)
        for channel, address in (("telegram", "7001"), ("telegram", "7002"), ("whatsapp", "7001"))
        for day in (DAY, DAY + timedelta(days=1))
    }
    assert len(names) == 12
