"""The queue, opening cases, and which answers of officers are accepted."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from handlers.casework import cases as casework
from handlers.casework import trust
from handlers.casework.cases import NoSuchCase
from handlers.casework.posting import LetterRefused
from storage import schema
from storage.confidential import cases, ledger, officers
from storage.confidential.cases import Case, CaseState
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.epochs import Change, Seal
from storage.confidential.protocol.errors import Altered, Malformed, Refused
from tests.fakes.asker import Asker
from tests.fakes.letterbox import AUDIT_KEY, TODAY, officer_context
from tests.fakes.unit import Keyholder, new_id, new_key
from tests.handlers.casework.desk import Desk


@pytest.fixture
async def carmen(desk: Desk) -> Keyholder:
    return desk.unit.officer


@pytest.fixture
async def dora(desk: Desk, carmen: Keyholder) -> Keyholder:
    """Dora joins before the case is written."""
    dora = Keyholder("Dora Luna")
    desk.unit.next_list(adding=[dora])
    await desk.publish()
    return dora


@pytest.fixture
async def case(desk: Desk) -> str:
    asker = Asker(TODAY)
    await desk.submit(asker)
    return asker.case


async def assert_nothing_changed(desk: Desk, case: str) -> None:
    """The case is as its first opening left it, and nothing but that is in the ledger."""
    assert (await desk.case(case)).state in (CaseState.RECEIVED, CaseState.OPEN)
    assert await desk.count_letters() == 1
    assert await desk.notified() == []
    async with desk.work() as work:
        assert {entry.verb for entry in await ledger.of_case(work.tx, case)} <= {"open"}


# ---------------------------------------------------------------- the queue


async def test_the_queue_shows_the_most_urgent_first_with_age_and_overdue(desk: Desk, carmen: Keyholder) -> None:
    made = []
    for _ in range(3):
        asker = Asker(desk.today)
        await desk.submit(asker)
        made.append(asker.case)
        desk.now += timedelta(days=2)
    desk.now -= timedelta(days=2)
    async with desk.officer(carmen) as context:
        queued = await casework.queue(context)
    assert [(one.id, one.age, one.is_overdue) for one in queued] == [
        (made[0], 4, True),
        (made[1], 2, False),
        (made[2], 0, False),
    ]
    assert queued[0].folio == casework.folio(made[0]) != queued[1].folio


async def test_in_the_queue_answered_cases_come_after_those_that_wait(desk: Desk, carmen: Keyholder) -> None:
    soon, late = Asker(TODAY), Asker(TODAY)
    await desk.submit(soon, decision_on="2026-11-24")
    await desk.submit(late)
    await desk.answer(carmen, soon.case)
    async with desk.officer(carmen) as context:
        assert [one.id for one in await casework.queue(context)] == [late.case, soon.case]


@pytest.mark.attack
async def test_an_officer_without_a_key_neither_sees_nor_opens_the_case(
    desk: Desk, case: str, carmen: Keyholder
) -> None:
    dora = Keyholder("Dora Luna")
    desk.unit.next_list(adding=[dora])
    await desk.publish()
    written = await desk.write(carmen, case)
    async with desk.officer(dora) as context:
        assert await casework.queue(context) == []
        assert await casework.heads(context) == []
        for action in (casework.case_summary, casework.open_case):
            with pytest.raises(NoSuchCase):
                await action(context, case)
    with pytest.raises(NoSuchCase):
        await desk.post(dora, written)
    await assert_nothing_changed(desk, case)


@pytest.mark.attack
@pytest.mark.parametrize("state", [officers.OfficerState.PENDING, officers.OfficerState.LEFT])
async def test_an_officer_who_is_not_active_opens_nothing(
    desk: Desk, case: str, carmen: Keyholder, state: officers.OfficerState
) -> None:
    written = await desk.write(carmen, case)
    async with desk.work() as work:
        context = officer_context(work.tx, carmen, desk.installation, desk.now)
        context = replace(context, officer=replace(context.officer, state=state))
        for action in (casework.case_summary, casework.open_case):
            with pytest.raises(NoSuchCase):
                await action(context, case)
        with pytest.raises(NoSuchCase):
            await casework.answer(context, case, written.letter)


def test_an_answered_case_is_not_overdue() -> None:
    case = Case("c", date(2026, 11, 2), CaseState.ANSWERED, date(2026, 11, 5), 2, "form", "{}", 1)
    assert not casework.queued_case(case, TODAY).is_overdue
    assert casework.queued_case(replace(case, state=CaseState.OPEN), TODAY).is_overdue
    due_today = replace(case, state=CaseState.OPEN, due_on=TODAY)
    assert not casework.queued_case(due_today, TODAY).is_overdue
    assert casework.queued_case(due_today, TODAY + timedelta(days=1)).is_overdue


# ---------------------------------------------------------------- opening and answering


async def test_opening_returns_sealed_letters_and_appends_to_the_ledger(
    desk: Desk, case: str, carmen: Keyholder
) -> None:
    async with desk.officer(carmen) as context:
        opened = await casework.open_case(context, case)
        again = await casework.open_case(context, case)
        entries = await ledger.of_case(context.tx, case)
    assert opened.case.state is again.case.state is CaseState.OPEN
    assert [entry.verb for entry in entries] == ["open", "open"]
    assert carmen.open(opened.letters, opened.access, desk.unit.chain).texts == ["¿Puedo firmar?"]


@pytest.mark.attack
async def test_opening_a_case_with_a_row_that_is_no_letter_is_reported(
    desk: Desk, case: str, carmen: Keyholder
) -> None:
    async with desk.work() as work:
        await work.tx.execute(update(schema.letters).values(letter="nonsense"))
    with pytest.raises(Malformed):
        async with desk.officer(carmen) as context:
            await casework.open_case(context, case)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("answer", CaseState.ANSWERED),
        ("question", CaseState.ASKED_BACK),
        ("close", CaseState.CLOSED),
        ("reply", CaseState.OPEN),
    ],
)
async def test_a_letter_of_an_officer_moves_the_case_by_its_kind(
    desk: Desk, case: str, carmen: Keyholder, kind: str, state: CaseState
) -> None:
    assert await desk.answer(carmen, case, "Informa por escrito.", kind=kind) is state
    assert (await desk.case(case)).state is state
    assert (await desk.opened(carmen, case)).texts == ["¿Puedo firmar?", "Informa por escrito."]
    async with desk.work() as work:
        assert [entry.verb for entry in await ledger.of_case(work.tx, case)] == ["open", "answer", "open"]
        assert await ledger.first_invalid(work.tx, AUDIT_KEY) is None


@pytest.mark.parametrize("kind", ["answer", "reply"])
async def test_the_state_that_is_returned_is_the_stored_one_also_without_an_opening(
    desk: Desk, case: str, carmen: Keyholder, kind: str
) -> None:
    written = await desk.write(carmen, case, kind=kind)
    async with desk.work() as work:
        await work.tx.execute(update(schema.cases).values(state="received"))
    returned = await desk.post(carmen, written)
    assert returned is (await desk.case(case)).state
    assert returned is (CaseState.ANSWERED if kind == "answer" else CaseState.OPEN)


async def test_an_answer_hands_the_case_to_a_colleague_with_a_new_key(desk: Desk, carmen: Keyholder, case: str) -> None:
    dora = Keyholder("Dora Luna")
    desk.unit.next_list(adding=[dora])
    await desk.publish()
    before = await desk.readers(case)
    change = Change(added=(dora.id,), leaves=True)
    await desk.answer(carmen, case, "Le paso tu consulta a Dora.", kind="hand", change=change)
    assert await desk.readers(case) == (before - {carmen.id}) | {dora.id}
    opened = await desk.opened(dora, case)
    assert opened.texts == ["¿Puedo firmar?", "Le paso tu consulta a Dora."]
    assert opened.thread.grants[-1].epoch == 2
    with pytest.raises(NoSuchCase):
        await desk.opened(carmen, case)


async def test_after_a_reader_has_left_the_next_answer_grants_to_the_others(
    desk: Desk, carmen: Keyholder, dora: Keyholder, case: str
) -> None:
    assert dora.id in await desk.readers(case)
    desk.unit.next_list(ending=[dora])
    await desk.publish()
    keeps = Seal(1, False, (), ())
    await desk.answer(carmen, case)
    assert dora.id not in await desk.readers(case)
    assert (await desk.write(carmen, case)).letter["context"]["epoch"] == 2
    with pytest.raises(Altered, match=r"thread\.epoch"):
        await desk.post(carmen, await desk.write(carmen, case, seal=keeps))


# ---------------------------------------------------------------- refused answers


async def test_an_answer_under_a_list_that_has_moved_on_is_written_again(
    desk: Desk, case: str, carmen: Keyholder
) -> None:
    written = await desk.write(carmen, case)
    desk.unit.next_list()
    await desk.publish()
    with pytest.raises(LetterRefused, match="keys"):
        await desk.post(carmen, written)
    await assert_nothing_changed(desk, case)
    assert await desk.answer(carmen, case) is CaseState.ANSWERED


@pytest.mark.attack
async def test_an_officer_who_has_left_answers_nothing(desk: Desk, dora: Keyholder, case: str) -> None:
    await desk.answer(dora, case)
    opened = await desk.opened(dora, case)
    desk.unit.next_list(ending=[dora])
    await desk.publish()
    with pytest.raises(Refused, match=r"seal\.author"):
        await desk.write(dora, case)
    keeps = Seal(1, False, (), ())
    written = dora.answer(opened, desk.unit.chain, "x", TODAY, seal=keeps)
    with pytest.raises(Altered, match=r"thread\.signer"):
        await desk.post(dora, written)


@pytest.mark.attack
@pytest.mark.parametrize(
    ("context", "error", "reason"),
    [
        ({"case": new_id()}, Malformed, "letter.context.case"),
        ({"author": "asker"}, Malformed, "letter.context.author"),
        ({"author": new_id()}, Malformed, "letter.context.author"),
        ({"lane": "notes", "kind": "note"}, Malformed, "letter.context.author"),
        ({"epoch": 2}, Altered, "thread.epoch"),
        ({"previous": encode(bytes(32))}, Altered, "thread.previous"),
        ({"listhash": encode(bytes(32))}, Altered, "thread.listhash"),
        ({"list": 2}, Altered, "thread.listhash"),
        ({"kind": "ask"}, Altered, "thread.kind"),
        ({"kind": "note"}, Altered, "thread.kind"),
        ({"seq": 3}, LetterRefused, "seq"),
        ({"day": "2026-11-21"}, LetterRefused, "day"),
        ({"day": "2026-11-25"}, LetterRefused, "day"),
    ],
)
async def test_an_answer_bound_to_anything_else_is_refused(
    desk: Desk, case: str, carmen: Keyholder, context: dict[str, Any], error: type[Exception], reason: str
) -> None:
    written = await desk.write(carmen, case, context=context)
    with pytest.raises(error) as refused:
        await desk.post(carmen, written, case)
    assert getattr(refused.value, "reason", "") == reason
    await assert_nothing_changed(desk, case)


@pytest.mark.attack
@pytest.mark.parametrize("fault", ["other key", "other body", "other signature", "no letter"])
async def test_an_answer_without_the_officers_own_signature_is_refused(
    desk: Desk, case: str, carmen: Keyholder, fault: str
) -> None:
    right, other = await desk.write(carmen, case), await desk.write(carmen, case)
    stranger = replace(carmen, signing=new_key())
    faulty: dict[str, Any] = {
        "other key": (await desk.write(stranger, case)).letter,
        "other body": {**right.letter, "body": other.letter["body"]},
        "other signature": {**right.letter, "signature": other.letter["signature"]},
        "no letter": "letter",
    }
    with pytest.raises((Altered, Malformed), match="letter"):
        await desk.post(carmen, replace(right, letter=faulty[fault]), case)
    await assert_nothing_changed(desk, case)


Rows = Callable[[list[Any], str], list[Any]]


def _without_grant_for_the_asker(rows: list[Any], case: str) -> list[Any]:
    return [{"case": case, "lane": "talk", "epoch": 1, "reader": "asker", "sealed": encode(bytes(113))}]


def _without_grant_as_it_was(rows: list[Any], case: str) -> list[Any]:
    return [{**row, "epoch": 1} for row in rows]


@pytest.mark.attack
@pytest.mark.parametrize("spoil", [_without_grant_for_the_asker, _without_grant_as_it_was])
async def test_an_answer_without_a_grant_replaces_no_keys(
    desk: Desk, case: str, carmen: Keyholder, spoil: Rows
) -> None:
    readers = await desk.readers(case)
    granting = await desk.write(carmen, case, seal=_granting(desk))
    written = await desk.write(carmen, case)
    with pytest.raises(Altered, match=r"access\.rows"):
        await desk.post(carmen, replace(written, access=spoil(granting.access, case)))
    assert await desk.readers(case) == readers
    await assert_nothing_changed(desk, case)


def _granting(desk: Desk, *readers: Keyholder, epoch: int = 2) -> Seal:
    return Seal(epoch, True, tuple(sorted(one.id for one in readers or desk.unit.readers)), ())


@pytest.mark.attack
@pytest.mark.parametrize("fault", ["too few", "too many", "other case", "other epoch", "none", "no rows"])
async def test_a_grant_comes_with_a_key_for_exactly_each_reader(
    desk: Desk, case: str, carmen: Keyholder, fault: str
) -> None:
    written = await desk.write(carmen, case, seal=_granting(desk))
    first, *others = written.access
    spoilt: dict[str, Any] = {
        "too few": others,
        "too many": [*written.access, {**first, "reader": new_id()}],
        "other case": [{**first, "case": new_id()}, *others],
        "other epoch": [{**first, "epoch": 1}, *others],
        "none": [],
        "no rows": [{"reader": "asker"}],
    }
    with pytest.raises((Altered, Malformed), match="access"):
        await desk.post(carmen, replace(written, access=spoilt[fault]))
    await assert_nothing_changed(desk, case)


@pytest.mark.attack
async def test_an_officer_grants_neither_to_who_is_excluded_nor_changes_who_is(desk: Desk) -> None:
    dora, asker = Keyholder("Dora Luna"), Asker(TODAY)
    carmen = desk.unit.officer
    desk.unit.next_list(adding=[dora])
    await desk.publish()
    await desk.accept(asker.posting(desk.unit, await desk.token(), excluded=[carmen]))
    excluded = (carmen.id,)
    readers = tuple(sorted((carmen.id, dora.id)))
    with pytest.raises(Altered, match=r"thread\.readers"):
        await desk.post(dora, await desk.write(dora, asker.case, seal=Seal(2, True, readers, excluded)))
    with pytest.raises(Altered, match=r"thread\.excluded"):
        await desk.post(dora, await desk.write(dora, asker.case, seal=Seal(2, True, readers, ())))
    await assert_nothing_changed(desk, asker.case)


async def test_the_same_answer_is_not_stored_twice(desk: Desk, case: str, carmen: Keyholder) -> None:
    written = await desk.write(carmen, case)
    await desk.post(carmen, written)
    with pytest.raises(LetterRefused, match="seq"):
        await desk.post(carmen, written)
    assert await desk.count_letters() == 2


async def test_of_two_answers_at_once_one_gets_the_number(
    desk: Desk, carmen: Keyholder, dora: Keyholder, case: str
) -> None:
    written = [(one, await desk.write(one, case, f"de {one.name}")) for one in (carmen, dora)]
    results = await asyncio.gather(*(desk.post(*each) for each in written), return_exceptions=True)
    assert sorted(str(result) for result in results) == ["answered", "seq"]
    assert await desk.count_letters() == 2


async def test_of_two_grants_at_once_the_keys_of_one_are_stored(
    desk: Desk, carmen: Keyholder, dora: Keyholder, case: str
) -> None:
    seals = [_granting(desk, carmen, dora), _granting(desk)]
    written = [(one, await desk.write(one, case, seal=seal)) for one, seal in zip((carmen, dora), seals, strict=True)]
    results = await asyncio.gather(*(desk.post(*each) for each in written), return_exceptions=True)
    assert sorted(str(result) for result in results) == ["answered", "seq"]
    stored = seals[0] if isinstance(results[0], CaseState) else seals[1]
    assert await desk.readers(case) == {*stored.readers, "asker"}
    assert len((await desk.opened(carmen, case)).texts) == 2


@pytest.mark.parametrize("kind", ["answer", "question", "close", "reply"])
async def test_a_closed_case_takes_no_letter(desk: Desk, case: str, carmen: Keyholder, kind: str) -> None:
    written = await desk.write(carmen, case, kind=kind)
    async with desk.work() as work:
        await cases.set_state(work.tx, case, CaseState.CLOSED)
    with pytest.raises(LetterRefused, match="closed"):
        await desk.post(carmen, written)
    assert await desk.count_letters() == 1


@pytest.mark.attack
async def test_without_a_chain_that_verifies_no_answer_is_stored(desk: Desk, case: str, carmen: Keyholder) -> None:
    written = await desk.write(carmen, case)
    async with desk.work() as work:
        await work.tx.execute(schema.key_lists.delete())
    with pytest.raises(trust.Closed, match="none"):
        await desk.post(carmen, written)


# ---------------------------------------------------------------- the ledger


async def test_every_action_of_an_officer_has_its_entry_and_a_refused_one_has_none(
    desk: Desk, carmen: Keyholder, dora: Keyholder
) -> None:
    asker = Asker(TODAY)
    await desk.accept(asker.posting(desk.unit, await desk.token(), excluded=[carmen]))
    written = await desk.write(dora, asker.case)
    async with desk.officer(dora) as context:
        await casework.queue(context)
        await casework.heads(context)
        await casework.case_summary(context, asker.case)
    await desk.post(dora, written)
    for action in (casework.open_case, casework.case_summary):
        with pytest.raises(NoSuchCase):
            async with desk.officer(carmen) as context:
                await action(context, asker.case)
    with pytest.raises(LetterRefused):
        await desk.post(dora, written)
    table = schema.ledger
    async with desk.work() as work:
        assert await ledger.first_invalid(work.tx, AUDIT_KEY) is None
        rows = await work.tx.execute(select(table.c.officer_id, table.c.verb, table.c.case_id).order_by(table.c.seq))
        assert [tuple(row) for row in rows] == [(dora.id, "open", asker.case), (dora.id, "answer", asker.case)]
