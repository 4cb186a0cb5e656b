"""Who may read, in a real browser: chosen in the first letter, changed in an open case, found as screen readers do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from storage.confidential.protocol import keys
from storage.confidential.protocol.epochs import Change
from storage.confidential.protocol.errors import ProtocolError, WrongKey
from tests.fakes.custodians import CustodianKeys
from tests.fakes.letterbox import Letterbox
from tests.fakes.unit import Keyholder
from tests.phones.letterbox_page import LetterboxPage, asked, posted
from tests.screen import axe_violations

QUESTION, DRAFT = "¿Puedo firmar?", "Todavía no la envío."
LUZ, PIA = "Luz Rey Mora", "Pía Sáenz"


@pytest.fixture
def efrain() -> Keyholder:
    return Keyholder("Efraín Sol")


@pytest.fixture
async def office(box: Letterbox, dora: Keyholder, efrain: Keyholder) -> Letterbox:
    """The letterbox of Carmen, Dora, Efraín and a backup, which Dora and two others keep."""
    for one in (dora, efrain):
        box.unit.next_list(adding=[one])
    name_custodians(box, "DORA  PAZ", LUZ, PIA)
    await box.publish()
    return box


def name_custodians(box: Letterbox, *names: str) -> None:
    box.unit.custodians = [CustodianKeys(name) for name in names]
    box.unit.next_list()


def group(page: Page, name: str) -> Locator:
    """The checkboxes as a screen reader finds them."""
    return page.get_by_role("group", name=name)


def box_of(choices: Locator, name: str) -> Locator:
    return choices.get_by_role("checkbox", name=name, exact=True)


async def ticked(choices: Locator) -> list[str]:
    names: list[str] = await choices.locator("input:checked").evaluate_all("(all) => all.map((one) => one.name)")
    return names


async def opens_nothing(body: dict[str, Any], *excluded: Keyholder) -> None:
    """No row that comes with a letter opens with these keys."""
    commitment = body["letter"]["context"]["grant"]["commit"]
    for one in excluded:
        for row in body["access"]:
            assert row["reader"] != one.id
            with pytest.raises(WrongKey):
                keys.open_access(renamed(row, one), one.reading, commitment)


def renamed(row: Any, reader: Keyholder) -> Any:
    return {**row, "reader": reader.id}


def readers_of(body: dict[str, Any], *readers: Keyholder) -> None:
    """The letter is sealed to exactly these, and excludes everybody else."""
    grant = body["letter"]["context"]["grant"]
    assert grant["readers"] == sorted(one.id for one in readers)
    assert sorted(row["reader"] for row in body["access"]) == sorted(["asker", *grant["readers"]])


def ids(people: Sequence[Keyholder]) -> list[str]:
    return sorted(one.id for one in people)


# ---------------------------------------------------------------- the first letter


async def test_a_first_letter_is_sealed_to_who_is_left_ticked(
    office: Letterbox, page: Page, dora: Keyholder, efrain: Keyholder
) -> None:
    carmen, backup = office.unit.readers[:2]
    phone, bodies = await LetterboxPage.opened(page, await office.link()), posted(page, "/c/cases")
    await phone.write(QUESTION)
    choices, note = group(page, "Para quiénes se cierra"), page.locator("#readers-note")
    assert await ticked(choices) == ["Carmen Ríos", "Dora Paz", "Efraín Sol", "Respaldo"]
    await expect(note).to_be_empty()
    await box_of(choices, "Carmen Ríos").uncheck()
    await expect(note).to_be_empty()  # two are left
    await box_of(choices, "Dora Paz").uncheck()
    await expect(note).to_contain_text("Dora Paz: también custodia el respaldo")
    await expect(note).to_contain_text("si quienes leen pierden su llave, tu consulta se pierde")
    await expect(note).to_contain_text("Solo queda Efraín Sol. Si falta, tu consulta se queda sin respuesta")
    await expect(box_of(choices, "Respaldo (custodios: DORA PAZ, Luz Rey Mora, Pía Sáenz)")).to_be_disabled()
    assert await axe_violations(page) == []
    await phone.press("letter")
    await phone.note()
    (body,) = bodies
    readers_of(body, efrain)
    assert body["letter"]["context"]["grant"]["excluded"] == ids([carmen, dora, backup])
    await opens_nothing(body, carmen, dora, backup)
    await phone.come_back(office.url)
    await phone.shows("thread")
    said, names = (await phone.lines(0))[1].split(": ")
    assert said == "No se cierra para"
    assert sorted(names.split(", ")) == ["Carmen Ríos", "Dora Paz", "Respaldo"]


async def test_a_choice_stays_under_a_newer_list_and_a_letter_without_readers_is_not_sent(
    office: Letterbox, page: Page, dora: Keyholder, efrain: Keyholder
) -> None:
    phone, bodies = await LetterboxPage.opened(page, await office.link()), posted(page, "/c/cases")
    await phone.write(QUESTION)
    choices, note = group(page, "Para quiénes se cierra"), page.locator("#readers-note")
    for name in ("Carmen Ríos", "Dora Paz", "Efraín Sol"):
        await box_of(choices, name).uncheck()
    await expect(note).to_contain_text("Deja marcada al menos a una persona")
    await phone.press("letter")
    assert "Deja marcada al menos a una persona" in await phone.error("letter")
    await expect(box_of(choices, "Carmen Ríos")).to_be_focused()
    await box_of(choices, "Dora Paz").check()  # who keeps the backup
    assert await ticked(choices) == ["Dora Paz", "Respaldo"]
    await expect(note).to_contain_text("Solo queda Dora Paz. Si falta, dos custodios tendrían que usar el respaldo")
    again, fatima = Keyholder("Efraín Sol"), Keyholder("Fátima Ruiz")
    office.unit.next_list(adding=[again, fatima], ending=[efrain])
    name_custodians(office, LUZ, PIA, "Notaría 7")
    await office.publish()
    await phone.press("letter")
    assert "acaba de cambiar" in await phone.error("letter")
    await phone.is_unsent(office, QUESTION)
    assert await ticked(choices) == ["Dora Paz", "Fátima Ruiz", "Respaldo"]  # Efraín by name, whatever his new keys
    await phone.press("letter")
    await phone.note()
    (body,) = bodies
    readers_of(body, dora, fatima, office.unit.readers[1])
    await opens_nothing(body, office.unit.officer, efrain, again)


# ---------------------------------------------------------------- an open case


async def test_an_officer_is_excluded_in_an_open_case_and_included_again(
    office: Letterbox, phone: LetterboxPage, dora: Keyholder, efrain: Keyholder
) -> None:
    carmen, backup = office.unit.readers[:2]
    page, bodies = phone.page, posted(phone.page, "/c/letters")
    await asked(office, QUESTION)
    await phone.come_back(office.url)
    await phone.shows("thread")
    await page.fill("#reply-text", DRAFT)
    await page.click("#access summary")
    choices = group(page, "Quién puede leer")
    await phone.press("access")
    assert "No cambiaste ninguna marca" in await phone.error("access")
    await box_of(choices, "Carmen Ríos").uncheck()
    await expect(page.locator("#access-list-note")).to_contain_text("Todavía no cambia nada: falta pulsar el botón")
    await phone.press("access")
    await expect(page.locator("#access-list-note")).to_be_empty()
    await expect(page.locator("#access-done")).to_contain_text("se cierra solo para las personas marcadas")
    await expect(page.locator("#access-now p").nth(1)).to_have_text("No pueden leerlo: Carmen Ríos.")
    assert "Carmen" not in await page.locator("#access-now p").nth(0).inner_text()
    assert (await phone.lines(1))[1] == (
        "Lo que sigue a partir de este mensaje ya no se cierra para: Carmen Ríos. Lo anterior sí pudo leerlo."
    )
    assert await page.input_value("#reply-text") == DRAFT
    assert await axe_violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    readers_of(bodies[0], dora, efrain, backup)
    await opens_nothing(bodies[0], carmen)
    with pytest.raises(ProtocolError):
        await office.opened(carmen)
    async with page.expect_download() as download:
        await page.click("#download")
    text = Path(await (await download.value).path()).read_text("utf-8")
    assert "ya no se cierra para: Carmen Ríos" in text
    assert text.rstrip().endswith("No pueden leerlo: Carmen Ríos.")
    await box_of(choices, "Carmen Ríos").check()
    await phone.press("access")
    await expect(page.locator("#access-now p")).to_have_count(1)
    assert (await phone.lines(2))[1] == "Desde este mensaje también puede leer, y desde el principio: Carmen Ríos"
    assert [letter["text"] for letter in await office.opened(carmen)] == [
        QUESTION,
        *["Cambié quién puede leer esta consulta."] * 2,
    ]


async def test_whatever_comes_between_a_choice_stays_and_is_sent_once(
    office: Letterbox, phone: LetterboxPage, dora: Keyholder
) -> None:
    page, bodies = phone.page, posted(phone.page, "/c/letters")
    await asked(office, QUESTION)
    await phone.come_back(office.url)
    await phone.shows("thread")
    await page.click("#access summary")
    carmens = box_of(group(page, "Quién puede leer"), "Carmen Ríos")
    await carmens.uncheck()

    async def refused_with(text: str) -> None:
        await phone.press("access")
        await expect(page.locator("#access-error")).to_contain_text(text)
        await expect(carmens).not_to_be_checked()

    await page.route("**/c/letters", lambda route: route.abort())
    await refused_with("Lo que pusiste sigue aquí")
    await page.unroute("**/c/letters")
    fatima = Keyholder("Fátima Ruiz")
    office.unit.next_list(adding=[fatima])
    await office.publish()
    await refused_with("acaba de cambiar")
    await office.answer("Le paso tu consulta a Fátima.", dora, kind="hand", change=Change(added=(fatima.id,)))
    await refused_with("Llegó otro mensaje")
    assert await ticked(group(page, "Quién puede leer")) == ["Dora Paz", "Efraín Sol", "Fátima Ruiz", "Respaldo"]

    async def drop_response(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/c/letters", drop_response)
    await refused_with("no sabemos si llegó")
    await page.unroute("**/c/letters")
    await phone.press("access")
    await expect(page.locator("#access-done")).to_contain_text("se cierra solo para las personas marcadas")
    assert len(await phone.letters()) == 3
    await opens_nothing(bodies[-2], office.unit.officer)
    assert len({body["letter"]["context"]["grant"]["commit"] for body in bodies}) == len(bodies)
