"""The second factor in a real browser: made at sign-up, asked for, replaced where the phone was lost."""

from playwright.async_api import Browser, expect

from bot.web.app_keys import INSTALLATION
from handlers.casework import factors
from handlers.casework.office import OfficerContext
from storage.confidential import officers
from tests.bot.console.accounts import AccountHolder, enrol
from tests.bot.console.authenticator import with_app
from tests.bot.console.office import SECRET, Office
from tests.bot.console.tabs import PHONE, tab
from tests.bot.console.test_account_in_browser import heading, keep_code, write_down

CARMEN = "carmen@ueipci.example"

expect.set_options(timeout=20_000)


async def test_an_app_is_set_up_at_sign_up_and_its_code_is_asked_for_after_the_words(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office, PHONE) as carmen:
        page, says = carmen.page, carmen.page.locator("#says")
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True, in_trial=False)
        assert carmen.app is not None
        await expect(page.locator("#factor-secret")).to_be_empty()
        used = carmen.app.code(office.now)
        await page.get_by_role("link", name="Entrar").click()
        app, carmen.app = carmen.app, None
        await carmen.enter(CARMEN)
        code = page.locator("#signin-code")
        await expect(code).to_be_focused()
        await expect(page.get_by_text("Tus palabras son correctas")).to_be_visible()
        await carmen.check_accessibility()
        for typed, answer in (("12345", "tiene seis cifras"), (used, "ya se usó"), ("000 000", "no es el de ahora")):
            await code.fill(typed)
            await page.get_by_role("button", name="Entrar").click()
            await expect(says).to_contain_text(answer)
        await expect(code).to_be_empty()
        await carmen.show_code(app)
        await page.get_by_role("button", name="Entrar").click()
        await expect(heading(carmen, "Expedientes")).to_be_visible()
        await page.get_by_role("button", name="Bloquear").click()
        await page.get_by_role("link", name="Llaves").click()
        await carmen.unlock()  # a session that is alive asks for the words only
        await expect(page.locator("#verified")).to_be_visible()
        await expect(heading(carmen, "Llaves")).to_be_focused()
        office.advance_clock(minutes=20)
        await page.get_by_role("button", name="Bloquear").click()
        await page.locator("#unlock-words").fill(carmen.words)
        await page.get_by_role("button", name="Desbloquear").click()
        await page.locator("#unlock-code").fill(app.code(office.now))
        await page.get_by_role("button", name="Desbloquear").click()
        await expect(page.locator("#verified")).to_be_visible()
        assert [one for one in carmen.complaints if "401" not in one and "403" not in one] == []


async def test_who_lost_the_phone_comes_back_with_words_and_code_and_removes_what_is_too_much(
    browser: Browser, office: Office
) -> None:
    carmen = await enrol(office, AccountHolder("", "Carmen Ríos", CARMEN))
    await with_app(office, carmen)
    async with tab(browser, office) as own:
        page, own.words = own.page, carmen.words.text
        await own.sign_in(CARMEN)
        await page.get_by_text("Ya no tengo esa aplicación").click()
        await page.get_by_label("Tu código de recuperación").fill(carmen.code.paper)
        await page.get_by_role("button", name="Entrar").click()
        await expect(heading(own, "Segundo paso para entrar")).to_be_visible()
        await own.check_accessibility()
        await own.set_up_app()
        await expect(heading(own, "Expedientes")).to_be_visible()
        await page.get_by_role("link", name="Mi cuenta").click()
        await page.locator("#present-3").fill(carmen.words.text)
        await page.locator("#open-factor").get_by_role("button").click()
        await own.set_up_app()
        await expect(heading(own, "Tu segundo paso quedó guardado")).to_be_visible()
        for answer in ("Ese segundo paso ya no vale", "Es el único que tienes"):
            await page.get_by_role("link", name="Mi cuenta").click()
            await page.get_by_label("Quitar la aplicación de códigos").first.check()
            await page.locator("#present-3").fill(carmen.words.text)
            await page.locator("#open-factor").get_by_role("button").click()
            await expect(page.get_by_text(answer)).to_be_visible()
        await own.check_accessibility()
        await reset(office, carmen)
        own.app = None
        await own.sign_in(CARMEN)
        await expect(page.locator("#factor-reset")).to_contain_text("quitó tu segundo paso el 23/11/2026")
        assert [one for one in own.complaints if "40" not in one] == []


async def test_lost_words_come_back_with_another_app(browser: Browser, office: Office) -> None:
    carmen = await enrol(office, AccountHolder("", "Carmen Ríos", CARMEN))
    await with_app(office, carmen)
    async with tab(browser, office, PHONE) as own:
        page = own.page
        await own.go("/console/lost")
        await page.get_by_label("Correo").fill(CARMEN)
        await page.get_by_label("Tu código de recuperación").fill(carmen.code.paper)
        await page.get_by_role("button", name="Continuar").click()
        own.words = await write_down(own)
        await keep_code(own)
        await page.locator("#new-factor-code").fill("000000")
        await page.get_by_role("button", name="Comprobar y guardar").click()
        await expect(page.locator("#new-factor-says")).to_contain_text("no es el de ahora")
        await expect(page.get_by_role("button", name="Comprobar y guardar")).to_be_focused()
        await own.set_up_app()
        await expect(heading(own, "Tus palabras y tu código nuevos ya valen")).to_be_visible()
        await page.get_by_role("link", name="Entrar").click()
        await own.enter(CARMEN)
        await expect(heading(own, "Expedientes")).to_be_visible()


async def reset(office: Office, carmen: AccountHolder) -> None:
    """What `integra officer reset-factor` does."""
    async with office.database.write() as tx:
        officer = await officers.by_id(tx, carmen.id)
        assert officer is not None
        installation = office.app[INSTALLATION]
        await factors.reset(OfficerContext(tx, officer, installation, SECRET.audit, office.now))
