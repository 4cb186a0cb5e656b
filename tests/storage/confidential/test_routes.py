"""One-time links, and addresses that are notified of news, on both databases."""

from datetime import date, timedelta

import pytest

from storage.confidential import routes
from storage.confidential.routes import Route
from storage.database import Database
from tests.fakes.letterbox import NOW

HOUR = NOW.replace(minute=0)
DAY, LATER = date(2026, 11, 23), date(2027, 5, 22)
ANA, BETO = Route("row of ana", "sealed ana"), Route("row of beto", "sealed beto")


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


async def test_news_of_one_address_are_claimed_once(database: Database) -> None:
    async with database.write() as tx:
        for route in (ANA, BETO):
            await routes.add_route(tx, route, LATER)
        assert await routes.claim_news(tx) == []
        for _ in range(2):
            await routes.flag_news(tx, ANA.row)
        await routes.flag_news(tx, "row of another installation")
        assert await routes.claim_news(tx) == [ANA]
        assert await routes.claim_news(tx) == []


async def test_a_redeemed_link_leaves_the_address(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_link(tx, "row", HOUR + timedelta(hours=1))
        await routes.add_route(tx, ANA, LATER)
        assert await routes.redeem_link(tx, "row", HOUR)
        await routes.flag_news(tx, ANA.row)
        assert await routes.claim_news(tx) == [ANA]


async def test_an_address_is_kept_through_its_last_day(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_route(tx, ANA, DAY)
        await routes.delete_expired(tx, HOUR, DAY)
        await routes.flag_news(tx, ANA.row)
        assert await routes.claim_news(tx) == [ANA]
        await routes.delete_expired(tx, HOUR, DAY + timedelta(days=1))
        await routes.flag_news(tx, ANA.row)
        assert await routes.claim_news(tx) == []


async def test_an_expired_address_with_news_waits_until_they_are_claimed(database: Database) -> None:
    async with database.write() as tx:
        await routes.add_route(tx, ANA, DAY)
        await routes.flag_news(tx, ANA.row)
        await routes.delete_expired(tx, HOUR, DAY + timedelta(days=1))
        assert await routes.claim_news(tx) == [ANA]
        await routes.delete_expired(tx, HOUR, DAY + timedelta(days=1))
        await routes.flag_news(tx, ANA.row)
        assert await routes.claim_news(tx) == []


async def test_an_address_ends_at_once_or_after_its_last_notice(database: Database) -> None:
    async with database.write() as tx:
        for route in (ANA, BETO):
            await routes.add_route(tx, route, LATER)
        await routes.flag_news(tx, ANA.row)
        for route in (ANA, BETO):
            await routes.end_route(tx, route.row)
        assert await routes.claim_news(tx) == [ANA]
        await routes.delete_expired(tx, HOUR, DAY)
        for route in (ANA, BETO):
            await routes.flag_news(tx, route.row)
        assert await routes.claim_news(tx) == []
