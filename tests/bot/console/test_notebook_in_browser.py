"""The notebook that one officer keeps on several devices, and what it makes of the letters of who has left."""

import pytest
from playwright.async_api import Browser, Response, expect

from handlers.casework.cases import folio
from storage.confidential import cases, notebooks
from storage.confidential.protocol.epochs import Seal
from storage.confidential.protocol.notebooks import seal_notebook
from tests.bot.console.office import Office
from tests.bot.console.tabs import tab
from tests.bot.console.test_trust_in_browser import CARMEN, FOLLOWING, QUESTION, join_and_read
from tests.bot.console.unlocked import unlock_first_officer
from tests.fakes.asker import Asker
from tests.fakes.unit import Keyholder, Unit


def is_stored(answer: Response) -> bool:
    """Whether a notebook was stored, perhaps after a merge with another version."""
    return "/console/notebook" in answer.url and answer.status == 201


async def test_two_devices_keep_one_notebook(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as first, tab(browser, office) as second:
        one = await join_and_read(first, office)
        second.words = first.words
        await second.sign_in(CARMEN)
        await expect(second.page.get_by_role("heading", name="Expedientes")).to_be_visible()
        async with first.page.expect_response("**/console/notebook"):
            await first.answer("Desde la primera.")
        other = await office.submit_case(FOLLOWING)
        await second.page.get_by_role("link", name="Expedientes", exact=True).click()
        await second.page.get_by_role("link", name=folio(other.case)).click()
        await expect(second.page.locator(".letter .text")).to_have_text(FOLLOWING)
        await first.page.get_by_role("link", name="Expedientes", exact=True).click()
        async with first.page.expect_response(is_stored):
            await first.page.get_by_role("link", name=folio(other.case)).click()
            await expect(first.page.locator(".letter .text")).to_have_text(FOLLOWING)
        own = await unlock_first_officer(office, CARMEN, first.words)
        async with first.page.expect_response(is_stored):
            await first.answer("También desde la primera.")
        for page in (first.page, second.page):
            await expect(page.locator("#says")).to_be_empty()
            await expect(page.locator("#findings")).to_be_hidden()
        seen = {entry["case"]: entry["seq"] for entry in (await own.notebook(office))["cases"]}
        assert seen == {one.case: 3, other.case: 2}


@pytest.mark.attack
async def test_another_history_in_the_notebook_of_another_device_is_named(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        page, asker = carmen.page, await join_and_read(carmen, office)
        own = await unlock_first_officer(office, CARMEN, carmen.words)
        other = await own.notebook(office)
        other["version"] += 1
        other["cases"][0]["first"] = "A" * 43
        async with office.database.write() as tx:
            assert await notebooks.replace(tx, own.holder.id, other["version"], seal_notebook(own.notebook_key, other))
        await carmen.answer("Sí.")
        await expect(page.locator("#findings")).to_contain_text(
            f"{folio(asker.case)}: en otro equipo viste otra historia"
        )
        await page.get_by_role("button", name="Ya lo leí").click()
        await expect(page.locator(".letter")).to_have_count(3)
        await page.get_by_role("link", name="← Expedientes").click()
        await carmen.open_first_case()
        await expect(page.locator("#says")).to_contain_text("En este expediente no se envía nada")
        await expect(page.locator("#answer")).to_be_hidden()


@pytest.mark.attack
async def test_a_grant_first_seen_after_its_author_left_never_counts(browser: Browser, office: Office) -> None:
    """An officer who leaves can still have written a grant that drops the others; not even later visits count it."""
    async with tab(browser, office) as carmen:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos"), is_first=True)
        await office.adopt()
        own = await unlock_first_officer(office, CARMEN, carmen.words)
        unit, dora, eva = own.unit, Keyholder("Dora Luna"), Keyholder("Eva Sol")
        unit.next_list([dora, eva], day=office.today)
        await store_lists(office, unit)
        asker = await office.submit_case(QUESTION)
        await grant_to(office, unit, asker, dora, [own.holder, dora])
        unit.next_list(ending=[dora], day=office.today)
        await store_lists(office, unit)
        for _ in range(2):
            await carmen.sign_in(CARMEN)
            await carmen.open_first_case()
            await expect(carmen.page.locator(".letter")).to_have_count(2)
            await expect(carmen.page.locator(".letter.officer h3")).to_contain_text("ha dejado la unidad")
        await carmen.answer("La atendemos Eva y yo.")
        await expect(carmen.page.locator(".letter")).to_have_count(3)
        await expect(carmen.page.locator(".letter").nth(2)).to_contain_text("también puede leer: Eva Sol")
        async with office.database.read() as tx:
            chain = unit.chain
            opened = eva.open(await cases.letters(tx, asker.case), await cases.access(tx, asker.case, eva.id), chain)
        assert opened.texts[2] == "La atendemos Eva y yo."


async def store_lists(office: Office, unit: Unit) -> None:
    async with office.database.write() as tx:
        await unit.publish(tx)


async def grant_to(office: Office, unit: Unit, asker: Asker, author: Keyholder, readers: list[Keyholder]) -> None:
    """Store an answer that grants a new epoch to these readers and the recovery key."""
    recovery = [one for one in unit.chain.by_id if not unit.chain.is_officer(one)]
    async with office.database.write() as tx:
        stored = await cases.access(tx, asker.case, author.id)
        opened = author.open(await cases.letters(tx, asker.case), stored, unit.chain)
        seal = Seal(2, True, tuple(sorted([*recovery, *(one.id for one in readers)])), ())
        written = author.answer(opened, unit.chain, "Solo Carmen y yo.", office.today, seal=seal)
        await cases.add_letter(tx, written.letter, written.access)
