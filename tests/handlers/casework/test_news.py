"""Notices of news: who gets one, when it is the last, and that no other address is notified."""

import hashlib
import os
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from handlers.capabilities import Capabilities
from handlers.casework import news
from handlers.outgoing import Recipient
from storage import schema
from storage.confidential import routes
from storage.confidential.protocol import tokens
from storage.confidential.protocol.canonical import decode, encode, prefixed
from storage.confidential.protocol.errors import Malformed
from tests.fakes.asker import Asker
from tests.fakes.letterbox import TODAY
from tests.handlers.casework.desk import Desk


async def submit(desk: Desk, *addresses: str) -> list[Asker]:
    askers = [Asker(TODAY) for _ in addresses]
    for asker, address in zip(askers, addresses, strict=True):
        await desk.submit(asker, address)
    return askers


async def test_an_answer_notifies_its_own_asker_once(desk: Desk) -> None:
    ana, beto = await submit(desk, "ana", "beto")
    assert await desk.notified() == []
    await desk.answer(desk.unit.officer, ana.case)
    assert await desk.notified() == ["ana"]
    assert await desk.notified() == []
    await desk.answer(desk.unit.officer, beto.case)
    await desk.answer(desk.unit.officer, beto.case, "Y algo más.")
    assert await desk.notified() == ["beto"]


async def test_who_has_news_of_two_cases_gets_one_notice(desk: Desk) -> None:
    for asker in await submit(desk, "ana", "ana"):
        await desk.answer(desk.unit.officer, asker.case)
    assert await desk.notified() == ["ana"]


async def test_every_letter_of_an_officer_notifies_and_none_of_the_asker_does(desk: Desk) -> None:
    (ana,) = await submit(desk, "ana")
    for kind in ("question", "answer", "reply"):
        await desk.answer(desk.unit.officer, ana.case, kind=kind)
        assert await desk.notified() == ["ana"]
        await desk.read(ana)
        await desk.reply(ana.reply_body(desk.unit))
        assert await desk.notified() == []


async def test_the_last_letter_notifies_and_then_the_address_is_gone(desk: Desk) -> None:
    ana, _ = await submit(desk, "ana", "beto")
    await desk.answer(desk.unit.officer, ana.case, kind="close")
    assert await desk.notified() == ["ana"]
    async with desk.work() as work:
        await routes.delete_expired(work.tx, work.now, work.today)
        assert len((await work.tx.execute(select(schema.routes))).all()) == 1


async def test_a_link_that_was_never_used_leaves_its_address_for_180_days(desk: Desk) -> None:
    await desk.token("ana")
    for days, count in ((180, 1), (1, 0)):
        desk.now += timedelta(days=days)
        async with desk.work() as work:
            await routes.delete_expired(work.tx, work.now, work.today)
            assert len((await work.tx.execute(select(schema.routes))).all()) == count
            assert (await work.tx.execute(select(schema.links))).all() == []


async def test_an_asker_who_wants_no_notices_gets_none(desk: Desk) -> None:
    (ana,) = await submit(desk, "ana")
    await desk.post(desk.unit.officer, await desk.write(desk.unit.officer, ana.case), notice="")
    assert await desk.notified() == []


@pytest.mark.attack
async def test_only_what_the_first_letter_contains_notifies_anybody(desk: Desk) -> None:
    token = await desk.token("ana")
    ana = Asker(TODAY)
    await desk.accept(ana.posting(desk.unit, token))
    for guess in (encode(os.urandom(32)), token, tokens.entry_row(desk.installation.route_key, decode(token))):
        await desk.post(desk.unit.officer, await desk.write(desk.unit.officer, ana.case), notice=guess)
        assert await desk.notified() == []
    with pytest.raises(Malformed):
        await desk.post(desk.unit.officer, await desk.write(desk.unit.officer, ana.case), notice="no base64url!")
    opened = await desk.opened(desk.unit.officer, ana.case)
    assert decode(opened.notice) == hashlib.sha256(prefixed("bell") + decode(token)).digest()
    await desk.post(desk.unit.officer, await desk.write(desk.unit.officer, ana.case), notice=opened.notice)
    assert await desk.notified() == ["ana"]


async def test_an_address_that_does_not_decrypt_gets_no_notice(desk: Desk) -> None:
    ana, beto = await submit(desk, "ana", "beto")
    for asker in (ana, beto):
        await desk.answer(desk.unit.officer, asker.case)
    elsewhere = replace(desk.installation, route_key=os.urandom(32))
    async with desk.work() as work:
        pending = await news.pending(replace(work, installation=elsewhere))
    assert (len(pending.notices), len(pending.lost)) == (0, 2)


async def test_notices_are_in_random_order(desk: Desk) -> None:
    askers = await submit(desk, *(f"address {number:02}" for number in range(12)))
    for asker in askers:
        await desk.answer(desk.unit.officer, asker.case)
    orders = set()
    for _ in range(3):
        async with desk.work() as work:
            pending = await news.pending(work)
        orders.add(tuple(notice.recipient.address for notice in pending.notices))
    assert {len(order) for order in orders} == {12}
    assert len(orders) == 3, "one case in 12! squared otherwise"


async def test_a_notice_says_nothing_of_the_case_and_is_a_template_where_it_must_be(desk: Desk) -> None:
    for channel, has_template in (("telegram", False), ("whatsapp", True)):
        windowed = {"whatsapp": Capabilities(reply_window=timedelta(hours=24))}
        installation = replace(desk.installation, channel_capabilities=windowed)
        parcel = news.rendered(desk.library, installation, Recipient(channel, "ana", "es"))
        assert parcel.leaves_no_row
        assert parcel.text == desk.library.phrases.plain("es", "consult.news", {})
        assert [button.url for row in parcel.rows for button in row] == ["http://127.0.0.1/c#l=es"]
        assert (parcel.template is not None) is has_template
