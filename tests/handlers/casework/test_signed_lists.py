"""The unit's next list: who reads from then on, who is a reader no more, and what does not follow."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from handlers.casework import custody, joining, trust
from handlers.casework.joining import KeysRefused
from storage import schema
from storage.confidential import key_lists, ledger, officers, sessions
from storage.confidential.officers import OfficerState
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.lists import KeyList
from tests.fakes.letterbox import AUDIT_KEY, TODAY
from tests.fakes.unit import Keyholder, Unit, new_key
from tests.handlers.casework.office import Office
from tests.keys import invented

SESSION_KEY = invented().session


async def test_the_unit_signs_a_later_officer_who_becomes_active(office: Office) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    await office.sign_next(carmen, [dora])
    async with office.row(dora) as context:
        assert context.officer.reads_cases
        assert not context.officer.signs_keys
        assert await joining.waiting_officers(context) == []
        assert (await trust.verified(context.tx, context.unit)).chain.serial == 2


async def test_a_list_is_renewed_without_any_change_of_readers(office: Office) -> None:
    carmen = await office.found()
    office.now += timedelta(days=30)
    await office.sign_next(carmen)
    office.now += timedelta(days=30)  # the first list has expired, the second has not
    async with office.row(carmen) as context:
        assert (await trust.in_force(context.tx, context.unit, office.today)).chain.serial == 2


async def test_an_officer_whom_a_list_ends_has_left_and_is_signed_out(office: Office) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    await office.sign_next(carmen, [dora])
    async with office.row(dora) as context:
        session = await sessions.begin(context.tx, SESSION_KEY, dora.id, "", office.now)
        own = await sessions.begin(context.tx, SESSION_KEY, carmen.id, "", office.now)
    await office.sign_next(carmen, ending=[dora])
    async with office.row(carmen) as context:
        assert await sessions.by_token(context.tx, SESSION_KEY, session, office.now) is None
        assert await sessions.by_token(context.tx, SESSION_KEY, own, office.now) is not None
        assert await officers.credentials(context.tx, "dora@ueipci.example") is None
    assert await office.state(dora) is OfficerState.LEFT
    assert await office.state(carmen) is OfficerState.ACTIVE
    await office.sign_next(carmen)  # who has left stays so
    assert await office.state(dora) is OfficerState.LEFT


async def test_a_recovery_key_is_exchanged_with_the_custody_of_its_keys(office: Office) -> None:
    carmen = await office.found()
    old, new = office.unit.readers[1], Keyholder("Respaldo 2", "recovery")
    async with office.row(carmen) as context:
        joined: Any = office.unit.joining(new)
        await custody.propose(context, joined["join"], joined["proofs"][0], office.unit.custody(new))
    await office.sign_next(carmen, [new], [old])
    async with office.row(carmen) as context:
        chain = (await trust.verified(context.tx, context.unit)).chain
    assert [chain.is_active(one.id) for one in (old, new)] == [False, True]


def _without(key_list: KeyList, one: Keyholder) -> KeyList:
    return {**key_list, "readers": [entry for entry in key_list["readers"] if entry["join"]["id"] != one.id]}


def _unproved(key_list: KeyList, unit: Unit, one: Keyholder) -> KeyList:
    """No officer vouches for the new reader."""
    entries = [*_without(key_list, one)["readers"], unit.entry(one, key_list["serial"])]
    return {**key_list, "readers": sorted(entries, key=lambda entry: entry["join"]["id"])}


@pytest.mark.attack
@pytest.mark.parametrize(
    "fault",
    [
        "serial again",
        "serial skipped",
        "other unit",
        "other former list",
        "dropped",
        "unregistered",
        "changed keys",
        "changed name",
        "no proofs",
        "signature",
        "yesterday's yesterday",
        "of the day after tomorrow",
        "too long",
        "no list",
    ],
)
async def test_a_list_that_does_not_follow_the_one_in_force_is_refused(office: Office, fault: str) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    unit, today = office.unit, office.today
    right = unit.next_keys([dora], day=today)
    other = Unit(unit.readers)
    other.first_list(today)

    def of(one: Keyholder) -> KeyList:
        return unit.next_keys([one], day=today)

    wrong: dict[str, Any] = {
        "serial again": unit.sign({**right, "serial": 1, "prev": ""}),
        "serial skipped": unit.sign({**right, "serial": 3}),
        "other unit": other.next_list([dora], day=today),
        "other former list": unit.sign({**right, "prev": encode(bytes(32))}),
        "dropped": unit.sign(_without(right, carmen)),
        "unregistered": unit.sign(unit.next_keys([dora, Keyholder("Extraña")], day=today)),
        "changed keys": unit.sign(of(replace(dora, reading=new_key()))),
        "changed name": unit.sign(of(replace(dora, name="Dora la otra"))),
        "no proofs": unit.sign(_unproved(right, unit, dora)),
        "signature": {**unit.sign(right), "signature": unit.newest["signature"]},
        "yesterday's yesterday": unit.sign(unit.next_keys([dora], day=today - timedelta(days=2))),
        "of the day after tomorrow": unit.sign(unit.next_keys([dora], day=today + timedelta(days=2))),
        "too long": unit.sign(unit.next_keys([dora], days=46, day=today)),
        "no list": {"list": {}, "signature": "", "succ": []},
    }
    with pytest.raises(KeysRefused):
        await office.sign(carmen, wrong[fault])
    assert await office.state(dora) is OfficerState.PENDING
    async with office.row(carmen) as context:
        assert [row.serial for row in await key_lists.all_lists(context.tx)] == [1]
    await office.sign(carmen, unit.sign(right))
    assert await office.state(dora) is OfficerState.ACTIVE


@pytest.mark.attack
async def test_who_has_left_is_not_active_again_by_an_older_entry(office: Office) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    await office.sign_next(carmen, [dora])
    await office.sign_next(carmen, ending=[dora])
    revived = office.unit.next_keys(day=office.today)
    entries: Any = [{**one, "ended": 0} for one in revived["readers"]]
    with pytest.raises(KeysRefused):
        await office.sign(carmen, office.unit.sign({**revived, "readers": entries}))
    assert await office.state(dora) is OfficerState.LEFT


async def test_only_the_holder_of_the_units_key_puts_a_list_in_force(office: Office) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    await office.sign_next(carmen, [dora])
    eva = await office.join("Eva")
    signed = office.unit.next_list([eva], day=office.today)
    for one in (dora, eva):
        with pytest.raises(KeysRefused):
            await office.sign(one, signed)
    await office.sign(carmen, signed)


async def test_before_the_adoption_officers_go_on_with_the_first_unit(office: Office) -> None:
    carmen = await office.found(is_adopted=False)
    dora = await office.join("Dora")
    await office.vouch(carmen, dora)
    await office.sign_next(carmen, [dora])
    async with office.row(dora) as context:
        assert context.officer.reads_cases
        known = await joining.known_lists(context)
        assert known is not None
        assert known.chain.serial == 2
        with pytest.raises(trust.Closed, match="adoption"):
            await trust.verified(context.tx, context.unit)


@pytest.mark.attack
async def test_under_lists_of_another_unit_no_officer_joins_vouches_or_signs(office: Office) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    token, eva = await office.invite("Eva")
    other = Unit([carmen, Keyholder("Respaldo", "recovery")])
    async with office.work() as work:
        await work.tx.execute(schema.key_lists.delete())
        await other.publish(work.tx)
    with pytest.raises(KeysRefused):
        await office.accept_invite(token, eva, replace(office.keys(eva), joining=other.joining(eva)))  # type: ignore[arg-type]
    with pytest.raises(KeysRefused):
        await office.vouch(carmen, dora)
    with pytest.raises(KeysRefused):
        await office.sign(carmen, other.next_list(day=TODAY))


async def test_what_changes_readers_is_in_the_ledger_and_what_is_refused_is_not(office: Office) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    with pytest.raises(KeysRefused):
        await office.sign(carmen, office.unit.newest)
    with pytest.raises(KeysRefused):
        await office.vouch(dora, dora)
    await office.vouch(carmen, dora)
    await office.sign_next(carmen, [dora])
    table = schema.ledger
    async with office.work() as work:
        assert await ledger.first_invalid(work.tx, AUDIT_KEY) is None
        rows = await work.tx.execute(table.select().order_by(table.c.seq))
        assert [(row.officer_id, row.verb) for row in rows] == [
            (carmen.id, "sign-up"),
            (carmen.id, "sign-keys"),
            (dora.id, "sign-up"),
            (carmen.id, "vouch"),
            (carmen.id, "sign-keys"),
        ]
