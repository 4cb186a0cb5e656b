"""The page of the privacy notice: the addresses of the settings, or where they are published."""

from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot.web import landing, server
from bot.web.app_keys import DATABASE, INSTALLATION, PAGES
from bot.web.templating import Pages
from content.library import Library
from storage.database import Database
from storage.people import servants
from tests.cast import ADDRESSES
from tests.handlers.conversation import INSTALLATION as WITHOUT

WITH = replace(
    WITHOUT,
    responsible_address=ADDRESSES["responsible_address"],
    transparency_address=ADDRESSES["transparency_address"],
)


@pytest.mark.parametrize(("language", "word"), [("es", "Domicilio: "), ("en", "Address: ")])
async def test_the_page_shows_both_addresses_or_says_who_publishes_them(
    library: Library, language: str, word: str
) -> None:
    for installation in (WITHOUT, WITH):
        app = server.create_app()
        app[PAGES], app[INSTALLATION] = Pages(library), installation
        landing.attach(app)
        async with TestClient(TestServer(app)) as client, client.get(f"/privacidad?lang={language}") as answer:
            assert answer.status == 200
            page = await answer.text()
        for address in ADDRESSES.values():
            assert (f"{word}{address}" in page) is (installation is WITH)
        published = library.phrases.plain(language, "privacy.no_address", {})
        assert page.count(published) == (0 if installation is WITH else 2)


async def test_the_page_of_an_institution_names_who_answers_there(library: Library, database: Database) -> None:
    async with database.write() as tx:
        await servants.add_institution(tx, "LEON", "Municipio de León", "municipal", responsible="Contraloría & Cía 1")
        await servants.add_institution(tx, "SALUD", "Secretaría de Salud", "state")
    app = server.create_app()
    app[PAGES], app[INSTALLATION], app[DATABASE] = Pages(library), WITHOUT, database
    landing.attach(app)
    async with TestClient(TestServer(app)) as client:
        for code, is_own in (("LEON", True), ("SALUD", False), ("NADA", False), ("", False), ("ñ" * 40, False)):
            async with client.get("/privacidad", params={"institucion": code}) as answer:
                assert answer.status == 200
                page = await answer.text()
            assert ("Contraloría &amp; Cía 1" in page) is is_own, code
            assert ("Secretaría de la Honestidad" in page.split("<h2>")[1]) is not is_own, code
