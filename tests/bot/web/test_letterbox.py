"""The letterbox's page and requests over HTTP: what they answer, store and refuse."""

import asyncio
import gzip
import hashlib
import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bot.web import letterbox
from bot.web.templating import HEADERS, POLICY, STATIC
from content.library import Library
from storage.confidential import cases, sealing
from storage.database import Database, DatabaseUnavailable
from tests.fakes.letterbox import TODAY, Letterbox, running
from tests.fakes.unit import Asker

THREATS = Path(__file__).resolve().parents[3] / "docs" / "threat-model.md"
MAX_WEIGHT = 30_000  # bytes, compressed: over a bad connection the page loads within a few seconds


@pytest_asyncio.fixture
async def either(database: Database, library: Library) -> AsyncIterator[Letterbox]:
    """The letterbox on SQLite and on PostgreSQL."""
    async with running(database, library) as made:
        yield made


# ---------------------------------------------------------------- the page


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


async def test_the_page_says_what_it_does_not_protect_from_yet(box: Letterbox, library: Library) -> None:
    async with box.web.get(box.url + "/c") as response:
        page = html.unescape(await response.text())
    threats = THREATS.read_text(encoding="utf-8")
    for claim, key in (("A7", "limit_server"), ("A6", "limit_trace")):
        assert re.search(rf"^\| {claim} \|.*\| false today \|", threats, re.MULTILINE), f"{key} is to be taken out"
        for language in ("es", "en"):
            assert library.phrases.template(language, f"letterbox.{key}") in page


async def test_the_whole_letterbox_weighs_little(box: Letterbox) -> None:
    async with box.web.get(box.url + "/c") as response:
        weight = len(gzip.compress(await response.read(), 9))
    for folder, files in letterbox.ASSETS.items():
        for file in files:
            async with box.web.get(f"{box.url}/static/{folder}/{file}") as response:
                assert response.status == 200, file
                weight += len(gzip.compress(await response.read(), 9))
    assert weight < MAX_WEIGHT


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
    for path, status in (("/c", 200), ("/c/keys", 200), ("/c/cases", 415), ("/c/thread", 415), ("/c/letters", 415)):
        method = "POST" if status == 415 else "GET"
        async with box.web.request(method, box.url + path, data=None if status == 200 else b"x") as response:
            assert response.status == status, path
            assert {name: response.headers.get(name) for name in HEADERS} == HEADERS, path


def test_everything_the_scripts_import_is_served() -> None:
    for folder, files in letterbox.ASSETS.items():
        for file in files:
            for source in re.findall(r'(?:from|URL\() ?"([^"]+)"', (STATIC / folder / file).read_text("utf-8")):
                path = (STATIC / folder / source).resolve().relative_to(STATIC.resolve())
                assert path.name in letterbox.ASSETS[path.parts[0]], source


@pytest.mark.parametrize("path", ["letterbox/../pages.py", "sealing/WORDS-LICENSE.txt", "sealing/", "letterbox/x.js"])
async def test_nothing_else_is_served_there(box: Letterbox, path: str) -> None:
    async with box.web.get(f"{box.url}/static/{path}") as response:
        assert response.status == 404


def test_the_word_list_matches_its_checksum() -> None:
    raw = (STATIC / "sealing" / "words.es.txt").read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    assert digest in (STATIC / "sealing" / "WORDS-LICENSE.txt").read_text("utf-8")
    assert len(set(raw.decode().split())) == 2048


# ---------------------------------------------------------------- requests


async def test_the_list_of_readers_comes_with_the_day(box: Letterbox) -> None:
    async with box.web.get(box.url + "/c/keys") as response:
        keys = await response.json()
    assert sealing.verify_key_list(keys["body"], keys["signature"]).ids == {box.unit.officer.id, "recovery"}
    assert keys["day"] == TODAY.isoformat()


async def test_without_readers_the_letterbox_is_closed(database: Database, library: Library) -> None:
    async with running(database, library, is_open=False) as box, box.web.get(box.url + "/c/keys") as response:
        assert response.status == 404


async def test_a_case_goes_in_and_its_thread_comes_out(either: Letterbox) -> None:
    asker = Asker(TODAY)
    status, body = await either.post("/c/cases", asker.posting(either.unit, await either.token()))
    assert (status, body) == (201, {"due_on": "2026-11-26"})
    await either.answer("Excúsate por escrito.")
    status, thread = await either.post("/c/thread", {"locator": asker.locator})
    assert status == 200
    assert (thread["case"], thread["state"], thread["epoch"]) == (asker.case, "answered", 1)
    assert [letter["context"]["seq"] for letter in thread["letters"]] == [1, 2]
    envelope = sealing.parse_envelope(thread["letters"][1])
    keys = sealing.verify_key_list(**thread["keys"])
    sealing.verify_letter(envelope, keys.signing_key(envelope.signer))
    key = sealing.open_access(thread["access"][0]["sealed"], asker.reading, asker.case, 1, "asker")
    assert sealing.open_letter(key, envelope) == {"text": "Excúsate por escrito."}
    asker.seq, asker.previous = 2, envelope.hash
    status, body = await either.post("/c/letters", {"locator": asker.locator, "letter": asker.letter("Gracias.")})
    assert (status, body) == (201, {})
    assert [letter["text"] for letter in await either.opened()] == [
        "¿Puedo firmar?",
        "Excúsate por escrito.",
        "Gracias.",
    ]


async def test_a_spent_link_is_refused(either: Letterbox) -> None:
    token = await either.token()
    assert (await either.post("/c/cases", Asker(TODAY).posting(either.unit, token)))[0] == 201
    assert await either.post("/c/cases", Asker(TODAY).posting(either.unit, token)) == (409, {"error": "token"})


async def test_an_old_link_is_refused(box: Letterbox) -> None:
    token = await box.token()
    box.now += timedelta(hours=49)
    asker = Asker(TODAY + timedelta(days=2))
    assert await box.post("/c/cases", asker.posting(box.unit, token)) == (409, {"error": "token"})


async def test_a_case_for_an_outdated_list_of_readers_is_refused(either: Letterbox) -> None:
    token = await either.token()
    posting = Asker(TODAY).posting(either.unit, token)
    either.unit.serial = 2
    await either.publish()
    assert await either.post("/c/cases", posting) == (409, {"error": "keys"})
    assert (await either.post("/c/cases", Asker(TODAY).posting(either.unit, token)))[0] == 201


async def test_unknown_words_open_no_thread(box: Letterbox) -> None:
    await box.submit_query()
    assert await box.post("/c/thread", {"locator": Asker(TODAY).locator}) == (404, {"error": "thread"})


@pytest.mark.parametrize("path", ["/c/cases", "/c/thread", "/c/letters"])
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 422),
        (b"not json", {"Content-Type": "application/json"}, 422),
        (b"[" * 60_000, {"Content-Type": "application/json"}, 422),
        (b'{"locator": "x"}', {"Content-Type": "application/json"}, 422),
        (b'{"locator": 7, "letter": null}', {"Content-Type": "application/json"}, 422),
        (b"\xff\xfe", {"Content-Type": "application/json"}, 422),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b" " * (64 * 1024 + 1), {"Content-Type": "application/json"}, 413),
        (b"{}", {"Content-Type": "application/json", "Origin": "https://elsewhere.example"}, 403),
        (b"{}", {"Content-Type": "application/json", "Origin": "null"}, 403),
        (b"{}", {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_malformed_requests_are_refused_and_not_echoed(
    box: Letterbox, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with box.web.post(box.url + path, data=body, headers=headers) as response:
        assert response.status == status
        assert set(await response.json()) <= {"error", "field"}


async def test_a_huge_body_without_a_length_is_refused(box: Letterbox) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 16 * 1024

    headers = {"Content-Type": "application/json"}
    async with box.web.post(box.url + "/c/cases", data=endless(), headers=headers) as response:
        assert response.status == 413


async def test_our_own_origin_is_accepted(box: Letterbox) -> None:
    headers = {"Content-Type": "application/json", "Origin": box.url, "Sec-Fetch-Site": "same-origin"}
    async with box.web.post(box.url + "/c/thread", data=b"{}", headers=headers) as response:
        assert response.status == 422


async def test_two_replies_at_once_keep_their_order(either: Letterbox) -> None:
    asker = await either.submit_query()
    first, second = (Asker(TODAY, asker.case, asker.case_key, seq=1, previous=asker.previous) for _ in "ab")
    replies = [{"locator": asker.locator, "letter": sender.letter("también")} for sender in (first, second)]
    statuses = [status for status, _ in await asyncio.gather(*(either.post("/c/letters", reply) for reply in replies))]
    assert sorted(statuses) == [201, 409]


async def test_an_unavailable_database_is_reported(either: Letterbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("gone")

    posting = Asker(TODAY).posting(either.unit, await either.token())
    monkeypatch.setattr(cases, "redeem_link", fail)
    assert await either.post("/c/cases", posting) == (503, {"error": "unavailable"})
    monkeypatch.undo()
    assert (await either.post("/c/cases", posting))[0] == 201
