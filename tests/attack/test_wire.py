"""A3: nothing readable leaves the browser. A1 and A5, letterbox part: nothing readable is on the server's disk."""

import base64
from pathlib import Path

import pytest
from playwright.async_api import Browser, Request

from tests.attack import canary
from tests.fakes.letterbox import NOW, Letterbox
from tests.phones.letterbox_page import LetterboxPage
from tests.screen import with_clock

pytestmark = pytest.mark.attack
NAME = "Perengana Zacarías 4417"


def test_the_search_finds_the_canary_in_its_encodings() -> None:
    raw = canary.TEXT.encode()
    for hidden in (b"xx" + raw, base64.b64encode(b"12" + raw + b"3"), raw.hex().upper().encode()):
        assert canary.encodings_found_in(b"..." + hidden + b"...")
    assert canary.encodings_found_in(b"nothing of the kind") == []


async def test_no_request_and_no_byte_on_disk_holds_what_was_written(
    box: Letterbox, browser: Browser, tmp_path: Path
) -> None:
    context = await with_clock(await browser.new_context(locale="es-MX"), NOW)
    page = await context.new_page()
    sent: list[Request] = []
    context.on("request", lambda request: sent.append(request))
    phone = await LetterboxPage.opened(page, await box.link("consult:start:ynunnynnnn-nyu"))
    await phone.shows("write")
    await page.check("input[value=yes]")
    await page.fill("#name", NAME)
    await phone.send(canary.TEXT)
    await box.answer("Respuesta: " + canary.TEXT)
    await phone.come_back(box.url)
    assert (await phone.letters())[1] == "Respuesta: " + canary.TEXT
    await page.fill("#reply-text", "Otra vez: " + canary.TEXT)
    await phone.press("reply")
    await page.locator("article").nth(2).wait_for()
    stored = (
        await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])"),
        await context.cookies(),
    )

    wire = b"\n".join([await _bytes(request) for request in sent])
    assert {request.method for request in sent} == {"GET", "POST"}
    assert all(request.url.startswith((box.url + "/", "data:", "blob:", "about:")) for request in sent)
    disk = b"\n".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"ynunnynnnn-nyu" not in wire + disk  # the self-assessment travels inside the envelope
    for content in (wire, disk):
        assert canary.encodings_found_in(content) == []
        assert canary.encodings_found_in(content, NAME) == []
        assert canary.encodings_found_in(content, " ".join(phone.words)) == []
    assert stored == ('[{},{},""]', [])
    await context.close()


async def _bytes(request: Request) -> bytes:
    headers = "\n".join(f"{name}: {value}" for name, value in (await request.all_headers()).items())
    return f"{request.method} {request.url.partition('#')[0]}\n{headers}\n".encode() + (request.post_data_buffer or b"")
