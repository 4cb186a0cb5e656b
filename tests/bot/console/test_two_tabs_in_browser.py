"""Two tabs of one browser, which share the session: both go on sending, and signing out locks both."""

import pytest
from playwright.async_api import Browser, expect

from tests.bot.console.accounts import NEW, AccountHolder, enrol
from tests.bot.console.office import Office
from tests.bot.console.tabs import Tab, tab


@pytest.mark.attack
async def test_signing_in_leaves_the_other_tab_able_to_send_and_signing_out_locks_both(
    browser: Browser, office: Office
) -> None:
    """A tab never sends as the officer who has signed in beside it, and loses no draft when it is locked."""
    carmen = await enrol(office, AccountHolder("", "Carmen Ríos", "carmen@ueipci.example"))
    dora = await enrol(office, AccountHolder("", "Dora Luna", "dora@ueipci.example", words=NEW))
    case = f"/console/cases/{(await office.submit_case('¿Puedo firmar?')).case}"
    async with tab(browser, office) as first:
        second = Tab(await first.page.context.new_page(), office)
        first.words = second.words = carmen.words.text
        locked, says = first.page.get_by_role("heading", name="Bloqueado"), first.page.locator("#unlock-says")

        await first.sign_in(carmen.email)
        await first.open_first_case()
        await expect(first.page.locator("#opened")).to_be_visible()
        await second.go(case)
        await second.unlock()
        await expect(second.page.locator("#opened")).to_be_visible()
        await first.answer("Pide excusa por escrito.")
        await expect(first.page.locator("#sent")).to_contain_text("La respuesta salió")

        await first.page.get_by_label("Tu respuesta").fill("Un borrador.")
        await second.page.get_by_role("button", name="Salir").click()
        await expect(second.page.get_by_role("heading", name="Entrar")).to_be_visible()
        await expect(locked).to_be_visible()
        await expect(says).to_contain_text("Saliste en otra pestaña")
        await expect(first.page.locator("#letters article")).to_have_count(0)
        await first.unlock()
        await expect(first.page.get_by_label("Tu respuesta")).to_have_value("Un borrador.")

        second.words = dora.words.text
        await second.enter(dora.email)
        await expect(locked).to_be_visible()
        await expect(says).to_contain_text("Entró otra persona")
        await first.unlock()
        await expect(first.page.get_by_label("Tu respuesta")).to_have_value("Un borrador.")
        await first.answer("Un borrador.")
        await expect(first.page.locator("#letters article")).to_have_count(3)
        assert not [one for one in first.complaints if "409" not in one]  # of notebooks, which were merged
