"""Confidential cases: states, letters, keys of readers and the asker's box, on both databases."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import insert, update

from storage import schema
from storage.confidential import cases
from storage.confidential.cases import Case, CaseState, InvalidTransition
from storage.confidential.protocol.canonical import canonical, encode
from storage.confidential.protocol.errors import Malformed
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import letter_hash
from storage.database import Database, Transaction
from tests.fakes.asker import Asker
from tests.fakes.unit import Keyholder, Unit, new_id, new_token

DAY = date(2026, 11, 23)
UNIT = Unit([Keyholder("Carmen"), Keyholder("Dora")])
CARMEN, DORA = UNIT.readers
STEPS = {
    (CaseState.RECEIVED, CaseState.OPEN),
    (CaseState.OPEN, CaseState.ANSWERED),
    (CaseState.OPEN, CaseState.ASKED_BACK),
    (CaseState.ANSWERED, CaseState.OPEN),
    (CaseState.ANSWERED, CaseState.ANSWERED),
    (CaseState.ANSWERED, CaseState.ASKED_BACK),
    (CaseState.ASKED_BACK, CaseState.OPEN),
    (CaseState.ASKED_BACK, CaseState.ANSWERED),
    (CaseState.ASKED_BACK, CaseState.ASKED_BACK),
    *((state, CaseState.CLOSED) for state in CaseState if state is not CaseState.CLOSED),
}


async def add(
    tx: Transaction,
    state: CaseState = CaseState.RECEIVED,
    due_on: date = DAY,
    asker: Asker | None = None,
    excluded: Sequence[Keyholder] = (),
) -> Case:
    """Store a case as an asker's page posts it."""
    asker = asker or Asker(DAY)
    posting = asker.posting(UNIT, new_token(), excluded=excluded)
    case = Case(asker.case, DAY, state, due_on, 2, "form", canonical(posting["box"]), 1)
    await cases.add(tx, case, asker.locator_hash, posting["access"], posting["letter"])
    return case


def row(case: str, reader: str, epoch: int, words: str = "sealed") -> Access:
    return {"case": case, "lane": "talk", "epoch": epoch, "reader": reader, "sealed": words}


# ---------------------------------------------------------------- cases


async def test_a_case_is_found_by_its_locator_and_by_its_id(database: Database) -> None:
    asker = Asker(DAY)
    async with database.write() as tx:
        case = await add(tx, asker=asker)
        assert await cases.by_id(tx, case.id) == case
        assert await cases.by_locator(tx, cases.locator_hash(asker.locator)) == case
        assert await cases.by_id(tx, "unknown") is None
        assert await cases.by_locator(tx, "unknown") is None
        stored, access = await cases.letters(tx, case.id), await cases.access(tx, case.id, CARMEN.id)
        assert await cases.access(tx, case.id, new_id()) is None
    assert CARMEN.open(stored, access, UNIT.chain).texts == ["¿Puedo firmar?"]


async def test_a_second_case_with_the_same_id_or_locator_is_refused(database: Database) -> None:
    asker = Asker(DAY)
    async with database.write() as tx:
        case = await add(tx, asker=asker)
        for other in (Asker(DAY, case=case.id), Asker(DAY, locator=asker.locator)):
            with pytest.raises(cases.CaseExists):
                await add(tx, asker=other)
        assert len(await cases.letters(tx, case.id)) == 1


async def test_only_the_transitions_of_the_diagram_are_allowed(database: Database) -> None:
    async with database.write() as tx:
        for source, target in product(CaseState, CaseState):
            case = await add(tx, source)
            if (source, target) in STEPS:
                await cases.set_state(tx, case.id, target, due_on=DAY + timedelta(days=1))
                moved = replace(case, state=target, due_on=DAY + timedelta(days=1))
                assert await cases.by_id(tx, case.id) == moved
            else:
                with pytest.raises(InvalidTransition):
                    await cases.set_state(tx, case.id, target)
                assert await cases.by_id(tx, case.id) == case


async def test_the_state_of_an_unknown_case_cannot_be_set(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(InvalidTransition):
            await cases.set_state(tx, "unknown", CaseState.OPEN)


async def test_a_state_that_a_row_cannot_have_hides_no_case(database: Database) -> None:
    async with database.write() as tx:
        case = await add(tx)
        await tx.execute(update(schema.cases).values(state="nonsense"))
        (found,) = await cases.queue(tx, CARMEN.id)
        assert (found.id, found.state) == (case.id, CaseState.OPEN)


async def test_the_queue_of_a_reader_has_their_cases_the_most_urgent_first(database: Database) -> None:
    async with database.write() as tx:
        late = await add(tx, due_on=DAY + timedelta(days=2))
        soon = await add(tx, due_on=DAY)
        closed = await add(tx, CaseState.CLOSED)
        others = await add(tx, due_on=DAY + timedelta(days=1), excluded=[CARMEN])
        assert await cases.queue(tx, CARMEN.id) == [soon, late]
        assert await cases.queue(tx, DORA.id) == [soon, others, late]
        assert await cases.queue(tx, CARMEN.id, closed=True) == [closed]


# ---------------------------------------------------------------- letters


async def test_letters_come_back_in_order_and_as_they_were_sent(database: Database) -> None:
    asker = Asker(DAY)
    async with database.write() as tx:
        case = await add(tx, asker=asker)
        sent = [asker.reply_body(UNIT, text)["letter"] for text in ("second", "third")]
        for letter in sent:
            await cases.add_letter(tx, letter)
        assert (await cases.letters(tx, case.id))[1:] == sent
        assert await cases.letters(tx, new_id()) == []


@pytest.mark.attack
@pytest.mark.parametrize("text", ["nonsense", "{}", '{"v":2}', "[]"])
async def test_a_row_that_is_no_letter_is_reported(database: Database, text: str) -> None:
    async with database.write() as tx:
        case = await add(tx)
        await tx.execute(update(schema.letters).values(letter=text))
        with pytest.raises(Malformed):
            await cases.letters(tx, case.id)
        other = await add(tx)
        (head,) = await cases.heads(tx, CARMEN.id)
        assert head["case"] == other.id, "one altered case does not keep an officer from all the others"


async def test_of_concurrent_letters_with_one_number_one_is_stored(database: Database) -> None:
    asker = Asker(DAY)
    async with database.write() as tx:
        case = await add(tx, asker=asker)
    sent = [asker.twin().reply_body(UNIT, f"letter {number}")["letter"] for number in range(10)]

    async def write(letter: Any) -> bool:
        try:
            async with database.write() as tx:
                await cases.add_letter(tx, letter)
        except cases.OutOfOrder:
            return False
        return True

    assert sum(await asyncio.gather(*(write(letter) for letter in sent))) == 1
    async with database.read() as tx:
        assert len(await cases.letters(tx, case.id)) == 2


# ---------------------------------------------------------------- keys of readers


async def test_the_keys_of_a_new_epoch_take_the_place_of_those_before(database: Database) -> None:
    asker = Asker(DAY)
    async with database.write() as tx:
        case, other = await add(tx, asker=asker), await add(tx)
        granted = [row(case.id, reader, 2) for reader in (DORA.id, "asker")]
        await cases.add_letter(tx, asker.reply_body(UNIT)["letter"], granted)
        assert await cases.access(tx, case.id, CARMEN.id) is None
        assert [await cases.access(tx, case.id, reader) for reader in (DORA.id, "asker")] == granted
        untouched = await cases.access(tx, other.id, CARMEN.id)
        assert untouched is not None
        assert untouched["epoch"] == 1


async def test_a_letter_without_keys_leaves_those_of_the_epoch(database: Database) -> None:
    asker = Asker(DAY)
    async with database.write() as tx:
        case = await add(tx, asker=asker)
        before = await cases.access(tx, case.id, CARMEN.id)
        await cases.add_letter(tx, asker.reply_body(UNIT)["letter"])
        assert before == await cases.access(tx, case.id, CARMEN.id) is not None


async def test_heads_are_the_newest_letters_of_what_a_reader_has_a_key_for(database: Database) -> None:
    asker = Asker(DAY)
    async with database.write() as tx:
        long, short = await add(tx, asker=asker), await add(tx)
        await add(tx, excluded=[CARMEN])
        second = asker.reply_body(UNIT)["letter"]
        await cases.add_letter(tx, second)
        (first,) = await cases.letters(tx, short.id)
        expected = [
            {"case": long.id, "lane": "talk", "seq": 2, "hash": letter_hash(second)},
            {"case": short.id, "lane": "talk", "seq": 1, "hash": letter_hash(first)},
        ]
        assert sorted(await cases.heads(tx, CARMEN.id), key=lambda head: head["seq"], reverse=True) == expected
        assert await cases.heads(tx, new_id()) == []


async def test_notes_of_officers_have_letters_and_keys_of_their_own(database: Database) -> None:
    asker = Asker(DAY)
    async with database.write() as tx:
        case = await add(tx, asker=asker)
        (letter,) = await cases.letters(tx, case.id)
        notes = {"case_id": case.id, "lane": "notes"}
        await tx.execute(insert(schema.letters).values(notes | {"seq": 1, "letter": canonical(letter)}))
        await tx.execute(insert(schema.access).values(notes | {"reader": DORA.id, "epoch": 7, "sealed": "x"}))
        assert len(await cases.letters(tx, case.id)) == 1
        talk, own = await cases.access(tx, case.id, DORA.id), await cases.access(tx, case.id, DORA.id, "notes")
        assert (talk and talk["epoch"], own and own["epoch"]) == (1, 7)
        assert await cases.queue(tx, DORA.id) == [case]
        await cases.add_letter(tx, asker.reply_body(UNIT)["letter"], [row(case.id, "asker", 2)])
        assert await cases.access(tx, case.id, DORA.id) is None
        assert await cases.access(tx, case.id, DORA.id, "notes") == own


# ---------------------------------------------------------------- the asker's box


async def test_a_box_is_replaced_by_its_next_version_only(database: Database) -> None:
    box: Any = {"iv": encode(bytes(12)), "body": encode(bytes(40))}
    async with database.write() as tx:
        case = await add(tx)
        for version in (0, 1, 3):
            assert not await cases.replace_box(tx, case.id, version, box)
        assert await cases.by_id(tx, case.id) == case
        assert await cases.replace_box(tx, case.id, 2, box)
        assert await cases.by_id(tx, case.id) == replace(case, asker_box=canonical(box), asker_version=2)
        assert not await cases.replace_box(tx, new_id(), 2, box)


async def test_of_concurrent_versions_of_a_box_one_is_stored(database: Database) -> None:
    async with database.write() as tx:
        case = await add(tx)

    async def replace_box(number: int) -> bool:
        async with database.write() as tx:
            return await cases.replace_box(tx, case.id, 2, {"iv": encode(bytes(12)), "body": encode(bytes([number]))})

    assert sum(await asyncio.gather(*(replace_box(number) for number in range(10)))) == 1
