"""In a window of another application, which could read the page, letterbox and console stop and offer their address."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from bot.web.templating import STATIC
from content.library import Library
from tests.bot.web.test_letterbox import PARTS
from tests.cast import Clock
from tests.fakes.letterbox import Letterbox
from tests.phones.letterbox_page import SMALL
from tests.product import Product, running
from tests.screen import axe_violations

LINK = "/c#t=" + "a" * 32 + "&u=" + "b" * 22
TELEGRAM = "window.TelegramWebviewProxy = {}"
PHONE = "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
INSIDE = {
    "WhatsApp": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1) AppleWebKit/605.1.15 WhatsApp/2.24",
    "a WebView of Android": PHONE.replace("Pixel 8", "Pixel 8 Build/AP4A; wv") + "Version/4.0 Chrome/130.0 Mobile",
    "Facebook": PHONE + "Chrome/130.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/490.0.0.0;]",
    "Messenger": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/22B [FBAN/MessengerForiOS;FBAV/480.0.0]",
    "Instagram": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/22B Instagram 354.0.0",
}
BROWSERS = {
    "Chrome": PHONE + "Chrome/130.0.0.0 Mobile Safari/537.36",
    "Safari": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1) AppleWebKit/605.1.15 Version/18.1 Safari/604.1",
    "Firefox": "Mozilla/5.0 (Android 15; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0",
    "Samsung": PHONE + "SamsungBrowser/27.0 Chrome/125.0 Mobile Safari/537.36",
    "Edge": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0",
}


@pytest.fixture
async def product(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Product]:
    async with running(sqlite_url, tmp_path, library, clock) as product:
        yield product


@asynccontextmanager
async def window(browser: Browser, script: str = "") -> AsyncIterator[Page]:
    """A small phone's window, with what the application puts into it."""
    context = await browser.new_context(viewport=SMALL, locale="es-MX")
    if script:
        await context.add_init_script(script)
    yield await context.new_page()
    await context.close()


@pytest.mark.attack
async def test_the_letterbox_asks_for_nothing_in_telegrams_window(browser: Browser, box: Letterbox) -> None:
    async with window(browser, TELEGRAM) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.removeprefix(box.url)))
        await page.goto(box.url + LINK)
        await expect(page.get_by_role("heading", name="Ábrela en tu navegador")).to_be_focused()
        await expect(page.get_by_role("textbox")).to_have_value(box.url + LINK)
        await page.get_by_role("button", name="Copiar la dirección").click()
        await expect(page.get_by_text("Copiada.")).to_be_visible()
        assert await page.evaluate("getSelection().toString()") == box.url + LINK
        assert await page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"]
        assert await axe_violations(page) == []
        assert {re.sub(r"#.*", "", path) for path in asked} == {"/c", *PARTS}  # no list, so that no form appears


@pytest.mark.attack
async def test_the_console_takes_no_words_in_telegrams_window(browser: Browser, product: Product) -> None:
    async with window(browser, TELEGRAM) as page:
        for path in ("/console/signin", "/console/lost", "/console/signup#token"):
            await page.goto(product.address + path)
            await expect(page.get_by_role("heading", name="Abre la consola en tu navegador")).to_be_visible()
            await expect(page.get_by_role("textbox")).to_have_value(product.address + path)  # and no other field
            assert await page.locator("#page :is(input, button):enabled").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"]
        assert await axe_violations(page) == []


@pytest.mark.parametrize(
    ("name", "is_inside"),
    [(agent, is_inside) for agents, is_inside in ((INSIDE, True), (BROWSERS, False)) for agent in agents.values()],
    ids=[*INSIDE, *BROWSERS],
)
def test_applications_are_known_by_the_name_of_their_window(name: str, is_inside: bool) -> None:
    words = (STATIC / "sealing" / "words.js").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"/(.*)/\.test\(navigator\.userAgent\)", words)
    assert bool(re.search(pattern, name)) is is_inside
