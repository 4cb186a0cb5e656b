"""An officer who leaves a page while the server still answers it finds nothing of it on the next one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, Route, expect

from handlers.casework.cases import folio
from tests.bot.console.office import Office
from tests.bot.console.tabs import tab
from tests.bot.console.test_trust_in_browser import FOLLOWING, QUESTION, join_and_read

OTHER, ANSWER = "¿Puedo revisar el contrato de mi primo?", "Excúsate por escrito."


@asynccontextmanager
async def held(page: Page, pattern: str) -> AsyncIterator[asyncio.Event]:
    """The next request of this pattern is answered at the end of the block; the event is set once it was made."""
    is_asked, may_answer, is_answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        is_asked.set()
        await may_answer.wait()
        await route.continue_()
        is_answered.set()

    await page.route(pattern, hold, times=1)
    async with asyncio.timeout(60):
        yield is_asked
    async with page.expect_response(pattern):
        may_answer.set()
    await is_answered.wait()


async def test_a_case_that_was_left_does_not_open_on_the_page_of_another(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        page, first = carmen.page, await join_and_read(carmen, office)
        second = await office.submit_case(OTHER)
        cases = page.get_by_role("link", name="Expedientes", exact=True)
        await cases.click()
        async with held(page, f"**/console/cases/{first.case}/letters") as is_asked:
            await page.get_by_role("link", name=folio(first.case)).click()
            await is_asked.wait()
            await cases.click()
            await page.get_by_role("link", name=folio(second.case)).click()
            await expect(page.locator(".letter .text")).to_have_text(OTHER)
        await carmen.answer(ANSWER)
        await expect(page.locator(".letter .text")).to_have_text([OTHER, ANSWER])
        assert await office.read(second) == [OTHER, ANSWER]
        assert await office.read(first) == [QUESTION, FOLLOWING]
        assert carmen.complaints == []


async def test_who_unlocks_and_goes_on_finds_the_next_page_open(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        page, asker = carmen.page, await join_and_read(carmen, office)
        await page.get_by_role("button", name="Bloquear").click()
        await page.get_by_role("link", name="Llaves").click()
        await expect(page.locator("main")).to_have_attribute("data-page", "keys")
        async with held(page, "**/console/signin") as is_asked:
            await carmen.unlock()
            await is_asked.wait()
            await page.get_by_role("link", name="Expedientes", exact=True).click()
            await page.get_by_role("link", name=folio(asker.case)).click()
            await expect(page.locator("#locked")).to_be_visible()
        await expect(page.locator(".letter .text")).to_have_text([QUESTION, FOLLOWING])
        await expect(page.locator("#locked")).to_be_hidden()
        assert carmen.complaints == []
