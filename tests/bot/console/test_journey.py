"""The console in a real browser: sign-up, reading, answering, locking; no plaintext or secret leaves the tab."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, Route, expect

from storage.confidential import cases, ledger, officers, sealing, wire_format
from tests.bot.console.office import SECRET, ZONE, Office, encoded_public_key
from tests.fakes.unit import new_key
from tests.screen import axe_violations, with_fast_key_stretching

QUESTION = "Canario-7731: mi cuñada concursa por una obra que reviso."
ANSWER = "Canario-9904: informa por escrito y pide excusa. "
expect.set_options(timeout=20_000)  # generating keys is slow when several tests run at once
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


CLICK_THE_FIRST_CASE_AT_ONCE = """() => new MutationObserver((_, observer) => {
  const link = document.querySelector(".queue tbody a");
  if (link) { observer.disconnect(); link.click(); }
}).observe(document, {childList: true, subtree: true})"""


class Tab:
    """A page in a browser context of its own, with its requests and its console errors."""

    def __init__(self, page: Page, office: Office) -> None:
        self.page, self.office = page, office
        self.sent: list[str] = []
        self.complaints: list[str] = []
        self.words = ""
        page.on("request", self._record_request)
        page.on("console", self._record_message)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _record_request(self, request: Request) -> None:
        self.sent.append(" ".join([request.method, request.url, request.post_data or "", json.dumps(request.headers)]))

    def _record_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def go(self, path: str) -> None:
        await self.page.goto(self.office.address + path)

    async def join(self, token: str, *, is_first: bool) -> None:
        """Sign up, typing back two of the words that the page shows."""
        page = self.page
        await self.go(f"/console/signup#{token}")
        await page.get_by_role("button", name="Comenzar").click()
        await expect(page.locator("#passphrase li")).to_have_count(7)
        words = await page.locator("#passphrase li").all_inner_texts()
        await page.get_by_role("button", name="Ya las escribí").click()
        for field in (0, 1):
            label = await page.locator(f"#check-label-{field}").inner_text()
            await page.locator(f"#check-{field}").fill(words[int(label.split()[-1]) - 1])
        await page.get_by_role("button", name="Crear mis llaves").click()
        await expect(page.locator("#recovery-code")).to_contain_text("-")
        await expect(page.locator("#first-file")).to_be_visible(visible=is_first)
        await page.locator("#kept").check()
        await page.get_by_role("button", name="Terminar").click()
        await expect(page.get_by_role("heading", name="Listo")).to_be_visible()
        self.words = " ".join(words)

    async def sign_in(self, email: str) -> None:
        await self.go("/console/signin")
        await self.enter(email)

    async def enter(self, email: str) -> None:
        """Fill in the form of the sign-in page and send it."""
        await self.page.get_by_label("Correo").fill(email)
        await self.page.get_by_label("Tus siete palabras").fill(self.words)
        await self.page.get_by_role("button", name="Entrar").click()

    async def check_accessibility(self) -> None:
        """Assert that axe finds no violation."""
        assert await axe_violations(self.page) == []


@asynccontextmanager
async def tab(browser: Browser, office: Office, size: dict[str, int] = DESKTOP) -> AsyncIterator[Tab]:
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]}, locale="es-MX", reduced_motion="reduce"
    )
    tab = Tab(await (await with_fast_key_stretching(context)).new_page(), office)
    yield tab
    await context.close()


async def in_force(office: Office) -> sealing.ReaderList:
    async with office.database.read() as tx:
        newest = await officers.newest_key_list(tx)
    assert newest is not None
    return sealing.verify_key_list(newest.body, newest.signature)


def reader_entries(listed: sealing.ReaderList) -> list[dict[str, str]]:
    return [{"id": reader.id, "reading": reader.reading} for reader in listed.readers]


def encodings(text: str) -> list[str]:
    """The text in the encodings in which it could hide in a request."""
    raw = text.encode()
    base64_forms = [base64.b64encode(raw[start:]).decode()[2:-4] for start in range(3)]
    return [text, quote(text), json.dumps(text)[1:-1], raw.hex(), *base64_forms]


@pytest.mark.attack
async def test_an_officer_joins_signs_in_opens_and_answers_and_no_plaintext_leaves_the_tab(
    browser: Browser, office: Office
) -> None:
    token = await office.invite("carmen@ueipci.example", "Carmen Ríos", "admin")
    async with tab(browser, office) as carmen:
        page = carmen.page
        await carmen.join(token, is_first=True)
        listed = await in_force(office)
        assert [reader.role for reader in listed.readers] == ["officer", "recovery"]
        await expect(page.locator("#unit-fingerprint")).to_have_text(sealing.fingerprint(listed.unit))

        case_id, key = await office.submit_case(
            reader_entries(listed), {"text": QUESTION, "answers": "ynu---nnynnnyn", "decision_on": "2026-11-25"}
        )
        await carmen.sign_in("carmen@ueipci.example")
        await expect(page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await page.locator(".queue tbody a").click()
        await expect(page.locator(".letter .text")).to_have_text(QUESTION)
        await expect(page.locator(".sheet tbody tr")).to_have_count(11)
        await expect(page.get_by_text("Debe decidir el 25/11/2026.")).to_be_visible()

        await page.get_by_label("Tu respuesta").press_sequentially(ANSWER)
        await page.get_by_label("Citar un artículo").select_option(index=30)
        await page.get_by_role("button", name="Insertar").click()
        await page.get_by_role("button", name="Firmar, sellar y enviar").click()
        await expect(page.locator(".letter")).to_have_count(2)
        await expect(page.locator(".letter.officer")).to_contain_text("Firma comprobada con la lista")
        await expect(page.locator("#case-state")).to_have_text("Respondida")
        await carmen.check_accessibility()

        stored = await page.evaluate("[Object.keys(localStorage), Object.keys(sessionStorage)]")
        assert stored == [[], ["htmx-current-path-for-history"]]  # the path of the page, not its content
        assert carmen.complaints == []
        requests = "\n".join(carmen.sent)
        for secret in (QUESTION, ANSWER.strip(), carmen.words):
            assert not [form for form in encodings(secret) if form in requests]
        assert token not in "\n".join(request.split(" ")[1].split("#")[0] for request in carmen.sent)

    async with office.database.read() as tx:
        letters = await cases.letters(tx, case_id)
        verbs = [(entry.verb, entry.officer_id) for entry in await ledger.of_case(tx, case_id)]
        assert await ledger.first_invalid(tx, SECRET.audit) is None
    content = sealing.open_letter(key, sealing.read_envelope(letters[1].envelope))
    assert content["text"].startswith(ANSWER.strip())
    assert "artículo" in content["text"]
    assert [verb for verb, _ in verbs] == ["open", "answer"]


async def test_a_later_officer_waits_until_the_unit_signs_their_keys(browser: Browser, office: Office) -> None:
    first = await office.invite("carmen@ueipci.example", "Carmen Ríos", "admin")
    async with tab(browser, office) as carmen:
        await carmen.join(first, is_first=True)
        second = await office.invite("dora@ueipci.example", "Dora Luna")
        async with tab(browser, office, PHONE) as dora:
            await dora.join(second, is_first=False)
            own = await dora.page.locator("#own-fingerprint").inner_text()
            await dora.sign_in("dora@ueipci.example")
            await expect(dora.page.get_by_role("heading", name="esperan la firma")).to_be_visible()
            await expect(dora.page.locator("#own-fingerprint")).to_have_text(own)
            await dora.check_accessibility()

            await carmen.sign_in("carmen@ueipci.example")
            await carmen.page.get_by_role("link", name="Llaves").click()
            await expect(carmen.page.locator("[data-pending-id] [data-fingerprint]")).to_have_text(own)
            await carmen.check_accessibility()
            await carmen.page.get_by_label("Comparé la huella").check()
            await carmen.page.get_by_role("button", name="Firmar la llave").click()
            await expect(carmen.page.get_by_text("Nadie espera firma.")).to_be_visible()

            await dora.page.get_by_role("link", name="Revisar de nuevo").click()
            await expect(dora.page.get_by_role("heading", name="Expedientes")).to_be_visible()
            assert dora.complaints == carmen.complaints == []
    assert (await in_force(office)).serial == 2


async def test_an_idle_tab_discards_keys_and_texts_and_the_words_restore_them(browser: Browser, office: Office) -> None:
    token = await office.invite("carmen@ueipci.example", "Carmen Ríos")
    async with tab(browser, office) as carmen:
        page = carmen.page
        await carmen.join(token, is_first=True)
        await office.submit_case(reader_entries(await in_force(office)), {"text": QUESTION})
        await page.clock.install()
        await carmen.sign_in("carmen@ueipci.example")
        await page.locator(".queue tbody a").click()
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


Body = dict[str, Any]


def _signed_by_another_unit(body: Body) -> None:
    other = new_key()
    listed = json.loads(body["keys"]["body"]) | {"unit": encoded_public_key(other)}
    text = wire_format.canonical(listed)
    body["keys"] = {"body": text, "signature": sealing.sign(other, "integra/v1/keys|" + text)}


def _from_an_officer(body: Body) -> None:
    body["letters"][1]["context"]["author"] = "officer"
    body["letters"][1] |= {"signer": "A" * 22, "signature": "A" * 86}


ALTERATIONS: dict[str, Callable[[Body], object]] = {
    "another case": lambda body: body.update(case="A" * 22),
    "letters swapped": lambda body: body["letters"].reverse(),
    "the first letter missing": lambda body: body["letters"].pop(0),
    "a letter twice": lambda body: body["letters"].append(body["letters"][1]),
    "all letters missing": lambda body: body["letters"].clear(),
    "another day": lambda body: body["letters"][1]["context"].update(day="2026-11-20"),
    "another suite": lambda body: body["letters"][1]["context"].update(suite=2),
    "another body": lambda body: body["letters"][1].update(body=body["letters"][0]["body"]),
    "another vector": lambda body: body["letters"][0].update(iv="A" * 16),
    "another author": _from_an_officer,
    "another epoch": lambda body: body["access"][0].update(epoch=2),
    "another key": lambda body: body["access"][0].update(sealed="A" * len(body["access"][0]["sealed"])),
    "no key": lambda body: body["access"].clear(),
    "a list with another signature": lambda body: body["keys"].update(signature="A" * 86),
    "a list of another unit": _signed_by_another_unit,
}


def altering(alter: Callable[[Body], object]) -> Callable[[Route], Awaitable[None]]:
    """A route handler that alters the JSON of the server's response."""

    async def handle(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        alter(body)
        await route.fulfill(response=answer, json=body)

    return handle


@pytest.mark.attack
@pytest.mark.long
async def test_whatever_the_server_alters_is_reported_and_no_text_is_shown(browser: Browser, office: Office) -> None:
    token = await office.invite("carmen@ueipci.example", "Carmen Ríos")
    async with tab(browser, office) as carmen:
        page = carmen.page
        await carmen.join(token, is_first=True)
        case_id, key = await office.submit_case(reader_entries(await in_force(office)), {"text": QUESTION})
        async with office.database.write() as tx:
            first = sealing.read_envelope((await cases.letters(tx, case_id))[0].envelope)
            day = office.now.astimezone(ZONE).date()
            context = sealing.letter_context(case_id, 1, 2, "asker", day, first.hash)
            second = sealing.parse_envelope(sealing.seal_letter(key, context, {"text": QUESTION}))
            await cases.add_letter(tx, case_id, cases.Letter(2, 1, second.text))
        await carmen.sign_in("carmen@ueipci.example")
        for name, alter in ALTERATIONS.items():
            await page.route("**/letters", altering(alter))
            await page.locator(".queue tbody a").click()
            await expect(page.locator("#says"), name).to_contain_text("Alterado")
            assert "Canario" not in await page.content(), name
            await page.unroute("**/letters")
            await page.get_by_role("link", name="← Expedientes").click()
        await page.locator(".queue tbody a").click()
        await expect(page.locator(".letter .text").first).to_have_text(QUESTION)


@pytest.mark.attack
async def test_an_altered_row_is_reported_and_never_shown(browser: Browser, office: Office) -> None:
    token = await office.invite("carmen@ueipci.example", "Carmen Ríos")
    async with tab(browser, office) as carmen:
        await carmen.join(token, is_first=True)
        case_id, _ = await office.submit_case(reader_entries(await in_force(office)), {"text": QUESTION})
        async with office.database.write() as tx:
            stored = json.loads((await cases.letters(tx, case_id))[0].envelope)
            stored["context"]["day"] = "2026-11-22"
            await tx.exec_driver_sql(
                "UPDATE letters SET envelope = ? WHERE case_id = ?", (wire_format.canonical(stored), case_id)
            )
        await carmen.sign_in("carmen@ueipci.example")
        await carmen.page.locator(".queue tbody a").click()
        await expect(carmen.page.locator("#says")).to_contain_text("Alterado")
        await expect(carmen.page.locator("#opened")).to_be_hidden()
        assert QUESTION not in await carmen.page.content()


async def test_a_case_that_is_clicked_the_moment_it_appears_opens_without_the_words_again(
    browser: Browser, office: Office
) -> None:
    """The links of a page that was swapped in keep the keys in memory from the first moment, not a little later."""
    token = await office.invite("carmen@ueipci.example", "Carmen Ríos")
    async with tab(browser, office) as carmen:
        await carmen.join(token, is_first=True)
        await office.submit_case(reader_entries(await in_force(office)), {"text": QUESTION})
        await carmen.go("/console/signin")
        await carmen.page.evaluate(CLICK_THE_FIRST_CASE_AT_ONCE)
        await carmen.enter("carmen@ueipci.example")
        await expect(carmen.page.locator(".letter .text")).to_have_text(QUESTION)


async def test_a_lost_connection_loses_nothing_that_was_typed(browser: Browser, office: Office) -> None:
    token = await office.invite("carmen@ueipci.example", "Carmen Ríos")
    async with tab(browser, office, PHONE) as carmen:
        page = carmen.page
        await carmen.join(token, is_first=True)
        await office.submit_case(reader_entries(await in_force(office)), {"text": QUESTION})
        await carmen.sign_in("carmen@ueipci.example")
        await page.locator(".queue tbody a").click()
        await page.get_by_label("Tu respuesta").fill(ANSWER)
        await page.context.set_offline(True)
        await page.get_by_role("button", name="Firmar, sellar y enviar").click()
        await expect(page.locator("#answer-says")).to_contain_text("No hay conexión")
        await expect(page.get_by_label("Tu respuesta")).to_have_value(ANSWER)
        await page.context.set_offline(False)
        await page.get_by_role("button", name="Firmar, sellar y enviar").click()
        await expect(page.locator(".letter")).to_have_count(2)


async def test_after_signing_out_the_back_button_shows_no_case(browser: Browser, office: Office) -> None:
    token = await office.invite("carmen@ueipci.example", "Carmen Ríos")
    async with tab(browser, office) as carmen:
        page = carmen.page
        await carmen.join(token, is_first=True)
        await office.submit_case(reader_entries(await in_force(office)), {"text": QUESTION})
        await carmen.sign_in("carmen@ueipci.example")
        await page.locator(".queue tbody a").click()
        await expect(page.locator(".letter .text")).to_have_text(QUESTION)
        await page.get_by_role("button", name="Salir").click()
        await expect(page.get_by_role("heading", name="Entrar")).to_be_visible()
        await page.go_back()
        await expect(page.get_by_role("heading", name="Entrar")).to_be_visible()
        assert QUESTION not in await page.content()
