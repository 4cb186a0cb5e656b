"""The letterbox page, operated in a browser by a servant."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from playwright.async_api import Browser, Page, ViewportSize, expect
from sqlalchemy import select

from storage import schema
from tests.fakes.asker import Asker
from tests.fakes.letterbox import NOW, Letterbox
from tests.screen import ROUNDS, with_clock, with_fast_key_stretching

expect.set_options(timeout=20_000)  # deriving the key from the words is slow on a busy machine
SMALL = ViewportSize(width=360, height=740)
WORDS = "amplio buzón curso fértil idioma margen olfato probar"


async def asked(box: Letterbox, text: str) -> Asker:
    """Send a query from another browser, under WORDS, which a small phone opens."""
    return await box.submit_query(text, Asker.with_words(WORDS, box.today, rounds=ROUNDS))


def posted(page: Page, path: str) -> list[dict[str, Any]]:
    """The bodies that the page posts there from now on."""
    bodies: list[dict[str, Any]] = []
    page.on(
        "request", lambda request: bodies.append(json.loads(request.post_data or "")) if path in request.url else None
    )
    return bodies


@asynccontextmanager
async def small_phone(browser: Browser, now: datetime = NOW) -> AsyncIterator[Page]:
    """A small phone in Spanish at the server's time; script errors and violations of the Content-Security-Policy fail
    the test."""
    context = await browser.new_context(viewport=SMALL, locale="es-MX", service_workers="block")
    page = await (await with_clock(await with_fast_key_stretching(context), now)).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    yield page
    await context.close()
    assert complaints == []


@dataclass
class LetterboxPage:
    """The page of one servant; `words` are the eight words for coming back."""

    page: Page
    words: list[str]

    @classmethod
    async def opened(cls, page: Page, url: str) -> "LetterboxPage":
        if page.url != "about:blank":
            await page.goto("about:blank")  # a new fragment alone would not reload the page
        await page.goto(url)
        return cls(page, [])

    async def shows(self, section: str) -> None:
        await expect(self.page.locator(f"#{section}")).to_be_visible()

    async def write(self, text: str) -> None:
        await self.shows("write")
        await self.page.fill("#text", text)

    async def press(self, form: str) -> None:
        await self.page.click(f"#{form} button.main")

    async def send(self, text: str) -> None:
        """Write, seal and send a letter, read the words and type the two that are asked for."""
        await self.write(text)
        await self.press("letter")
        await self.note()

    async def note(self) -> None:
        await self.shows("sent")
        self.words = await self.page.locator("#sent-words li").all_text_contents()
        await self.page.click("#noted")
        await self.shows("check")
        for field in ("one", "two"):
            label = await self.page.inner_text(f"#check-{field}-label")
            await self.page.fill(f"#check-{field}", self.words[int(label.split()[-1]) - 1])
        await self.press("check-words")
        await self.shows("done")

    async def come_back(self, url: str, words: str = "") -> None:
        """Open the page without a link, and the case with its words."""
        await self.page.goto(url + "/c")
        await self.shows("start")
        await self.page.fill("#words", words or " ".join(self.words))
        await self.press("open")

    async def read_news(self, url: str, words: str = "") -> list[str]:
        """Come back and read something new, until the server has stored that it was read."""
        async with self.page.expect_response("**/c/seen") as seen:
            await self.come_back(url, words)
            texts = await self.letters()
        assert (await seen.value).status == 201
        return texts

    async def letters(self) -> list[str]:
        await self.shows("thread")
        return await self.page.locator("#letters .text").all_text_contents()

    async def lines(self, letter: int) -> list[str]:
        """What is said of a letter besides its text: who wrote it, and what it changed."""
        article = self.page.locator("#letters article").nth(letter)
        return [" ".join(line.split()) for line in await article.locator("p:not(.text)").all_inner_texts()]

    async def reply(self, text: str) -> None:
        """Write a reply and send it."""
        await self.page.fill("#reply-text", text)
        await self.press("reply")

    async def replied(self, text: str) -> None:
        """Send a reply that arrives."""
        await self.reply(text)
        await expect(self.page.locator("#reply-done")).to_contain_text("se selló y se envió")
        await expect(self.page.locator("#reply-text")).to_have_value("")

    async def error(self, form: str) -> str:
        place = self.page.locator(f"#{form}-error")
        await expect(place).not_to_be_empty()
        return await place.inner_text()

    async def is_unsent(self, box: Letterbox, text: str) -> None:
        """Assert that no case was stored and the typed text is still on the page."""
        assert await self.page.input_value("#text") == text
        async with box.database.read() as tx:
            assert not (await tx.execute(select(schema.cases))).all()
