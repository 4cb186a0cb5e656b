"""Two custodians in a real browser: they hand over what an absent head read, or give the unit's key to a colleague."""

import json
import re

import pytest
from playwright.async_api import Browser, Route, expect
from sqlalchemy import update

from bot.console import recovery
from storage import schema
from storage.confidential import officers
from storage.confidential.protocol import keys
from storage.confidential.protocol.canonical import canonical
from tests.bot.console import sittings
from tests.bot.console.office import Office, OfficerWithKeys
from tests.bot.console.sittings import arrive, code_of, meet, type_code
from tests.bot.console.tabs import PHONE, Tab, tab
from tests.fakes.custodians import CustodianKeys

CARMEN, DORA = "carmen@ueipci.example", "dora@ueipci.example"
QUESTION = "¿Puedo firmar?"
FINGERPRINT = re.compile(r"^([0-9a-f]{4} ){5}[0-9a-f]{4}$")
expect.set_options(timeout=20_000)  # generating keys is slow when several tests run at once


class Absence:
    """A unit whose head alone was asked; she is gone, and the custodians have their papers."""

    def __init__(self, office: Office, browser: Browser) -> None:
        self.office, self.browser = office, browser
        self.carmen = OfficerWithKeys("", "Carmen Ríos", CARMEN)
        self.dora = OfficerWithKeys("", "Dora Luna", DORA)

    @property
    def custodians(self) -> list[CustodianKeys]:
        return self.office.unit.custodians

    async def begin(self) -> None:
        """One query to the head and the recovery key, before a colleague joins."""
        await self.office.enrol(self.carmen, "admin")
        self.asker = await self.office.submit_case(QUESTION)
        await self.office.enrol(self.dora)

    async def arrive(self, others: Tab, *present: CustodianKeys) -> None:
        await meet(others, self.office)
        for one in present:
            await arrive(others, one.name, code_of(one.code))


@pytest.fixture
async def absence(office: Office, browser: Browser) -> Absence:
    found = Absence(office, browser)
    await found.begin()
    return found


async def use(others: Tab, purpose: str, name: str) -> None:
    """Press the button for this purpose with all that it needs."""
    page = others.page
    await page.get_by_text("Usar el respaldo de verdad…").click()
    await page.get_by_label(purpose).check()
    await page.get_by_label("¿A quién se entregan?").select_option(label=name)
    await page.get_by_label("Lo leímos").check()
    await page.get_by_role("button", name="Usar el respaldo", exact=True).click()


async def test_two_custodians_hand_the_cases_of_an_absent_head_to_a_colleague_who_answers(
    absence: Absence, browser: Browser, office: Office
) -> None:
    first, second, _ = absence.custodians
    assert await office.takes_queries()
    async with tab(browser, office) as others:
        page = others.page
        await absence.arrive(others, first, second)
        await page.get_by_text("Usar el respaldo de verdad…").click()
        await page.get_by_role("button", name="Usar el respaldo", exact=True).click()
        await expect(page.locator("#use-says")).to_contain_text("Elijan a la persona")
        await page.get_by_text("Usar el respaldo de verdad…").click()
        assert await office.takes_queries()
        await use(others, "Para entregar las consultas", "Dora Luna")
        await expect(page.locator("#after")).to_be_visible()
        await expect(page.locator("#progress")).to_have_text("Consultas entregadas a Dora Luna: 1. Ya las leía: 0.")
        await others.check_accessibility()
        assert not await office.takes_queries()
        await page.get_by_role("button", name="Usar el respaldo", exact=True).click()  # again: nothing is done twice
        await expect(page.locator("#progress")).to_have_text("Consultas entregadas a Dora Luna: 0. Ya las leía: 1.")
        assert others.complaints == []

    desk, case = await office.signed_in(absence.dora), absence.asker.case
    _, text = await desk.get(f"/console/cases/{case}/letters", Accept="application/json")
    body = json.loads(text)
    holder, chain = absence.dora.holder, office.unit.chain
    assert holder is not None
    opened = holder.open(body["letters"], body["access"], chain)
    assert opened.texts[0] == QUESTION
    answer = holder.answer(opened, chain, "Ahora la atiendo yo.", office.today)
    status, _ = await desk.post(
        f"/console/cases/{case}/letters", {"letter": answer.letter, "access": answer.access, "bell": ""}
    )
    assert status == 201
    assert (await office.read(absence.asker))[2:] == ["Ahora la atiendo yo."]


async def test_two_custodians_give_the_units_key_to_a_colleague(
    absence: Absence, browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as others:
        await absence.arrive(others, *absence.custodians[1:])
        await use(others, "Para entregar la llave de la unidad", "Dora Luna")
        await expect(others.page.locator("#progress")).to_have_text("Dora Luna ya guarda la llave de la unidad.")
    async with office.database.read() as tx:
        known = await officers.credentials(tx, DORA)
    assert known is not None
    assert known.unit_key is not None
    assert absence.dora.holder is not None
    given = keys.open_unit_key(known.unit_key, absence.dora.id, office.unit.point, absence.dora.holder.reading)
    assert given.private_numbers() == office.unit.signing.private_numbers()
    assert not await office.takes_queries()


# ---------------------------------------------------------------- mistakes


async def test_a_mistyped_code_a_code_twice_and_another_persons_are_each_explained_and_nothing_is_lost(
    absence: Absence, browser: Browser, office: Office
) -> None:
    first, second, third = absence.custodians
    async with tab(browser, office, PHONE) as others:
        page = others.page
        await meet(others, office)
        right, typed = code_of(first.code), page.get_by_label(f"Código de {first.name}")
        says = sittings.place_of(others, first.name).locator(".says")
        await type_code(others, first.name, right[:-6] + right[-1])
        await expect(says).to_contain_text("tiene un error")
        await expect(typed).to_have_value(right[:-6] + right[-1])
        await type_code(others, first.name, code_of(third.code))
        await expect(says).to_contain_text(f"Ese código es de {third.name}. {first.name} tiene que teclear el suyo")
        await type_code(others, first.name, code_of(b"x" * 32))
        await expect(says).to_contain_text("Puede ser un papel de antes")
        await type_code(others, first.name, right.lower().replace("-", " "))
        await expect(page.get_by_text(f"{first.name} está presente")).to_be_visible()
        await expect(page.locator("#actions")).to_be_hidden()
        await type_code(others, second.name, right)
        says = sittings.place_of(others, second.name).locator(".says")
        await expect(says).to_contain_text(f"Ese código es de {first.name}, que ya está presente")
        await expect(page.locator("#actions")).to_be_hidden()
        await others.go("/console/recovery")
        await expect(page.locator("#says")).to_contain_text("La dirección está incompleta")
        await meet(others, office)  # the whole address, in the same tab


@pytest.mark.attack
async def test_a_custodians_box_that_a_row_writer_swaps_does_not_open_by_their_code(
    absence: Absence, browser: Browser, office: Office
) -> None:
    first, *_ = absence.custodians
    stolen = CustodianKeys(first.name, first.id, code=first.code)
    async with office.database.write() as tx:
        row = update(schema.custodians).where(schema.custodians.c.id == first.id)
        await tx.execute(row.values(box=canonical(stolen.box(office.unit.point))))
    async with tab(browser, office) as others:
        await meet(others, office)
        await type_code(others, first.name, code_of(first.code))
        await expect(sittings.place_of(others, first.name).locator(".says")).to_contain_text("alguien cambió la llave")
        await expect(others.page.locator("#actions")).to_be_hidden()


@pytest.mark.attack
async def test_a_custody_that_is_altered_on_its_way_is_not_used(
    absence: Absence, browser: Browser, office: Office
) -> None:
    """The server itself ignores such a row: here it is the server that lies."""

    async def alter(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        stolen = CustodianKeys("x").statement(office.unit.point)
        body["custody"]["custody"]["custodians"][0]["reading"] = stolen["reading"]
        await route.fulfill(response=answer, json=body)

    async with tab(browser, office) as others:
        office.app[recovery.BOXES].limit = 0
        await others.go(f"/console/recovery#u={office.trust.pin()}")
        await expect(others.page.locator("#says")).to_contain_text(re.compile(r"Después de las \d+:\d\d\b.* vuelvan"))
        office.app[recovery.BOXES].limit = 200
        await others.go("/console/signin")
        await others.page.route("**/console/recovery/boxes", alter)
        await others.go(f"/console/recovery#u={office.trust.pin()}")
        await expect(others.page.locator("#says")).to_contain_text("No tecleen ningún código")
        await expect(others.page.locator("#sitting")).to_be_hidden()
