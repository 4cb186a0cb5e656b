"""Two custodians hand the cases of an officer who is gone to another one, and do nothing else with the recovery key."""

from typing import Any

import pytest
from sqlalchemy import update

from handlers.casework import recovery
from handlers.casework.joining import KeysRefused
from handlers.casework.posting import LetterRefused
from handlers.casework.recovery import Announced, Recovery
from storage import schema
from storage.confidential.protocol.custody import SignedUse
from storage.confidential.protocol.epochs import Change, Seal
from storage.confidential.protocol.errors import Malformed, ProtocolError, Refused
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.signatures import import_key
from tests.fakes import custodians
from tests.fakes.asker import Asker
from tests.fakes.correspondence import Opened, Written
from tests.fakes.letterbox import AUDIT_KEY, TODAY
from tests.fakes.unit import Keyholder, new_id
from tests.handlers.casework.desk import Desk

pytestmark = pytest.mark.attack


async def with_dora(desk: Desk) -> Keyholder:
    """An officer who joined after the query was written."""
    dora = Keyholder("Dora")
    desk.unit.next_list([dora])
    await desk.publish()
    return dora


async def announced(desk: Desk, purpose: str = "cases") -> tuple[Keyholder, SignedUse]:
    """Two custodians open the keys and say that they use them: the recovery reader as their page has it."""
    assert desk.unit.recovery is not None
    signed = desk.unit.custody(desk.unit.recovery)
    kept = custodians.open_with(signed, desk.unit.custodians[:2])
    used = custodians.use(signed, desk.unit.custodians[:2], purpose, desk.today)
    async with desk.work() as work:
        await recovery.use(Recovery(work, AUDIT_KEY), used)
    reading, signing = import_key(kept["reading"]), import_key(kept["signing"])
    return Keyholder("Respaldo", "recovery", kept["id"], reading, signing), used


def said(used: SignedUse) -> Announced:
    return Announced(used, custodians.secret_of(used))


async def the_case(desk: Desk, used: SignedUse) -> tuple[list[Any], Access]:
    async with desk.work() as work:
        (found,) = (await recovery.readable_cases(work, said(used), ""))["cases"]
    return found["letters"], found["access"]


async def opened_by(desk: Desk, reader: Keyholder, used: SignedUse) -> Opened:
    return reader.open(*(await the_case(desk, used)), desk.unit.chain)


async def post(desk: Desk, used: SignedUse, written: Written, notice: str = "") -> None:
    async with desk.work() as work:
        await recovery.hand_over(Recovery(work, AUDIT_KEY), said(used), written.letter, written.access, notice)


async def test_two_custodians_hand_a_case_to_another_officer_and_she_answers(desk: Desk) -> None:
    asker, carmen = Asker(TODAY), desk.unit.officer
    await desk.submit(asker)
    dora = await with_dora(desk)
    desk.unit.next_list(ending=[carmen])
    await desk.publish()
    reader, used = await announced(desk)
    opened = await opened_by(desk, reader, used)
    assert opened.texts == ["¿Puedo firmar?"]
    change = Change(added=(dora.id,))
    written = reader.answer(opened, desk.unit.chain, "Tu consulta pasa a Dora.", desk.today, kind="hand", change=change)
    await post(desk, used, written, opened.notice)
    assert await desk.readers(asker.case) == {dora.id, reader.id, "asker"}
    assert await desk.notified() == ["ana"]
    await desk.answer(dora, asker.case, "Excúsate.")
    assert await desk.read(asker) == ["¿Puedo firmar?", "Tu consulta pasa a Dora.", "Excúsate."]


async def test_who_has_left_gets_no_key_from_the_recovery_key(desk: Desk) -> None:
    asker, carmen = Asker(TODAY), desk.unit.officer
    await desk.submit(asker)
    dora = await with_dora(desk)
    desk.unit.next_list(ending=[carmen])
    await desk.publish()
    reader, used = await announced(desk)
    opened = await opened_by(desk, reader, used)
    with pytest.raises(Refused):
        reader.answer(opened, desk.unit.chain, "", desk.today, kind="hand", change=Change(added=(carmen.id,)))
    change = Change(added=(dora.id,))
    await post(desk, used, reader.answer(opened, desk.unit.chain, "", desk.today, kind="hand", change=change))
    assert carmen.id not in await desk.readers(asker.case)


async def test_a_case_from_which_the_recovery_key_was_left_out_stays_closed_to_it(desk: Desk) -> None:
    asker, other = Asker(TODAY), Asker(TODAY)
    await desk.accept(asker.posting(desk.unit, await desk.token(), excluded=[desk.unit.readers[1]]))
    await desk.submit(other, "beto")
    reader, used = await announced(desk)
    written = reader.answer(await opened_by(desk, reader, used), desk.unit.chain, "", desk.today, kind="hand")
    moved: Any = {**written.letter, "context": {**written.letter["context"], "case": asker.case}}
    with pytest.raises(KeysRefused):
        await post(desk, used, Written(moved, written.access, written.key))
    async with desk.work() as work:
        assert [one["case"] for one in (await recovery.readable_cases(work, said(used), ""))["cases"]] == [other.case]


async def test_it_writes_nothing_but_a_hand_over_to_a_case_that_it_reads(desk: Desk) -> None:
    asker = Asker(TODAY)
    await desk.submit(asker)
    dora = await with_dora(desk)
    reader, used = await announced(desk)
    opened = await opened_by(desk, reader, used)
    change = Change(added=(dora.id,))
    good = reader.answer(opened, desk.unit.chain, "", desk.today, kind="hand", change=change)
    answer = reader.answer(opened, desk.unit.chain, "Puedes firmar.", desk.today, kind="answer", change=change)
    with pytest.raises(ProtocolError):
        await post(desk, used, answer)
    malformed: Any = [{"access": "x"}]
    with pytest.raises(Malformed):
        await post(desk, used, Written(good.letter, malformed, good.key))
    elsewhere: Any = {**good.letter, "context": {**good.letter["context"], "case": new_id()}}
    with pytest.raises(KeysRefused):
        await post(desk, used, Written(elsewhere, good.access, good.key))
    by_dora: Any = {**good.letter, "context": {**good.letter["context"], "author": dora.id}}
    with pytest.raises(ProtocolError):
        await post(desk, used, Written(by_dora, good.access, good.key))
    with pytest.raises(ProtocolError):
        await post(desk, used, Written(good.letter, good.access[:1], good.key))
    seal = Seal(1, False, opened.thread.readers, ())
    silent = reader.answer(opened, desk.unit.chain, "Solo aviso.", desk.today, kind="hand", seal=seal)
    with pytest.raises(ProtocolError, match=r"hand\.grant"):
        await post(desk, used, silent)
    await post(desk, used, good)
    with pytest.raises(LetterRefused, match="seq"):
        await post(desk, used, good)


async def test_nothing_is_done_before_the_use_is_stored(desk: Desk) -> None:
    await desk.submit(Asker(TODAY))
    assert desk.unit.recovery is not None
    signed = desk.unit.custody(desk.unit.recovery)
    unsaid = custodians.use(signed, desk.unit.custodians[:2], "cases", desk.today)
    with pytest.raises(KeysRefused):
        await the_case(desk, unsaid)
    _, for_the_unit = await announced(desk, "unit")
    with pytest.raises(KeysRefused):
        await the_case(desk, for_the_unit)


async def test_cases_come_in_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "PAGE", 2)
    askers = [Asker(TODAY) for _ in range(5)]
    for number, asker in enumerate(askers):
        await desk.submit(asker, f"asker {number}")
    _, used = await announced(desk)
    seen: list[str] = []
    after = ""
    async with desk.work() as work:
        for _ in range(3):
            found = await recovery.readable_cases(work, said(used), after)
            seen += [one["case"] for one in found["cases"]]
            after = found["after"]
    assert after == ""
    assert seen == sorted(asker.case for asker in askers)


async def test_a_damaged_case_does_not_stop_the_others(desk: Desk) -> None:
    askers = [Asker(TODAY) for _ in range(3)]
    for number, asker in enumerate(askers):
        await desk.submit(asker, f"asker {number}")
    _, used = await announced(desk)
    async with desk.work() as work:
        table = schema.letters
        await work.tx.execute(update(table).where(table.c.case_id == askers[0].case).values(letter="x"))
        found = (await recovery.readable_cases(work, said(used), ""))["cases"]
    assert {one["case"]: len(one["letters"]) for one in found} == {
        askers[0].case: 0,
        askers[1].case: 1,
        askers[2].case: 1,
    }
