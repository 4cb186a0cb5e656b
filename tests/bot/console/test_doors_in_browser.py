"""The sign-in page under attack: it says when to come back, keeps what was typed, and then what was tried meanwhile."""

from playwright.async_api import Browser, expect

from bot.console import throttle
from bot.console.throttle import THROTTLE
from bot.web.windows import Windows
from storage.confidential import ledger
from tests.bot.console.accounts import AccountHolder, enrol
from tests.bot.console.office import SECRET, ZONE, Office
from tests.bot.console.tabs import tab

EMAIL = "carmen@ueipci.example"


async def test_the_page_says_when_to_come_back_and_then_what_was_tried_meanwhile(
    browser: Browser, office: Office
) -> None:
    carmen = await enrol(office, AccountHolder("", "Carmen Ríos", EMAIL))
    async with office.database.write() as tx:
        for _ in range(ledger.MOST_FAILURES):
            await ledger.append_failure(tx, SECRET.audit, carmen.id, office.now.astimezone(ZONE))
    office.app[THROTTLE].accounts = Windows(1, throttle.SECONDS)
    office.app[THROTTLE].accounts.try_take(EMAIL, office.now)
    async with tab(browser, office) as own:
        page, failures = own.page, own.page.locator("#failures")
        own.words = carmen.words.text
        await own.sign_in(EMAIL)
        back = await page.evaluate(
            "(at) => new Date(at).toLocaleTimeString('es', {hour: '2-digit', minute: '2-digit'})",
            office.now.timestamp() * 1000 + throttle.SECONDS * 1000,
        )
        await expect(page.locator("#says")).to_contain_text(f"Vuelve a intentarlo a las {back}.")
        await expect(page.get_by_label("Correo")).to_have_value(EMAIL)
        await expect(page.get_by_label("Tus siete palabras")).to_have_value(own.words)
        await expect(failures).to_be_hidden()

        office.advance_clock(minutes=15)
        await own.set_clock(office.now)
        await page.get_by_role("button", name="Entrar").click()
        await expect(failures.locator("li")).to_have_text(["23/11/2026: 10 intentos o más"])
        await own.check_accessibility()
        await own.go("/console/cases")  # a new tab's memory: they were not read yet
        await own.go("/console/signin")
        await own.enter(EMAIL)
        await expect(page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await failures.get_by_role("button", name="Entendido").click()
        await expect(failures).to_be_hidden()
        assert [one for one in own.complaints if "429" not in one] == []
