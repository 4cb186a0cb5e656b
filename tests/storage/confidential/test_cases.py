"""Confidential cases: states, letters, links and news, on both databases."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import pytest

from storage.confidential import cases
from storage.confidential.cases import Access, Case, CaseState, InvalidTransition, Letter, Route
from storage.database import Database, Transaction
from tests.fakes.letterbox import NOW
from tests.fakes.unit import new_id

DAY = date(2026, 11, 23)
HOUR = NOW.replace(minute=0)
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
    tx: Transaction, state: CaseState = CaseState.RECEIVED, due_on: date = DAY, readers: str = "carmen asker"
) -> Case:
    case = Case(new_id(), DAY, state, 1, due_on, 2, "form", "key", "{}")
    access = [Access(1, reader, f"sealed to {reader}") for reader in readers.split()]
    await cases.add(tx, case, f"hash of {case.id}", access, Letter(1, 1, "first"))
    return case


async def test_a_case_is_found_by_its_locator_and_by_its_id(database: Database) -> None:
    async with database.write() as tx:
        case = await add(tx)
        assert await cases.by_id(tx, case.id) == case
        assert await cases.by_locator(tx, f"hash of {case.id}") == case
        assert await cases.by_id(tx, "unknown") is None
        assert await cases.by_locator(tx, "unknown") is None
        assert await cases.letters(tx, case.id) == [Letter(1, 1, "first")]
        assert await cases.access(tx, case.id, "carmen") == [Access(1, "carmen", "sealed to carmen")]
        assert await cases.access(tx, case.id, "dora") == []


async def test_a_readers_keys_are_listed_by_epoch_in_whatever_order_they_were_added(database: Database) -> None:
    async with database.write() as tx:
        case = Case(new_id(), DAY, CaseState.RECEIVED, 1, DAY, 2, "form", "key", "{}")
        given = [Access(epoch, "carmen", f"sealed in {epoch}") for epoch in (3, 1, 10, 2)]
        await cases.add(tx, case, f"hash of {case.id}", given, Letter(1, 1, "first"))
        found = await cases.access(tx, case.id, "carmen")
    assert [one.epoch for one in found] == [1, 2, 3, 10]


async def test_a_second_case_with_the_same_id_or_locator_is_refused(database: Database) -> None:
    async with database.write() as tx:
        case = await add(tx)
        with pytest.raises(cases.CaseExists):
            await cases.add(tx, case, "other words", [], Letter(1, 1, ""))
        other = replace(case, id=new_id())
        with pytest.raises(cases.CaseExists):
            await cases.add(tx, other, f"hash of {case.id}", [], Letter(1, 1, ""))


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


async def test_letters_are_in_order_without_a_gap(database: Database) -> None:
    async with database.write() as tx:
        case = await add(tx)
        for seq in (1, 3, 0):
            with pytest.raises(cases.OutOfOrder):
                await cases.add_letter(tx, case.id, Letter(seq, 1, "wrong"))
        await cases.add_letter(tx, case.id, Letter(2, 1, "second"))
        assert [letter.envelope for letter in await cases.letters(tx, case.id)] == ["first", "second"]


async def test_of_two_concurrent_letters_with_one_number_one_is_stored(database: Database) -> None:
    async with database.write() as tx:
        case = await add(tx)

    async def write(words: str) -> bool:
        try:
            async with database.write() as tx:
                await cases.add_letter(tx, case.id, Letter(2, 1, words))
        except cases.OutOfOrder:
            return False
        return True

    kept = await asyncio.gather(*(write(f"letter {number}") for number in range(10)))
    assert sum(kept) == 1


async def test_the_queue_of_a_reader_has_their_cases_the_most_urgent_first(database: Database) -> None:
    async with database.write() as tx:
        late = await add(tx, due_on=DAY + timedelta(days=2))
        soon = await add(tx, due_on=DAY)
        closed = await add(tx, CaseState.CLOSED)
        await add(tx, readers="dora asker")
        assert await cases.queue(tx, "carmen") == [soon, late]
        assert await cases.queue(tx, "carmen", closed=True) == [closed]


async def test_a_link_is_redeemed_once_and_before_it_expires(database: Database) -> None:
    async with database.write() as tx:
        await cases.add_link(tx, "hash", "sealed", HOUR)
        assert await cases.redeem_link(tx, "hash", HOUR) is None
        assert await cases.redeem_link(tx, "other", HOUR - timedelta(seconds=1)) is None
        assert await cases.redeem_link(tx, "hash", HOUR - timedelta(seconds=1)) == "sealed"
        assert await cases.redeem_link(tx, "hash", HOUR - timedelta(seconds=1)) is None


async def test_the_expiry_of_a_link_must_be_a_full_hour(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(ValueError, match="hour"):
            await cases.add_link(tx, "hash", "sealed", NOW)


async def test_expired_links_are_deleted(database: Database) -> None:
    async with database.write() as tx:
        await cases.add_link(tx, "old", "sealed", HOUR)
        await cases.add_link(tx, "new", "sealed", HOUR + timedelta(hours=1))
        await cases.delete_expired_links(tx, HOUR)
        assert await cases.redeem_link(tx, "new", HOUR) == "sealed"
        assert await cases.redeem_link(tx, "old", HOUR - timedelta(hours=1)) is None


async def test_news_are_claimed_once(database: Database) -> None:
    async with database.write() as tx:
        case, quiet = await add(tx), await add(tx)
        await cases.add_route(tx, Route(case.id, "ana"))
        await cases.add_route(tx, Route(quiet.id, "beto"))
        assert await cases.claim_news(tx) == []
        await cases.flag_news(tx, case.id)
        await cases.flag_news(tx, case.id)
        assert await cases.claim_news(tx) == [Route(case.id, "ana")]
        assert await cases.claim_news(tx) == []


async def test_the_route_of_a_closed_case_is_deleted_once_its_news_are_claimed(database: Database) -> None:
    async with database.write() as tx:
        case, silent = await add(tx), await add(tx)
        for one in (case, silent):
            await cases.add_route(tx, Route(one.id, "ana"))
        await cases.flag_news(tx, case.id)
        for one in (case, silent):
            await cases.set_state(tx, one.id, CaseState.CLOSED)
        assert await cases.claim_news(tx) == [Route(case.id, "ana")]
        for one in (case, silent):
            await cases.flag_news(tx, one.id)
        assert await cases.claim_news(tx) == []
