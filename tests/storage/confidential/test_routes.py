"""One-time links, and addresses that are notified of news, on both databases."""

from datetime import date, timedelta

import pytest
from sqlalchemy import update

from storage import schema
from storage.confidential import routes
from storage.confidential.routes import Route
from storage.database import Database, Transaction
from tests.fakes.letterbox import NOW

HOUR = NOW.replace(minute=0)
DAY, LATER = date(2026, 11, 23), date(2027, 5, 22)
ANA, BETO = Route("row of ana", "sealed ana"), Route("row of beto", "sealed beto")


async def announced(tx: Transaction) -> list[Route]:
    """The addresses whose news are announced now."""
    pending = await routes.pending_news(tx, DAY)
    await routes.clear_news(tx, pending)
    return [news.route for news in pending]


async def test_a_link_is_redeemed_once_and_before_it_expires(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_link(tx, "row", HOUR)
        assert not await routes.redeem_link(tx, "row", HOUR)
        assert not await routes.redeem_link(tx, "other", HOUR - timedelta(seconds=1))
        assert await routes.redeem_link(tx, "row", HOUR - timedelta(seconds=1))
        assert not await routes.redeem_link(tx, "row", HOUR - timedelta(seconds=1))


async def test_the_expiry_of_a_link_must_be_a_full_hour(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(ValueError, match="hour"):
            await routes.add_link(tx, "row", NOW)


async def test_expired_links_are_deleted(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_link(tx, "old", HOUR)
        await routes.add_link(tx, "new", HOUR + timedelta(hours=1))
        await routes.delete_expired(tx, HOUR, DAY)
        assert await routes.redeem_link(tx, "new", HOUR)
        assert not await routes.redeem_link(tx, "old", HOUR - timedelta(hours=1))


async def test_news_of_one_address_are_announced_once(database: Database) -> None:
    async with database.write() as tx:
        for route in (ANA, BETO):
            await routes.add_route(tx, route, LATER)
        assert await announced(tx) == []
        for _ in range(2):
            await routes.flag_news(tx, ANA.row)
        await routes.flag_news(tx, "row of another installation")
        assert await announced(tx) == [ANA]
        assert await announced(tx) == []


async def test_a_redeemed_link_leaves_the_address(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_link(tx, "row", HOUR + timedelta(hours=1))
        await routes.add_route(tx, ANA, LATER)
        assert await routes.redeem_link(tx, "row", HOUR)
        await routes.flag_news(tx, ANA.row)
        assert await announced(tx) == [ANA]


async def test_an_address_is_kept_through_its_last_day(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_route(tx, ANA, DAY)
        await routes.delete_expired(tx, HOUR, DAY)
        await routes.flag_news(tx, ANA.row)
        assert await announced(tx) == [ANA]
        await routes.delete_expired(tx, HOUR, DAY + timedelta(days=1))
        await routes.flag_news(tx, ANA.row)
        assert await announced(tx) == []


async def test_an_expired_address_with_news_waits_until_they_are_announced(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_route(tx, ANA, DAY)
        await routes.flag_news(tx, ANA.row)
        await routes.delete_expired(tx, HOUR, DAY + timedelta(days=1))
        assert await announced(tx) == [ANA]
        await routes.delete_expired(tx, HOUR, DAY + timedelta(days=1))
        await routes.flag_news(tx, ANA.row)
        assert await announced(tx) == []


async def test_an_address_ends_at_once_or_after_its_last_notice(database: Database) -> None:
    async with database.write() as tx:
        for route in (ANA, BETO):
            await routes.add_route(tx, route, LATER)
        await routes.flag_news(tx, ANA.row)
        for route in (ANA, BETO):
            await routes.end_route(tx, route.row)
        assert await announced(tx) == [ANA]
        await routes.delete_expired(tx, HOUR, DAY)
        for route in (ANA, BETO):
            await routes.flag_news(tx, route.row)
        assert await announced(tx) == []


async def test_news_that_come_while_a_notice_is_on_its_way_are_announced_by_another(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_route(tx, ANA, LATER)
        await routes.flag_news(tx, ANA.row)
        sending = await routes.pending_news(tx, DAY)
        await routes.flag_news(tx, ANA.row)
        await routes.clear_news(tx, sending)
        assert await announced(tx) == [ANA]
        assert await announced(tx) == []


async def test_the_count_of_news_begins_again_and_never_at_none(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_route(tx, ANA, LATER)
        await tx.execute(update(schema.routes).values(news=29_999))
        counts = []
        for _ in range(3):
            await routes.flag_news(tx, ANA.row)
            counts += [news.count for news in await routes.pending_news(tx, DAY)]
        assert counts == [30_000, 1, 2]


async def test_an_address_is_tried_in_vain_once_a_day_and_given_up_after_fourteen(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_route(tx, ANA, LATER)
        await routes.flag_news(tx, ANA.row)
        day, tries = DAY, 0
        while news := await routes.pending_news(tx, day):
            await routes.record_failure(tx, news, day)
            assert await routes.pending_news(tx, day) == []
            day, tries = day + timedelta(days=1), tries + 1
        assert tries == 14
        await routes.flag_news(tx, ANA.row)
        assert await announced(tx) == [ANA], "a further letter is announced again"


async def test_a_notice_that_arrives_ends_the_count_of_failures(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_route(tx, ANA, LATER)
        await routes.flag_news(tx, ANA.row)
        await routes.record_failure(tx, await routes.pending_news(tx, DAY), DAY)
        (news,) = await routes.pending_news(tx, DAY + timedelta(days=1))
        assert news.failures == 1
        await routes.clear_news(tx, [news])
        await routes.flag_news(tx, ANA.row)
        (news,) = await routes.pending_news(tx, DAY)
        assert news.failures == 0


async def test_a_day_that_a_wrong_clock_stored_keeps_no_address_from_being_tried(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_route(tx, ANA, LATER)
        await routes.flag_news(tx, ANA.row)
        await routes.record_failure(tx, await routes.pending_news(tx, DAY), DAY + timedelta(days=400))
        assert await announced(tx) == [ANA]
