"""The people of an episode on the real pages in Chromium; what a page remembers is read from its own boxes."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page
from sqlalchemy import select

from storage import schema
from storage.confidential import cases, notebooks
from storage.confidential.protocol import boxes
from storage.confidential.protocol import notebooks as protocol_notebooks
from storage.confidential.protocol.canonical import read
from storage.confidential.protocol.errors import ProtocolError
from tests.attack.model import browser as pages
from tests.attack.model.browser import Posts
from tests.attack.model.episodes import Pages
from tests.attack.model.host import FAST_ROUNDS, Account, Host
from tests.attack.model.truth import ASKER, Shown, Truth, Visit
from tests.fakes.unit import Keyholder
from tests.phones.letterbox_page import LetterboxPage

SEVEN_WORDS = "acabar academia acceso acento aclarar acoger activo"


class Operator:
    """A person with a browser of her own, and what that browser has sent."""

    def __init__(self, browser: Browser, host: Host, truth: Truth) -> None:
        self.browser, self.host, self.box, self.truth = browser, host, host.box, truth
        self.context: BrowserContext | None = None
        self.page: Page | None = None
        self.posts: Posts | None = None

    async def _opened(self) -> tuple[Page, Posts]:
        if self.context is None or self.page is None or self.posts is None:
            self.context = await pages.new_context(self.browser, self.box)
            self.page = await self.context.new_page()
            self.posts = Posts(self.page)
        return self.page, self.posts

    def _sent(self, before: Visit, author: str, text: str, posts: Posts, readers: Sequence[str]) -> None:
        """Record what was sent with this text below what the page showed."""
        for body in posts.taken():
            grant = body["letter"]["context"]["grant"]
            self.truth.wrote(before, author, text, grant["readers"] if grant else readers)
            self.truth.sends(body["letter"], body["access"])


class OperatedAsker(Operator):
    """An asker at the letterbox."""

    def __init__(self, browser: Browser, host: Host, truth: Truth) -> None:
        super().__init__(browser, host, truth)
        self.case, self.words, self.wrapping = "", "", b""

    async def submit(self, text: str, excluded: Sequence[str] = ()) -> Visit:
        page, posts = await self._opened()
        try:
            link = await self.box.link()
        except IndexError:  # the chat says that the letterbox is closed, without a button
            return Visit("closed")
        phone = await LetterboxPage.opened(page, link)
        if (says := await pages.outcome(page, ":is(#write, #closed, #altered, #clock):not([hidden])")) != "write":
            return Visit(says)
        await page.fill("#text", text)
        await phone.press("letter")
        says = await pages.outcome(page, ":is(#sent, #altered):not([hidden]), #letter-error:not(:empty)")
        case = posts.letters[-1]["context"]["case"] if posts.letters else ""
        self._sent(Visit("sent"), ASKER, text, posts, ())
        if says != "sent":
            return Visit(says)
        await phone.note()
        self.case, self.words = case, " ".join(phone.words)
        self.wrapping = boxes.derive(boxes.asker_secret(self.words, FAST_ROUNDS), "asker-wrap")
        return Visit("sent", case, [Shown(ASKER, text)], text, kept=1)

    async def visit(self, text: str = "") -> Visit:
        page, posts = await self._opened()
        says = await pages.come_back(page, self.box, self.words)
        visit = Visit(says, self.case)
        if says == "thread":
            visit = Visit(says, self.case, await pages.read_as_asker(page, ids_by_name(self.host)))
            if text and await page.locator("#reply").is_visible():
                visit = await self._reply(page, posts, visit, text)
        await page.wait_for_load_state("networkidle")
        return Visit(visit.says, visit.case, visit.shown, visit.sent, await self._kept())

    async def _reply(self, page: Page, posts: Posts, visit: Visit, text: str) -> Visit:
        readers = await granted(self.host, self.case)
        await page.fill("#reply-text", text)
        await page.click("#reply button.main")
        says = await pages.outcome(page, "#altered:not([hidden]), :is(#reply-done, #reply-error):not(:empty)")
        self._sent(visit, ASKER, text, posts, readers)
        if says != "reply-done":
            return visit
        return Visit(visit.says, visit.case, [*visit.shown, Shown(ASKER, text)], text)

    async def _kept(self) -> int | None:
        """The number of the newest letter that the box remembers."""
        async with self.box.database.read() as tx:
            case = await cases.by_id(tx, self.case)
        try:
            opened = case and boxes.unwrap_asker(self.wrapping, read(case.asker_box), self.case, case.asker_version)
        except ProtocolError:
            return None
        return opened["seen"]["seq"] if opened else None


class OperatedOfficer(Operator):
    """An officer at the console."""

    def __init__(self, browser: Browser, host: Host, truth: Truth, account: Account) -> None:
        super().__init__(browser, host, truth)
        self.account, self.is_restored = account, False

    def confirm_restore(self) -> None:
        """Know by other means that a copy was restored, and say so where the page asks."""
        self.is_restored = True

    async def visit(self, case: str, text: str = "") -> Visit:
        page, posts = await self._opened()
        says, _ = await pages.open_case(page, self.box, self.account, case, is_restored=self.is_restored)
        self.is_restored = False
        if says != "opened":
            return Visit(says, case)
        visit = Visit("thread", case, await pages.read_as_officer(page, ids_by_name(self.host)))
        if text and await page.locator("#answer").is_visible():
            readers = await granted(self.host, case)
            is_sent = await pages.answer(page, text)
            self._sent(visit, self.account.id, text, posts, readers)
            if is_sent:
                visit = Visit("thread", case, [*visit.shown, Shown(self.account.id, text)], text)
        await page.wait_for_load_state("networkidle")
        return Visit(visit.says, case, visit.shown, visit.sent, await self._kept(case))

    async def _kept(self, case: str) -> int | None:
        """The number of the newest letter that the notebook remembers."""
        async with self.box.database.read() as tx:
            stored = await notebooks.newest(tx, self.account.id)
        if stored is None:
            return None
        try:
            held = protocol_notebooks.open_notebook(self.account.notebook, stored.box, self.account.id, stored.version)
        except ProtocolError:
            return None
        return next((one["seq"] for one in held["cases"] if one["case"] == case), None)


def ids_by_name(host: Host) -> dict[str, str]:
    """Everybody whom the newest list names."""
    joins = [one["join"] for one in host.box.unit.newest["list"]["readers"]]
    return {join["name"]: join["id"] for join in joins}


async def granted(host: Host, case: str) -> Sequence[str]:
    """The readers of the newest grant of a case, for a letter that makes none."""
    async with host.box.database.read() as tx:
        rows = await tx.scalars(select(schema.letters.c.letter).where(schema.letters.c.case_id == case))
        grants: list[Any] = [read(row)["context"] for row in rows]
    newest = max((one for one in grants if one["grant"]), key=lambda one: one["epoch"])
    return list(newest["grant"]["readers"])


@asynccontextmanager
async def operated(browser: Browser) -> AsyncIterator[Pages]:
    """Pages in this browser, which are closed at the end."""

    def asker(host: Host, rng: random.Random, truth: Truth, name: str) -> OperatedAsker:
        return OperatedAsker(browser, host, truth)

    def officer(host: Host, rng: random.Random, truth: Truth, account: Account) -> OperatedOfficer:
        return OperatedOfficer(browser, host, truth, account)

    def account(rng: random.Random, officer: Keyholder) -> Account:
        return Account.with_words(officer, SEVEN_WORDS)

    before = [*browser.contexts]
    yield Pages(asker, officer, account, steps=(5, 9), can_exclude=False)
    for context in browser.contexts:
        if context not in before:
            await context.close()
