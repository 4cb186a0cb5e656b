"""How much the letterbox takes of one network and of all: refused with the moment to come back, and nothing is lost."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page
from sqlalchemy import select

from bot.web.letterbox import LetterboxCaps
from bot.web.windows import Windows
from handlers import caps
from storage import schema
from tests.fakes.asker import Asker
from tests.fakes.letterbox import TODAY, Letterbox
from tests.phones.letterbox_page import LetterboxPage

AN_HOUR_LATER = "2026-11-23T17:20:00+00:00"
MIDNIGHT = "2026-11-24T06:00:00+00:00"  # in Guanajuato


async def refusal(box: Letterbox, path: str, body: object) -> tuple[int, dict[str, Any], str | None]:
    """Status, body and Retry-After of the response."""
    async with box.web.post(box.url + path, json=body) as response:
        return response.status, await response.json(), response.headers.get("Retry-After")


def test_a_network_is_allowed_what_twenty_persons_are() -> None:
    usual = LetterboxCaps()
    assert usual.posts.limit == 20 * caps.POSTS_A_MINUTE
    assert usual.first_letters.limit == 20 * caps.FIRST_LETTERS_AN_HOUR
    assert usual.all_first_letters.limit == caps.ALL_FIRST_LETTERS_AN_HOUR > 2 * usual.first_letters.limit


@pytest.mark.attack
@pytest.mark.parametrize("path", ["/c/cases", "/c/thread", "/c/letters", "/c/seen"])
async def test_a_network_that_posts_without_end_is_refused_and_the_page_still_comes(box: Letterbox, path: str) -> None:
    box.caps.posts = Windows(3, 60)
    for _ in range(3):
        assert (await refusal(box, path, {}))[0] == 422
    expected = {"error": "later", "at": "2026-11-23T16:21:00+00:00"}
    assert await refusal(box, path, {}) == (429, expected, "60")
    for page in ("/c", "/c/keys"):
        async with box.web.get(box.url + page) as response:
            assert response.status == 200
    box.now += timedelta(minutes=1)
    assert (await refusal(box, path, {}))[0] == 422


@pytest.mark.attack
async def test_invented_links_use_up_the_tries_of_their_own_network_and_nothing_of_all(box: Letterbox) -> None:
    box.caps.first_letters = Windows(2, 3600)
    box.caps.all_first_letters = Windows(1, 3600)
    posting = Asker(TODAY).posting(box.unit, "A" * 32)
    for _ in range(2):
        assert (await refusal(box, "/c/cases", posting))[:2] == (409, {"error": "token"})
    later = (429, {"error": "later", "at": AN_HOUR_LATER}, "3600")
    assert await refusal(box, "/c/cases", posting) == later
    box.caps.first_letters = Windows(2, 3600)  # as another network has it
    await box.submit_query()
    token = await box.token()
    genuine = Asker(TODAY).posting(box.unit, token)
    assert await refusal(box, "/c/cases", genuine) == later
    async with box.database.read() as tx:
        assert len((await tx.execute(select(schema.links))).all()) == 1, "the link can still be used"
    box.now += timedelta(hours=1)
    assert (await refusal(box, "/c/cases", genuine))[0] == 201


async def test_a_case_that_has_all_letters_of_a_day_says_when_and_one_that_is_full_says_so(
    box: Letterbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = await box.submit_query()
    monkeypatch.setattr(caps, "LETTERS_A_DAY", 1)
    body = asker.twin().reply_body(box.unit)
    assert await refusal(box, "/c/letters", body) == (429, {"error": "later", "at": MIDNIGHT}, str(13 * 3600 + 2400))
    monkeypatch.setattr(caps, "LETTERS_A_DAY", 20)
    monkeypatch.setattr(caps, "CASE_BYTES", 1)
    assert (await refusal(box, "/c/letters", body))[:2] == (409, {"error": "full"})
    monkeypatch.undo()
    assert (await refusal(box, "/c/letters", body))[0] == 201


# ---------------------------------------------------------------- in a browser, whose own time is UTC


async def test_the_page_says_when_keeps_what_was_written_and_sends_it_later(
    box: Letterbox, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.caps.first_letters = Windows(1, 3600)
    await box.submit_query()  # another person behind the same address
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.write("¿Puedo firmar?")
    await page.fill("#decision", "2026-11-24")
    await phone.press("letter")
    assert "Después del 23 de noviembre de 2026 a las 5:20" in await phone.error("letter")
    await page.click("[data-choose=en]")
    assert "After November 23, 2026 at 5:20 PM you can try again" in await phone.error("letter")
    await page.click("[data-choose=es]")
    assert await page.input_value("#text") == "¿Puedo firmar?"
    assert await page.input_value("#decision") == "2026-11-24"
    box.now += timedelta(hours=1)
    await phone.press("letter")
    await phone.note()

    box.caps.posts = Windows(0, 60)
    await phone.come_back(box.url)
    assert "Después del 23 de noviembre de 2026 a las 5:21" in await phone.error("open")
    box.caps.posts = Windows(100, 60)
    await phone.press("open")
    await phone.shows("thread")
    await page.fill("#reply-text", "Y otra cosa.")
    monkeypatch.setattr(caps, "LETTERS_A_DAY", 1)
    await phone.press("reply")
    assert "Después del 24 de noviembre de 2026 a las 6:00" in await phone.error("reply")
    monkeypatch.setattr(caps, "LETTERS_A_DAY", 20)
    monkeypatch.setattr(caps, "CASE_BYTES", 1)
    await phone.press("reply")
    assert "tamaño máximo" in await phone.error("reply")
    assert await page.input_value("#reply-text") == "Y otra cosa."
    monkeypatch.undo()
    await phone.press("reply")
    await phone.page.locator("#reply-done span[lang=es]").wait_for()
    assert await phone.letters() == ["¿Puedo firmar?", "Y otra cosa."]
