"""News of a confidential query reach their asker on every channel, and leave no row that tells who asked."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from content.library import Library
from storage import schema
from storage.channels import channel_facts
from storage.confidential import routes
from storage.confidential.addresses import seal_address
from storage.confidential.routes import Route
from storage.database import Database
from tests.cast import Clock
from tests.phones.telegram import TelegramPhone
from tests.phones.webchat import WebchatPhone
from tests.phones.whatsapp import WhatsAppPhone
from tests.product import Product, running

WINDOW_CLOSED, NO_MARKETING, NOT_ON_WHATSAPP, TEMPLATE_PAUSED, UNKNOWN = 131047, 131050, 131026, 132015, 131037
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
async def shop(
    database: Database, database_url: str, tmp_path: Path, library: Library, clock: Clock
) -> AsyncIterator[Product]:
    """The whole product, on each database."""
    assert database is not None, "emptied"
    async with running(database_url, tmp_path, library, clock) as product:
        yield product


async def enrol(phone: TelegramPhone | WhatsAppPhone | WebchatPhone) -> None:
    await phone.start("LEON")
    await phone.tap("Acepto")
    await phone.tap("9:00")


async def answered(product: Product, channel: str) -> None:
    """An officer has answered the query that the only person on this channel asked."""
    async with product.app.database.write() as tx:
        address = await tx.scalar(select(schema.addresses.c.address).where(schema.addresses.c.channel == channel))
        assert address is not None
        row = f"route on {channel}"
        place = {"channel": channel, "address": address, "language": "es"}
        sealed = seal_address(product.app.installation.route_key, place, row)
        await routes.add_route(tx, Route(row, sealed), product.clock().date() + timedelta(days=routes.DAYS_KEPT))
        await routes.flag_news(tx, row)


async def has_news(product: Product) -> bool:
    async with product.app.database.read() as tx:
        return await tx.scalar(select(schema.routes.c.row).where(schema.routes.c.news > 0)) is not None


async def rows(product: Product) -> Rows:
    """All rows of all tables but the routes, of which the news are told apart by `has_news`."""
    async with product.app.database.read() as tx:
        return {
            table.name: sorted((tuple(row) for row in await tx.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
            if table is not schema.routes
        }


async def evening(product: Product, **later: float) -> Rows:
    """The rows after eight in the evening, when all prompts of the day were sent and handled."""
    product.clock.move(hours=11)
    product.clock.move(**later)
    for _ in range(2):
        await product.tick()
    return await rows(product)


@pytest.mark.attack
async def test_on_telegram_the_notice_changes_no_row(shop: Product, library: Library) -> None:
    async with shop.telegram() as ana:
        await enrol(ana)
        before = await evening(shop)
        await answered(shop, "telegram")
        await shop.tick()
        assert ana.messages()[-1] == library.phrases.plain("es", "consult.news", {})
        assert ana.url("Leer en el buzón").startswith(f"{shop.app.settings.public_url}/c#")
        assert await rows(shop) == before
        assert not await has_news(shop)
        count = len(ana.messages())
        await shop.tick()
        assert len(ana.messages()) == count


@pytest.mark.attack
@pytest.mark.parametrize(
    ("later", "code", "template"),
    [
        ({"hours": 0}, None, ""),
        ({"days": 1}, None, "novedades_consulta"),
        ({"hours": 0}, WINDOW_CLOSED, "novedades_consulta"),
    ],
    ids=["within the window", "outside of it", "Meta has closed it"],
)
async def test_on_whatsapp_neither_the_notice_nor_its_receipts_change_a_row(
    shop: Product, later: dict[str, float], code: int | None, template: str
) -> None:
    shop.meta.auto_statuses = True
    async with shop.whatsapp() as ana:
        await enrol(ana)
        before = await evening(shop, **later)
        await answered(shop, "whatsapp")
        if code is not None:
            shop.meta.fail("messages", code=code)
        await shop.tick()
        assert shop.meta.pending, "the receipts of the notice"
        await shop.settle()
        received = ana.person.read()[-1]
        assert received.template == template
        assert ("http" in received.text) is not bool(template), "a template cannot contain the link"
        assert await rows(shop) == before
        assert not await has_news(shop)


@pytest.mark.attack
@pytest.mark.parametrize("code", [NOT_ON_WHATSAPP, NO_MARKETING, UNKNOWN])
async def test_a_refused_notice_has_no_consequence_for_its_recipient(shop: Product, code: int) -> None:
    async with shop.whatsapp() as ana:
        await enrol(ana)
        before = await evening(shop, days=1)
        await answered(shop, "whatsapp")
        shop.meta.fail("messages", code=code)
        await shop.tick()
        assert await rows(shop) == before


async def test_a_template_that_meta_does_not_accept_waits_until_it_does(shop: Product) -> None:
    async with shop.whatsapp() as ana:
        await enrol(ana)
        await evening(shop, days=1)
        await answered(shop, "whatsapp")
        count = len(ana.messages())
        shop.meta.fail("messages", code=TEMPLATE_PAUSED)
        for _ in range(2):
            await shop.tick()
        assert (len(ana.messages()), await has_news(shop)) == (count, True)
        async with shop.app.database.write() as tx:
            await channel_facts.store_template(
                tx, "whatsapp", "novedades_consulta", "es_MX", shop.clock(), status="APPROVED"
            )
        await shop.tick()
        assert (len(ana.messages()), await has_news(shop)) == (count + 1, False)


@pytest.mark.attack
async def test_the_browser_chat_shows_news_on_its_page_until_they_are_read_and_adds_no_bubble(shop: Product) -> None:
    async with shop.webchat() as ana, shop.webchat() as beto:
        await enrol(ana)
        await evening(shop)
        await answered(shop, "webchat")
        await enrol(beto)
        await shop.tick()  # sent replies go
        before = await rows(shop)
        for _ in range(2):
            await shop.tick()
            assert [await shows_news(phone, shop) for phone in (ana, beto)] == [True, False]
        assert await rows(shop) == before
        async with ana.session.post(f"{shop.address}/chat/news", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/c#l=es")
        assert await shows_news(ana, shop) is False
        assert (await rows(shop), await has_news(shop)) == (before, False)


async def shows_news(phone: WebchatPhone, product: Product) -> bool:
    async with phone.session.get(f"{product.address}/chat") as response:
        (form,) = re.findall(r'<form id="news"[^>]*>', await response.text())
    return "hidden" not in form
