"""The console in a real browser: sign-up, reading, answering, locking; no plaintext or secret leaves the tab."""

import base64
import json
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, expect

from handlers import caps
from storage.confidential import ledger
from storage.confidential.protocol import lists
from tests.bot.console.office import SECRET, START, Office
from tests.bot.console.tabs import PHONE, tab

QUESTION = "Canario-7731: mi cuñada concursa por una obra que reviso."
ANSWER = "Canario-9904: informa por escrito y pide excusa. "
CARMEN, DORA, EVA = "carmen@ueipci.example", "dora@ueipci.example", "eva@ueipci.example"
expect.set_options(timeout=20_000)  # generating keys is slow when several tests run at once


CLICK_THE_FIRST_CASE_AT_ONCE = """() => new MutationObserver((_, observer) => {
  const link = document.querySelector(".queue tbody a");
  if (link) { observer.disconnect(); link.click(); }
}).observe(document, {childList: true, subtree: true})"""


def encodings(text: str) -> list[str]:
    """The text in the encodings in which it could hide in a request."""
    raw = text.encode()
    base64_forms = [base64.b64encode(raw[start:]).decode()[2:-4] for start in range(3)]
    return [text, quote(text), json.dumps(text)[1:-1], raw.hex(), *base64_forms]


@pytest.mark.attack
async def test_an_officer_joins_signs_in_opens_and_answers_and_no_plaintext_leaves_the_tab(
    browser: Browser, office: Office
) -> None:
    token = await office.invite(CARMEN, "Carmen Ríos", "admin")
    async with tab(browser, office) as carmen:
        page = carmen.page
        await carmen.join(token, is_first=True)
        unit = await office.adopt()
        assert sorted(reader["join"]["role"] for reader in unit.newest["list"]["readers"]) == ["officer", "recovery"]
        await expect(page.locator("#unit-fingerprint")).to_have_text(lists.unit_fingerprint(unit.point))
        digits = lists.unit_fingerprint(unit.point).replace(" ", "")
        await expect(page.locator("#adopt-command")).to_have_text(f"integra unit adopt {digits}")

        fields = {"answers": "ynu---nnynnnyn", "decision_on": "2026-11-25"}
        asker = await office.submit_case(QUESTION, fields)
        await carmen.sign_in(CARMEN)
        await expect(page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await carmen.open_first_case()
        await expect(page.locator(".letter .text")).to_have_text(QUESTION)
        await expect(page.locator(".sheet tbody tr")).to_have_count(11)
        await expect(page.get_by_text("Debe decidir el 25/11/2026.")).to_be_visible()

        await page.get_by_label("Tu respuesta").press_sequentially(ANSWER)
        await page.get_by_label("Citar un artículo").select_option(index=30)
        await page.get_by_role("button", name="Insertar").click()
        await page.get_by_role("button", name="Firmar, sellar y enviar").click()
        await expect(page.locator(".letter")).to_have_count(2)
        await expect(page.locator(".letter.officer")).to_contain_text("Firma comprobada con la lista de la unidad")
        await expect(page.locator("#case-state")).to_have_text("Respondida")
        await carmen.check_accessibility()

        stored = await page.evaluate("[Object.keys(localStorage), Object.keys(sessionStorage)]")
        (reader,) = [entry["join"] for entry in unit.newest["list"]["readers"] if entry["join"]["role"] == "officer"]
        assert stored == [[f"integra:floor:{reader['id']}"], ["htmx-current-path-for-history"]]
        assert carmen.complaints == []
        requests = "\n".join(carmen.sent)
        for secret in (QUESTION, ANSWER.strip(), carmen.words):
            assert not [form for form in encodings(secret) if form in requests]
        assert token not in "\n".join(request.split(" ")[1].split("#")[0] for request in carmen.sent)

    _, answer = await office.read(asker)
    assert answer.startswith(ANSWER.strip())
    assert "artículo" in answer
    async with office.database.read() as tx:
        verbs = [(entry.verb, entry.officer_id) for entry in await ledger.of_case(tx, asker.case)]
        assert await ledger.first_invalid(tx, SECRET.audit) is None
    assert [verb for verb, _ in verbs] == ["open", "answer"]


async def test_an_idle_tab_discards_keys_and_texts_and_the_words_restore_them(browser: Browser, office: Office) -> None:
    token = await office.invite(CARMEN, "Carmen Ríos")
    async with tab(browser, office, now=None) as carmen:
        page = carmen.page
        await page.clock.install(time=START)
        await carmen.join(token, is_first=True)
        await office.adopt()
        await office.submit_case(QUESTION)
        await carmen.sign_in(CARMEN)
        await carmen.open_first_case()
        await page.get_by_label("Tu respuesta").fill("Un borrador.")
        await page.clock.fast_forward("16:00")
        office.advance_clock(minutes=16)  # the session on the server is idle too
        await expect(page.get_by_role("heading", name="Bloqueado")).to_be_visible()
        assert QUESTION not in await page.content()
        assert await page.locator("#text").input_value() == ""
        await carmen.check_accessibility()

        words = page.locator("#unlock-words")
        await words.fill("una dos tres")
        await page.get_by_role("button", name="Desbloquear").click()
        await expect(page.locator("#unlock-says")).to_contain_text("no coinciden")
        await words.fill(carmen.words.upper())
        await page.get_by_role("button", name="Desbloquear").click()
        await expect(page.locator(".letter .text")).to_have_text(QUESTION)
        await expect(page.get_by_label("Tu respuesta")).to_have_value("Un borrador.")


async def test_a_draft_outlives_a_lock_while_another_letter_comes(browser: Browser, office: Office) -> None:
    token = await office.invite(CARMEN, "Carmen Ríos")
    async with tab(browser, office) as carmen:
        page = carmen.page
        await carmen.join(token, is_first=True)
        await office.adopt()
        asker = await office.submit_case(QUESTION)
        await carmen.sign_in(CARMEN)
        await carmen.open_first_case()
        await page.get_by_label("Tu respuesta").fill("Un borrador.")
        await page.get_by_role("button", name="Bloquear").click()
        await office.reply(asker, "Se me olvidaba la fecha.")
        await carmen.unlock()
        await expect(page.locator(".letter .text")).to_have_text([QUESTION, "Se me olvidaba la fecha."])
        seals = page.locator(".letter .seal")
        await expect(seals.nth(0)).to_contain_text("quien tiene las ocho palabras de este caso")
        await expect(seals.nth(1)).to_contain_text("la misma clave que escribió el primer mensaje")
        await expect(page.get_by_label("Tu respuesta")).to_have_value("Un borrador.")
        await page.get_by_role("button", name="Firmar, sellar y enviar").click()
        await expect(page.locator(".letter")).to_have_count(3)
        assert (await office.read(asker))[2] == "Un borrador."


async def test_a_case_that_is_clicked_the_moment_it_appears_opens_without_the_words_again(
    browser: Browser, office: Office
) -> None:
    """The links of a page that was swapped in keep the keys in memory from the first moment, not a little later."""
    token = await office.invite(CARMEN, "Carmen Ríos")
    async with tab(browser, office) as carmen:
        await carmen.join(token, is_first=True)
        await office.adopt()
        await office.submit_case(QUESTION)
        await carmen.go("/console/signin")
        await carmen.page.evaluate(CLICK_THE_FIRST_CASE_AT_ONCE)
        await carmen.enter(CARMEN)
        await expect(carmen.page.locator(".letter .text")).to_have_text(QUESTION)


async def test_neither_a_lost_connection_nor_a_cap_loses_what_was_typed(
    browser: Browser, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await office.invite(CARMEN, "Carmen Ríos")
    async with tab(browser, office, PHONE) as carmen:
        page = carmen.page
        await carmen.join(token, is_first=True)
        await office.adopt()
        await office.submit_case(QUESTION)
        await carmen.sign_in(CARMEN)
        await carmen.open_first_case()
        await page.get_by_label("Tu respuesta").fill(ANSWER)
        await page.context.set_offline(True)
        await page.get_by_role("button", name="Firmar, sellar y enviar").click()
        await expect(page.locator("#answer-says")).to_contain_text("No hay conexión")
        await expect(page.get_by_label("Tu respuesta")).to_have_value(ANSWER)
        await page.context.set_offline(False)
        for cap, most, reason in (("LETTERS_A_DAY", 0, "tantos mensajes"), ("CASE_BYTES", 1, "tamaño máximo")):
            with monkeypatch.context() as smaller:
                smaller.setattr(caps, cap, most)
                await page.get_by_role("button", name="Firmar, sellar y enviar").click()
                await expect(page.locator("#answer-says")).to_contain_text(reason)
            await expect(page.get_by_label("Tu respuesta")).to_have_value(ANSWER)
        await page.get_by_role("button", name="Firmar, sellar y enviar").click()
        await expect(page.locator(".letter")).to_have_count(2)


async def test_after_signing_out_the_back_button_shows_no_case(browser: Browser, office: Office) -> None:
    token = await office.invite(CARMEN, "Carmen Ríos")
    async with tab(browser, office) as carmen:
        page = carmen.page
        await carmen.join(token, is_first=True)
        await office.adopt()
        await office.submit_case(QUESTION)
        await carmen.sign_in(CARMEN)
        await carmen.open_first_case()
        await expect(page.locator(".letter .text")).to_have_text(QUESTION)
        await page.get_by_role("button", name="Salir").click()
        await expect(page.get_by_role("heading", name="Entrar")).to_be_visible()
        await page.go_back()
        await expect(page.get_by_role("heading", name="Entrar")).to_be_visible()
        assert QUESTION not in await page.content()


async def test_two_tabs_keep_one_notebook(browser: Browser, office: Office) -> None:
    token = await office.invite(CARMEN, "Carmen Ríos")
    async with tab(browser, office) as first, tab(browser, office) as second:
        await first.join(token, is_first=True)
        second.words = first.words
        await office.adopt()
        one = await office.submit_case(QUESTION)
        await first.sign_in(CARMEN)
        await second.sign_in(CARMEN)
        await first.open_first_case()
        await first.answer("Desde la primera.")
        await expect(first.page.locator(".letter")).to_have_count(2)
        await second.open_first_case()  # the second tab knows of no letter yet; the notebook of the first knows of two
        await second.answer("Desde la segunda.")
        await expect(second.page.locator(".letter")).to_have_count(3)
        await expect(second.page.locator("#says")).to_be_empty()
        await first.answer("Otra vez desde la primera.")
        await expect(first.page.locator("#answer-says")).to_contain_text("Llegó otro mensaje")
        assert (await office.read(one))[1:] == ["Desde la primera.", "Desde la segunda."]
        for page in (first, second):
            await page.page.get_by_role("link", name="Expedientes", exact=True).click()
            await page.open_first_case()
            await expect(page.page.locator(".letter")).to_have_count(3)
            await expect(page.page.locator("#says")).to_be_empty()
