"""The browser's implementation of the protocol against the vectors that both implementations read."""

import base64
import json
import mimetypes
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Page, Route

from bot.web.templating import STATIC
from tests.storage.confidential.protocol import checks
from tests.vectors.reading import vectors

ORIGIN = "https://protocol.test"  # never reached: each request is answered below
OURS = {f"/{name}.js": Path(__file__).parent / f"protocol_{name}.js" for name in ("checks", "story")}


async def answer(route: Route) -> None:
    """Scripts from this checkout, and an empty page."""
    path = route.request.url.removeprefix(ORIGIN)
    if path == "/":
        await route.fulfill(content_type="text/html", body="<!doctype html><title>protocol</title>")
        return
    file = OURS.get(path) or STATIC / path.removeprefix("/static/")
    if not file.exists():
        await route.fulfill(status=404)
        return
    await route.fulfill(content_type=mimetypes.guess_type(file.name)[0] or "", body=file.read_bytes())


@pytest_asyncio.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a secure origin that can import the scripts."""
    page = await browser.new_page()
    await page.route("**/*", answer)
    await page.goto(ORIGIN + "/")
    yield page
    await page.close()


async def run(page: Page, script: str, argument: object = None) -> Any:
    """Run a script with the checks as `c`, a module of ours as `load(name)` and the argument as `x`."""
    load = 'const load = (name) => import(`/static/sealing/${name}.js`); const c = await import("/checks.js");'
    return await page.evaluate(f"async (x) => {{ {load} {script} }}", argument)


def test_the_page_names_the_same_checks_as_python() -> None:
    known = {vector["check"] for vector in vectors()}
    source = OURS["/checks.js"].read_text(encoding="utf-8")
    assert [check for check in known if f"\n  {check}: " not in source] == []


async def test_the_browser_gives_what_the_vectors_say(page: Page) -> None:
    given = vectors()
    verdicts = await run(
        page, "const all = []; for (const one of x) all.push(await c.verdict(one)); return all;", given
    )
    wrong = [
        (vector["check"], vector["name"], verdict)
        for vector, verdict in zip(given, verdicts, strict=True)
        if verdict != {name: vector[name] for name in ("out", "error") if name in vector}
    ]
    assert wrong == []


async def test_a_case_of_the_browser_is_read_by_python(page: Page) -> None:
    """From new keys to an answer: a list, a first letter, access, a grant, all made by the scripts."""
    made = json.loads(await run(page, "return (await import('/story.js')).story(load)"))

    thread, lists, pin = made["letters"], made["lists"], made["pin"]
    assert checks.CHECKS["check_chain"](lists, pin) == made["list_hash"]
    assert checks.CHECKS["check_thread"](thread, lists, pin) == made["newest"]
    key = checks.CHECKS["open_access"](made["access"], made["officer"], made["newest_commit"])
    assert key == made["key"]
    assert checks.CHECKS["open_thread"](thread, lists, pin, key) == ["¿Puedo firmar?", "Excúsate. 🙂"]
    assert len(base64.urlsafe_b64decode(key + "=")) == 32
    for name in ("asker", "officer_box", "unit", "custodian", "custody", "opened", "notebook"):
        assert checks.CHECKS[made[name]["check"]](*made[name]["args"]) == made[name]["out"], name
