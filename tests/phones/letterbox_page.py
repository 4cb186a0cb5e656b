"""The letterbox page, operated in a browser by a servant."""

from dataclasses import dataclass

from playwright.async_api import Page, expect

expect.set_options(timeout=20_000)  # deriving the key from the words is slow on a busy machine


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

    async def letters(self) -> list[str]:
        await self.shows("thread")
        return await self.page.locator("#letters .text").all_text_contents()

    async def error(self, form: str) -> str:
        place = self.page.locator(f"#{form}-error")
        await expect(place).not_to_be_empty()
        return await place.inner_text()
