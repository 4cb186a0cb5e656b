"""The real pages in Chromium, operated as the people of an episode or a story use them."""

import json
import re
from collections.abc import Sequence
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, Request, Route

from bot.console import site
from bot.web import scripts
from bot.web.templating import STATIC
from storage.confidential import sessions
from storage.confidential.protocol.letters import Letter
from tests.attack.model.host import SECRET, Account
from tests.attack.model.truth import ASKER, Shown
from tests.fakes.letterbox import Letterbox
from tests.screen import with_fast_key_stretching

OUTCOME_OF_ASKER = ":is(#thread, #altered, #wrong-key):not([hidden]), #open-error:not(:empty)"
OUTCOME_OF_OFFICER = "#opened:not([hidden]), :is(#says, #unlock-says):not(:empty)"
SENT_OR_NOT = "#sent:not([hidden]), #answer-says:not(:empty)"

ACKNOWLEDGE = """() => {
  const found = document.querySelector("#findings");
  if (found.hidden) return "";
  const text = found.innerText;
  found.querySelector("[data-action=acknowledge]").click();
  return text;
}"""
"""At once: a case that opens explains what was found before."""


class Posts:
    """The letters that a page has tried to send, whatever the server made of them."""

    def __init__(self, page: Page) -> None:
        self.bodies: list[Any] = []
        page.on("request", self._record)

    def _record(self, request: Request) -> None:
        if request.method == "POST" and re.search("/(cases|letters)$", request.url):
            self.bodies.append(json.loads(request.post_data or "{}"))

    @property
    def letters(self) -> Sequence[Letter]:
        return [body["letter"] for body in self.bodies]

    def taken(self) -> Sequence[Any]:
        """What was sent since this was asked last."""
        bodies, self.bodies = self.bodies, []
        return bodies


async def new_context(browser: Browser, box: Letterbox) -> BrowserContext:
    """A browser of one person, at the server's time."""
    made = await browser.new_context(locale="es-MX", service_workers="block")
    await (await with_fast_key_stretching(made)).clock.set_fixed_time(box.now)
    return made


async def outcome(page: Page, selector: str) -> str:
    """The id of the first element that appears."""
    found = page.locator(selector).first
    await found.wait_for(state="attached")
    return await found.get_attribute("id") or ""


async def take_out(context: BrowserContext, module: str, line: str) -> None:
    """Serve both pages without one line of a module below bot/static, which must stand there once."""
    await replace_all(context, [(module, line, "")])


async def replace_all(context: BrowserContext, lines: Sequence[tuple[str, str, str]]) -> None:
    """Serve both pages with other lines in these modules, of which each is changed once."""
    changed = {}
    for module, line, other in lines:
        path = (STATIC / module).resolve()
        text = path.read_text("utf-8")
        assert text.count(line) == 1, f"{module} has no such line any more: {line}"
        changed[path] = text.replace(line, other)

    async def serve(route: Route) -> None:
        folder = route.request.url.split("/")[-2]
        script = scripts.joined(STATIC / folder / f"{folder}.js", changed)
        await route.fulfill(body=script, content_type="text/javascript")

    await context.route(re.compile(r"/static/(letterbox/letterbox|console/console)\.js$"), serve)


async def come_back(page: Page, box: Letterbox, words: str) -> str:
    """Open the letterbox with eight words; return what it then shows: thread, altered, wrong-key or an error."""
    await page.goto(box.url + "/c")
    await page.fill("#words", words)
    await page.click("#open button.main")
    return await outcome(page, OUTCOME_OF_ASKER)


async def read_as_asker(page: Page, name_of: dict[str, str]) -> list[Shown]:
    """The letters on the asker's page; officers by the names that it shows."""
    found = []
    for article in await page.locator("#letters article").all():
        name = await article.locator("strong").inner_text()
        author = ASKER if "asker" in (await article.get_attribute("class") or "") else name_of[name]
        found.append(Shown(author, await article.locator(".text").inner_text()))
    return found


async def open_case(
    page: Page, box: Letterbox, account: Account, case: str, *, is_restored: bool = False
) -> tuple[str, str]:
    """Unlock the console on the page of a case; return "opened" or what is said instead, and what is found before.

    With `is_restored` the officer confirms a restore where the page asks for that.
    """
    async with box.database.write() as tx:
        token = await sessions.begin(tx, SECRET.session, account.id, "totp", box.now)
    where: Any = {"name": site.SESSION_COOKIE, "value": token, "domain": "127.0.0.1", "path": site.PATH}
    await page.context.add_cookies([where])
    await page.goto(f"{box.url}{site.PATH}/cases/{case}")
    if not await page.locator("#unlock-words").count():
        return "no case", ""  # for this officer, or no such officer
    await page.fill("#unlock-words", account.words)
    await page.click("#unlock button")
    place = await outcome(page, OUTCOME_OF_OFFICER)
    if is_restored and place == "unlock-says" and await page.locator("#unlock [data-restored]").is_visible():
        await page.check("#unlock [data-restored] input")
        async with page.expect_response("**/console/signin"):  # the page forgets what it said before
            await page.click("#unlock button")
        place = await outcome(page, OUTCOME_OF_OFFICER)
    findings = await page.evaluate(ACKNOWLEDGE)
    return "opened" if place == "opened" else await page.locator(f"#{place}").inner_text(), findings


async def read_as_officer(page: Page, id_of: dict[str, str]) -> list[Shown]:
    """The letters on the officer's page; officers by the names in its headings."""
    found = []
    for article in await page.locator("#letters article").all():
        heading = await article.locator("h3").inner_text()
        author = ASKER if "asker" in (await article.get_attribute("class") or "") else ""
        author = author or next(one for name, one in id_of.items() if name in heading)
        found.append(Shown(author, await article.locator(".text").inner_text()))
    return found


async def reply(page: Page, text: str) -> int:
    """Reply in the open case; return the status of the server's response."""
    await page.fill("#reply-text", text)
    async with page.expect_response("**/c/letters") as response:
        await page.click("#reply button.main")
    return (await response.value).status


async def answer(page: Page, text: str) -> bool:
    """Answer the open case; whether the page says that the answer was sent."""
    await page.fill("#answer #text", text)
    await page.click("#answer button[type=submit]")
    return await outcome(page, SENT_OR_NOT) == "sent"
