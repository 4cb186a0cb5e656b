import math
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from bot.channels.whatsapp.channel import capabilities
from bot.web import server
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY
from content.library import Library
from handlers.context import Installation
from storage import permissions
from storage.channels import channel_facts
from storage.database import Database, open_database
from storage.people import addresses, servants
from storage.queue import outbox, updates
from storage.queue.outbox import DeliveryKind, NewDelivery
from tests import delivery_worker
from tests.cast import MONDAY_NINE as NOW
from tests.cast import Clock
from tests.product import Product

TOKEN = "token-of-metrics"
AWAY = "postgresql+asyncpg://user@/x?host=/nowhere/at/all"
ZONE = ZoneInfo("America/Mexico_City")
HOUSE_WITH_WINDOW = Installation(
    ZONE, "http://127.0.0.1:8080", b"k" * 32, channel_capabilities={"whatsapp": capabilities("tap")}
)
HOUSE_WITHOUT = Installation(ZONE, "http://127.0.0.1:8080", b"k" * 32)


class Site:
    """The server's frame alone, of a house with WhatsApp or without."""

    def __init__(
        self,
        database: Database,
        library: Library,
        clock: Callable[[], datetime],
        installation: Installation = HOUSE_WITH_WINDOW,
    ) -> None:
        self.app = server.new()
        self.app[LIBRARY] = library
        self.app[INSTALLATION] = installation
        self.app[DATABASE] = database
        self.app[CLOCK] = clock
        self.app[server.METRICS_TOKEN] = TOKEN
        self.app[server.PACED_BY_DATABASE] = False
        self.client = TestClient(TestServer(self.app))

    async def ready(self) -> tuple[int, dict[str, object]]:
        async with self.client.get("/health/ready") as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def site(database: Database, library: Library, clock: Clock) -> AsyncIterator[Site]:
    made = Site(database, library, clock)
    async with made.client:
        yield made


@pytest.fixture
async def away(library: Library, clock: Clock) -> AsyncIterator[Site]:
    database = open_database(AWAY)
    made = Site(database, library, clock)
    async with made.client:
        yield made
    await database.close()


async def stop(site: Site, channel: str) -> None:
    async with site.app[DATABASE].write() as tx:
        await channel_facts.note(tx, channel, channel_facts.STOPPED, "code 190", NOW)


async def hold(database: Database) -> None:
    """WhatsApp: somebody asked within 24 hours, somebody before, somebody waiting; a template of ours is paused."""
    async with database.write() as tx:
        await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
        place = await servants.institution_by_code(tx, "LEON")
        assert place is not None
        for address in ("asked", "before", "waiting"):
            await servants.enrol(
                tx,
                "whatsapp",
                address,
                institution_id=place.id,
                language="es",
                hour=9,
                notice_version="1",
                now=NOW,
                today=NOW.date(),
            )
        await addresses.record_template_sent(tx, "whatsapp", "asked", NOW - timedelta(hours=23))
        await addresses.record_template_sent(tx, "whatsapp", "before", NOW - timedelta(hours=25))
        await addresses.put_off(tx, "whatsapp", "waiting", NOW.date())
        for name, code, status in (
            ("pregunta_diaria", "es_MX", "PAUSED"),
            ("pregunta_diaria", "en_US", "APPROVED"),
            ("hello_world", "en_US", "PAUSED"),
        ):
            await channel_facts.note_template(tx, "whatsapp", name, code, NOW, status=status)


async def put(database: Database, *wanted: NewDelivery) -> None:
    async with database.write() as tx:
        await outbox.add(tx, wanted)


def new(key: str, late: float = 0) -> NewDelivery:
    return NewDelivery(key, "telegram", key, DeliveryKind.REPLY, "[]", NOW - timedelta(seconds=late))


async def test_a_process_that_answers_is_live_even_without_its_database(away: Site) -> None:
    async with away.client.get("/health/live") as answer:
        assert answer.status == 200


async def test_it_is_ready_when_the_database_answers_and_nothing_is_late(site: Site, database: Database) -> None:
    await put(database, new("fresh", 60), new("later", -3600))
    async with database.write() as tx:
        await updates.keep(tx, [updates.NewUpdate("telegram", "1", "ana", b"")], NOW)
    status, told = await site.ready()
    assert status == 200
    assert told == {
        "ready": True,
        "reason": "",
        "stopped": [],
        "deaf": [],
        "outbox_age": 60.0,
        "put_off": 1,
        "inbox": 1,
        "inbox_age": 0.0,
        "templates": [],
        "waiting_people": 0,
    }


async def test_it_is_not_ready_without_its_database(away: Site) -> None:
    assert await away.ready() == (503, {"ready": False, "reason": "database"})


async def test_it_is_not_ready_while_what_is_due_does_not_leave(site: Site, database: Database, clock: Clock) -> None:
    await put(database, new("stuck", server.LATE))
    assert (await site.ready())[0] == 200
    clock.move(seconds=1)
    status, told = await site.ready()
    assert (status, told["reason"]) == (503, "outbox")


async def test_it_is_not_ready_with_a_stopped_channel(site: Site) -> None:
    await stop(site, "telegram")
    status, told = await site.ready()
    assert (status, told["reason"], told["stopped"]) == (503, "channel", ["telegram"])


async def test_it_stays_ready_while_templates_are_stopped_and_people_wait_and_says_so(
    site: Site, database: Database
) -> None:
    await hold(database)
    status, told = await site.ready()
    assert (status, told["ready"]) == (200, True)
    assert (told["templates"], told["waiting_people"]) == (["pregunta_diaria es_MX"], 1)


async def test_a_page_that_needs_an_absent_database_asks_to_be_repeated(away: Site) -> None:
    async with away.client.get("/metrics") as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "5"
        assert "away" in await answer.text()


# ---------------------------------------------------------------- metrics


def gauges(text: str) -> dict[str, float]:
    """What stands there, as Prometheus' own reader understands it: every metric with its type and help."""
    read = {}
    for family in text_string_to_metric_families(text):
        assert family.type in ("gauge", "counter"), family
        assert family.documentation.endswith(".")
        assert family.name.startswith("integra_")
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            read[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return read


async def test_metrics_count_what_is_in_the_database(site: Site, database: Database) -> None:
    await put(database, new("a", 30), new("b", 10), new("c", -60))
    async with database.write() as tx:
        (claimed,) = await delivery_worker.claim(tx, "w", ["telegram"], NOW, 1)
        await delivery_worker.finish(tx, claimed.id, outbox.DeliveryState.SENT, NOW)
        await updates.keep(tx, [updates.NewUpdate("telegram", "1", "ana", b"")], NOW)
    await stop(site, "webchat")
    async with site.client.get("/metrics") as answer:
        assert answer.content_type == "text/plain"
        text = await answer.text()
    pace = {"ahead_seconds": 0, "held_seconds": 0, "slower": 1}
    assert gauges(text) == {
        **{f'integra_pace_{name}{{channel="telegram"}}': value for name, value in pace.items()},
        'integra_refusals{channel="telegram"}': 0,
        'integra_refusals_total{channel="telegram"}': 0,
        'integra_outbox_put_off{channel="telegram"}': 1,
        'integra_deliveries{channel="telegram",state="sent"}': 1,
        'integra_deliveries{channel="telegram",state="waiting"}': 2,
        "integra_outbox_age_seconds": 10,
        "integra_inbox_waiting": 1,
        "integra_inbox_age_seconds": 0,
        "integra_leases_expired": 0,
        'integra_channel_stopped{channel="webchat"}': 1,
        'integra_people_waiting{channel="whatsapp"}': 0,
        'integra_people_limit{channel="whatsapp"}': 250,
        'integra_people_used{channel="whatsapp"}': 0,
    }


@pytest.mark.parametrize(("limit", "shown"), [("2000", 2000), ("-1", math.inf)])
async def test_metrics_tell_limits_people_and_templates(
    site: Site, database: Database, limit: str, shown: float
) -> None:
    await hold(database)
    async with database.write() as tx:
        await channel_facts.note(tx, "whatsapp", channel_facts.PEOPLE, limit, NOW)
    async with site.client.get("/metrics") as answer:
        assert gauges(await answer.text()) == {
            "integra_outbox_age_seconds": 0,
            "integra_inbox_waiting": 0,
            "integra_inbox_age_seconds": 0,
            "integra_leases_expired": 0,
            'integra_people_waiting{channel="whatsapp"}': 1,
            'integra_people_limit{channel="whatsapp"}': shown,
            'integra_people_used{channel="whatsapp"}': 1,
            'integra_template_stopped{channel="whatsapp",name="pregunta_diaria",code="es_MX"}': 1,
        }


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_server_that_only_reads_is_not_ready(
    database: Database, database_url: str, library: Library, clock: Clock
) -> None:
    reading = open_database(database_url)

    @event.listens_for(reading.engine.sync_engine, "connect")
    def _only_read(connection: Any, _: Any) -> None:
        connection.cursor().execute("SET default_transaction_read_only = on")
        connection.commit()

    site = Site(reading, library, clock)
    async with site.client:
        status, told = await site.ready()
    await reading.close()
    assert (status, told["reason"]) == (503, "database")
    async with database.read() as tx:
        assert not await permissions.only_reads(tx)


async def test_updates_that_nobody_handles_make_us_unready(site: Site, database: Database, clock: Clock) -> None:
    async with database.write() as tx:
        await updates.keep(tx, [updates.NewUpdate("telegram", "1", "ana", b"")], NOW - timedelta(seconds=299))
    assert (await site.ready())[0] == 200
    async with database.write() as tx:
        await updates.keep(tx, [updates.NewUpdate("telegram", "0", "beto", b"")], NOW - timedelta(seconds=301))
    async with database.write() as tx:
        await updates.finish(tx, 1)
    status, told = await site.ready()
    assert (status, told["reason"], told["inbox_age"]) == (503, "inbox", 301.0)


async def test_a_name_with_strange_signs_is_read_as_it_is(site: Site, database: Database) -> None:
    name = 'a "b" \\ c\nd'
    async with database.write() as tx:
        await channel_facts.note(tx, name[:10], channel_facts.DEAF, "bad webhook", NOW)
    async with site.client.get("/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {one.name: one for one in text_string_to_metric_families(await answer.text())}
    (sample,) = families["integra_channel_deaf"].samples
    assert sample.labels == {"channel": name[:10]}


async def test_what_a_platform_does_not_take_shows_while_it_is_tried_again(site: Site, database: Database) -> None:
    await put(database, new("a"), new("b"))
    async with database.write() as tx:
        for one in await delivery_worker.claim(tx, "w", ["telegram"], NOW, 2):
            await delivery_worker.postpone(tx, one.id, NOW + timedelta(minutes=5), "status 502")
    assert (await site.ready())[1]["put_off"] == 2
    async with site.client.get("/metrics") as answer:
        read = gauges(await answer.text())
    assert read['integra_outbox_put_off{channel="telegram"}'] == 2
    assert read["integra_outbox_age_seconds"] == 0


async def test_a_house_without_whatsapp_tells_nothing_of_it(database: Database, library: Library, clock: Clock) -> None:
    await hold(database)
    made = Site(database, library, clock, HOUSE_WITHOUT)
    async with made.client:
        assert (await made.ready())[1]["waiting_people"] == 0
        async with made.client.get("/metrics") as answer:
            assert "whatsapp" not in await answer.text()


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
