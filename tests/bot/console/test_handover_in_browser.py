"""Handing cases over, recusing oneself and reading why one no longer reads a case, in a real browser."""

import random
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Route, expect
from sqlalchemy import update

from content.library import Library
from handlers.casework.cases import folio
from storage import schema
from storage.confidential.protocol.epochs import Change
from storage.confidential.protocol.errors import ProtocolError
from storage.database import open_database
from tests.attack.model.officer import OfficerPage
from tests.attack.model.truth import Truth
from tests.bot.console.colleagues import Colleagues, DeskTab, colleagues, desk_of
from tests.fakes.unit import Keyholder
from tests.screen import axe_violations

QUESTION, MORE = "Mi cuñada concursa por una obra que reviso.", "Se me olvidaba la fecha."
ASKED = "¿Cuándo se decide?"
HAND, RECUSE, MANY = "Pasar la consulta", "Recusarme y dejar de leerla", "Pasar las elegidas"
SHOWN = ":is(#findings, #departures):not([hidden])"


@pytest.fixture
async def office(sqlite_url: str, library: Library) -> AsyncIterator[Colleagues]:
    database = open_database(sqlite_url)
    async with colleagues(database, library) as office:
        yield office
    await database.close()


async def press(tab: DeskTab, name: str) -> None:
    await tab.page.get_by_role("button", name=name, exact=True).click()


async def test_a_case_is_handed_over_and_then_left(browser: Browser, office: Colleagues) -> None:
    asker = await office.query(QUESTION, readers=[office.carmen])
    async with desk_of(browser, office, office.carmen) as carmen:
        page = carmen.page
        await carmen.open(asker.case)
        await expect(page.locator("#reading-now")).to_have_text("Ahora la leen: Carmen.")
        await carmen.choose("#recuse")
        await press(carmen, RECUSE)
        await expect(page.locator("#recuse .says")).to_contain_text("Eres la última persona que lee esta consulta")

        await carmen.choose("#hand")
        await press(carmen, HAND)
        await expect(page.locator("#hand .says")).to_have_text("Elige al menos a una persona.")
        await page.locator("#hand").get_by_label("Dora").check()
        assert await axe_violations(page) == []
        await press(carmen, HAND)
        await expect(page.locator("#sent")).to_contain_text("La consulta se pasó")
        await expect(page.locator(".letter.officer")).to_contain_text("Desde aquí también puede leer: Dora.")
        await expect(page.locator("#reading-now")).to_have_text("Ahora la leen: Carmen y Dora.")
        assert (await office.opened(office.dora, asker.case)).texts == [QUESTION, "También atiende tu consulta: Dora."]

        await carmen.choose("#recuse")
        await page.locator("#recuse textarea").fill("Conozco a una de las personas.")
        await office.store_notebook(office.carmen, await office.notebook(office.carmen))  # from another device
        async with page.expect_response(lambda answer: "/notebook" in answer.url and answer.status == 201):
            await press(carmen, RECUSE)
        await expect(page.locator("#sent")).to_contain_text("Ya no lees esta consulta")
        await expect(page.locator("#opened")).to_be_hidden()
        assert QUESTION not in await page.content()
        await page.get_by_role("link", name="Llaves").click()
        await expect(page.locator("#verified")).to_be_visible()
        await expect(page.locator(SHOWN)).to_have_count(0)
    assert await office.readers(asker.case) == {"Dora", "Respaldo", "asker"}
    assert await office.remembered(office.carmen) == set()
    assert [one for one in await office.verbs(asker.case) if one[1] != "open"] == [
        ("Carmen", "hand-over"),
        ("Carmen", "recuse"),
    ]
    assert (await office.box.read(asker))[-1] == "Conozco a una de las personas."
    with pytest.raises(ProtocolError):
        await office.opened(office.carmen, asker.case)


async def test_of_two_who_hand_over_at_once_the_second_does_it_again_on_what_the_first_has_sealed(
    browser: Browser, office: Colleagues
) -> None:
    asker = await office.query(QUESTION, readers=[office.carmen, office.dora])
    await office.box.answer(ASKED, office.carmen, kind="question", case=asker.case)
    async with desk_of(browser, office, office.carmen) as carmen:
        await carmen.open(asker.case)
        await office.box.answer("La dejo.", office.dora, kind="hand", case=asker.case, change=Change(leaves=True))
        await carmen.choose("#hand", "Eva")
        await press(carmen, HAND)
        await expect(carmen.page.locator(".letter")).to_have_count(4)
        await expect(carmen.page.locator("#case-state")).to_have_text("Se pidieron datos")
        await expect(carmen.page.locator("#reading-now")).to_have_text("Ahora la leen: Carmen y Eva.")
        assert await office.readers(asker.case) == {"Carmen", "Eva", "Respaldo", "asker"}
        opened = await office.opened(office.eva, asker.case)
        assert opened.texts[2:] == ["La dejo.", "También atiende tu consulta: Eva."]

        await office.box.read(asker)  # an exclusion that comes in between holds
        body = asker.reply_body(office.unit, MORE, change=Change(excluded=(office.dora.id,)))
        assert (await office.box.post("/c/letters", body))[0] == 201
        await carmen.choose("#hand", "Dora")
        await press(carmen, HAND)
        await expect(carmen.page.locator("#hand .says")).to_contain_text("quien consulta pidió que no la lea Dora")

        office.unit.next_list([Keyholder("Dora")], [office.dora], day=office.box.today)  # she joins once more
        await office.box.publish()
        await carmen.open(asker.case)
        await expect(carmen.page.locator("#hand [data-recipients] label")).to_have_count(0)
    assert await office.readers(asker.case) == {"Carmen", "Eva", "Respaldo", "asker"}


async def test_what_the_last_reader_hands_over_before_she_leaves_the_unit_goes_on(office: Colleagues) -> None:
    """Dora opens it only after the unit has signed that Carmen left; her page is played in Python."""
    asker = await office.query(QUESTION, readers=[office.carmen])
    change = Change(added=(office.dora.id,), leaves=True)
    await office.box.answer("La atiende Dora.", office.carmen, kind="hand", case=asker.case, change=change)
    office.unit.next_list(ending=[office.carmen], day=office.box.today)
    await office.box.publish()
    page = OfficerPage(office.host, random.Random(1), Truth(), office.accounts[office.dora])
    assert (await page.visit(asker.case, "Excúsate.")).sent == "Excúsate."
    assert (await office.box.read(asker))[1:] == ["La atiende Dora.", "Excúsate."]
    assert await office.readers(asker.case) == {"Dora", "Respaldo", "asker"}


async def test_many_cases_are_handed_over_and_what_cannot_be_is_named(browser: Browser, office: Colleagues) -> None:
    own = [await office.query(f"{QUESTION} {at}", readers=[office.carmen]) for at in range(2)]
    shared = await office.query(QUESTION, readers=[office.carmen, office.dora])
    without_dora, altered = await office.query(QUESTION, excluded=[office.dora]), await office.query(QUESTION)
    async with office.box.database.write() as tx:
        await tx.execute(update(schema.letters).where(schema.letters.c.case_id == altered.case).values(letter="{}"))
    async with desk_of(browser, office, office.carmen) as carmen:
        page = carmen.page
        await carmen.unlock("/handover")
        await page.get_by_label("Todas (5)").check()
        await press(carmen, MANY)
        await expect(page.locator("#handing-over .says")).to_have_text("Elige al menos a una persona.")
        await page.get_by_label("Dora").check()
        assert await axe_violations(page) == []
        await press(carmen, MANY)
        await expect(page.locator("#result")).to_contain_text("Consultas pasadas: 3. No se pudo con 2")
        cases = (*own, shared, without_dora, altered)
        results = {one.case: page.locator("tr", has_text=folio(one.case)) for one in cases}
        for one in own:
            await expect(results[one.case]).to_contain_text("Pasada")
        await expect(results[shared.case]).to_contain_text("Ya la leía")
        await expect(results[without_dora.case]).to_contain_text("quien consulta pidió que no la lea Dora")
        await expect(results[altered.case]).to_contain_text("El expediente está alterado")
        await results[altered.case].get_by_role("checkbox").uncheck()
        await page.get_by_label("Dora").uncheck()
        await page.get_by_label("Dejar de leerlas.").check()
        await press(carmen, MANY)
        await expect(page.locator("#result")).to_have_text("Listo. Consultas pasadas: 1.")
    for one in (*own, shared):
        assert await office.readers(one.case) == {"Carmen", "Dora", "Respaldo", "asker"}
    assert await office.readers(without_dora.case) == {"Eva", "Respaldo", "asker"}
    assert await office.remembered(office.carmen) == {one.case for one in own}


async def test_a_run_that_was_killed_goes_on_where_it_was(browser: Browser, office: Colleagues) -> None:
    """The browser is closed after the server has stored a letter and before the page knows."""
    cases = [(await office.query(f"{QUESTION} {at}", readers=[office.carmen])).case for at in range(3)]
    async with desk_of(browser, office, office.carmen) as carmen:
        for case in cases:
            await carmen.open(case)
        await carmen.unlock("/handover")
        sent: list[str] = []

        async def store_and_kill(route: Route) -> None:
            if route.request.method == "POST":
                sent.append(route.request.url.split("/")[-2])
                if len(sent) == 2:
                    await route.fetch()
                    await carmen.page.close()
                    return
            await route.continue_()

        await carmen.page.route("**/letters", store_and_kill)
        await leave_all(carmen, office.dora)
        await carmen.page.wait_for_event("close")
        first, killed = sent
        (left,) = set(cases) - {first, killed}
        assert await office.remembered(office.carmen) == {killed, left}

        carmen.page = await carmen.page.context.new_page()
        await carmen.unlock("/handover")
        await expect(carmen.page.locator("#departures li")).to_have_text(
            f"{folio(killed)}: dejaste de leerla el 23/11/2026, por un mensaje que tú firmaste."
        )
        await expect(carmen.page.locator("#own tbody th")).to_have_text([folio(left)])
        async with carmen.page.expect_response("**/console/notebook"):
            await press(carmen, "Entendido")
        await leave_all(carmen, office.dora)
        await expect(carmen.page.locator("#result")).to_have_text("Listo. Consultas pasadas: 1.")
        await expect(carmen.page.locator(SHOWN)).to_have_count(0)
    for case in cases:
        assert len((await office.opened(office.dora, case)).texts) == 2
    assert await office.remembered(office.carmen) == set()


async def test_a_run_that_is_stopped_or_offline_does_the_rest_at_the_next_press(
    browser: Browser, office: Colleagues
) -> None:
    cases = [(await office.query(f"{QUESTION} {at}", readers=[office.carmen])).case for at in range(3)]
    async with desk_of(browser, office, office.carmen) as carmen:
        page, context = carmen.page, carmen.page.context
        await carmen.unlock("/handover")

        async def stop_first(route: Route) -> None:
            await press(carmen, "Detener después de esta")
            await route.continue_()

        await page.route("**/letters", stop_first, times=1)
        await leave_all(carmen, office.dora)
        await expect(page.locator("#result")).to_contain_text("Consultas pasadas: 1. Faltan 2")
        await context.set_offline(True)
        await press(carmen, MANY)
        await expect(page.locator("#handing-over .says")).to_contain_text("No hay conexión con el servidor")
        await context.set_offline(False)
        await press(carmen, MANY)
        await expect(page.locator("#result")).to_have_text("Listo. Consultas pasadas: 2.")
    for case in cases:
        assert await office.readers(case) == {"Dora", "Respaldo", "asker"}


async def leave_all(tab: DeskTab, colleague: Keyholder) -> None:
    await tab.page.get_by_label("Todas").check()
    await tab.page.get_by_label(colleague.name).check()
    await tab.page.get_by_label("Dejar de leerlas.").check()
    await press(tab, MANY)


async def test_who_no_longer_reads_a_case_is_shown_why_and_that_is_no_alarm(
    browser: Browser, office: Colleagues
) -> None:
    excluding, other = await office.query(QUESTION), await office.query(MORE)
    async with desk_of(browser, office, office.carmen) as carmen:
        page = carmen.page
        for case in (excluding.case, other.case):
            await carmen.open(case)
        body = excluding.reply_body(office.unit, MORE, change=Change(excluded=(office.carmen.id,)))
        assert (await office.box.post("/c/letters", body))[0] == 201
        await page.get_by_role("link", name="Llaves").click()
        await expect(page.locator("#departures li")).to_have_text(
            f"{folio(excluding.case)}: quien consulta decidió el 23/11/2026 que ya no la leas."
        )
        await expect(page.locator("#verified")).to_be_visible()
        await expect(page.locator("#findings")).to_be_hidden()
        assert await axe_violations(page) == []
        async with page.expect_response("**/console/notebook"):
            await press(carmen, "Entendido")
        await expect(page.locator("#departures")).to_be_hidden()
    assert await office.remembered(office.carmen) == {other.case}
