"""New words, a new code and lost words in a real browser: what the pages say, and what opens afterwards."""

import pytest
from playwright.async_api import Browser, Locator, Route, expect

from storage.confidential.protocol.canonical import canonical
from tests.bot.console.accounts import (
    NEW,
    AccountHolder,
    Code,
    Words,
    as_box,
    enrol,
    opens,
    opens_with_code,
    row,
    signs_in,
    stranger,
    write,
)
from tests.bot.console.office import Office
from tests.bot.console.tabs import PHONE, Tab, tab

CARMEN = "carmen@ueipci.example"

expect.set_options(timeout=20_000)


@pytest.fixture
async def carmen(office: Office) -> AccountHolder:
    """The first officer; the test knows words and code."""
    return await enrol(office, AccountHolder("", "Carmen Ríos", "carmen@ueipci.example"))


def heading(tab: Tab, name: str) -> Locator:
    return tab.page.get_by_role("heading", name=name)


async def open_account(tab: Tab, carmen: AccountHolder) -> None:
    """Sign in and go to the page of the own account."""
    tab.words = carmen.words.text
    await tab.sign_in(carmen.email)
    await tab.page.get_by_role("link", name="Mi cuenta").click()
    await expect(heading(tab, "Tu cuenta")).to_be_visible()


async def write_down(tab: Tab) -> str:
    """Note the seven words that the page shows, and type two of them back."""
    page = tab.page
    await expect(page.locator("#passphrase li")).to_have_count(7)
    words = await page.locator("#passphrase li").all_inner_texts()
    await page.get_by_role("button", name="Ya las escribí").click()
    for field in (0, 1):
        label = await page.locator(f"#check-label-{field}").inner_text()
        await page.locator(f"#check-{field}").fill(words[int(label.split()[-1]) - 1])
    await page.get_by_role("button", name="Continuar").click()
    return " ".join(words)


async def change_words(tab: Tab, present: str) -> str:
    """Ask for new words and write them down."""
    await tab.page.locator("#present-1").fill(present)
    await tab.page.get_by_role("button", name="Mostrar palabras nuevas").click()
    return await write_down(tab)


async def keep_code(tab: Tab) -> Code:
    """Note the recovery code that the page shows, and save."""
    await expect(tab.page.locator("#recovery-code")).to_contain_text("-")
    code = Code.read(await tab.page.locator("#recovery-code").inner_text())
    await tab.page.locator("#kept").check()
    await tab.page.get_by_role("button", name="Guardar").click()
    return code


async def test_an_officer_makes_new_words_and_a_new_code(
    browser: Browser, office: Office, carmen: AccountHolder
) -> None:
    async with tab(browser, office, PHONE) as own:
        page = own.page
        await open_account(own, carmen)
        await own.check_accessibility()
        await page.locator("#present-1").fill("otras palabras")
        await page.get_by_role("button", name="Mostrar palabras nuevas").click()
        await expect(page.locator("#open-words .says")).to_contain_text("Esas no son tus palabras de ahora")
        await page.locator("#present-1").fill(carmen.words.text)
        await page.get_by_role("button", name="Mostrar palabras nuevas").click()
        await page.get_by_role("button", name="Ya las escribí").click()
        await page.locator("#check-0").fill("nada")
        await page.locator("#check-1").fill("nada")
        await page.get_by_role("button", name="Continuar").click()
        await expect(page.locator("#check-says")).to_contain_text("No coinciden con las palabras mostradas")
        await page.get_by_role("button", name="Ver las palabras otra vez").click()
        text = await write_down(own)
        await expect(heading(own, "Tus palabras nuevas ya valen")).to_be_visible()
        await expect(page.locator("#passphrase li")).to_have_count(0)
        await page.get_by_role("link", name="Volver a tu cuenta").click()
        await page.locator("#present-2").fill(text)
        await page.get_by_role("button", name="Hacer otro código").click()
        await expect(heading(own, "Guarda tu código nuevo")).to_be_visible()
        code = await keep_code(own)
        await expect(heading(own, "Tu código nuevo ya vale")).to_be_visible()
        assert [one for one in own.complaints if "403" not in one] == []
    now = await row(office, carmen)
    assert opens(carmen, as_box(now.bundle), Words(text, now.salt))
    assert opens_with_code(carmen, as_box(now.recovery_bundle), code)
    assert (await signs_in(office, carmen.email, Words(text, now.salt)))[0] == 200
    assert (await stranger(office, "/console/lost/begin", {"email": carmen.email, "code_auth": code.auth}))[0] == 200


async def test_old_or_new_words_open_never_none_whatever_happens_while_saving(
    browser: Browser, office: Office, carmen: AccountHolder
) -> None:
    """The request is lost; another device was first; the response is lost."""

    async def lose_request(route: Route) -> None:
        await route.abort()

    async def lose_response(route: Route) -> None:
        await route.fetch()
        await route.abort()

    async with tab(browser, office) as own:
        page, path = own.page, "**/console/account/words"
        await open_account(own, carmen)
        await page.route(path, lose_request)
        await change_words(own, carmen.words.text)
        await expect(heading(own, "No sabemos si se guardó")).to_be_visible()
        assert (await signs_in(office, carmen.email, carmen.words))[0] == 200

        await page.unroute(path)
        other = await office.signed_in(carmen)
        await page.get_by_role("link", name="Mi cuenta").click()
        await page.locator("#present-1").fill(carmen.words.text)
        await page.get_by_role("button", name="Mostrar palabras nuevas").click()
        await expect(page.locator("#passphrase li")).to_have_count(7)
        assert (await other.post("/console/account/words", carmen.new_words(NEW)))[0] == 201
        await write_down(own)
        await expect(page.locator("#check-says")).to_contain_text("No se guardaron: tu sesión terminó, o tus palabras")
        assert (await signs_in(office, carmen.email, NEW))[0] == 200

        await page.route(path, lose_response)
        own.words = NEW.text
        await own.sign_in(carmen.email)
        await page.get_by_role("link", name="Mi cuenta").click()
        text = await change_words(own, NEW.text)
        await expect(heading(own, "No sabemos si se guardó")).to_be_visible()
        await page.get_by_role("link", name="Entrar").click()
        own.words = text
        await own.enter(carmen.email)
        await expect(heading(own, "Expedientes")).to_be_visible()


@pytest.mark.attack
async def test_lost_words_come_back_with_the_code_and_changed_keys_are_named(
    browser: Browser, office: Office, carmen: AccountHolder
) -> None:
    dora = await enrol(office, AccountHolder("", "Dora Luna", "dora@ueipci.example"))
    before = await row(office, carmen)
    async with tab(browser, office) as own:
        page, says = own.page, own.page.locator("#lost-says")
        await own.go("/console/signin")
        await page.get_by_role("link", name="Perdí mis palabras").click()
        await own.check_accessibility()

        async def use_code(paper: str) -> None:
            await page.get_by_label("Correo").fill(carmen.email)
            await page.get_by_label("Tu código de recuperación").fill(paper)
            await page.get_by_role("button", name="Continuar").click()

        await use_code(carmen.code.paper[:-1])
        await expect(says).to_contain_text("El código tiene un error de escritura")
        await use_code(dora.code.paper)
        await expect(says).to_contain_text("El correo y el código no coinciden")
        await write(office, carmen, recovery_bundle=canonical(dora.wrapped("code")))
        await use_code(carmen.code.paper)
        await expect(says).to_contain_text("no se abren con tu código: alguien las cambió")
        await expect(page.locator("#passphrase li")).to_have_count(0)
        await write(office, carmen, recovery_bundle=before.recovery_bundle)
        await use_code(f" {carmen.code.paper.lower().replace('-', ' ')} ")
        own.words = await write_down(own)
        code = await keep_code(own)
        await expect(heading(own, "Tus palabras y tu código nuevos ya valen")).to_be_visible()
        await page.get_by_role("link", name="Entrar").click()
        await own.enter(carmen.email)
        await expect(heading(own, "Expedientes")).to_be_visible()
        assert [one for one in own.complaints if "403" not in one] == []
    for used, status in ((carmen.code, 403), (code, 200)):
        begin = {"email": carmen.email, "code_auth": used.auth}
        assert (await stranger(office, "/console/lost/begin", begin))[0] == status


async def test_who_holds_the_units_key_signs_lists_after_new_words_and_a_lost_passphrase(
    browser: Browser, office: Office
) -> None:
    """The unit's key is sealed to the reading key, which neither words nor code change."""
    async with tab(browser, office) as own:
        page = own.page
        await own.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True)
        await office.adopt()
        await own.sign_in(CARMEN)
        await page.get_by_role("link", name="Mi cuenta").click()
        own.words = await change_words(own, own.words)
        await expect(heading(own, "Tus palabras nuevas ya valen")).to_be_visible()
        await page.get_by_role("link", name="Volver a tu cuenta").click()
        await page.locator("#present-2").fill(own.words)
        await page.get_by_role("button", name="Hacer otro código").click()
        code = await keep_code(own)
        await expect(heading(own, "Tu código nuevo ya vale")).to_be_visible()
        await own.go("/console/lost")
        await page.get_by_label("Correo").fill(CARMEN)
        await page.get_by_label("Tu código de recuperación").fill(code.paper)
        await page.get_by_role("button", name="Continuar").click()
        own.words = await write_down(own)
        await keep_code(own)
        await expect(heading(own, "Tus palabras y tu código nuevos ya valen")).to_be_visible()
        await own.sign_in(CARMEN)
        await page.get_by_role("link", name="Llaves").click()
        await page.get_by_role("button", name="Renovar la lista por 45 días").click()
        await expect(page.locator("#serial")).to_have_text("2")
        assert own.complaints == []
