"""An earlier query in a real browser: read with the eight words and replied to, also where its readers change."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import update

from storage import schema
from storage.confidential import cases
from storage.confidential.protocol import keys
from storage.confidential.protocol.epochs import Change
from tests.fakes.letterbox import NOW, Letterbox
from tests.fakes.unit import Keyholder
from tests.phones.letterbox_page import LetterboxPage, asked, posted
from tests.screen import axe_violations

QUESTION, ANSWER, REPLY = "¿Puedo firmar?", "Excúsate por escrito.", "¿Y si ya firmé?"


async def move_clocks(box: Letterbox, page: Page, days: int) -> None:
    box.now = NOW + timedelta(days=days)
    await page.clock.set_fixed_time(box.now)


async def grants(box: Letterbox) -> list[Any]:
    """The grants of the only case, null where a letter makes none."""
    async with box.database.read() as tx:
        ((case,),) = (await tx.execute(schema.cases.select().with_only_columns(schema.cases.c.id))).all()
        return [letter["context"]["grant"] for letter in await cases.letters(tx, case)]


# ---------------------------------------------------------------- reading and replying


async def test_who_comes_back_reads_replies_and_reads_again(box: Letterbox, phone: LetterboxPage) -> None:
    await asked(box, QUESTION)
    await box.answer(ANSWER)
    assert await phone.read_news(box.url) == [QUESTION, ANSWER]
    assert "Respondida" in await phone.page.inner_text("#thread")
    assert "Carmen Ríos · 23 de noviembre de 2026 · ✓ Firma verificada" in (await phone.lines(1))[0]
    await phone.replied(REPLY)
    await box.answer("Avísalo hoy mismo.", kind="question")
    await phone.come_back(box.url)
    assert await phone.letters() == [QUESTION, ANSWER, REPLY, "Avísalo hoy mismo."]
    assert "falta tu respuesta" in await phone.page.inner_text("#thread")
    assert (await grants(box))[1:] == [None, None, None]


async def test_a_letter_says_the_state_and_a_changed_row_does_not(box: Letterbox, phone: LetterboxPage) -> None:
    await asked(box, QUESTION)
    await box.answer(ANSWER)
    async with box.database.write() as tx:
        await tx.execute(update(schema.cases).values(state="closed"))
    await phone.come_back(box.url)
    await phone.shows("thread")
    assert "Respondida" in await phone.page.inner_text("#thread")
    await phone.reply(REPLY)
    assert "está cerrada" in await phone.error("reply")
    await expect(phone.page.locator("#reply-text")).to_have_value(REPLY)


async def test_a_closed_query_takes_no_reply(box: Letterbox, phone: LetterboxPage) -> None:
    await asked(box, QUESTION)
    await box.answer("Con esto cierro.", kind="close")
    await phone.come_back(box.url)
    assert await phone.letters() == [QUESTION, "Con esto cierro."]
    await expect(phone.page.locator("#reply")).to_be_hidden()
    await expect(phone.page.locator("#reply-done")).to_contain_text("ya no recibe mensajes")


async def test_reading_goes_on_where_what_was_read_cannot_be_stored(box: Letterbox, phone: LetterboxPage) -> None:
    await asked(box, QUESTION)
    await box.answer(ANSWER)
    await phone.page.route("**/c/seen", lambda route: route.abort())
    await phone.come_back(box.url)
    assert await phone.letters() == [QUESTION, ANSWER]
    await phone.replied(REPLY)
    assert [letter["text"] for letter in await box.opened()] == [QUESTION, ANSWER, REPLY]


# ---------------------------------------------------------------- readers that change


async def test_a_reply_is_closed_to_an_officer_who_has_left(
    box: Letterbox, phone: LetterboxPage, dora: Keyholder
) -> None:
    box.unit.next_list(adding=[dora])
    await box.publish()
    await asked(box, QUESTION)
    await box.answer(ANSWER)
    carmen = box.unit.officer
    box.unit.next_list(ending=[carmen])
    await box.publish()
    assert await phone.read_news(box.url) == [QUESTION, ANSWER]
    assert "ha dejado la unidad" in (await phone.lines(1))[0]
    bodies = posted(phone.page, "/c/letters")
    await phone.replied(REPLY)
    assert await phone.lines(2) == [
        "Tú · 23 de noviembre de 2026 · ✓ Abre con la llave de tu consulta",
        "Lo que sigue a partir de este mensaje ya no se cierra para: Carmen Ríos. Lo anterior sí pudo leerlo.",
    ]
    (body,) = bodies
    assert {row["reader"] for row in body["access"]} == {dora.id, box.unit.readers[0].id, "asker"}
    assert [letter["text"] for letter in await box.opened(dora)] == [QUESTION, ANSWER, REPLY]
    commitment = body["letter"]["context"]["grant"]["commit"]
    for row in body["access"]:  # whatever is sealed to others, the officer who left opens nothing of it
        with pytest.raises(Exception, match="access"):
            keys.open_access(row, carmen.reading, commitment)


async def test_who_joins_a_query_is_named(box: Letterbox, phone: LetterboxPage, dora: Keyholder) -> None:
    await asked(box, QUESTION)
    await box.answer(ANSWER)
    box.unit.next_list(adding=[dora])
    await box.publish()
    await box.answer("Le paso tu consulta a Dora.", kind="hand", change=Change(added=(dora.id,), leaves=True))
    await phone.come_back(box.url)
    await phone.shows("thread")
    assert "Respondida" in await phone.page.inner_text("#thread-state")  # as before
    assert (await phone.lines(2))[1:] == [
        "Desde este mensaje también puede leer, y desde el principio: Dora Paz",
        "Lo que sigue a partir de este mensaje ya no se cierra para: Carmen Ríos. Lo anterior sí pudo leerlo.",
    ]
    await phone.replied(REPLY)
    assert [letter["text"] for letter in await box.opened(dora)][3] == REPLY


@pytest.mark.parametrize("visits", [1, 2])
async def test_a_grant_first_seen_after_its_author_left_changes_no_readers(
    box: Letterbox, phone: LetterboxPage, dora: Keyholder, visits: int
) -> None:
    efrain = Keyholder("Efraín Sol")
    box.unit.next_list(adding=[efrain])
    await box.publish()
    await asked(box, QUESTION)
    box.unit.next_list(adding=[dora])
    await box.publish()
    await box.answer("Le paso tu consulta a Dora.", kind="hand", change=Change(added=(dora.id,)))
    box.unit.next_list(ending=[box.unit.officer])
    await box.publish()
    for visit in range(visits):
        # Only the first visit has something to remember: the newer list.
        async with phone.page.expect_response("**/c/seen") if visit == 0 else nullcontext():
            await phone.come_back(box.url)
        await phone.shows("thread")
    await phone.replied(REPLY)
    assert (await grants(box))[2]["readers"] == sorted(one.id for one in box.unit.readers if one is not dora)


async def test_under_an_expired_list_the_present_readers_are_written_to(box: Letterbox, phone: LetterboxPage) -> None:
    box.unit.next_list(days=5)
    await box.publish()
    await asked(box, QUESTION)
    await box.answer(ANSWER)
    await move_clocks(box, phone.page, days=7)
    await phone.come_back(box.url)
    assert await phone.letters() == [QUESTION, ANSWER]
    await expect(phone.page.locator("#thread-list")).to_contain_text("venció el 25 de noviembre de 2026")
    assert await axe_violations(phone.page) == []
    await phone.replied(REPLY)
    assert [letter["text"] for letter in await box.opened()][2] == REPLY


async def test_under_an_expired_list_nothing_is_granted(box: Letterbox, phone: LetterboxPage, dora: Keyholder) -> None:
    box.unit.next_list(adding=[dora])
    await box.publish()
    await asked(box, QUESTION)
    box.unit.next_list(ending=[dora], days=5)
    await box.publish()
    await move_clocks(box, phone.page, days=7)
    await phone.come_back(box.url)
    await phone.shows("thread")
    await refuses_to_send(box, phone, "hay que esperar a que la renueve")


async def test_where_no_reader_is_left_nothing_is_sent(box: Letterbox, phone: LetterboxPage, dora: Keyholder) -> None:
    await asked(box, QUESTION)
    box.unit.next_list(adding=[dora])
    box.unit.next_list(ending=[box.unit.officer])
    await box.publish()
    await phone.come_back(box.url)
    await phone.shows("thread")
    await refuses_to_send(box, phone, "ya no está quien leía")


async def test_a_clock_that_is_behind_is_named_and_nothing_is_sent(box: Letterbox, phone: LetterboxPage) -> None:
    await asked(box, QUESTION)
    await phone.page.clock.set_fixed_time(NOW - timedelta(days=9))
    await phone.come_back(box.url)
    assert await phone.letters() == [QUESTION]
    await expect(phone.page.locator("#thread-list")).to_contain_text("Mira la fecha de tu teléfono")
    await refuses_to_send(box, phone, "Mira la fecha de tu teléfono")
    await phone.page.clock.set_fixed_time(NOW + timedelta(days=3))  # of the list's days, but not the server's
    await phone.press("reply")
    await expect(phone.page.locator("#reply-error")).to_contain_text("Mira la fecha de tu teléfono")
    await phone.page.clock.set_fixed_time(NOW)
    await phone.press("reply")
    await expect(phone.page.locator("#reply-done")).to_contain_text("se selló y se envió")


async def refuses_to_send(box: Letterbox, phone: LetterboxPage, reason: str) -> None:
    """A reply is not even posted; the reason is shown and the text stays."""
    bodies = posted(phone.page, "/c/letters")
    await phone.reply(REPLY)
    assert reason in await phone.error("reply")
    await expect(phone.page.locator("#reply-text")).to_have_value(REPLY)
    assert bodies == []
