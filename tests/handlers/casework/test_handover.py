"""Handing a case over and recusing oneself: who reads what after each step, what is refused, and the ledger."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from handlers.casework import cases as casework
from handlers.casework.cases import NoSuchCase
from handlers.casework.posting import LetterRefused
from storage import schema
from storage.confidential import ledger
from storage.confidential.cases import CaseState
from storage.confidential.officers import OfficerState
from storage.confidential.protocol.epochs import Change, Seal
from storage.confidential.protocol.errors import Altered, Expired, Refused
from tests.fakes.asker import Asker
from tests.fakes.letterbox import AUDIT_KEY, TODAY, officer_context
from tests.fakes.unit import Keyholder
from tests.handlers.casework.desk import Desk

HANDS = "Le paso tu consulta a Dora."


@pytest.fixture
async def carmen(desk: Desk) -> Keyholder:
    return desk.unit.officer


@pytest.fixture
async def case(desk: Desk) -> str:
    """Carmen alone reads it, with the recovery key."""
    asker = Asker(TODAY)
    await desk.submit(asker)
    return asker.case


@pytest.fixture
async def dora(desk: Desk, case: str) -> Keyholder:
    """Dora joins after the case was written."""
    return await joined(desk, "Dora Luna")


@pytest.fixture
async def eva(desk: Desk, case: str) -> Keyholder:
    return await joined(desk, "Eva Sol")


async def joined(desk: Desk, name: str) -> Keyholder:
    one = Keyholder(name)
    desk.unit.next_list(adding=[one])
    await desk.publish()
    return one


async def verbs(desk: Desk, case: str) -> list[str]:
    """What the ledger says of a case, but for openings."""
    async with desk.work() as work:
        assert await ledger.first_invalid(work.tx, AUDIT_KEY) is None
        return [entry.verb for entry in await ledger.of_case(work.tx, case) if entry.verb != "open"]


async def hand(desk: Desk, author: Keyholder, case: str, *to: Keyholder, leaves: bool = False) -> CaseState:
    change = Change(added=tuple(one.id for one in to), leaves=leaves)
    return await desk.answer(author, case, HANDS, kind="hand", change=change)


async def departure(desk: Desk, officer: Keyholder, case: str) -> Sequence[str]:
    """The kinds of the letters that explain why an officer no longer reads a case."""
    async with desk.officer(officer) as context:
        return [letter["context"]["kind"] for letter in await casework.departure(context, case)]


# ---------------------------------------------------------------- who reads what, step by step


async def test_each_step_says_who_reads_and_the_ledger_names_it(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder, eva: Keyholder
) -> None:
    with pytest.raises(NoSuchCase):
        await desk.opened(dora, case)
    await hand(desk, carmen, case, dora)
    for one in (carmen, dora):
        assert (await desk.opened(one, case)).texts == ["¿Puedo firmar?", HANDS]

    await hand(desk, carmen, case, leaves=True)
    with pytest.raises(NoSuchCase):
        await desk.opened(carmen, case)
    await desk.answer(dora, case, "Excúsate.")
    assert (await desk.opened(dora, case)).texts == ["¿Puedo firmar?", HANDS, HANDS, "Excúsate."]

    await hand(desk, dora, case, eva, leaves=True)
    for one in (carmen, dora):
        with pytest.raises(NoSuchCase):
            await desk.opened(one, case)
    assert len((await desk.opened(eva, case)).texts) == 5
    assert await verbs(desk, case) == ["hand-over", "recuse", "answer", "recuse"]


async def test_a_case_that_is_handed_over_stays_in_its_state_and_its_asker_is_notified(
    desk: Desk, carmen: Keyholder, dora: Keyholder
) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker, address="beto")
    await desk.answer(carmen, asker.case, kind="question")
    assert await desk.notified() == ["beto"]
    assert await hand(desk, carmen, asker.case, dora, leaves=True) is CaseState.ASKED_BACK
    assert await desk.notified() == ["beto"]
    assert list(await desk.read(asker))[-1] == HANDS


async def test_a_closed_case_is_handed_over_and_stays_closed(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder
) -> None:
    await desk.answer(carmen, case, kind="close")
    assert await hand(desk, carmen, case, dora, leaves=True) is CaseState.CLOSED
    async with desk.officer(dora) as context:
        assert await casework.queue(context) == []
        assert [one.id for one in await casework.queue(context, closed=True)] == [case]
    with pytest.raises(LetterRefused, match="closed"):
        await desk.answer(dora, case, kind="reply")


async def test_an_officer_who_adds_a_reader_by_an_answer_hands_the_case_over_all_the_same(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder
) -> None:
    await desk.answer(carmen, case, change=Change(added=(dora.id,)))
    await desk.answer(carmen, case, change=Change(leaves=True))
    assert await verbs(desk, case) == ["hand-over", "recuse"]


@pytest.mark.attack
async def test_an_officer_who_drops_a_colleague_by_an_answer_is_named_as_well(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder
) -> None:
    await hand(desk, carmen, case, dora)
    alone = Seal(3, True, (dora.id,), ())
    await desk.post(dora, await desk.write(dora, case, seal=alone))
    assert await verbs(desk, case) == ["hand-over", "hand-over"]


async def test_after_a_reader_has_left_the_unit_an_answer_is_an_answer(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder
) -> None:
    await hand(desk, carmen, case, dora)
    desk.unit.next_list(ending=[dora])
    await desk.publish()
    await desk.answer(carmen, case)
    assert dora.id not in await desk.readers(case)
    assert await verbs(desk, case) == ["hand-over", "answer"]


async def test_a_new_recovery_key_in_place_of_the_former_is_no_hand_over(
    desk: Desk, case: str, carmen: Keyholder
) -> None:
    former, following = desk.unit.readers[1], Keyholder("Respaldo", "recovery")
    desk.unit.next_list(adding=[following], ending=[former])
    await desk.publish()
    await desk.answer(carmen, case)
    assert following.id in await desk.readers(case)
    assert await verbs(desk, case) == ["answer"]


async def test_of_two_who_hand_over_at_once_one_is_first_and_the_other_does_it_again(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder, eva: Keyholder
) -> None:
    await hand(desk, carmen, case, dora)
    changes = [Change(added=(eva.id,), leaves=True), Change(leaves=True)]
    written = [
        (one, await desk.write(one, case, HANDS, kind="hand", change=change))
        for one, change in zip((carmen, dora), changes, strict=True)
    ]
    results = await asyncio.gather(*(desk.post(*each) for each in written), return_exceptions=True)
    assert sorted(str(result) for result in results) == ["open", "seq"]
    late = 0 if isinstance(results[0], LetterRefused) else 1
    if late:
        await hand(desk, dora, case, leaves=True)
    else:
        await hand(desk, carmen, case, eva, leaves=True)
    assert await desk.readers(case) == {eva.id, desk.unit.readers[1].id, "asker"}
    assert await verbs(desk, case) == ["hand-over", "recuse", "recuse"]


# ---------------------------------------------------------------- what is refused


@pytest.mark.attack
async def test_a_case_is_handed_to_none_of_those_who_may_not_read_it(desk: Desk, carmen: Keyholder) -> None:
    excluded, departed = await joined(desk, "Dora Luna"), await joined(desk, "Eva Sol")
    asker = Asker(TODAY)
    posting = asker.posting(desk.unit, await desk.token(), excluded=[excluded], readers=[carmen])
    await desk.accept(posting)
    desk.unit.next_list(ending=[departed])
    await desk.publish()
    for one in (excluded, departed):
        with pytest.raises(Refused, match=r"seal\.added"):
            await hand(desk, carmen, asker.case, one)
        seal = Seal(2, True, tuple(sorted((carmen.id, one.id))), (excluded.id,))
        with pytest.raises(Altered, match=r"thread\.readers"):
            await desk.post(carmen, await desk.write(carmen, asker.case, kind="hand", seal=seal))
    assert await desk.readers(asker.case) == {carmen.id, "asker"}
    assert await verbs(desk, asker.case) == []


@pytest.mark.attack
async def test_who_hands_over_to_herself_or_to_no_officer_hands_over_nothing(
    desk: Desk, case: str, carmen: Keyholder
) -> None:
    with pytest.raises(Altered, match=r"hand\.grant"):
        await hand(desk, carmen, case, carmen)
    for change in (Change(leaves=True), Change(added=(carmen.id,), leaves=True)):
        with pytest.raises(Refused, match=r"seal\.readers"):
            await desk.write(carmen, case, kind="hand", change=change)
    recovery = desk.unit.readers[1].id
    seal = Seal(2, True, (recovery,), ())
    with pytest.raises(Altered, match=r"thread\.readers"):
        await desk.post(carmen, await desk.write(carmen, case, kind="hand", seal=seal))
    assert await verbs(desk, case) == []
    assert (await desk.case(case)).state is CaseState.OPEN
    assert await desk.notified() == []


@pytest.mark.attack
async def test_who_has_left_a_case_hands_over_nothing_more(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder, eva: Keyholder
) -> None:
    before = await desk.opened(carmen, case)
    late = carmen.answer(before, desk.unit.chain, HANDS, TODAY, kind="hand", change=Change(added=(eva.id,)))
    await hand(desk, carmen, case, dora, leaves=True)
    with pytest.raises(NoSuchCase):
        await desk.post(carmen, late)
    assert eva.id not in await desk.readers(case)


async def test_under_an_expired_list_a_case_is_not_handed_over(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder
) -> None:
    desk.now += timedelta(days=60)
    with pytest.raises(Expired):
        await hand(desk, carmen, case, dora)


# ---------------------------------------------------------------- why one no longer reads a case


async def test_who_left_gets_the_letters_until_then_and_none_that_was_written_later(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder
) -> None:
    await desk.answer(carmen, case)
    await hand(desk, carmen, case, dora, leaves=True)
    await desk.answer(dora, case, "Más tarde.")
    assert await departure(desk, carmen, case) == ["ask", "answer", "hand"]
    assert await verbs(desk, case) == ["answer", "recuse", "answer"]


async def test_who_was_excluded_later_gets_the_letters_until_then(desk: Desk, carmen: Keyholder) -> None:
    dora, asker = await joined(desk, "Dora Luna"), Asker(TODAY)
    await desk.submit(asker)
    await desk.reply(asker.reply_body(desk.unit, change=Change(excluded=(dora.id,))))
    await desk.answer(carmen, asker.case)
    assert await departure(desk, dora, asker.case) == ["ask", "reply"]


async def test_who_came_back_and_left_again_gets_the_letters_until_the_last_time(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder
) -> None:
    await hand(desk, carmen, case, dora, leaves=True)
    await hand(desk, dora, case, carmen)
    await hand(desk, carmen, case, leaves=True)
    assert await departure(desk, carmen, case) == ["ask", "hand", "hand", "hand"]


@pytest.mark.attack
async def test_a_reader_whose_key_was_deleted_gets_no_explanation(desk: Desk, case: str, carmen: Keyholder) -> None:
    async with desk.work() as work:
        await work.tx.execute(schema.access.delete().where(schema.access.c.reader == carmen.id))
    with pytest.raises(NoSuchCase):
        await departure(desk, carmen, case)


@pytest.mark.attack
async def test_who_never_read_a_case_learns_nothing_of_it(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder, eva: Keyholder
) -> None:
    await hand(desk, carmen, case, dora, leaves=True)
    asker = Asker(TODAY)
    await desk.accept(asker.posting(desk.unit, await desk.token(), excluded=[eva]))
    for one in (case, asker.case, "A" * 22):
        with pytest.raises(NoSuchCase):
            await departure(desk, eva, one)


@pytest.mark.attack
async def test_nor_does_an_account_that_reads_nothing_any_more(
    desk: Desk, case: str, carmen: Keyholder, dora: Keyholder
) -> None:
    await hand(desk, carmen, case, dora, leaves=True)
    async with desk.work() as work:
        context = officer_context(work.tx, carmen, desk.installation, desk.now)
        context = replace(context, officer=replace(context.officer, state=OfficerState.LEFT))
        with pytest.raises(NoSuchCase):
            await casework.departure(context, case)


@pytest.mark.attack
async def test_a_grant_explains_nothing_any_more_once_its_author_has_left_the_unit(
    desk: Desk, carmen: Keyholder
) -> None:
    dora, eva = await joined(desk, "Dora Luna"), await joined(desk, "Eva Sol")
    asker = Asker(TODAY)
    await desk.submit(asker)
    seal = Seal(2, True, tuple(sorted((dora.id, eva.id))), ())
    await desk.post(dora, await desk.write(dora, asker.case, seal=seal))
    assert await departure(desk, carmen, asker.case) == ["ask", "answer"]
    desk.unit.next_list(ending=[dora])
    await desk.publish()
    with pytest.raises(NoSuchCase):
        await departure(desk, carmen, asker.case)
