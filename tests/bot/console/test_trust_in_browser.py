"""What the console's pages do when rows are deleted, exchanged or rolled back, and when responses are altered."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect
from sqlalchemy import Table, delete, select, update

from handlers.casework.cases import folio
from storage import schema
from storage.confidential.unit_trust import HEAD_FILE
from tests.bot.console.office import Office
from tests.bot.console.tabs import Tab, tab
from tests.fakes.asker import Asker

CARMEN = "carmen@ueipci.example"
QUESTION = "Canario-7731: mi cuñada concursa por una obra que reviso."
FOLLOWING = "Canario-7732: se me olvidaba la fecha."
TRUST_REQUEST = re.compile(r"/console/trust\?from=")
expect.set_options(timeout=20_000)  # generating keys is slow when several tests run at once

Body = dict[str, Any]
Alteration = Callable[[Body], object]


async def join_and_read(carmen: Tab, office: Office) -> Asker:
    """Sign up as the first officer and open a case of two letters; the page is that of the case."""
    await carmen.join(await office.invite(CARMEN, "Carmen Ríos"), is_first=True)
    await office.adopt()
    asker = await office.submit_case(QUESTION)
    await office.reply(asker, FOLLOWING)
    await carmen.sign_in(CARMEN)
    async with carmen.page.expect_response("**/console/notebook"):
        await carmen.open_first_case()
    await expect(carmen.page.locator(".letter .text")).to_have_text([QUESTION, FOLLOWING])
    return asker


async def rows(office: Office, table: Table) -> list[dict[str, Any]]:
    async with office.database.read() as tx:
        return [dict(row._mapping) for row in await tx.execute(select(table))]


def altering(alter: Alteration) -> Callable[[Route], Awaitable[None]]:
    """A route handler that alters the JSON of the server's response."""

    async def handle(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        alter(body)
        await route.fulfill(response=answer, json=body)

    return handle


async def expect_nothing_is_shown(page: Page, said: str) -> None:
    await expect(page.locator("#says")).to_contain_text(said)
    await expect(page.locator("#opened")).to_be_hidden()
    assert "Canario" not in await page.content()


# ---------------------------------------------------------------- rows are deleted or rolled back


@pytest.mark.attack
async def test_a_thread_that_is_cut_after_it_was_seen_is_named_before_anything_else(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as carmen:
        page, asker = carmen.page, await join_and_read(carmen, office)
        async with office.database.write() as tx:
            await tx.execute(delete(schema.letters).where(schema.letters.c.seq == 2))
        await carmen.sign_in(CARMEN)
        await expect(page.locator("#findings")).to_contain_text(f"{folio(asker.case)}: faltan mensajes")
        await expect(page.locator("#page")).to_be_hidden()
        await carmen.check_accessibility()
        await page.get_by_role("button", name="Ya lo leí").click()
        await expect(page.locator("#findings")).to_be_hidden()
        await carmen.open_first_case()
        await expect_nothing_is_shown(page, "El expediente está alterado")


@pytest.mark.attack
async def test_a_case_whose_letters_vanish_is_missing(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        page, asker = carmen.page, await join_and_read(carmen, office)
        async with office.database.write() as tx:
            for table in (schema.access, schema.letters, schema.cases):
                await tx.execute(delete(table))
        await page.get_by_role("link", name="Llaves").click()
        await expect(page.locator("#findings")).to_contain_text(f"{folio(asker.case)}: el servidor ya no te lo muestra")


@pytest.mark.attack
async def test_a_rolled_back_notebook_is_refused_by_a_device_that_saw_a_newer_one(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as carmen:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos"), is_first=True)
        (former,) = await rows(office, schema.officers)
        await office.adopt()
        await office.submit_case(QUESTION)
        await carmen.sign_in(CARMEN)
        async with carmen.page.expect_response("**/console/notebook"):
            await carmen.open_first_case()
        async with office.database.write() as tx:
            older = {name: former[name] for name in ("notebook", "notebook_version")}
            await tx.execute(update(schema.officers).values(older))
        await carmen.sign_in(CARMEN)
        await expect(carmen.page.locator("#says")).to_contain_text("un cuaderno más viejo")
        await expect(carmen.page.get_by_role("heading", name="Entrar")).to_be_visible()
        await carmen.check_accessibility()

        await carmen.page.get_by_label("Me confirmaron").check()  # it was an honest restore
        await carmen.enter(CARMEN)
        await expect(carmen.page.get_by_role("heading", name="Expedientes")).to_be_visible()


@pytest.mark.attack
async def test_a_notebook_that_was_taken_away_is_altered(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as elsewhere:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos"), is_first=True)
        async with office.database.write() as tx:
            await tx.execute(update(schema.officers).values(notebook=None, notebook_version=0))
        elsewhere.words = carmen.words  # a device that has seen nothing yet
        await elsewhere.sign_in(CARMEN)
        await expect(elsewhere.page.locator("#says")).to_contain_text("Tu cuaderno está alterado")


@pytest.mark.attack
@pytest.mark.parametrize("has_floor", [True, False])
async def test_a_list_that_was_taken_away_is_missed(browser: Browser, office: Office, has_floor: bool) -> None:
    """By the server's file where it is still there, and else by the officer's page."""
    async with tab(browser, office) as carmen:
        await join_and_read(carmen, office)
        await carmen.page.get_by_role("link", name="Llaves").click()
        await carmen.page.get_by_role("button", name="Renovar la lista").click()
        await expect(carmen.page.locator("#serial")).to_have_text("2")
        floor = office.trust.floor()
        await take_away_list(office, 2)
        if has_floor:
            assert floor is not None
            office.trust.raise_floor(floor)
        await carmen.sign_in(CARMEN)
        await expect(carmen.page.locator("#says")).to_contain_text("La lista de llaves está alterada")
        await expect(carmen.page.get_by_role("heading", name="Entrar")).to_be_visible()


@pytest.mark.attack
async def test_a_device_misses_a_list_that_it_could_not_keep_in_the_notebook(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        page = carmen.page
        await join_and_read(carmen, office)
        await page.get_by_role("link", name="Llaves").click()
        await page.route("**/console/notebook", lambda route: route.fulfill(status=503, json={}))
        await page.get_by_role("button", name="Renovar la lista").click()
        await expect(page.locator("#says")).to_contain_text("No se pudo guardar en tu cuaderno")
        await page.unroute("**/console/notebook")
        await take_away_list(office, 2)
        await carmen.sign_in(CARMEN)
        await expect(page.locator("#says")).to_contain_text("una lista de llaves más vieja")


async def take_away_list(office: Office, serial: int) -> None:
    """Delete a list, and what the server remembers of it."""
    async with office.database.write() as tx:
        await tx.execute(delete(schema.key_lists).where(schema.key_lists.c.serial == serial))
    assert office.trust.folder is not None
    (office.trust.folder / HEAD_FILE).unlink()
    office.trust.verified = None


@pytest.mark.attack
async def test_an_officer_whom_no_list_names_trusts_no_row_that_calls_her_active(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as dora:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos"), is_first=True)
        await office.adopt()
        await dora.join(await office.invite("dora@ueipci.example", "Dora Luna"), is_first=False)
        async with office.database.write() as tx:
            await tx.execute(update(schema.officers).values(state="active"))
        await dora.sign_in("dora@ueipci.example")
        await expect(dora.page.locator("#says")).to_contain_text("Tus llaves están alteradas en la lista")


@pytest.mark.attack
async def test_another_bundle_is_not_taken_for_wrong_words(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos"), is_first=True)
        (row,) = await rows(office, schema.officers)
        async with office.database.write() as tx:
            await tx.execute(update(schema.officers).values(bundle=row["recovery_bundle"]))
        await carmen.sign_in(CARMEN)
        await expect(carmen.page.locator("#says")).to_contain_text("no se abren con tus palabras")


# ---------------------------------------------------------------- the server alters what it sends


LETTERS: dict[str, Alteration] = {
    "letters swapped": lambda body: body["letters"].reverse(),
    "the first letter missing": lambda body: body["letters"].pop(0),
    "the last letter missing": lambda body: body["letters"].pop(),
    "a letter twice": lambda body: body["letters"].append(body["letters"][1]),
    "all letters missing": lambda body: body["letters"].clear(),
    "another day": lambda body: body["letters"][1]["context"].update(day="2026-11-20"),
    "another suite": lambda body: body["letters"][1]["context"].update(suite=2),
    "another body": lambda body: body["letters"][1].update(body=body["letters"][0]["body"]),
    "another vector": lambda body: body["letters"][0].update(iv="A" * 16),
    "another author": lambda body: body["letters"][1]["context"].update(author="A" * 22),
    "another epoch": lambda body: body["letters"][1]["context"].update(epoch=2),
    "no letters at all": lambda body: body.update(letters=None),
}
KEYS: dict[str, Alteration] = {
    "another key": lambda body: body["access"].update(sealed="A" * len(body["access"]["sealed"])),
    "no base64url": lambda body: body["access"].update(sealed="¿?"),
    "no key": lambda body: body.update(access=None),
}


@pytest.mark.attack
@pytest.mark.long
async def test_altered_letters_and_a_wrong_key_are_each_named_and_no_text_is_shown(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as carmen:
        page = carmen.page
        await join_and_read(carmen, office)
        for said, alterations in (("El expediente está alterado", LETTERS), ("Tu llave de este expediente", KEYS)):
            for name, alter in alterations.items():
                await page.get_by_role("link", name="← Expedientes").click()
                await page.route("**/letters", altering(alter))
                await carmen.open_first_case()
                await expect(page.locator("#says"), name).to_contain_text(said)
                assert "Canario" not in await page.content(), name
                await page.unroute("**/letters")
        await page.get_by_role("link", name="← Expedientes").click()
        await carmen.open_first_case()
        await expect(page.locator(".letter .text").first).to_have_text(QUESTION)


LISTS: dict[str, Alteration] = {
    "no list": lambda body: body["lists"].clear(),
    "another signature": lambda body: body["lists"][0].update(signature="A" * 86),
    "a later end": lambda body: body["lists"][0]["list"].update(until="2027-01-08"),
    "no format": lambda body: body["lists"][0].pop("signature"),
}
HEADS: dict[str, tuple[str, Alteration]] = {
    "no head": ("el servidor ya no te lo muestra", lambda body: body["heads"].clear()),
    "a lower head": ("faltan mensajes que ya habías leído", lambda body: body["heads"][0].update(seq=1)),
    "another head": (
        "un mensaje que ya habías leído es ahora otro",
        lambda body: body["heads"][0].update(hash="A" * 43),
    ),
}


@pytest.mark.attack
@pytest.mark.long
async def test_altered_lists_and_heads_are_each_named(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        page, asker = carmen.page, await join_and_read(carmen, office)
        for name, alter in LISTS.items():
            await page.route(TRUST_REQUEST, altering(alter))
            await carmen.sign_in(CARMEN)
            await expect(page.locator("#says"), name).to_contain_text("La lista de llaves está alterada")
            await page.unroute(TRUST_REQUEST)
        for name, (said, alter) in HEADS.items():
            await page.route(TRUST_REQUEST, altering(alter))
            await carmen.sign_in(CARMEN)
            await expect(page.locator("#findings"), name).to_contain_text(f"{folio(asker.case)}: {said}")
            await page.unroute(TRUST_REQUEST)


@pytest.mark.attack
async def test_nothing_is_sent_in_a_case_of_which_the_server_showed_less(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        page = carmen.page
        await join_and_read(carmen, office)
        await page.route(TRUST_REQUEST, altering(lambda body: body["heads"].clear()))
        await carmen.answer("Sí.")
        await expect(page.locator("#findings")).to_be_visible()
        await page.get_by_role("button", name="Ya lo leí").click()
        await expect(page.locator("#answer-says")).to_contain_text("no se envía nada")
        await expect(page.get_by_label("Tu respuesta")).to_have_value("Sí.")
        assert len(await rows(office, schema.letters)) == 2


async def test_what_cannot_be_kept_in_the_notebook_is_said(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        page, asker = carmen.page, await join_and_read(carmen, office)
        (row,) = await rows(office, schema.officers)
        stored = {"version": row["notebook_version"], "box": json.loads(row["notebook"])}
        tries: list[int] = []

        async def refuse(route: Route) -> None:
            tries.append(1)
            await route.fulfill(status=409, json={"error": "version", **stored})

        await page.route("**/console/notebook", refuse)
        await carmen.answer("Sí.")
        await expect(page.locator("#says")).to_contain_text("No se pudo guardar en tu cuaderno")
        await expect(page.locator(".letter")).to_have_count(3)
        assert len(tries) == 3
        assert (await office.read(asker))[2] == "Sí."


async def test_an_answer_by_a_wrong_clock_is_not_sent(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        await join_and_read(carmen, office)
        office.advance_clock(days=3)  # and the device stays behind
        await carmen.sign_in(CARMEN)
        await carmen.open_first_case()
        await carmen.answer("Sí.")
        await expect(carmen.page.locator("#answer-says")).to_contain_text("Revisa su reloj")
        assert not [sent for sent in carmen.sent if sent.startswith("POST") and "/letters" in sent]
