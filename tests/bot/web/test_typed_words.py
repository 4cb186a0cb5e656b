"""Words, codes and letters stay out of what browsers keep, complete, spell-check and translate elsewhere."""

from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from bot.web.templating import TEMPLATES
from content.library import Library
from tests.cast import Clock
from tests.product import Product, running

PAGES = sorted([*TEMPLATES.glob("console/*.html"), TEMPLATES / "letterbox.html"])
NOT_TYPED = {"checkbox", "radio", "hidden", "date", "file", "number", "submit", "button", "month"}
COMPLETED = {"off", "email", "one-time-code"}  # no name of an account, no password
NAMES = {"custodian-name", "email"}  # in which a spelling may be looked at elsewhere
WORDS = {"words", "unlock-words", "{{ id }}"}  # by which the console is entered
UNTRANSLATED = {
    "_credentials.html": {"passphrase", "recovery-code"},
    "custodian.html": {"paper-code"},
    "case.html": {"letters"},
    "letterbox.html": {"sent-words", "letters", "kept-text"},
}
MANAGERS = {"data-1p-ignore": "", "data-lpignore": "true", "data-bwignore": "true", "data-form-type": "other"}
"""What 1Password, LastPass, Bitwarden and Dashlane read beside `autocomplete`."""


class _Elements(HTMLParser):
    """All elements of a template, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def elements(page: Path) -> list[tuple[str, dict[str, str]]]:
    parser = _Elements()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser.found


def fields() -> Iterator[tuple[str, dict[str, str]]]:
    """The fields that people type into, by the name of their template."""
    for page in PAGES:
        for tag, given in elements(page):
            is_typed = tag == "textarea" or (tag == "input" and given.get("type", "text") not in NOT_TYPED)
            if is_typed and "readonly" not in given:
                yield page.name, given


def test_no_field_is_one_that_browsers_offer_to_keep() -> None:
    faults = {
        f"{page} {given.get('id')}: {given.get('type')}, {given.get('autocomplete')}"
        for page, given in fields()
        if given.get("type") == "password" or given.get("autocomplete") not in COMPLETED
    }
    assert faults == set()
    forms = [given.get("autocomplete", "off") for page in PAGES for tag, given in elements(page) if tag == "form"]
    assert set(forms) == {"off"}
    named = {given["name"] for _, given in fields() if "name" in given}
    assert named == set()  # a form that the browser sends by itself would put them into the address


def test_no_field_sends_what_is_typed_to_a_spelling_service() -> None:
    checked = {given.get("id", "") for _, given in fields() if given.get("spellcheck") != "false"}
    assert checked <= NAMES


def test_managers_of_passwords_leave_the_words_of_the_console_alone() -> None:
    words = [given for _, given in fields() if "secret" in given.get("class", "").split()]
    assert {given["id"] for given in words} == WORDS
    for given in words:
        assert MANAGERS.items() <= given.items()
        assert (given["autocapitalize"], given["autocorrect"], given["translate"]) == ("none", "off", "no")


@pytest.mark.parametrize("name", UNTRANSLATED)
def test_words_codes_and_letters_are_not_translated(name: str) -> None:
    (page,) = (page for page in PAGES if page.name == name)
    untranslated = {given.get("id") for _, given in elements(page) if given.get("translate") == "no"}
    assert untranslated >= UNTRANSLATED[name]


@pytest.fixture
async def product(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Product]:
    async with running(sqlite_url, tmp_path, library, clock) as product:
        yield product


async def test_words_are_hidden_until_they_are_to_be_shown(browser: Browser, product: Product) -> None:
    page = await browser.new_page(locale="es-MX")
    await page.goto(product.address + "/console/signin")
    words = page.get_by_label("Tus siete palabras")
    await expect(words).to_have_css("-webkit-text-security", "disc")
    await page.get_by_label("Mostrar las palabras").check()
    await expect(words).to_have_css("-webkit-text-security", "none")
    await page.get_by_label("Mostrar las palabras").uncheck()
    await expect(words).to_have_css("-webkit-text-security", "disc")
    await page.context.close()
