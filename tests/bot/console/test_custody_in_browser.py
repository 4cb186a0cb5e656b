"""The unit's backup in real browsers: custodians are invited, make their codes and rehearse; colleagues vouch."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import select, update

from storage import schema
from storage.confidential.protocol.canonical import canonical, read
from storage.confidential.protocol.signatures import sign
from tests.bot.console import sittings
from tests.bot.console.office import Office
from tests.bot.console.sittings import NAMES, arrive, make_code, meet
from tests.bot.console.tabs import PHONE, Tab, tab
from tests.fakes.custodians import CustodianKeys
from tests.fakes.unit import Keyholder

CARMEN, DORA = "carmen@ueipci.example", "dora@ueipci.example"
QUESTION = "¿Puedo firmar?"
FINGERPRINT = re.compile(r"^([0-9a-f]{4} ){5}[0-9a-f]{4}$")
expect.set_options(timeout=20_000)  # generating keys is slow when several tests run at once


async def found_unit(carmen: Tab, office: Office) -> None:
    """Sign up the first officer of a unit that is no trial's; she is on the page of the backup then."""
    await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True, in_trial=False)
    await office.adopt()
    await carmen.sign_in(CARMEN)
    await expect(carmen.page.locator("#needs-custodians")).to_contain_text("no recibe consultas nuevas")
    await open_backup(carmen)


async def open_backup(tab: Tab) -> None:
    await tab.page.get_by_role("navigation").get_by_role("link", name="Respaldo").click()
    await expect(tab.page.locator("[data-page=custody] #verified")).to_be_visible()


async def invite(carmen: Tab, name: str) -> str:
    """Invite a custodian; return the link that the page shows once."""
    await carmen.page.get_by_label("Nombre de la persona").fill(name)
    await carmen.page.get_by_role("button", name="Crear su enlace").click()
    link = carmen.page.locator("#custodians li").filter(has_text=name).locator('[data-part="link"]')
    await expect(link).to_contain_text("/console/custodian#")
    return await link.inner_text()


async def test_three_custodians_are_invited_compared_and_rehearse_and_then_a_query_is_taken(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as carmen, tab(browser, office, PHONE) as others:
        await found_unit(carmen, office)
        page = carmen.page
        papers = {name: await make_code(others, await invite(carmen, name)) for name in NAMES}
        await open_backup(carmen)
        await carmen.check_accessibility()
        for name, (_, spoken) in papers.items():
            card = page.locator("#custodians li").filter(has_text=name)
            await expect(card.locator('[data-part="fingerprint"]')).to_have_text(spoken)
            await card.get_by_role("checkbox").check()
        await page.get_by_role("button", name="Crear la llave de respaldo").click()
        await expect(page.locator("#standing")).to_contain_text("Falta el ensayo de:")
        assert not await office.takes_queries()

        first, second, third = NAMES
        await meet(others, office)
        for name in (first, second):
            await arrive(others, name, papers[name][0])
        await others.check_accessibility()
        await others.page.get_by_role("button", name="Registrar el ensayo").click()
        await expect(others.page.locator("#rehearse-done")).to_contain_text("Faltan otras parejas")
        await arrive(others, third, papers[third][0])
        await others.page.get_by_role("button", name="Registrar el ensayo").click()
        await expect(others.page.locator("#rehearse-done")).to_contain_text("El ensayo quedó completo")

        await open_backup(carmen)
        await expect(page.locator("#standing")).to_contain_text("El respaldo está listo")
        asker = await office.submit_case(QUESTION)
        await page.get_by_role("link", name="Expedientes", exact=True).click()
        await expect(page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await expect(page.locator("#needs-custodians")).to_have_count(0)
        await carmen.open_first_case()
        await carmen.answer("Excúsate.")
        await expect(page.locator(".letter")).to_have_count(2)
        assert (await office.read(asker))[1:] == ["Excúsate."]
        assert carmen.complaints == others.complaints == []
        requests = "\n".join(carmen.sent + others.sent)
        assert not [name for name, (code, _) in papers.items() if code in requests]
    unit = await office.stored_unit()
    assert sorted(unit.newest["list"]["custodians"]) == sorted(NAMES)


@pytest.mark.attack
async def test_a_colleague_compares_the_recovery_key_before_it_is_signed_and_then_holds_the_units_key_too(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as dora:
        await found_unit(carmen, office)
        await dora.join(await office.invite(DORA, "Dora Luna"), is_first=False)
        await carmen.page.get_by_role("link", name="Llaves").click()
        await carmen.page.get_by_role("button", name="Comparé esta huella con Dora Luna").click()
        await expect(carmen.page.get_by_text("Nadie espera firma.")).to_be_visible()
        async with office.database.write() as tx:
            for name in (*NAMES, "Una cuarta"):
                await CustodianKeys(name).register(tx, office.trust.unit())
        await open_backup(carmen)
        create = carmen.page.get_by_role("button", name="Crear la llave de respaldo")
        for tick in await carmen.page.locator("#custodians").get_by_role("checkbox").all():
            await tick.check()
        await create.click()
        await expect(carmen.page.locator("#create-says")).to_contain_text("exactamente tres personas")
        await carmen.page.get_by_label("Una cuarta me leyó su huella").uncheck()
        await create.click()
        made = carmen.page.locator("#proposal-fingerprint")
        await expect(made).to_have_text(FINGERPRINT)
        await expect(carmen.page.locator("#confirm")).to_be_hidden()

        proposed = await swap_proposal(office)  # by a row writer
        await dora.sign_in(DORA)
        await expect(dora.page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await open_backup(dora)
        await expect(dora.page.locator("#proposal-says")).to_contain_text("Esta llave de respaldo está alterada")
        await expect(dora.page.locator("#confirm")).to_be_hidden()
        await change_custody(office, joining=proposed)
        await open_backup(dora)
        await expect(dora.page.locator("#proposal-fingerprint")).to_have_text(await made.inner_text())
        await dora.check_accessibility()
        await dora.page.get_by_role("button", name="Comparé esta huella y es igual").click()
        await expect(dora.page.locator("#proposal-vouchers")).to_contain_text("La compararon 2 de 2")
        await expect(dora.page.get_by_text("Compartir con")).to_have_count(0)
        await open_backup(carmen)
        await carmen.page.get_by_role("button", name="Firmar la lista con esta llave").click()
        await expect(carmen.page.locator("#standing")).to_contain_text("Falta el ensayo de:")
        await expect(carmen.page.locator("#proposal")).to_be_hidden()

        await expect(carmen.page.locator("#one-holder")).to_be_visible()
        await carmen.page.locator("summary", has_text="Compartir con Dora Luna").click()
        await carmen.page.get_by_role("button", name="Compartir con Dora Luna").click()
        await expect(carmen.page.locator("#one-holder")).to_be_hidden()
        await dora.sign_in(DORA)
        await expect(dora.page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await dora.page.get_by_role("link", name="Llaves").click()
        await dora.page.get_by_role("button", name="Renovar la lista").click()
        await expect(dora.page.locator("#serial")).to_have_text("4")

        await invent_rehearsal(office)
        assert not await office.takes_queries()
        await open_backup(carmen)
        await expect(carmen.page.locator("#standing-says")).to_contain_text("está alterado")
        assert carmen.complaints == dora.complaints == []


async def change_custody(office: Office, **values: str) -> None:
    async with office.database.write() as tx:
        await tx.execute(update(schema.custodies).values(values))


async def swap_proposal(office: Office) -> str:
    """Put the writer's keys into the proposed recovery key, keeping the officer's proof; return what stood there."""
    async with office.database.read() as tx:
        former = (await tx.execute(select(schema.custodies.c.joining))).scalar_one()
    joining: Any = read(former)
    stolen = Keyholder(joining["join"]["name"], "recovery", joining["join"]["id"])
    join = stolen.join(joining["join"]["unit"])
    others = [proof for proof in joining["proofs"] if proof["id"] != stolen.id]
    proofs = sorted([*others, stolen.prove(join)], key=lambda proof: proof["id"])
    await change_custody(office, joining=canonical({"join": join, "proofs": proofs}))
    return str(former)


async def invent_rehearsal(office: Office) -> None:
    """Write that all three custodians have rehearsed, signed with a key of the writer's."""
    async with office.database.read() as tx:
        signed: Any = read((await tx.execute(select(schema.custodies.c.body))).scalar_one())
    custody = signed["custody"]
    said = {
        "v": 2,
        "unit": custody["unit"],
        "recovery": custody["recovery"],
        "custodians": [one["id"] for one in custody["custodians"]],
        "day": office.today.isoformat(),
    }
    invented = {"rehearsal": said, "signature": sign(Keyholder("x").signing, "rehearsal", said)}
    await change_custody(office, rehearsals=canonical([invented]))


# ---------------------------------------------------------------- attacks


@pytest.mark.attack
async def test_a_link_works_once_and_a_key_that_a_row_writer_swaps_shows_another_fingerprint(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as others:
        await found_unit(carmen, office)
        link, page = await invite(carmen, NAMES[0]), others.page
        await others.go("/console/custodian#" + link.split("#")[1])
        await page.get_by_role("button", name="Crear mi código").click()
        code = await page.locator("#paper-code").inner_text()
        await page.get_by_role("button", name="Ya lo guardé").click()
        await page.locator("#check-0").fill("AAAA")
        await page.locator("#check-1").fill("AAAA")
        await page.get_by_role("button", name="Terminar").click()
        await expect(page.locator("#check-says")).to_contain_text("No es lo que dice tu código")
        await page.get_by_role("button", name="Ver el código otra vez").click()
        await expect(page.locator("#paper-code")).to_have_text(code)
        await others.check_accessibility()
        await page.get_by_role("button", name="Ya lo guardé").click()
        await sittings.type_two_groups(others, code)
        await page.get_by_role("button", name="Terminar").click()
        spoken = page.locator("#own-fingerprint")
        await expect(spoken).to_have_text(FINGERPRINT)
        assert code not in await page.content()

        await swap_key(office)
        await open_backup(carmen)
        shown = carmen.page.locator('#custodians [data-part="fingerprint"]')
        await expect(shown).to_have_text(FINGERPRINT)
        await expect(shown).not_to_have_text(await spoken.inner_text())
        await others.go("/console/custodian#" + link.split("#")[1])
        await expect(page.locator("#says")).to_contain_text("Este enlace no sirve")


async def swap_key(office: Office) -> None:
    """Replace the key of the only custodian by one of the writer's, keeping id and name."""
    async with office.database.write() as tx:
        (row,) = await tx.execute(select(schema.custodians))
        stolen: Any = CustodianKeys(row.name, row.id)
        unit = read(row.statement)["unit"]
        values = {"statement": canonical(stolen.statement(unit)), "box": canonical(stolen.box(unit))}
        await tx.execute(update(schema.custodians).values(values))
