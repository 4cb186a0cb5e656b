"""An earlier query in a real browser where something came between: another letter, an alteration, a loss."""

import asyncio

import pytest
from playwright.async_api import Route, expect
from sqlalchemy import delete, update

from storage import schema
from storage.confidential import cases
from storage.confidential.protocol import keys, letters, lists
from storage.confidential.protocol.epochs import Change
from storage.confidential.protocol.signatures import point_of
from tests.fakes.letterbox import TODAY, Letterbox
from tests.fakes.unit import Keyholder, new_key
from tests.phones.letterbox_page import LetterboxPage, asked, posted
from tests.screen import axe_violations

QUESTION, ANSWER, REPLY = "¿Puedo firmar?", "Excúsate por escrito.", "¿Y si ya firmé?"


# ---------------------------------------------------------------- two ends at once


async def test_what_came_first_is_shown_before_a_reply_is_sent(box: Letterbox, phone: LetterboxPage) -> None:
    asker = await asked(box, QUESTION)
    await phone.come_back(box.url)
    await phone.shows("thread")
    status, _ = await box.post("/c/letters", asker.reply_body(box.unit, "Desde mi otro teléfono."))
    assert status == 201
    await box.answer(ANSWER)
    bodies = posted(phone.page, "/c/letters")
    await phone.reply(REPLY)
    assert "Llegó otro mensaje" in await phone.error("reply")
    assert await phone.letters() == [QUESTION, "Desde mi otro teléfono.", ANSWER]
    await expect(phone.page.locator("#reply-text")).to_have_value(REPLY)
    await phone.press("reply")
    await expect(phone.page.locator("#reply-done")).to_contain_text("se selló y se envió")
    assert [letter["text"] for letter in await box.opened()][3] == REPLY
    first, second = bodies
    assert first["letter"]["iv"] != second["letter"]["iv"]


async def test_a_box_that_another_device_renewed_only_delays_a_reply(
    box: Letterbox, phone: LetterboxPage, dora: Keyholder
) -> None:
    box.unit.next_list(adding=[dora])
    await box.publish()
    asker = await asked(box, QUESTION)
    box.unit.next_list(ending=[dora])  # so that the reply grants
    await box.publish()
    await phone.read_news(box.url)
    asker.version += 1
    asker.pin = lists.pin_of(box.unit.newest["list"])
    status, _ = await box.post("/c/seen", asker.seen_body())
    assert status == 201
    bodies = posted(phone.page, "/c/letters")
    await phone.replied(REPLY)
    refused, stored = (body["letter"] for body in bodies)
    assert refused["iv"] != stored["iv"]
    assert refused["context"]["grant"]["commit"] != stored["context"]["grant"]["commit"]
    assert [letter["text"] for letter in await box.opened()] == [QUESTION, REPLY]


async def test_a_reply_waits_until_the_server_has_stored_what_was_read(box: Letterbox, phone: LetterboxPage) -> None:
    await asked(box, QUESTION)
    await box.answer(ANSWER)
    is_sending = asyncio.Event()

    async def respond_late(route: Route) -> None:
        response = await route.fetch()
        await is_sending.wait()
        await route.fulfill(response=response)

    await phone.page.route("**/c/seen", respond_late)
    await phone.come_back(box.url)
    await phone.shows("thread")
    bodies = posted(phone.page, "/c/letters")
    await phone.reply(REPLY)
    await expect(phone.page.locator("#reply button.main")).to_have_attribute("aria-disabled", "true")
    is_sending.set()
    await expect(phone.page.locator("#reply-done")).to_contain_text("se selló y se envió")
    assert [body["version"] for body in bodies] == [3]


async def test_readers_that_change_meanwhile_are_shown_before_a_reply(
    box: Letterbox, phone: LetterboxPage, dora: Keyholder
) -> None:
    await asked(box, QUESTION)
    await phone.come_back(box.url)
    await phone.shows("thread")
    box.unit.next_list(adding=[dora])
    await box.publish()
    await phone.reply(REPLY)
    assert "acaba de cambiar" in await phone.error("reply")
    await phone.press("reply")
    await expect(phone.page.locator("#reply-done")).to_contain_text("se selló y se envió")


async def test_a_lost_response_does_not_send_the_reply_twice(box: Letterbox, phone: LetterboxPage) -> None:
    async def drop_response(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await asked(box, QUESTION)
    await phone.come_back(box.url)
    await phone.shows("thread")
    await phone.page.route("**/c/letters", drop_response)
    await phone.reply(REPLY)
    assert "no sabemos" in await phone.error("reply")
    await phone.page.unroute("**/c/letters")
    await phone.press("reply")
    await expect(phone.page.locator("#reply-done")).not_to_be_empty()
    assert await phone.letters() == [QUESTION, REPLY]


# ---------------------------------------------------------------- what was changed or lost


async def test_a_letter_that_was_read_and_is_gone_is_missed(box: Letterbox, phone: LetterboxPage) -> None:
    await asked(box, QUESTION)
    await box.answer(ANSWER)
    assert await phone.read_news(box.url) == [QUESTION, ANSWER]
    async with box.database.write() as tx:
        await tx.execute(delete(schema.letters).where(schema.letters.c.seq == 2))
    await phone.come_back(box.url)
    await phone.shows("altered")
    assert QUESTION not in await phone.page.content()


async def test_a_letter_that_is_gone_while_a_reply_is_written_is_missed(box: Letterbox, phone: LetterboxPage) -> None:
    """Also by a server that stores the box and gives back the one of before."""
    await asked(box, QUESTION)
    await box.answer(ANSWER)
    async with box.database.read() as tx:
        before = [dict(row._mapping) for row in await tx.execute(schema.cases.select())]
    assert await phone.read_news(box.url) == [QUESTION, ANSWER]
    async with box.database.write() as tx:
        await tx.execute(delete(schema.letters).where(schema.letters.c.seq == 2))
        await tx.execute(update(schema.cases).values(before[0]))
    await phone.reply(REPLY)
    await phone.shows("altered")
    assert ANSWER not in await phone.page.content()
    assert await phone.page.input_value("#kept-text") == REPLY
    assert await axe_violations(phone.page) == []


async def test_an_older_list_than_was_seen_is_called_altered(
    box: Letterbox, phone: LetterboxPage, dora: Keyholder
) -> None:
    """Also where no letter names the newer one, and the server has forgotten it."""

    async def serve_older(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, json={**await response.json(), "list": box.unit.lists[0]})

    await asked(box, QUESTION)
    box.unit.next_list(adding=[dora])
    await box.publish()
    await phone.read_news(box.url)
    await phone.page.route("**/c/thread", serve_older)
    await phone.come_back(box.url)
    await phone.shows("altered")
    assert QUESTION not in await phone.page.content()


async def test_letters_that_a_restore_lost_are_counted(box: Letterbox, phone: LetterboxPage) -> None:
    asker = await asked(box, QUESTION)
    carmen = box.unit.officer
    await box.answer(ANSWER)
    assert await phone.read_news(box.url) == [QUESTION, ANSWER]
    async with box.database.write() as tx:
        *rows, lost = await cases.letters(tx, asker.case)
        await tx.execute(delete(schema.letters).where(schema.letters.c.seq == 2))
        opened = carmen.open(rows, await cases.access(tx, asker.case, carmen.id), box.unit.chain)
        resumed = carmen.answer(
            opened,
            box.unit.chain,
            "Perdimos un mensaje. Va otra vez.",
            TODAY,
            kind="resume",
            change=Change(resumes=True),
            context={"lost": [letters.letter_hash(lost)]},
        )
        await cases.add_letter(tx, resumed.letter, resumed.access)
    assert await phone.read_news(box.url) == [QUESTION, "Perdimos un mensaje. Va otra vez."]
    assert (await phone.lines(1))[1] == "Mensajes que se perdieron antes de este: 1. Ya no se pueden mostrar."
    await phone.replied(REPLY)
    assert (await box.opened())[2]["text"] == REPLY


@pytest.mark.parametrize("row", ["another", "none"])
async def test_a_wrong_key_is_no_alteration_and_shows_nothing(box: Letterbox, phone: LetterboxPage, row: str) -> None:
    asker = await asked(box, QUESTION)
    access = schema.access.c.reader == "asker"
    rubbish = keys.seal_access(bytes(32), point_of(asker.reading), asker.case, "talk", 1, "asker")
    async with box.database.write() as tx:
        await tx.execute(
            update(schema.access).where(access).values(sealed=rubbish["sealed"])
            if row == "another"
            else delete(schema.access).where(access)
        )
    await phone.come_back(box.url)
    await phone.shows("wrong-key")
    assert "quien atiende tu consulta puede darte la llave otra vez" in await phone.page.inner_text("#wrong-key")
    assert QUESTION not in await phone.page.content()
    assert await axe_violations(phone.page) == []


async def test_a_box_with_other_keys_than_the_first_letters_is_called_altered(
    box: Letterbox, phone: LetterboxPage
) -> None:
    asker = await asked(box, QUESTION)
    asker.reading = new_key()
    assert await box.post("/c/seen", asker.seen_body()) == (201, {})
    await phone.come_back(box.url)
    await phone.shows("altered")


async def test_a_query_of_another_unit_than_the_pages_is_refused(box: Letterbox, phone: LetterboxPage) -> None:
    async def rename(route: Route) -> None:
        response = await route.fetch()
        text = (await response.text()).replace(f'data-unit="{box.unit.pin}"', 'data-unit="another"')
        await route.fulfill(response=response, body=text)

    await asked(box, QUESTION)
    await phone.page.route("**/c", rename)
    await phone.come_back(box.url)
    await phone.shows("altered")
    assert QUESTION not in await phone.page.content()
