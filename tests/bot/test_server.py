from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from bot import server
from bot.appkeys import CLOCK, DATABASE
from storage import outbox, updates
from storage.database import Database, open_database
from storage.outbox import Kind, New
from tests.cast import MONDAY_NINE as NOW
from tests.cast import Clock
from tests.product import Product

TOKEN = "token-of-metrics"
AWAY = "postgresql+asyncpg://user@/x?host=/nowhere/at/all"


class Site:
    """The server's frame alone."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self.stopped: set[str] = set()
        self.app = server.new()
        self.app[DATABASE] = database
        self.app[CLOCK] = clock
        self.app[server.STOPPED] = self.told_stopped
        self.app[server.METRICS_TOKEN] = TOKEN
        self.client = TestClient(TestServer(self.app))

    def told_stopped(self) -> frozenset[str]:
        return frozenset(self.stopped)

    async def ready(self) -> tuple[int, dict[str, object]]:
        async with self.client.get("/health/ready") as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def site(database: Database, clock: Clock) -> AsyncIterator[Site]:
    made = Site(database, clock)
    async with made.client:
        yield made


@pytest.fixture
async def away(clock: Clock) -> AsyncIterator[Site]:
    database = open_database(AWAY)
    made = Site(database, clock)
    async with made.client:
        yield made
    await database.close()


async def put(database: Database, *wanted: New) -> None:
    async with database.write() as tx:
        await outbox.add(tx, wanted)


def new(key: str, late: float = 0) -> New:
    return New(key, "telegram", key, Kind.REPLY, "[]", NOW - timedelta(seconds=late))


async def test_a_process_that_answers_is_live_even_without_its_database(away: Site) -> None:
    async with away.client.get("/health/live") as answer:
        assert answer.status == 200


async def test_it_is_ready_when_the_database_answers_and_nothing_is_late(site: Site, database: Database) -> None:
    await put(database, new("fresh", 60), new("later", -3600))
    async with database.write() as tx:
        await updates.keep(tx, "telegram", "1", "ana", b"", NOW)
    status, told = await site.ready()
    assert status == 200
    assert told == {"ready": True, "reason": "", "stopped": [], "outbox_age": 60.0, "inbox": 1}


async def test_it_is_not_ready_without_its_database(away: Site) -> None:
    assert await away.ready() == (503, {"ready": False, "reason": "database"})


async def test_it_is_not_ready_while_what_is_due_does_not_leave(site: Site, database: Database, clock: Clock) -> None:
    await put(database, new("stuck", server.LATE))
    assert (await site.ready())[0] == 200
    clock.move(seconds=1)
    status, told = await site.ready()
    assert (status, told["reason"]) == (503, "outbox")


async def test_it_is_not_ready_with_a_stopped_channel(site: Site) -> None:
    site.stopped.add("telegram")
    status, told = await site.ready()
    assert (status, told["reason"], told["stopped"]) == (503, "channel", ["telegram"])


async def test_a_page_that_needs_an_absent_database_asks_to_be_repeated(away: Site) -> None:
    async with away.client.get("/metrics") as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "5"
        assert "away" in await answer.text()


# ---------------------------------------------------------------- metrics


def gauges(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_metrics_count_what_is_in_the_database(site: Site, database: Database) -> None:
    await put(database, new("a", 30), new("b", 10), new("c", -60))
    async with database.write() as tx:
        (claimed,) = await outbox.claim(tx, "w", ["telegram"], NOW, 1)
        await outbox.end(tx, claimed.id, outbox.State.SENT, NOW)
        await updates.keep(tx, "telegram", "1", "ana", b"", NOW)
    site.stopped.add("webchat")
    async with site.client.get("/metrics") as answer:
        assert answer.content_type == "text/plain"
        text = await answer.text()
    assert gauges(text) == {
        'integra_deliveries{channel="telegram",state="sent"}': 1,
        'integra_deliveries{channel="telegram",state="waiting"}': 2,
        "integra_outbox_age_seconds": 10,
        "integra_inbox_waiting": 1,
        'integra_channel_stopped{channel="webchat"}': 1,
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"X-Forwarded-For": "203.0.113.7"}, 403),
        ({"X-Forwarded-For": "127.0.0.1"}, 403),
        ({"X-Forwarded-For": ""}, 403),
        ({"X-Forwarded-For": "203.0.113.7", "Authorization": f"Bearer {TOKEN}"}, 200),
        ({"X-Forwarded-For": "203.0.113.7", "Authorization": "Bearer wrong"}, 403),
        ({"X-Forwarded-For": "203.0.113.7", "Authorization": "Bearer ñ"}, 403),
        ({"X-Forwarded-For": "203.0.113.7", "Authorization": ""}, 403),
    ],
)
async def test_metrics_are_for_loopback_or_for_who_has_the_token(
    site: Site, headers: dict[str, str], status: int
) -> None:
    async with site.client.get("/metrics", headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("remote", "may"), [("127.0.0.1", True), ("::1", True), ("10.0.0.7", False), ("203.0.113.7", False), ("", False)]
)
async def test_metrics_are_not_for_other_machines(site: Site, remote: str, may: bool) -> None:
    request = make_mocked_request("GET", "/metrics", app=site.app).clone(remote=remote)
    assert server._may_measure(request) is may


async def test_the_numbers_are_right_after_real_deliveries(product: Product) -> None:
    async with product.webchat() as ana:
        await ana.start("LEON")
        await ana.tap("Acepto")
        async with ClientSession() as session, session.get(f"{product.address}/metrics") as answer:
            told = gauges(await answer.text())
        async with ClientSession() as session, session.get(f"{product.address}/health/ready") as answer:
            assert answer.status == 200
        said = len(ana.messages())
    sent = told['integra_deliveries{channel="webchat",state="sent"}']
    assert sent >= said > 0
    assert not any("waiting" in name and value for name, value in told.items())
    assert "LEON" not in str(told)
