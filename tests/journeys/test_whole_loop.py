"""A confidential query from end to end: a doubt in the chat, a sealed query, an officer's answer, its notification, and
the reading.

Also checked: A1 (no query text on the server's disk, in the chat or sealed) and A4 (the platform sees neither text).
"""

import json
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import select

from handlers.casework import trust
from storage import schema
from storage.confidential import officers
from storage.confidential.protocol import lists
from tests.attack import canary
from tests.bot.console.office import Office
from tests.bot.console.tabs import tab
from tests.bot.console.unlocked import unlock_first_officer
from tests.fakes.unit import Keyholder
from tests.phones.letterbox_page import LetterboxPage
from tests.phones.telegram import TelegramPhone
from tests.phones.whatsapp import WhatsAppPhone
from tests.product import Product

QUESTION = canary.TEXT
ANSWER = "Respuesta: " + canary.TEXT
TYPED = "aquí lo cuento: " + canary.TEXT


@pytest.mark.attack
@pytest.mark.parametrize("channel", ["telegram", "whatsapp"])
async def test_from_a_doubt_to_an_answer_that_only_the_asker_reads(
    product: Product, browser: Browser, tmp_path: Path, channel: str
) -> None:
    office = office_of(product)
    async with product.app.database.write() as tx:
        token = await officers.invite(tx, "carmen@ueipci.example", "Carmen Ríos", "admin", None, product.clock())
    channel_phone: TelegramPhone | WhatsAppPhone = getattr(product, channel)()
    async with channel_phone as ana, tab(browser, office, now=product.clock()) as carmen:
        await ana.start("SALUD")
        await ana.tap("Acepto")
        await ana.tap("9:00")
        await ana.type("/consulta")
        await ana.tap("Empezar")
        while "Sí" in ana.buttons():
            await ana.tap("Sí")
        await ana.tap("Preguntar a UEIPCI")
        # no officer can read a query yet: the bot replies that, and where else to turn
        assert "Hoy no hay consultas" in ana.messages()[-1]

        await carmen.join(token, is_first=True, in_trial=False)
        await ana.tap("Preguntar a UEIPCI")
        assert "Hoy no hay consultas" in ana.messages()[-1]  # as long as the unit is not adopted

        await adopt(product)
        await ana.tap("Preguntar a UEIPCI")
        assert "Hoy no hay consultas" in ana.messages()[-1]  # as long as no three custodians have rehearsed
        await rehearse(product, office, carmen.words)
        await ana.type(TYPED)  # confidential text in the chat, short enough to be handled as a question
        await ana.type(TYPED + " y más" * 60)  # and a long one, which is deleted from the chat
        if channel == "telegram":
            assert all("y más y más" not in text for text in ana.own())
        else:
            assert "Bórralo tú" in ana.messages()[-1]
        await ana.tap("Preguntar a UEIPCI")
        link = ana.url("Abrir el buzón").replace(product.app.settings.public_url, product.address)

        context = await browser.new_context(locale="es-MX")
        await context.clock.set_fixed_time(product.clock())
        phone = await LetterboxPage.opened(await context.new_page(), link)
        await phone.send(QUESTION)
        await carmen.sign_in("carmen@ueipci.example")
        await carmen.open_first_case()
        await expect(carmen.page.locator(".letter .text")).to_have_text(QUESTION)
        await carmen.answer(ANSWER)
        await expect(carmen.page.locator(".letter")).to_have_count(2)

        product.clock.move(minutes=15)
        await product.tick()
        assert "Hay novedades en tu consulta" in ana.messages()[-1]
        assert len([text for text in ana.messages() if "novedades" in text]) == 1
        await phone.come_back(product.address)
        assert await phone.letters() == [QUESTION, ANSWER]
        await context.close()
        assert carmen.complaints == []
    await _check_disk(product, tmp_path)
    await _check_platforms(product)


class OfficeOfProduct(SimpleNamespace):
    """An office whose clock is the product's."""

    @property
    def now(self) -> datetime:
        return cast(datetime, self.clock())


def office_of(product: Product) -> Office:
    """What the console's tab and the officer's keys need of an office."""
    app = product.app
    office = OfficeOfProduct(address=product.address, database=app.database, trust=app.installation.unit)
    office.clock, office.advance_clock = product.clock, product.clock.move
    office.stored_unit = lambda: Office.stored_unit(cast(Office, office))
    return cast(Office, office)


async def rehearse(product: Product, office: Office, words: str) -> None:
    """What the first officer and three custodians do on their pages: a recovery key is in force and rehearsed."""
    unit = (await unlock_first_officer(office, "carmen@ueipci.example", words)).unit
    unit.next_list([Keyholder("Respaldo", "recovery")])
    async with product.app.database.write() as tx:
        await unit.publish(tx)


async def adopt(product: Product) -> None:
    """What `integra unit adopt` does with the digits that the first officer reads out."""
    async with product.app.database.read() as tx:
        first = await trust.waiting(tx)
    assert first is not None
    product.app.installation.unit.adopt(first.chain.newest["unit"], lists.pin_of(first.chain.newest))


async def _check_disk(product: Product, folder: Path) -> None:
    """A1: no query text in the database, -wal, -shm, secrets or any other file that the product wrote."""
    disk = b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"carmen@ueipci.example" in disk  # the search does cover the files that the product writes
    assert canary.encodings_found_in(disk) == []


async def _check_platforms(product: Product) -> None:
    """A4: no query text in any request to the platforms during a whole case."""
    requests = json.dumps([product.fake_telegram.calls, product.meta.calls], ensure_ascii=False).encode()
    assert b"Hay novedades" in requests
    assert canary.encodings_found_in(requests) == []
    async with product.app.database.read() as tx:
        (case,) = await tx.scalars(select(schema.cases.c.id))
    assert case.encode() not in requests
    assert not product.fake_telegram.refusals
    assert not product.meta.refusals
