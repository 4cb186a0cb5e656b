"""Who reads queries, in real browsers: adopting the unit, vouching, renewing the list, leaving, and invites."""

from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import delete, select, update

from storage import schema
from storage.confidential import officers
from storage.confidential.officers import OfficerState
from storage.confidential.protocol import lists
from storage.confidential.protocol.canonical import canonical
from tests.bot.console.office import Office
from tests.bot.console.tabs import PHONE, Tab, tab
from tests.fakes.unit import Keyholder

CARMEN, DORA, EVA = "carmen@ueipci.example", "dora@ueipci.example", "eva@ueipci.example"
QUESTION = "¿Puedo firmar?"
expect.set_options(timeout=20_000)  # generating keys is slow when several tests run at once


async def open_keys(tab: Tab, email: str = "") -> None:
    """Go to the page of readers, signing in first if an address is given."""
    if email:
        await tab.sign_in(email)
        await expect(tab.page.get_by_role("heading", name="Expedientes")).to_be_visible()
    async with tab.page.expect_response("**/console/trust?*"):  # of the page that follows, perhaps on itself
        await tab.page.get_by_role("link", name="Llaves").click()
    await expect(tab.page.locator("#verified")).to_be_visible()


async def join_by_vouching(office: Office, head: Tab, other: Tab, email: str, name: str) -> None:
    """Sign up a second officer, whose keys the head confirms alone; both are signed in then."""
    await other.join(await office.invite(email, name), is_first=False)
    await open_keys(head, CARMEN)
    await head.page.get_by_role("button", name=f"Comparé esta huella con {name}").click()
    await expect(head.page.get_by_text("Nadie espera firma.")).to_be_visible()
    await other.sign_in(email)
    await expect(other.page.get_by_role("heading", name="Expedientes")).to_be_visible()


async def sign_that_dora_left(head: Tab) -> None:
    await head.page.get_by_role("row", name="Dora Luna").get_by_text("Dejó la unidad…").click()
    await head.page.get_by_role("button", name="Firmar que Dora Luna dejó la unidad").click()


async def sign_that_dora_is_suspended(head: Tab) -> None:
    await head.page.get_by_role("row", name="Dora Luna").get_by_text("Suspender…").click()
    await head.page.get_by_role("button", name="Firmar la suspensión de Dora Luna").click()


async def test_the_unit_is_adopted_by_the_command_that_its_first_officer_reads_out(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as carmen:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True, in_trial=False)
        await open_keys(carmen, CARMEN)
        unit = await office.stored_unit()
        digits = lists.unit_fingerprint(unit.point)
        await expect(carmen.page.locator("#unit-fingerprint")).to_have_text(digits)
        await expect(carmen.page.locator("#adopt-command")).to_have_text(
            f"integra unit adopt {digits.replace(' ', '')}"
        )
        await carmen.check_accessibility()
        await office.adopt()
        await carmen.page.get_by_role("link", name="Expedientes", exact=True).click()
        await open_keys(carmen)
        await expect(carmen.page.locator("#adoption")).to_have_count(0)
        assert carmen.complaints == []


async def test_a_second_officer_waits_until_the_first_has_compared_the_fingerprint(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as carmen, tab(browser, office, PHONE) as dora:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True)
        await office.adopt()
        await dora.join(await office.invite(DORA, "Dora Luna"), is_first=False)
        own = await dora.page.locator("#own-fingerprint").inner_text()
        await dora.sign_in(DORA)
        await expect(dora.page.get_by_role("heading", name="esperan la firma")).to_be_visible()
        await expect(dora.page.locator("#own-fingerprint")).to_have_text(own)
        await dora.check_accessibility()

        await open_keys(carmen, CARMEN)
        await expect(carmen.page.locator(".cards code")).to_have_text(own)
        await carmen.check_accessibility()
        await carmen.page.get_by_role("button", name="Comparé esta huella con Dora Luna").click()
        await expect(carmen.page.get_by_text("Nadie espera firma.")).to_be_visible()

        await dora.page.get_by_role("link", name="Revisar de nuevo").click()
        await expect(dora.page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await open_keys(dora)  # the keys stayed in memory: no words again
        await expect(dora.page.locator("#readers tr")).to_have_count(3)
        assert dora.complaints == carmen.complaints == []
    unit = await office.stored_unit()
    assert unit.chain.serial == 2


async def test_a_third_officer_needs_two_who_compare_and_each_then_answers(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as dora, tab(browser, office) as eva:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True)
        await office.adopt()
        await join_by_vouching(office, carmen, dora, DORA, "Dora Luna")
        await eva.join(await office.invite(EVA, "Eva Sol"), is_first=False)
        compare, sign = "Comparé esta huella con Eva Sol", "Firmar la llave de Eva Sol"
        await open_keys(carmen, CARMEN)
        await carmen.page.get_by_role("button", name=compare).click()
        await expect(carmen.page.get_by_text("La compararon 1 de 2: Carmen Ríos.")).to_be_visible()
        await expect(carmen.page.get_by_role("button", name=sign)).to_have_count(0)
        assert (await office.stored_unit()).chain.serial == 2
        await open_keys(dora)
        await dora.page.get_by_role("button", name=compare).click()
        await expect(dora.page.get_by_text("La compararon 2 de 2:")).to_be_visible()
        await open_keys(carmen)
        await carmen.page.get_by_role("button", name=sign).click()
        await expect(carmen.page.get_by_text("Nadie espera firma.")).to_be_visible()
        unit = await office.stored_unit()
        assert [len(entry["proofs"]) for entry in unit.newest["list"]["readers"] if entry["since"] == 3] == [3]

        asker = await office.submit_case(QUESTION)
        await eva.sign_in(EVA)
        for number, one in enumerate((carmen, dora, eva), 2):
            await one.page.get_by_role("link", name="Expedientes", exact=True).click()
            await one.open_first_case()
            await one.answer(f"Respuesta {number}.")
            await expect(one.page.locator(".letter")).to_have_count(number)
        assert (await office.read(asker))[1:] == ["Respuesta 2.", "Respuesta 3.", "Respuesta 4."]
        await expect(eva.page.locator(".letter h3").nth(2)).to_contain_text("Dora Luna")


async def test_who_left_reads_no_new_letter_and_keeps_the_name_under_old_ones(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as dora:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True)
        await office.adopt()
        await join_by_vouching(office, carmen, dora, DORA, "Dora Luna")
        asker = await office.submit_case(QUESTION)
        await dora.page.get_by_role("link", name="Expedientes", exact=True).click()
        await dora.open_first_case()
        await dora.answer("Pregunta a tu superior.")
        await expect(dora.page.locator(".letter")).to_have_count(2)

        await open_keys(carmen)
        await sign_that_dora_left(carmen)
        await expect(carmen.page.get_by_text("Ya no lee consultas nuevas (lista 3)")).to_be_visible()
        await carmen.page.get_by_role("link", name="Expedientes", exact=True).click()
        await carmen.open_first_case()
        await expect(carmen.page.locator(".letter.officer h3")).to_contain_text("ha dejado la unidad")
        await carmen.answer("Ahora la atiendo yo.")
        await expect(carmen.page.locator(".letter").nth(2)).to_contain_text("ya no puede leer: Dora Luna")
        assert (await office.read(asker))[1:] == ["Pregunta a tu superior.", "Ahora la atiendo yo."]
        await dora.go("/console/cases")
        await expect(dora.page.get_by_role("heading", name="Entrar")).to_be_visible()


async def test_the_list_is_renewed_with_one_press_before_it_expires(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True)
        await office.adopt()
        await carmen.sign_in(CARMEN)
        await expect(carmen.page.locator("#expiry")).to_have_count(0)
        office.advance_clock(days=35)
        await carmen.set_clock(office.now)
        await open_keys(carmen, CARMEN)
        await expect(carmen.page.locator("#expiry")).to_contain_text("vence en 10 días")
        await carmen.page.get_by_role("button", name="Renovar la lista por 45 días").click()
        await expect(carmen.page.locator("#serial")).to_have_text("2")
        until = office.today + timedelta(days=45)
        await expect(carmen.page.locator("#until")).to_have_text(until.strftime("%d/%m/%Y"))
        await carmen.page.get_by_role("link", name="Expedientes", exact=True).click()
        await expect(carmen.page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await expect(carmen.page.locator("#expiry")).to_have_count(0)


async def test_under_an_expired_list_an_answer_is_sealed_as_before_but_no_key_is_granted(
    browser: Browser, office: Office
) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as dora:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True)
        await office.adopt()
        await join_by_vouching(office, carmen, dora, DORA, "Dora Luna")
        asker = await office.submit_case(QUESTION)
        office.advance_clock(days=46)
        await carmen.set_clock(office.now)
        await carmen.sign_in(CARMEN)
        await carmen.open_first_case()
        await expect(carmen.page.locator("#expiry")).to_contain_text("La lista de llaves venció")
        await carmen.answer("Sí, con excusa.")
        await expect(carmen.page.locator(".letter")).to_have_count(2)
        assert (await office.read(asker))[1:] == ["Sí, con excusa."]


async def test_a_grant_waits_for_a_list_in_force(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as dora:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True)
        await office.adopt()
        await join_by_vouching(office, carmen, dora, DORA, "Dora Luna")
        await office.submit_case(QUESTION)
        await open_keys(carmen)
        await sign_that_dora_is_suspended(carmen)
        await expect(carmen.page.get_by_text("Ya no lee consultas nuevas (lista 3)")).to_be_visible()
        async with office.database.read() as tx:
            assert [one.state for one in await officers.by_email(tx, DORA)] == [OfficerState.SUSPENDED]
        office.advance_clock(days=46)
        await carmen.set_clock(office.now)
        await carmen.sign_in(CARMEN)
        await carmen.open_first_case()
        await carmen.answer("Sí, con excusa.")
        await expect(carmen.page.locator("#answer-says")).to_contain_text("La lista de llaves venció")
        await expect(carmen.page.get_by_label("Tu respuesta")).to_have_value("Sí, con excusa.")
        await carmen.page.get_by_role("link", name="Llaves").click()
        await carmen.page.get_by_role("button", name="Renovar la lista por 45 días").click()
        await expect(carmen.page.locator("#serial")).to_have_text("4")
        await carmen.page.get_by_role("link", name="Expedientes", exact=True).click()
        await carmen.open_first_case()
        await carmen.answer("Sí, con excusa.")
        await expect(carmen.page.locator(".letter")).to_have_count(2)


# ---------------------------------------------------------------- invites


async def test_who_reads_no_queries_gets_words_but_no_keys(browser: Browser, office: Office) -> None:
    office.trust.adopts_itself = True
    async with tab(browser, office) as lia:
        await lia.show_words(await office.invite("lia@leon.example", "Lía Paz", "author"))
        await expect(lia.page.get_by_role("heading", name="Listo")).to_be_visible()
        await expect(lia.page.locator("#own-fingerprint")).to_be_hidden()
        await lia.sign_in("lia@leon.example")
        await expect(lia.page.get_by_role("heading", name="Monitoreo")).to_be_visible()
        await expect(lia.page.get_by_role("button", name="Bloquear")).to_be_hidden()
        assert lia.complaints == []


@pytest.mark.attack
async def test_an_invite_binds_the_new_officer_to_the_unit_of_its_pin(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as dora:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True)
        await office.adopt()
        token, pin = (await office.invite(DORA, "Dora Luna")).split("&u=")
        for fragment, said in (
            (token, "Este enlace no es válido"),
            (f"{token}&u={'A' * 22}", "La lista de llaves está alterada"),
        ):
            await dora.go("/console/signin")
            await dora.go(f"/console/signup#{fragment}")
            await expect(dora.page.locator("#says")).to_contain_text(said)
            await expect(dora.page.get_by_role("button", name="Comenzar")).to_be_hidden()
        async with office.database.write() as tx:
            await tx.execute(delete(schema.key_lists))
        await dora.go("/console/signin")
        await dora.go(f"/console/signup#{token}&u={pin}")
        await expect(dora.page.locator("#says")).not_to_be_empty()
        await expect(dora.page.get_by_role("button", name="Comenzar")).to_be_hidden()


@pytest.mark.attack
async def test_no_officer_can_vouch_for_exchanged_keys(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as dora:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True)
        await office.adopt()
        await dora.join(await office.invite(DORA, "Dora Luna"), is_first=False)
        own = await dora.page.locator("#own-fingerprint").inner_text()
        await exchange_keys(office, DORA)
        await open_keys(carmen, CARMEN)
        shown = await carmen.page.locator(".cards code").inner_text()
        assert shown != own, "the numbers that Dora reads out are others"
        await dora.sign_in(DORA)
        await expect(dora.page.locator("#says")).to_contain_text("Tus llaves están alteradas")
        await expect(dora.page.locator("#own-fingerprint")).to_be_hidden()


@pytest.mark.attack
async def test_no_officer_can_vouch_for_a_statement_that_its_key_did_not_sign(browser: Browser, office: Office) -> None:
    async with tab(browser, office) as carmen, tab(browser, office) as dora:
        await carmen.join(await office.invite(CARMEN, "Carmen Ríos", "admin"), is_first=True)
        await office.adopt()
        await dora.join(await office.invite(DORA, "Dora Luna"), is_first=False)
        table = schema.officers
        async with office.database.write() as tx:
            joining = (await tx.execute(select(table.c.joining).where(table.c.email == DORA))).scalar_one()
            renamed = joining.replace("Dora Luna", "Dora Lima")
            await tx.execute(update(table).where(table.c.email == DORA).values(joining=renamed))
        await open_keys(carmen, CARMEN)
        await expect(carmen.page.locator(".cards")).to_contain_text("Estas llaves no se pueden firmar")
        await expect(carmen.page.get_by_role("button", name="Comparé")).to_have_count(0)


async def exchange_keys(office: Office, email: str) -> None:
    """Put other keys, with a proof of their own, in the place of those that an officer registered."""
    table, unit = schema.officers, await office.stored_unit()
    async with office.database.write() as tx:
        row = (await tx.execute(select(table.c.id, table.c.name).where(table.c.email == email))).one()
        puppet = Keyholder(row.name, id=row.id)
        join = puppet.join(unit.point)
        joining = canonical({"join": join, "proofs": [puppet.prove(join)]})
        await tx.execute(update(table).where(table.c.id == row.id).values(joining=joining))
