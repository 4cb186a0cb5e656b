"""The whole loop in one story: a doubt in the chat, a sealed query, an officer's answer, the doorbell, the reading.

Along the way: A1 (no query text on the server's disk, whichever road was taken) and A4 (the platform saw neither).
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from playwright.async_api import Browser, expect

from storage.confidential import cases, officers
from tests.attack import canary
from tests.bot.console.office import Office
from tests.bot.console.test_journey import tab
from tests.phones.letterbox_page import LetterboxPage
from tests.phones.telegram import TelegramPhone
from tests.phones.whatsapp import WhatsAppPhone
from tests.product import Product

QUESTION = canary.TEXT
ANSWER = "Respuesta: " + canary.TEXT
TYPED = "aquí lo cuento: " + canary.TEXT


@pytest.mark.attack
@pytest.mark.parametrize("channel", ["telegram", "whatsapp"])
async def test_from_a_doubt_to_an_answer_and_nobody_else_reads(
    product: Product, browser: Browser, tmp_path: Path, channel: str
) -> None:
    office = cast(Office, SimpleNamespace(address=product.address))
    async with product.app.database.write() as tx:
        token = await officers.invite(tx, "carmen@ueipci.example", "Carmen Ríos", "admin", None, product.clock())
    opened: TelegramPhone | WhatsAppPhone = getattr(product, channel)()
    async with opened as ana, tab(browser, office) as carmen:
        await ana.start("SALUD")
        await ana.tap("Acepto")
        await ana.tap("9:00")
        await ana.type("/consulta")
        await ana.tap("Empezar")
        while "Sí" in ana.buttons():
            await ana.tap("Sí")
        await ana.tap("Preguntar a UEIPCI")
        assert (
            "Hoy no hay consultas" in ana.messages()[-1]
        )  # nobody could read it yet: it says so and where else to turn

        await carmen.join(token, is_first=True)
        await ana.type(TYPED)  # a confidence in the chat, short enough to be looked at
        await ana.type(TYPED + " y más" * 60)  # and a long one, which goes from the chat
        if channel == "telegram":
            assert all("y más y más" not in said for said in ana.own())
        else:
            assert "Bórralo tú" in ana.messages()[-1]
        await ana.tap("Preguntar a UEIPCI")
        link = ana.url("Abrir el buzón").replace(product.app.settings.public_url, product.address)

        context = await browser.new_context(locale="es-MX")
        phone = await LetterboxPage.opened(await context.new_page(), link)
        await phone.send(QUESTION)
        await carmen.sign_in("carmen@ueipci.example")
        await carmen.page.locator(".queue tbody a").click()
        await expect(carmen.page.locator(".letter .text")).to_have_text(QUESTION)
        await carmen.page.get_by_label("Tu respuesta").fill(ANSWER)
        await carmen.page.get_by_role("button", name="Firmar, sellar y enviar").click()
        await expect(carmen.page.locator(".letter")).to_have_count(2)

        product.clock.move(minutes=15)
        await product.tick()
        assert "Hay novedades en tu consulta" in ana.messages()[-1]
        assert len([said for said in ana.messages() if "novedades" in said]) == 1
        await phone.come_back(product.address)
        assert await phone.letters() == [QUESTION, ANSWER]
        await context.close()
        assert carmen.complaints == []
    await _nothing_on_disk(product, tmp_path)
    await _nothing_on_the_platform(product)


async def _nothing_on_disk(product: Product, folder: Path) -> None:
    """A1: database, -wal, -shm, secrets and whatever else the product wrote."""
    disk = b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"carmen@ueipci.example" in disk  # the search does look where the product writes
    assert canary.sightings(disk) == []


async def _nothing_on_the_platform(product: Product) -> None:
    """A4: what we said to the platforms in the course of a whole case."""
    said = json.dumps([product.fake_telegram.calls, product.meta.calls], ensure_ascii=False).encode()
    assert b"Hay novedades" in said
    assert canary.sightings(said) == []
    async with product.app.database.read() as tx:
        (case,) = await cases.queue(tx, "recovery")
    assert case.id.encode() not in said
    assert not product.fake_telegram.refusals
    assert not product.meta.refusals
