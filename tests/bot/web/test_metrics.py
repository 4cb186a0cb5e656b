"""`/metrics`: values, labels and access, read with Prometheus' own parser."""

import math
import re
from datetime import timedelta

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import make_mocked_request
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from bot.web import metrics
from content.library import Library
from storage.channels import channel_facts
from storage.database import Database
from storage.queue import outbox, updates
from tests import delivery_worker
from tests.bot.web.http_site import (
    TOKEN,
    WITHOUT_WHATSAPP,
    Site,
    add_deliveries,
    reply,
    restrict_whatsapp,
    stop_channel,
)
from tests.cast import MONDAY_NINE as NOW
from tests.cast import Clock
from tests.imports import ROOT
from tests.product import Product


def samples(text: str) -> dict[str, float]:
    """The samples of a /metrics page by name and labels, read by Prometheus' own parser; types and help are checked."""
    values = {}
    for family in text_string_to_metric_families(text):
        assert family.type in ("gauge", "counter"), family
        assert family.documentation.endswith(".")
        assert family.name.startswith("integra_")
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            values[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return values


async def test_metrics_count_what_is_in_the_database(site: Site, database: Database) -> None:
    await add_deliveries(database, reply("a", 30), reply("b", 10), reply("c", -60))
    async with database.write() as tx:
        (claimed,) = await delivery_worker.claim(tx, "w", ["telegram"], NOW, 1)
        await delivery_worker.finish(tx, claimed.id, outbox.DeliveryState.SENT, NOW)
        await updates.store(tx, [updates.NewUpdate("telegram", "1", "ana", b"")], NOW)
    await stop_channel(site, "webchat")
    async with site.client.get("/metrics") as answer:
        assert answer.content_type == "text/plain"
        text = await answer.text()
    limit = {"held_seconds": 0, "backoff_factor": 1}
    assert samples(text) == {
        **{f'integra_rate_limit_{name}{{channel="telegram"}}': value for name, value in limit.items()},
        'integra_refusals_total{channel="telegram"}': 0,
        'integra_outbox_delayed{channel="telegram"}': 1,
        'integra_deliveries{channel="telegram",state="sent"}': 1,
        'integra_deliveries{channel="telegram",state="waiting"}': 2,
        "integra_outbox_age_seconds": 10,
        "integra_inbox_waiting": 1,
        "integra_inbox_age_seconds": 0,
        "integra_leases_expired": 0,
        'integra_channel_stopped{channel="webchat"}': 1,
        'integra_recipients_deferred{channel="whatsapp"}': 0,
        'integra_recipients_limit{channel="whatsapp"}': 250,
        'integra_recipients_used{channel="whatsapp"}': 0,
    }


@pytest.mark.parametrize(("limit", "shown"), [(2000, 2000), (None, math.inf)])
async def test_metrics_report_limits_recipients_and_templates(
    site: Site, database: Database, limit: int | None, shown: float
) -> None:
    await restrict_whatsapp(database)
    async with database.write() as tx:
        await channel_facts.store_recipient_limit(tx, "whatsapp", limit, NOW)
    async with site.client.get("/metrics") as answer:
        assert samples(await answer.text()) == {
            "integra_outbox_age_seconds": 0,
            "integra_inbox_waiting": 0,
            "integra_inbox_age_seconds": 0,
            "integra_leases_expired": 0,
            'integra_recipients_deferred{channel="whatsapp"}': 1,
            'integra_recipients_limit{channel="whatsapp"}': shown,
            'integra_recipients_used{channel="whatsapp"}': 1,
            'integra_template_stopped{channel="whatsapp",code="es_MX",name="pregunta_diaria"}': 1,
        }


PLAIN, OPEN = "text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/html, text/plain;version=0.0.4;q=0.5", PLAIN),
        ("application/openmetrics-text", OPEN),
        ("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5", OPEN),
        ("application/openmetrics-text; version=abc", PLAIN),
        ("application/openmetrics-text; version=0.0.1", PLAIN),
    ],
)
async def test_the_format_is_the_one_that_the_client_accepts(
    site: Site, database: Database, accept: str, content_type: str
) -> None:
    await add_deliveries(database, reply("a", 30))
    async with database.write() as tx:
        await delivery_worker.claim(tx, "w", ["telegram"], NOW, 0)  # so that there is a counter
    async with site.client.get("/metrics", headers={"Accept": accept}) as answer:
        assert answer.headers["Content-Type"].startswith(content_type)
        text = await answer.text()
    assert text.endswith("# EOF\n") is (content_type == OPEN)
    read = open_metrics if content_type == OPEN else text_string_to_metric_families
    values = {sample.name: sample.value for family in read(text) for sample in family.samples}
    assert values["integra_deliveries"] == 1
    assert values["integra_outbox_age_seconds"] == 30
    assert values["integra_refusals_total"] == 0


async def test_the_page_for_operators_names_exactly_these_metrics(site: Site) -> None:
    listed = set(re.findall(r"`(integra_\w+)`", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")))
    async with site.client.get("/metrics") as answer:
        assert set(re.findall(r"^# TYPE (\w+) ", await answer.text(), re.MULTILINE)) == listed


async def test_special_characters_in_a_label_are_escaped(site: Site, database: Database) -> None:
    name = 'a "b" \\ c\nd'
    async with database.write() as tx:
        await channel_facts.store(tx, name[:10], channel_facts.NOT_RECEIVING, "bad webhook", NOW)
    async with site.client.get("/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {family.name: family for family in text_string_to_metric_families(await answer.text())}
    (sample,) = families["integra_channel_not_receiving"].samples
    assert sample.labels == {"channel": name[:10]}


async def test_deliveries_deferred_after_a_failure_are_counted(site: Site, database: Database) -> None:
    await add_deliveries(database, reply("a"), reply("b"))
    async with database.write() as tx:
        for delivery in await delivery_worker.claim(tx, "w", ["telegram"], NOW, 2):
            await delivery_worker.postpone(tx, delivery.id, NOW + timedelta(minutes=5), "status 502")
    assert (await site.ready())[1]["delayed"] == 2
    async with site.client.get("/metrics") as answer:
        values = samples(await answer.text())
    assert values['integra_outbox_delayed{channel="telegram"}'] == 2
    assert values["integra_outbox_age_seconds"] == 0


async def test_an_installation_without_whatsapp_reports_nothing_about_it(
    database: Database, library: Library, clock: Clock
) -> None:
    await restrict_whatsapp(database)
    site = Site(database, library, clock, WITHOUT_WHATSAPP)
    async with site.client:
        assert (await site.ready())[1]["deferred_recipients"] == 0
        async with site.client.get("/metrics") as answer:
            assert "whatsapp" not in await answer.text()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"X-Forwarded-For": "203.0.113.7"}, 403),
        ({"X-Forwarded-For": "127.0.0.1"}, 403),
        ({"X-Forwarded-For": ""}, 403),
        ({"X-Real-IP": "203.0.113.7"}, 403),
        ({"Forwarded": "for=203.0.113.7"}, 403),
        ({"Host": "elsewhere.example"}, 403),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "["}, 403),
        ({"Host": "elsewhere.example", "Authorization": f"Bearer {TOKEN}"}, 200),
        ({"X-Forwarded-For": "203.0.113.7", "Authorization": f"Bearer {TOKEN}"}, 200),
        ({"X-Forwarded-For": "203.0.113.7", "Authorization": "Bearer wrong"}, 403),
        ({"X-Forwarded-For": "203.0.113.7", "Authorization": "Bearer ñ"}, 403),
        ({"X-Forwarded-For": "203.0.113.7", "Authorization": "Bearer \udcff"}, 403),
        ({"X-Forwarded-For": "203.0.113.7", "Authorization": ""}, 403),
    ],
)
async def test_metrics_need_loopback_or_the_token(site: Site, headers: dict[str, str], status: int) -> None:
    async with site.client.get("/metrics", headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("remote", "may"), [("127.0.0.1", True), ("::1", True), ("10.0.0.7", False), ("203.0.113.7", False), ("", False)]
)
async def test_metrics_are_refused_to_other_machines(site: Site, remote: str, may: bool) -> None:
    request = make_mocked_request("GET", "/metrics", headers={"Host": "localhost"}, app=site.app).clone(remote=remote)
    assert metrics._may_read(request) is may


async def test_the_numbers_are_right_after_real_deliveries(product: Product) -> None:
    async with product.webchat() as ana:
        await ana.start("LEON")
        await ana.tap("Acepto")
        async with ClientSession() as session, session.get(f"{product.address}/metrics") as answer:
            values = samples(await answer.text())
        async with ClientSession() as session, session.get(f"{product.address}/health/ready") as answer:
            assert answer.status == 200
        shown = len(ana.messages())
    sent = values['integra_deliveries{channel="webchat",state="sent"}']
    assert sent >= shown > 0
    assert not any("waiting" in name and value for name, value in values.items())
    assert "LEON" not in str(values)
