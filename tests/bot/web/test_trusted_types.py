"""No script of any page makes markup or code of a text: the browser refuses it, and htmx gets cleaned pages only."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from bot.web.templating import CONSOLE_POLICY, POLICY
from content.library import Library
from tests.cast import Clock
from tests.product import Product, running
from tests.screen import with_fast_key_stretching

SINKS = (
    "document.body.innerHTML = '<b>x</b>'",
    "document.body.outerHTML = '<b>x</b>'",
    "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
    "document.createElement('iframe').srcdoc = '<b>x</b>'",
    "new DOMParser().parseFromString('<b>x</b>', 'text/html')",
    "document.createRange().createContextualFragment('<b>x</b>')",
    "document.createElement('script').text = '1'",
    "document.createElement('script').src = '/static/console/console.js'",
    "document.body.setAttribute('onclick', '1')",
    "setTimeout('1')",
    "trustedTypes.createPolicy('another', { createHTML: (text) => text })",
)
PAGES = ("/c", "/chat", "/", "/privacidad", "/console/signin")
WRITTEN = """
  <p id="kept" class="a" hx-boost="false" data-part="x">text</p><a href="/console/lost">lost</a>
  <script>1</script><iframe src="/c"></iframe><base href="https://elsewhere.example/"><object data="x"></object>
  <img src="x" onerror="1"><p hx-on:click="1" data-hx-on-click="1" hx-get="/console/pulse" data-hx-vals="js:1">p</p>
  <a href=" javascript:1">a</a><form action="JAVASCRIPT:1"></form><meta http-equiv="refresh" content="0">
  <template><p onclick="1">inner</p><script>2</script><template><b onload="1">deep</b></template></template>
"""
SAFE = (
    '<p id="kept" class="a" hx-boost="false" data-part="x">text</p><a href="/console/lost">lost</a>'
    '<img src="x"><p>p</p><a>a</a><form></form>'
    "<template><p>inner</p><template><b>deep</b></template></template>"
)


@pytest.fixture
async def product(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Product]:
    async with running(sqlite_url, tmp_path, library, clock, webchat="on") as product:
        yield product


async def refused(page: Page) -> list[str]:
    """The SINKS that throw."""
    return [sink for sink in SINKS if await page.evaluate(f"() => {{ try {{ {sink}; }} catch {{ return true; }} }}")]


@pytest.mark.attack
async def test_a_text_becomes_no_markup_and_no_script(browser: Browser, product: Product) -> None:
    context = await with_fast_key_stretching(await browser.new_context())
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for path in PAGES:
        await page.goto(product.address + path)
        await expect(page.locator("main")).to_be_visible()
        assert complaints == [], path  # the pages' own scripts do without
        assert await refused(page) == list(SINKS), path
        complaints.clear()
    await page.evaluate("window.kept = true")
    await page.get_by_role("link", name="Perdí mis palabras").click()  # htmx fetches the page
    await expect(page.get_by_role("heading", name="Perdí mis palabras")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_label("Correo")).to_be_visible()
    assert await page.evaluate("window.kept")
    assert complaints == []
    cleaned = await page.evaluate("(text) => Document.parseHTMLUnsafe(text).body.innerHTML", WRITTEN)
    assert "".join(line.strip() for line in cleaned.splitlines()) == SAFE


def test_only_the_console_has_a_policy_and_one_alone() -> None:
    assert POLICY.endswith("; require-trusted-types-for 'script'; trusted-types 'none'")
    assert CONSOLE_POLICY.endswith("; require-trusted-types-for 'script'; trusted-types integra-console")
    assert "duplicates" not in CONSOLE_POLICY
