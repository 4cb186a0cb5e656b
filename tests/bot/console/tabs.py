"""An officer's browser tab: signing up, signing in, opening a case; with its requests and its console errors."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from playwright.async_api import Browser, ConsoleMessage, Page, Request, expect

from storage.confidential import totp
from tests.bot.console.authenticator import App
from tests.bot.console.office import START, Office
from tests.screen import axe_violations, with_fast_key_stretching

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


class Tab:
    """A page in a browser context of its own, with its requests and its console errors."""

    def __init__(self, page: Page, office: Office) -> None:
        self.page, self.office = page, office
        self.sent: list[str] = []
        self.complaints: list[str] = []
        self.words = ""
        self.app: App | None = None  # where the second factor is asked for
        page.on("request", self._record_request)
        page.on("console", self._record_message)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _record_request(self, request: Request) -> None:
        self.sent.append(" ".join([request.method, request.url, request.post_data or "", json.dumps(request.headers)]))

    def _record_message(self, message: ConsoleMessage) -> None:
        is_asked = self.app is not None and "status of 401" in message.text  # for the second factor
        if message.type in ("error", "warning") and not is_asked:
            self.complaints.append(message.text)

    async def go(self, path: str) -> None:
        await self.page.goto(self.office.address + path)

    async def show_words(self, fragment: str) -> None:
        """Follow an invite and note the seven words, typing back the two that the page asks for."""
        page = self.page
        await self.go(f"/console/signup#{fragment}")
        await page.get_by_role("button", name="Comenzar").click()
        await expect(page.locator("#passphrase li")).to_have_count(7)
        words = await page.locator("#passphrase li").all_inner_texts()
        await page.get_by_role("button", name="Ya las escribí").click()
        for field in (0, 1):
            label = await page.locator(f"#check-label-{field}").inner_text()
            await page.locator(f"#check-{field}").fill(words[int(label.split()[-1]) - 1])
        await page.get_by_role("button", name="Continuar").click()
        self.words = " ".join(words)

    async def join(self, fragment: str, *, is_first: bool, in_trial: bool = True) -> None:
        """Sign up as a reader of queries, keeping what is shown once.

        The unit of a first officer is that of a trial, which takes queries without custodians.
        """
        page = self.page
        if is_first:
            self.office.trust.adopts_itself = in_trial
        await self.show_words(fragment)
        await expect(page.locator("#recovery-code")).to_contain_text("-")
        await page.locator("#kept").check()
        if self.office.trust.adopts_itself:
            await page.get_by_role("button", name="Terminar").click()
        else:
            await page.get_by_role("button", name="Continuar").click()
            await self.set_up_app()
        await expect(page.get_by_role("heading", name="Listo")).to_be_visible()
        await expect(page.locator("#done-unit")).to_be_visible(visible=is_first)

    async def sign_in(self, email: str) -> None:
        await self.go("/console/signin")
        await self.enter(email)

    async def enter(self, email: str) -> None:
        """Fill in the form of the sign-in page and send it."""
        await self.page.get_by_label("Correo").fill(email)
        await self.page.get_by_label("Tus siete palabras").fill(self.words)
        button = self.page.get_by_role("button", name="Entrar")
        async with self.page.expect_response("**/console/signin") as asked:
            await button.click()
        if self.app is not None and (await asked.value).status == 401:  # no session of theirs is alive
            await self.show_code(self.app)
            await button.click()

    async def show_code(self, app: App) -> None:
        """Type the next code of an app, half a minute later, into the field that the sign-in page shows then."""
        self.office.advance_clock(seconds=totp.STEP)
        await self.page.locator("#signin-code").fill(app.code(self.office.now))

    async def set_up_app(self) -> None:
        """Type the secret that the page shows into an app, and the app's code into the page."""
        await expect(self.page.locator("#factor-picture svg")).to_be_visible()
        self.app = App.typed(await self.page.locator("#factor-secret").text_content() or "")
        self.office.advance_clock(seconds=totp.STEP)
        await self.page.locator("#new-factor-code").fill(self.app.code(self.office.now))
        await self.page.get_by_role("button", name="Comprobar y guardar").click()

    async def open_first_case(self) -> None:
        await self.page.locator(".queue tbody a").first.click()

    async def answer(self, text: str) -> None:
        """Type an answer in the open case and send it."""
        await self.page.get_by_label("Tu respuesta").fill(text)
        await self.page.get_by_role("button", name="Firmar, sellar y enviar").click()

    async def unlock(self) -> None:
        """Type the words into the form of a locked page."""
        await self.page.locator("#unlock-words").fill(self.words)
        await self.page.get_by_role("button", name="Desbloquear").click()

    async def set_clock(self, now: datetime) -> None:
        await self.page.clock.set_fixed_time(now)

    async def check_accessibility(self) -> None:
        """Assert that axe finds no violation."""
        violations = await axe_violations(self.page)
        assert violations == [], violations


@asynccontextmanager
async def tab(
    browser: Browser, office: Office, size: dict[str, int] = DESKTOP, now: datetime | None = START
) -> AsyncIterator[Tab]:
    """A tab whose clock stands at `now`; None: the machine's."""
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]}, locale="es-MX", reduced_motion="reduce"
    )
    tab = Tab(await (await with_fast_key_stretching(context)).new_page(), office)
    if now is not None:
        await tab.set_clock(now)
    yield tab
    await context.close()
