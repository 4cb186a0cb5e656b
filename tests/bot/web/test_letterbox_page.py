"""A new query in a real browser: written, sealed and answered; accessibility, and failures that must lose no text."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.fakes.letterbox import Letterbox
from tests.fakes.unit import Keyholder
from tests.phones.letterbox_page import LetterboxPage
from tests.screen import CONTRAST, axe_violations

TEXT = "Me toca evaluar la cotización de mi prima.\n¿Debo excusarme?"


async def check_usability(page: Page, *rules: str) -> None:
    """Assert that axe finds nothing, nothing scrolls sideways, and no control is lower than 44 pixels."""
    assert await axe_violations(page, *rules) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    script = "(all) => all.filter((e) => e.offsetParent && e.offsetHeight < 44).map((e) => e.outerHTML)"
    assert await page.eval_on_selector_all("button, textarea, input:not([type=radio], [type=checkbox])", script) == []


# ---------------------------------------------------------------- the whole exchange


async def test_a_query_is_sealed_answered_and_read(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link("consult:start:ynunnynnnn-nyu"))
    await phone.shows("write")
    await expect(page.locator("#readers li")).to_have_count(2)
    await page.fill("#decision", "2026-11-24")
    await page.check("input[value=yes]")
    await page.fill("#name", "Ana, Obras Públicas")
    await phone.send(TEXT)
    assert "#" not in page.url
    (letter,) = await box.opened()
    assert letter["text"] == TEXT
    assert letter["fields"] == {
        "answers": "ynunnynnnn-nyu",
        "decision_on": "2026-11-24",
        "identified": "Ana, Obras Públicas",
    }
    assert letter["bell"]  # so that an officer's answer can be notified

    await box.answer("Excúsate por escrito.\nGuarda el acuse.")
    await phone.come_back(box.url)
    assert await phone.letters() == [TEXT, "Excúsate por escrito.\nGuarda el acuse."]
    await expect(page.locator("article.officer .mark")).to_contain_text("Firma verificada")
    await phone.replied("Gracias.")
    assert await phone.letters() == [TEXT, "Excúsate por escrito.\nGuarda el acuse.", "Gracias."]
    assert (await box.opened())[2] == {"text": "Gracias.", "fields": {}, "before": "", "bell": ""}


async def test_name_and_answers_that_are_deselected_are_not_sent(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link("consult:start:ynunnynnnn-nyu"))
    await phone.shows("write")
    await page.check("input[value=yes]")
    await page.fill("#name", "Ana")
    await page.check("input[value=no]")
    await page.uncheck("#answers")
    await phone.send(TEXT)
    (letter,) = await box.opened()
    assert (letter["text"], letter["fields"]) == (TEXT, {})


async def test_the_thread_can_be_downloaded_as_text(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.send(TEXT)
    await phone.come_back(box.url)
    await phone.shows("thread")
    async with page.expect_download() as download_info:
        await page.click("#download")
    download = await download_info.value
    assert TEXT in Path(await download.path()).read_text("utf-8")
    await page.click("#leave")
    await phone.shows("start")
    assert TEXT not in await page.content()


async def test_the_words_are_forgiving_about_accents_and_spaces(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.send(TEXT)
    await phone.come_back(box.url, "  ".join(phone.words).upper() + "\n")
    assert await phone.letters() == [TEXT]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "ocho"),
        ("uno dos tres", "aquí hay 3"),
        ("zzz abeja abeja abeja abeja abeja abeja abeja", "zzz"),
        ("abeja " * 8, "Ninguna consulta"),
    ],
)
async def test_words_that_open_nothing_are_explained(box: Letterbox, page: Page, words: str, message: str) -> None:
    phone = await LetterboxPage.opened(page, box.url + "/c")
    await phone.shows("start")
    await page.fill("#words", words)
    await phone.press("open")
    assert message in await phone.error("open")
    assert await page.input_value("#words") == words


async def test_wrong_words_at_the_check_are_asked_again(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.write(TEXT)
    await phone.press("letter")
    await phone.shows("sent")
    await page.click("#noted")
    await page.fill("#check-one", "nada")
    await phone.press("check-words")
    assert await phone.error("check")
    await page.click("#again")
    await phone.note()


# ---------------------------------------------------------------- usable by everybody


@pytest.mark.parametrize(("scheme", "rules"), [("light", ()), ("dark", CONTRAST)])
async def test_every_state_can_be_used_by_everybody(
    box: Letterbox, page: Page, scheme: Literal["light", "dark"], rules: tuple[str, ...]
) -> None:
    await page.emulate_media(color_scheme=scheme)
    phone = await LetterboxPage.opened(page, box.url + "/c")
    await phone.shows("start")
    await check_usability(page, *rules)
    phone = await LetterboxPage.opened(page, await box.link("consult:start:ynunnynnnn-nyu"))
    await phone.shows("write")
    await check_usability(page, *rules)
    await phone.press("letter")
    assert await phone.error("letter")
    await check_usability(page, *rules)
    await phone.write(TEXT)
    await phone.press("letter")
    await phone.shows("sent")
    await expect(page.locator("#sent-title")).to_be_focused()
    await check_usability(page, *rules)
    await phone.note()
    await check_usability(page, *rules)
    await box.answer("Excúsate.")
    await phone.come_back(box.url)
    await phone.shows("thread")
    await check_usability(page, *rules)


async def test_the_keyboard_alone_is_enough(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.shows("write")
    for _ in range(10):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == "text":
            break
    await page.keyboard.type("¿Puedo firmar?")
    for _ in range(10):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.type") == "submit":
            break
    await page.keyboard.press("Enter")
    await phone.note()
    assert (await box.opened())[0]["text"] == "¿Puedo firmar?"


async def test_the_language_follows_the_link_and_can_be_changed(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link(language="en"))
    await phone.shows("write")
    await page.fill("#text", TEXT)
    assert await page.inner_text("#write-title") == "Your query"
    await expect(page).to_have_title("Confidential letterbox")
    await page.click("[data-choose=es]")
    assert await page.inner_text("#write-title") == "Tu consulta"
    assert await page.get_attribute("html", "lang") == "es"
    assert await page.input_value("#text") == TEXT


async def test_english_reaches_what_stands_on_the_page_already(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.shows("write")
    await phone.press("letter")
    assert "Escribe tu consulta" in await phone.error("letter")
    await page.route("**/c/english/*", lambda route: route.abort())
    await page.click("[data-choose=en]")
    await expect(page.locator("#no-english")).to_contain_text("English could not be loaded")
    assert await page.inner_text("#write-title") == "Tu consulta"
    await page.unroute("**/c/english/*")
    await page.click("[data-choose=en]")
    await expect(page.locator("#write-title")).to_have_text("Your query", use_inner_text=True)
    await expect(page.locator("#letter-error")).to_have_text(
        "Write your query before you send it.", use_inner_text=True
    )
    await expect(page.locator("#no-english")).to_be_hidden()
    readers = await page.locator("#readers li").all_inner_texts()
    assert sorted(readers) == ["Backup (custodians: Archivo del Estado, Notaría 7, Órgano interno)", "Carmen Ríos"]


async def test_without_scripts_the_page_explains_and_offers_no_form(box: Letterbox, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(await box.link())
    for language in ("es", "en"):
        await expect(page.locator(f"noscript [lang={language}]")).to_be_visible()
    assert await page.locator("textarea:visible, input:visible, button:visible").count() == 0
    await context.close()


# ---------------------------------------------------------------- failures


async def test_where_nothing_can_be_sealed_it_refuses(box: Letterbox, page: Page) -> None:
    await page.add_init_script("Object.defineProperty(globalThis, 'isSecureContext', { value: false })")
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.shows("unsupported")
    assert await page.locator("textarea:visible").count() == 0


async def test_a_list_of_readers_that_does_not_verify_is_refused(box: Letterbox, page: Page) -> None:
    async def alter(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, body=(await response.text()).replace("Carmen", "Karmen"))

    await page.route("**/c/keys", alter)
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.shows("altered")
    assert await page.locator("textarea:visible").count() == 0


async def test_a_network_that_is_cut_loses_nothing(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.write(TEXT)
    for pattern in ("**/c/keys", "**/c/cases"):
        await page.route(pattern, lambda route: route.abort())
        await phone.press("letter")
        assert await phone.error("letter")
        await expect(page.locator("#letter button.main")).not_to_have_attribute("aria-disabled", "true")
        await phone.is_unsent(box, TEXT)
        await page.unroute(pattern)
    await phone.press("letter")
    await phone.note()
    assert [letter["text"] for letter in await box.opened()] == [TEXT]


async def test_a_lost_response_does_not_send_the_case_twice(box: Letterbox, page: Page) -> None:
    async def drop_response(route: Route) -> None:
        await route.fetch()  # the server stores the case, and the browser gets no response
        await route.abort()

    phone = await LetterboxPage.opened(page, await box.link())
    await phone.write(TEXT)
    await page.route("**/c/cases", drop_response)
    await phone.press("letter")
    assert "no sabemos" in await phone.error("letter")
    await page.unroute("**/c/cases")
    await phone.press("letter")
    await phone.note()
    await phone.come_back(box.url)
    assert await phone.letters() == [TEXT]
    assert len(await box.opened()) == 1


async def test_a_spent_link_leaves_the_text_on_the_page(box: Letterbox, page: Page) -> None:
    url = await box.link()
    phone = await LetterboxPage.opened(page, url)
    await phone.send("first")
    phone = await LetterboxPage.opened(page, url)
    await phone.write(TEXT)
    await phone.press("letter")
    assert "ya se usó" in await phone.error("letter")
    assert await page.input_value("#text") == TEXT
    assert len(await box.opened()) == 1


async def test_readers_that_change_while_the_asker_writes_are_shown_first(box: Letterbox, page: Page) -> None:
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.write(TEXT)
    dora, renewed = Keyholder("Dora Paz"), Keyholder("Respaldo 2", "recovery")
    box.unit.next_list(adding=[dora, renewed], ending=[box.unit.readers[1]])
    await box.publish()
    await phone.press("letter")
    assert "acaba de cambiar" in await phone.error("letter")
    officers = (await page.locator("#readers li").all_text_contents())[:2]
    assert sorted(officers) == ["Carmen Ríos", "Dora Paz"]
    await phone.is_unsent(box, TEXT)
    await phone.press("letter")
    await phone.note()
    assert [letter["text"] for letter in await box.opened(dora)] == [TEXT]
