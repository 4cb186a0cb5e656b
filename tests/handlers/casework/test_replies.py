"""Further letters of an asker, what their page reads and remembers, and what of it is refused."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from handlers.casework import letters, trust
from handlers.casework.posting import LetterRefused
from storage import schema
from storage.confidential.cases import CaseState
from storage.confidential.protocol import keys
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.epochs import Change, Seal
from storage.confidential.protocol.errors import Altered, Malformed, ProtocolError
from storage.confidential.protocol.signatures import point_of
from tests.conftest import rolled_back
from tests.fakes.asker import Asker
from tests.fakes.letterbox import TODAY
from tests.fakes.unit import Keyholder, new_id
from tests.handlers.casework.desk import Desk

# ---------------------------------------------------------------- letters


@pytest.mark.parametrize(
    ("kind", "state"), [("answer", CaseState.ANSWERED), ("question", CaseState.ASKED_BACK), ("reply", CaseState.OPEN)]
)
async def test_a_reply_reopens_the_case_with_a_new_due_day(desk: Desk, kind: str, state: CaseState) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker, decision_on="2026-11-23")
    await desk.answer(desk.unit.officer, asker.case, kind=kind)
    before = await desk.case(asker.case)
    assert (before.state, before.due_on) == (state, TODAY)
    assert await desk.read(asker) == ["¿Puedo firmar?", "Excúsate."]
    await desk.reply(asker.reply_body(desk.unit, "Gracias."))
    after = await desk.case(asker.case)
    due_on = TODAY if state is CaseState.OPEN else date(2026, 11, 26)
    assert (after.state, after.due_on) == (CaseState.OPEN, due_on)
    assert (await desk.opened(desk.unit.officer, asker.case)).texts == ["¿Puedo firmar?", "Excúsate.", "Gracias."]


async def test_a_further_letter_before_the_first_opening_leaves_the_case_received(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    await desk.reply(asker.reply_body(desk.unit, "Y otra cosa."))
    assert (await desk.case(asker.case)).state is CaseState.RECEIVED


async def test_an_asker_closes_the_case_and_it_takes_no_more_letters(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    await desk.reply(asker.reply_body(desk.unit, "Ya no hace falta.", kind="close"))
    assert (await desk.case(asker.case)).state is CaseState.CLOSED
    with pytest.raises(LetterRefused, match="closed"):
        await desk.reply(asker.reply_body(desk.unit))
    assert await desk.count_letters() == 2


async def test_a_granting_reply_leaves_keys_of_the_new_epoch_only(desk: Desk) -> None:
    dora, asker = Keyholder("Dora Luna"), Asker(TODAY)
    carmen = desk.unit.officer
    desk.unit.next_list(adding=[dora])
    await desk.publish()
    await desk.submit(asker)
    everybody = await desk.readers(asker.case)
    await desk.reply(asker.reply_body(desk.unit, "Sin Carmen.", change=Change(excluded=(carmen.id,))))
    assert await desk.readers(asker.case) == everybody - {carmen.id} == {dora.id, desk.unit.readers[1].id, "asker"}
    opened = await desk.opened(dora, asker.case)
    assert opened.texts == ["¿Puedo firmar?", "Sin Carmen."]
    assert opened.thread.grants[-1].epoch == 2
    assert await desk.read(asker) == opened.texts


async def test_a_reply_under_a_list_that_has_moved_on_is_written_again(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    late = asker.twin().reply_body(desk.unit)
    desk.unit.next_list()
    await desk.publish()
    with pytest.raises(LetterRefused, match="keys"):
        await desk.reply(late)
    await desk.reply(asker.reply_body(desk.unit))


async def test_under_an_expired_list_a_thread_goes_on_without_new_grants(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    desk.now += timedelta(days=60)
    asker.day = desk.today
    await desk.reply(asker.reply_body(desk.unit, "Sigo esperando."))
    await desk.answer(desk.unit.officer, asker.case, "Perdón.")
    assert await desk.read(asker) == ["¿Puedo firmar?", "Sigo esperando.", "Perdón."]
    with pytest.raises(trust.Closed, match="expired"):
        await desk.accept(Asker(desk.today).posting(desk.unit, encode(bytes(24))))


# ---------------------------------------------------------------- refused


async def test_a_reply_must_follow_the_last_letter(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    second = asker.reply_body(desk.unit, "second")
    with pytest.raises(LetterRefused, match="seq"):
        await desk.reply(asker.twin().reply_body(desk.unit, "third"))
    await desk.reply(second)
    with pytest.raises(LetterRefused, match="seq"):
        await desk.reply(second)
    with pytest.raises(Altered, match="previous"):
        await desk.reply(asker.twin().reply_body(desk.unit, context={"previous": encode(bytes(32))}))
    assert await desk.count_letters() == 2


@pytest.mark.parametrize(("offset", "is_refused"), [(-2, True), (-1, False), (1, False), (2, True)])
async def test_a_reply_bears_todays_date_give_or_take_a_day(desk: Desk, offset: int, is_refused: bool) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    asker.day = TODAY + timedelta(days=offset)
    if not is_refused:
        return await desk.reply(asker.reply_body(desk.unit))
    with pytest.raises(LetterRefused, match="day"):
        await desk.reply(asker.reply_body(desk.unit))
    return None


@pytest.mark.attack
async def test_an_asker_writes_neither_as_an_officer_nor_into_another_case(desk: Desk) -> None:
    asker, other = Asker(TODAY), Asker(TODAY)
    for one in (asker, other):
        await desk.submit(one)
    answer = await desk.write(desk.unit.officer, asker.case)
    for letter in (answer.letter, other.twin().reply_body(desk.unit)["letter"]):
        with pytest.raises(Malformed):
            await desk.reply({**asker.twin().reply_body(desk.unit), "letter": letter})
    stranger = replace(asker.twin(), signing=other.signing)
    with pytest.raises(Altered, match=r"letter\.signature"):
        await desk.reply({**asker.twin().reply_body(desk.unit), "letter": stranger.written(desk.unit).letter})
    assert await desk.count_letters() == 2


Spoil = Callable[[Desk, dict[str, Any]], Any]


def _more_keys(desk: Desk, body: dict[str, Any]) -> None:
    context = body["letter"]["context"]
    extra = keys.seal_access(bytes(32), point_of(Keyholder("x").reading), context["case"], "talk", 1, new_id())
    body["access"].append(extra)


def _the_askers_key(desk: Desk, body: dict[str, Any]) -> None:
    """Rows are replaced as a whole: with this one alone, no officer could open the case any more."""
    context = body["letter"]["context"]
    point = point_of(Keyholder("x").reading)
    body["access"].append(keys.seal_access(bytes(32), point, context["case"], "talk", 1, "asker"))


def _other_signature(desk: Desk, body: dict[str, Any]) -> None:
    body["signature"] = body["letter"]["signature"]


def _other_box(desk: Desk, body: dict[str, Any]) -> None:
    body["box"] = {**body["box"], "iv": encode(bytes(12))}


def _same_version(desk: Desk, body: dict[str, Any]) -> None:
    body["version"] = 1


def _altered_text(desk: Desk, body: dict[str, Any]) -> None:
    body["letter"] = {**body["letter"], "iv": encode(bytes(12))}


@pytest.mark.attack
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_more_keys, "access.rows"),
        (_the_askers_key, "access.rows"),
        (_other_signature, "bundle.signature"),
        (_other_box, "bundle.signature"),
        (_same_version, "bundle.signature"),
        (_altered_text, "letter.signature"),
    ],
)
async def test_a_spoilt_reply_is_refused_and_changes_nothing(desk: Desk, spoil: Spoil, reason: str) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    before, readers = await desk.case(asker.case), await desk.readers(asker.case)
    body = asker.twin().reply_body(desk.unit)
    spoil(desk, body)
    with pytest.raises(ProtocolError) as refused:
        await desk.reply(body)
    assert refused.value.reason == reason
    assert (await desk.case(asker.case), await desk.readers(asker.case)) == (before, readers)
    await desk.reply(asker.reply_body(desk.unit))


@pytest.mark.attack
@pytest.mark.parametrize("fault", ["too few", "too many", "other epoch", "none"])
async def test_a_grant_comes_with_a_key_for_exactly_each_reader(desk: Desk, fault: str) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    readers = tuple(sorted(one.id for one in desk.unit.readers))
    body = asker.twin().reply_body(desk.unit, seal=Seal(2, True, readers, ()))
    first, *others = body["access"]
    body["access"] = {
        "too few": others,
        "too many": [*body["access"], {**first, "reader": new_id()}],
        "other epoch": [{**first, "epoch": 1}, *others],
        "none": [],
    }[fault]
    with pytest.raises(Altered, match=r"access\.rows"):
        await desk.reply(body)
    assert await desk.count_letters() == 1
    assert (await desk.opened(desk.unit.officer, asker.case)).texts == ["¿Puedo firmar?"]


async def test_of_two_replies_at_once_one_gets_the_number(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    bodies = [asker.twin().reply_body(desk.unit, f"tab {number}") for number in range(4)]
    results = await asyncio.gather(*(desk.reply(body) for body in bodies), return_exceptions=True)
    refused = [result.reason for result in results if isinstance(result, LetterRefused)]
    assert len(refused) == 3
    assert set(refused) <= {"seq", "version"}
    assert len(await desk.read(asker)) == 2


async def test_an_unknown_locator_is_refused(desk: Desk) -> None:
    asker = Asker(TODAY)
    with pytest.raises(LetterRefused, match="thread"):
        await desk.read(asker)
    asker.posting(desk.unit, encode(bytes(24)))
    for post in (desk.reply(asker.reply_body(desk.unit)), desk.remember(asker.seen_body())):
        with pytest.raises(LetterRefused, match="thread"):
            await post


@pytest.mark.parametrize("name", ["locator", "letter", "access", "box", "version", "signature"])
async def test_a_malformed_reply_is_refused(desk: Desk, name: str) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    body = asker.reply_body(desk.unit)
    values: list[object] = [None, "", {}, [{}], "x" * 10]
    for value in values:
        with pytest.raises(Malformed, match=name):
            await desk.reply({**body, name: value})
    with pytest.raises(Malformed):
        await desk.reply({**body, "more": 1})
    with pytest.raises(Malformed, match=name):
        await desk.reply({key: value for key, value in body.items() if key != name})


# ---------------------------------------------------------------- what the asker has seen


async def test_what_was_read_is_remembered_version_by_version(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    await desk.answer(desk.unit.officer, asker.case)
    await desk.read(asker)
    tab = asker.twin()
    seen = asker.seen_body()
    await desk.remember(seen)
    for late in (seen, tab.seen_body()):
        with pytest.raises(LetterRefused, match="version"):
            await desk.remember(late)
    skipped = asker.twin()
    skipped.version += 1
    with pytest.raises(LetterRefused, match="version"):
        await desk.remember(skipped.seen_body())
    assert await desk.read(tab) == ["¿Puedo firmar?", "Excúsate."]
    await desk.remember(tab.seen_body())
    assert (await desk.case(asker.case)).asker_version == 3
    assert await desk.count_letters() == 2


async def test_a_reply_whose_box_was_changed_elsewhere_stores_nothing(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    tab = asker.twin()
    await desk.remember(asker.seen_body())
    with pytest.raises(LetterRefused, match="version"):
        await desk.reply(tab.reply_body(desk.unit))
    assert await desk.count_letters() == 1


@pytest.mark.attack
async def test_a_box_that_the_asker_did_not_sign_is_refused(desk: Desk) -> None:
    asker, other = Asker(TODAY), Asker(TODAY)
    for one in (asker, other):
        await desk.submit(one)
    body, theirs = asker.seen_body(), other.seen_body()
    for forged in ({**body, "box": theirs["box"]}, {**body, "signature": theirs["signature"]}, {**body, "version": 3}):
        with pytest.raises(Altered, match=r"bundle\.signature"):
            await desk.remember(forged)
    assert (await desk.case(asker.case)).asker_version == 1


# ---------------------------------------------------------------- reading


async def test_a_thread_comes_with_all_that_the_page_checks(desk: Desk) -> None:
    asker = Asker(TODAY)
    posting = asker.posting(desk.unit, await desk.token())
    await desk.accept(posting)
    async with desk.work() as work:
        thread = await letters.thread(work, asker.locator)
    access = thread.pop("access")
    assert thread == {
        "case": asker.case,
        "state": "received",
        "day": "2026-11-23",
        "due_on": "2026-11-26",
        "letters": [posting["letter"]],
        "box": posting["box"],
        "version": 1,
        "list": desk.unit.newest,
    }
    assert access in posting["access"]
    assert access["reader"] == "asker"


async def test_a_thread_without_a_list_or_a_key_is_returned_all_the_same(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    async with desk.work() as work:
        await work.tx.execute(delete(schema.access))
        await work.tx.execute(delete(schema.key_lists))
        thread = await letters.thread(work, asker.locator)
    assert (thread["list"], thread["access"], len(thread["letters"])) == (None, None, 1)


@pytest.mark.attack
async def test_stored_rows_that_are_none_of_the_protocols_are_reported(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    for table, column in ((schema.cases, "asker_box"), (schema.letters, "letter")):
        async with desk.work() as work, rolled_back(work.tx):
            await work.tx.execute(update(table).values({column: "nonsense"}))
            with pytest.raises(Malformed):
                await letters.thread(work, asker.locator)
