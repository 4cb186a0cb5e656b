"""The asker's page where the unit has another key: by an old link, poster and box, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from storage.confidential.protocol.lists import SignedList
from tests.fakes import custodians
from tests.fakes.letterbox import Letterbox
from tests.fakes.succession import invented, signed, succeed
from tests.fakes.unit import Keyholder, Unit, new_key
from tests.phones.letterbox_page import LetterboxPage, asked

QUESTION, ANSWER, REPLY = "¿Puedo firmar?", "Excúsate por escrito.", "¿Y si ya firmé?"
SAID = "La UEIPCI cambió de llave el 20 de noviembre de 2026"


async def change_key(box: Letterbox) -> None:
    """The unit has another key, the server has been told, and three custodians have rehearsed a new recovery key."""
    former = box.unit.point
    succeed(box.unit)
    box.unit.custodians = custodians.three()
    box.unit.next_list(adding=[Keyholder("Respaldo 2", "recovery")], ending=box.unit.readers[1:])
    async with box.database.write() as tx:
        await box.unit.publish(tx)
    box.installation.unit.succeed(former, box.unit.point)


async def test_an_open_case_goes_on_and_the_page_says_once_why(box: Letterbox, phone: LetterboxPage) -> None:
    await asked(box, QUESTION)
    poster = f"{box.url}/c#u={box.unit.pin}"
    await change_key(box)
    await box.answer(ANSWER)
    said = phone.page.locator("#unit-changed")
    assert await phone.read_news(box.url) == [QUESTION, ANSWER]
    await expect(said).to_contain_text(SAID)
    await phone.replied(REPLY)
    await phone.come_back(box.url)
    assert await phone.letters() == [QUESTION, ANSWER, REPLY]
    await expect(said).to_be_hidden()

    await phone.page.goto("about:blank")
    await phone.page.goto(poster)
    await phone.page.fill("#words", " ".join(phone.words))
    await phone.press("open")
    assert await phone.letters() == [QUESTION, ANSWER, REPLY]
    assert await box.opened() is not None


async def test_a_link_from_before_is_taken_with_a_notice(box: Letterbox, page: Page) -> None:
    former = await box.link()
    await change_key(box)
    phone = await LetterboxPage.opened(page, former)
    await phone.shows("write")
    await expect(page.locator("#unit-changed")).to_contain_text(SAID)
    await phone.send(QUESTION)
    assert [content["text"] for content in await box.opened()] == [QUESTION]
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.shows("write")
    await expect(page.locator("#unit-changed")).to_be_hidden()


# ---------------------------------------------------------------- what is refused


def own_word(unit: Unit) -> SignedList:
    """Of a key that says itself that it follows."""
    stranger = Unit(unit.readers, lists=[*unit.lists])
    stranger.succ = [signed(stranger, key=stranger.signing, old=unit.point)]
    return stranger.next_list()


def two_officers(unit: Unit) -> SignedList:
    """True officers of the list, whom the former key has not put on any list that the page sees."""
    pair = [unit.officer, Keyholder("Dora")]
    key = new_key()
    made = Unit([*pair, unit.readers[1]], key)
    made.lists = [Unit(made.readers, unit.signing).first_list()]
    made.succ = [signed(Unit(made.readers, unit.signing, made.lists), pair, key)]
    return made.next_list()


def of_another_place(unit: Unit) -> SignedList:
    other = Unit(unit.readers)
    other.first_list()
    return succeed(other)


FORGED: dict[str, Callable[[Unit], SignedList]] = {
    "no succession": lambda unit: invented(unit).newest,
    "its own word": own_word,
    "two officers": two_officers,
    "of another place": of_another_place,
}


@pytest.mark.attack
async def test_a_key_that_does_not_follow_is_not_written_to(box: Letterbox, page: Page) -> None:
    link = await box.link()
    serving: list[SignedList] = [box.unit.newest]

    async def serve(route: Route) -> None:
        await route.fulfill(json={"list": serving[0], "day": "2026-11-23"})

    await page.route("**/c/keys", serve)
    for name, forge in FORGED.items():
        serving[0] = forge(box.unit)
        phone = await LetterboxPage.opened(page, link)
        await phone.shows("altered")
        assert await page.locator("textarea:visible").count() == 0, name
        await expect(page.locator("#unit-changed")).to_be_hidden()
    serving[0] = box.unit.newest  # the list of the former key, as it was before
    await change_key(box)
    for after in (link, await box.link()):
        phone = await LetterboxPage.opened(page, after)
        await phone.shows("altered")


@pytest.mark.attack
async def test_a_stolen_former_key_is_not_believed_from_before_what_the_box_has_seen(
    box: Letterbox, phone: LetterboxPage
) -> None:
    stolen, first = box.unit.signing, [*box.unit.lists]
    box.unit.next_list()
    await box.publish()
    await asked(box, QUESTION)
    rival = Unit(box.unit.readers, stolen, first)
    succeed(rival)
    rival.next_list()
    shown = await _thread_with(phone.page, rival.newest)
    await phone.come_back(box.url)
    await phone.shows("altered")
    assert QUESTION not in await phone.page.content()
    assert shown == ["altered"]


async def _thread_with(page: Page, newest: SignedList) -> list[str]:
    """Let the server send another list with the case, and name no unit in the page."""
    sent: list[str] = []

    async def alter(route: Route) -> None:
        answer = await route.fetch()
        body: Any = await answer.json()
        body["list"] = newest
        sent.append("altered")
        await route.fulfill(response=answer, json=body)

    async def name_no_unit(route: Route) -> None:
        answer = await route.fetch()
        text = (await answer.text()).replace('data-unit="', 'data-unit="" data-was="')
        await route.fulfill(response=answer, body=text)

    await page.route("**/c/thread", alter)
    await page.route("**/c", name_no_unit)
    return sent
