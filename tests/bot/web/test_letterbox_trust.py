"""Whom the asker's page trusts in a real browser: the unit of link and page, its list, and the phone's clock."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from playwright.async_api import Page, Route, expect

from content.library import Library
from storage.confidential.protocol.lists import SignedList, pin_of
from storage.database import open_database
from tests.fakes.letterbox import NOW, Letterbox, running
from tests.fakes.unit import FIRST_DAY, Keyholder, Unit
from tests.phones.letterbox_page import LetterboxPage

TEXT = "Me toca evaluar la cotización de mi prima.\n¿Debo excusarme?"


# ---------------------------------------------------------------- closed

Closing = Callable[[Letterbox], Awaitable[None]]


async def no_list(box: Letterbox) -> None:
    """No officer has signed a list."""


async def no_adoption(box: Letterbox) -> None:
    async with box.database.write() as tx:
        await box.unit.publish(tx)


async def a_lost_list(box: Letterbox) -> None:
    await box.publish()
    box.unit.next_list()
    box.installation.unit.raise_floor(pin_of(box.unit.newest["list"]))


async def an_expired_list(box: Letterbox) -> None:
    box.unit.first_list(day=FIRST_DAY - timedelta(days=10), days=12)
    await box.publish()


async def one_reader(box: Letterbox) -> None:
    box.unit.first_list()
    box.unit.next_list(ending=[box.unit.readers[1]])
    await box.publish()


@pytest.mark.parametrize(
    ("close", "reason"),
    [
        (no_list, "aún no publica"),
        (no_adoption, "se está preparando"),
        (a_lost_list, "no coincide"),
        (an_expired_list, "venció"),
        (one_reader, "faltan personas"),
    ],
)
async def test_a_closed_letterbox_says_why_and_where_else_to_turn(
    sqlite_url: str, library: Library, page: Page, close: Closing, reason: str
) -> None:
    database = open_database(sqlite_url)
    async with running(database, library, is_open=False) as box:
        await close(box)
        phone = await LetterboxPage.opened(page, f"{box.url}/c#t={'A' * 32}&u={box.unit.pin}&l=es")
        await phone.shows("closed")
        assert reason in await page.inner_text("#closed")
        assert "comité de ética" in await page.inner_text("#closed")
        assert await page.locator("textarea:visible").count() == 0
    await database.close()


async def test_a_letterbox_that_closes_meanwhile_keeps_the_text(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.write(TEXT)
    box.unit.next_list(ending=[box.unit.readers[1]])
    await box.publish()
    await phone.press("letter")
    assert "acaba de cerrarse" in await phone.error("letter")
    await phone.is_unsent(box, TEXT)


async def test_a_phone_whose_clock_is_behind_is_asked_to_be_set_right(box: Letterbox, page: Page) -> None:
    await page.clock.set_fixed_time(NOW - timedelta(days=5))
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.shows("clock")
    assert "Mira la fecha de tu teléfono" in await page.inner_text("#clock")
    await page.clock.set_fixed_time(NOW)
    await page.click("#clock [data-retry]")
    await phone.write(TEXT)
    await page.clock.set_fixed_time(NOW - timedelta(days=5))
    await phone.press("letter")
    assert "Mira la fecha de tu teléfono" in await phone.error("letter")
    await phone.is_unsent(box, TEXT)


async def test_a_list_that_has_expired_by_the_phones_clock_is_not_written_to(box: Letterbox, page: Page) -> None:
    await page.clock.set_fixed_time(NOW + timedelta(days=60))
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.shows("closed")
    assert "venció" in await page.inner_text("#closed")


# ---------------------------------------------------------------- another unit, an older list


async def test_a_link_that_names_another_unit_is_refused(box: Letterbox, page: Page) -> None:
    link = (await box.link()).replace(box.unit.pin, Unit.with_recovery_key().pin)
    phone = await LetterboxPage.opened(page, link)
    await phone.shows("altered")
    assert "la unidad que este enlace" in await page.inner_text("#altered")
    assert await page.locator("textarea:visible").count() == 0


async def test_another_unit_in_place_of_ours_is_refused(box: Letterbox, page: Page) -> None:
    other = Unit(box.unit.readers)  # the same people with the same keys
    link = await box.link()
    for pin in (box.unit.pin, ""):  # what the page knows by itself
        await serve(page, box, other, pin)
        phone = await LetterboxPage.opened(page, link)
        await phone.shows("altered")
        await page.unroute_all()


async def test_a_page_that_knows_no_unit_takes_no_query_without_the_links(box: Letterbox, page: Page) -> None:
    await serve(page, box, box.unit, "")
    link = await box.link()
    phone = await LetterboxPage.opened(page, link.replace(f"&u={box.unit.pin}", ""))
    await phone.shows("closed")
    phone = await LetterboxPage.opened(page, link)
    await phone.shows("write")


async def test_a_list_with_too_few_readers_is_not_written_to(box: Letterbox, page: Page) -> None:
    link, carmen = await box.link(), box.unit.officer
    few = Unit([carmen, Keyholder("Dora Paz")], box.unit.signing)
    few.first_list()
    few.next_list(ending=few.readers[1:])
    for unit in (few, Unit([Keyholder("Respaldo", "recovery")], box.unit.signing)):
        await serve_list(page, unit.newest)
        phone = await LetterboxPage.opened(page, link)
        await phone.shows("closed")
        assert "faltan personas" in await page.inner_text("#closed")
        await page.unroute_all()


async def test_another_unit_or_an_older_list_while_the_asker_writes_is_refused(box: Letterbox, page: Page) -> None:
    older = box.unit.newest
    box.unit.next_list(adding=[Keyholder("Dora Paz")])
    await box.publish()
    for instead in (Unit(box.unit.readers).first_list(), older):
        phone = await LetterboxPage.opened(page, await box.link())
        await phone.write(TEXT)
        await serve_list(page, instead)
        await phone.press("letter")
        await phone.shows("altered")
        await expect(page.locator("#kept-text")).to_be_visible()
        assert await page.input_value("#kept-text") == TEXT
        await phone.is_unsent(box, TEXT)
        await page.unroute_all()


async def serve(page: Page, box: Letterbox, unit: Unit, pin: str) -> None:
    """Let the server name this unit's pin in its page, and serve this unit's list."""

    async def name_unit(route: Route) -> None:
        response = await route.fetch()
        text = (await response.text()).replace(f'data-unit="{box.unit.pin}"', f'data-unit="{pin}"')
        await route.fulfill(response=response, body=text)

    await page.route("**/c", name_unit)
    await serve_list(page, unit.newest)


async def serve_list(page: Page, signed: SignedList) -> None:
    await page.route("**/c/keys", lambda route: route.fulfill(json={"list": signed, "day": "2026-11-23"}))
