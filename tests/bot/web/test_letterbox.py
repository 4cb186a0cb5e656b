"""The letterbox's page: the same for everybody, small, without anything from elsewhere, and never cached."""

import html
import re
from pathlib import Path

import pytest
from aiohttp import ClientSession

from bot.web import scripts
from bot.web.templating import HEADERS, POLICY
from content.library import Library
from storage.database import Database
from tests.fakes.letterbox import Letterbox, running

THREATS = Path(__file__).resolve().parents[3] / "docs" / "threat-model.md"
MAX_WEIGHT = 30_000  # bytes as they travel: over a bad connection the page loads within a few seconds
MAX_WEIGHT_OF_ENGLISH = 4_000  # besides, for who reads it
PARTS = ("/static/letterbox/letterbox.css", "/static/letterbox/letterbox.js")


async def test_everybody_gets_the_same_bytes(box: Letterbox) -> None:
    pages = set()
    for query, headers in (
        ("", {}),
        ("?t=token&lang=en", {"Accept-Language": "en"}),
        ("?x=1", {"Cookie": "session=abc; lang=en", "User-Agent": "TelegramBot (like TwitterBot)"}),
    ):
        async with box.web.get(box.url + "/c" + query, headers=headers) as response:
            assert response.status == 200
            assert "Set-Cookie" not in response.headers
            pages.add(await response.read())
    assert len(pages) == 1


async def test_the_page_says_what_it_does_not_protect_from(box: Letterbox, library: Library) -> None:
    pages = {"es": await page_of(box), "en": "\n".join(await english_of(box))}
    threats = THREATS.read_text(encoding="utf-8")
    assert re.search(r"^\| A6 \|.*\| in part \|", threats, re.MULTILINE), "limit_trace is to say what holds"
    for key in ("limit_server", "limit_trace", "limit_signed"):
        for language in ("es", "en"):
            assert library.phrases.template(language, f"letterbox.{key}") in pages[language]


async def test_a_trial_says_so_on_the_page(box: Letterbox, library: Library) -> None:
    trial = library.phrases.template("es", "letterbox.trial")
    async with box.web.get(box.url + "/c") as response:
        assert trial not in await response.text()
    box.installation.unit.adopts_itself = True
    async with box.web.get(box.url + "/c") as response:
        assert trial in await response.text()


async def test_the_whole_letterbox_weighs_little(box: Letterbox) -> None:
    weight = await weigh(box, "/c", *PARTS)
    assert weight < MAX_WEIGHT
    assert await weigh(box, english_path(await page_of(box))) < MAX_WEIGHT_OF_ENGLISH


async def weigh(box: Letterbox, *paths: str) -> int:
    """The bytes that travel for these paths."""
    weight = 0
    async with ClientSession(auto_decompress=False) as browser:
        for path in paths:
            async with browser.get(box.url + path, headers={"Accept-Encoding": "gzip, br"}) as response:
                assert (response.status, response.headers["Content-Encoding"]) == (200, "br"), path
                weight += len(await response.read())
    return weight


# ---------------------------------------------------------------- English


async def test_english_is_loaded_for_this_very_page_only(box: Letterbox, library: Library) -> None:
    page = await page_of(box)
    spanish = re.findall(r'<span lang="es">(.*?)</span>', page)
    english = await english_of(box)
    assert len(english) == len(spanish) > 100
    assert (spanish[0], english[0]) == ("Ir al contenido", "Skip to content")
    assert (html.unescape(spanish[-1]), english[-1]) == tuple(
        library.phrases.template(language, "letterbox.access_out") for language in ("es", "en")
    )
    box.installation.unit.adopts_itself = True  # another page, with a phrase more
    async with box.web.get(box.url + english_path(page)) as response:
        assert response.status == 404
    assert len(await english_of(box)) == len(english) + 1


async def page_of(box: Letterbox) -> str:
    async with box.web.get(box.url + "/c") as response:
        return html.unescape(await response.text())


def english_path(page: str) -> str:
    (tag,) = re.findall(r'<html[^>]* data-english="([^"]+)"', page)
    return f"/c/english/{tag}"


async def english_of(box: Letterbox) -> list[str]:
    async with box.web.get(box.url + english_path(await page_of(box))) as response:
        assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
        texts: list[str] = await response.json()
        return texts


async def test_nothing_is_inline_and_nothing_comes_from_elsewhere(box: Letterbox) -> None:
    async with box.web.get(box.url + "/c") as response:
        page = await response.text()
        assert response.headers["Content-Security-Policy"] == POLICY
        assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "unsafe" not in POLICY
    assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", page)
    assert re.findall(r"<script[^>]*>(.*?)</script>", page) == [""]
    assert not re.search(r"https?://", page)
    assert not re.search(r"<form[^>]*\s(action|method)=", page)


async def test_neither_the_page_nor_its_data_nor_errors_are_cached(box: Letterbox) -> None:
    posts = dict.fromkeys(("/c/cases", "/c/thread", "/c/letters", "/c/seen"), 415)
    for path, status in {"/c": 200, "/c/keys": 200, **posts}.items():
        method = "POST" if status == 415 else "GET"
        async with box.web.request(method, box.url + path, data=None if status == 200 else b"x") as response:
            assert response.status == status, path
            assert {name: response.headers.get(name) for name in HEADERS} == HEADERS, path


async def test_the_page_asks_for_these_parts_and_no_more(box: Letterbox) -> None:
    async with box.web.get(box.url + "/c") as response:
        page = await response.text()
    assert sorted(re.findall(r'(?:src|href)="(/[^"]+)"', page)) == sorted(PARTS)
    script = scripts.of_page("letterbox").plain.decode()
    assert set(re.findall(r'"(/[\w/.-]*)"', script)) == {
        "/c/english/",  # at the start, or when the language is chosen
        "/c/keys",
        "/c/cases",
        "/c/thread",
        "/c/letters",
        "/c/seen",
        "/",
    }


@pytest.mark.parametrize("path", ["letterbox/../pages.py", "sealing/words.js", "letterbox/", "letterbox/page.js"])
async def test_nothing_else_is_served_there(box: Letterbox, path: str) -> None:
    async with box.web.get(f"{box.url}/static/{path}") as response:
        assert response.status == 404


async def test_the_page_knows_the_adopted_unit(database: Database, library: Library) -> None:
    async with running(database, library, is_open=False) as box:
        assert await pin_of_page(box) == ""
        await box.publish()
        assert await pin_of_page(box) == box.unit.pin


async def pin_of_page(box: Letterbox) -> str:
    async with box.web.get(box.url + "/c") as response:
        (pin,) = re.findall(r'<html[^>]* data-unit="([^"]*)"', await response.text())
    return str(pin)
