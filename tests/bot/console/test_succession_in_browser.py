"""Another key of the unit in real browsers: its holder makes it, each officer confirms it, and work goes on."""

import pytest
from playwright.async_api import Browser, Route, expect

from storage.confidential.protocol import lists
from tests.bot.console.office import Office
from tests.bot.console.tabs import Tab, tab
from tests.fakes.succession import invented

CARMEN, DORA = "carmen@ueipci.example", "dora@ueipci.example"
QUESTION, ANSWER = "¿Puedo firmar?", "Excúsate por escrito."


async def two_officers(office: Office, carmen: Tab, dora: Tab) -> None:
    """Carmen founds the unit, Dora joins it, and both are signed in."""
    await carmen.join(await office.invite(CARMEN, "Carmen Ríos"), is_first=True)
    await office.adopt()
    await dora.join(await office.invite(DORA, "Dora Luna"), is_first=False)
    await carmen.sign_in(CARMEN)
    await carmen.page.get_by_role("link", name="Llaves").click()
    await carmen.page.get_by_role("button", name="Comparé esta huella").click()
    await expect(carmen.page.locator("#serial")).to_have_text("2")
    await dora.sign_in(DORA)


async def change_key(office: Office, carmen: Tab) -> tuple[str, str]:
    """Carmen makes the next key; return the former one and it. The server is not told yet."""
    page = carmen.page
    async with page.expect_response("**/console/trust?*"):  # of the page that follows, perhaps on itself
        await page.get_by_role("link", name="Llaves").click()
    await page.get_by_role("link", name="Cambiar la llave de la unidad").click()
    await page.get_by_label("Quiero cambiar la llave").check()
    await carmen.check_accessibility()
    await page.get_by_role("button", name="Hacer la llave nueva").click()
    await expect(page.locator("#succeed-command")).to_contain_text("integra unit succeed")
    unit = await office.stored_unit()
    return unit.point, unit.newest["list"]["unit"]


async def confirm(officer: Tab, former: str, key: str) -> None:
    """Compare on the card, and confirm."""
    page = officer.page
    await expect(page.locator("#next-unit-former")).to_have_text(lists.unit_fingerprint(former))
    await expect(page.locator("#next-unit-key")).to_have_text(lists.unit_fingerprint(key))
    await expect(page.locator("#next-unit-steps")).to_contain_text("23/11/2026 la llave anterior firmó")
    await expect(page.locator("#page")).to_be_hidden()
    await page.get_by_role("button", name="La comparé y coincide").click()


async def test_officers_confirm_the_next_key_and_go_on(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as dora:
        await two_officers(office, carmen, dora)
        asker = await office.submit_case(QUESTION)
        former, key = await change_key(office, carmen)
        digits = lists.unit_fingerprint(key).replace(" ", "")
        await expect(carmen.page.locator("#succeed-command")).to_have_text(f"integra unit succeed {digits}")
        await dora.page.get_by_role("link", name="Expedientes").click()
        await dora.open_first_case()  # until the server is told, all goes on
        await expect(dora.page.locator(".letter .text")).to_have_text([QUESTION])

        office.trust.succeed(former, key)
        sent = len(dora.sent)
        await dora.answer(ANSWER)
        await expect(dora.page.locator("#next-unit")).to_be_visible()
        await dora.check_accessibility()
        await dora.page.get_by_role("link", name="Monitoreo").click()
        await dora.page.get_by_role("link", name="Expedientes").click()
        await dora.open_first_case()  # what was to be sent on the page before is not
        await expect(dora.page.locator("#next-unit")).to_be_visible()
        await dora.page.get_by_role("button", name="Bloquear").click()
        await expect(dora.page.locator("#next-unit")).to_be_hidden()
        await dora.unlock()
        await expect(dora.page.locator("#next-unit")).to_be_visible()
        written = [one for one in dora.sent[sent:] if one.startswith("POST") and "/signin" not in one]
        assert written == [], "who has not confirmed writes nothing"
        await confirm(dora, former, key)
        await expect(dora.page.locator(".letter .text")).to_have_text([QUESTION])
        await dora.answer(ANSWER)
        await expect(dora.page.locator("#sent")).to_be_visible()
        assert await office.read(asker) == [QUESTION, ANSWER]
        assert asker.unit == key
        await dora.sign_in(DORA)
        await expect(dora.page.get_by_role("heading", name="Expedientes")).to_be_visible()

        await carmen.sign_in(CARMEN)
        await confirm(carmen, former, key)
        await expect(carmen.page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await carmen.page.get_by_role("link", name="Llaves").click()
        await carmen.page.get_by_role("button", name="Renovar la lista").click()
        await expect(carmen.page.locator("#serial")).to_have_text("4")
        await expect(carmen.page.locator("#unit-fingerprint")).to_have_text(lists.unit_fingerprint(key))
        await dora.join(await office.invite("eva@ueipci.example", "Eva Paz"), is_first=False)
        await carmen.page.get_by_role("link", name="Cambiar la llave de la unidad").click()
        await expect(carmen.page.locator("#make")).to_contain_text("Eva Paz")
        await expect(carmen.page.locator("#succeed")).to_be_hidden()
        assert carmen.complaints == dora.complaints == []


@pytest.mark.attack
async def test_no_card_is_shown_for_a_key_that_does_not_follow(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos"), is_first=True)
        unit = await office.adopt()
        stranger = invented(unit).newest

        async def append(route: Route) -> None:
            answer = await route.fetch()
            body = await answer.json()
            body["lists"].append(stranger)
            await route.fulfill(response=answer, json=body)

        await carmen.page.route("**/console/trust?*", append)
        await carmen.sign_in(CARMEN)
        await expect(carmen.page.locator("#says")).to_contain_text("La lista de llaves está alterada")
        await expect(carmen.page.locator("#next-unit")).to_be_hidden()
