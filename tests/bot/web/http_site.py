"""The HTTP application alone for tests, and the states of the database that health and metrics report."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from aiohttp.test_utils import TestClient, TestServer

from bot.channels.whatsapp.channel import capabilities
from bot.web import metrics, server
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY
from content.library import Library
from handlers.capabilities import FULL_CAPABILITIES
from handlers.context import Installation
from storage.channels import channel_facts
from storage.database import Database
from storage.people import addresses, servants
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, NewDelivery
from tests.cast import MONDAY_NINE as NOW

TOKEN = "token-of-metrics"
UNREACHABLE = "postgresql+asyncpg://user@/x?host=/nowhere/at/all"
ZONE = ZoneInfo("America/Mexico_City")
WITHOUT_WHATSAPP = Installation(
    ZONE,
    "http://127.0.0.1:8080",
    b"k" * 32,
    min_group=10,
    channel_capabilities={"telegram": FULL_CAPABILITIES},
    draw_key=bytes(32),
)
WITH_WHATSAPP = replace(
    WITHOUT_WHATSAPP, channel_capabilities={"telegram": FULL_CAPABILITIES, "whatsapp": capabilities("tap")}
)


class Site:
    """The HTTP application alone, of an installation with WhatsApp or without it."""

    def __init__(
        self,
        database: Database,
        library: Library,
        clock: Callable[[], datetime],
        installation: Installation = WITH_WHATSAPP,
    ) -> None:
        self.app = server.create_app()
        self.app[LIBRARY] = library
        self.app[INSTALLATION] = installation
        self.app[DATABASE] = database
        self.app[CLOCK] = clock
        self.app[metrics.METRICS_TOKEN] = TOKEN
        self.client = TestClient(TestServer(self.app))

    async def ready(self) -> tuple[int, dict[str, object]]:
        """Status and body of /health/ready."""
        async with self.client.get("/health/ready") as answer:
            return answer.status, await answer.json()


async def stop_channel(site: Site, channel: str) -> None:
    async with site.app[DATABASE].write() as tx:
        await channel_facts.store(tx, channel, channel_facts.STOPPED, "code 190", NOW)


async def restrict_whatsapp(database: Database) -> None:
    """On WhatsApp: one servant written to within 24 hours, one before, one waiting; a template of ours is paused."""
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
        await addresses.defer(tx, "whatsapp", "waiting", NOW.date())
        for name, code, status in (
            ("pregunta_diaria", "es_MX", "PAUSED"),
            ("pregunta_diaria", "en_US", "APPROVED"),
            ("hello_world", "en_US", "PAUSED"),
        ):
            await channel_facts.store_template(tx, "whatsapp", name, code, NOW, status=status)


async def add_deliveries(database: Database, *deliveries: NewDelivery) -> None:
    async with database.write() as tx:
        await outbox.add(tx, deliveries)


def reply(key: str, late: float = 0) -> NewDelivery:
    """A reply that has been due for `late` seconds."""
    return NewDelivery(key, "telegram", key, DeliveryKind.REPLY, "[]", NOW - timedelta(seconds=late))
