"""Who becomes a reader: invites, join statements, and the officers who vouch for them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from handlers.casework import joining, trust
from handlers.casework.joining import KeysRefused
from storage import schema
from storage.confidential import key_lists, ledger, notebooks
from storage.confidential.officers import InviteRefused, Officer, OfficerState, ReaderKeys
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.lists import SignedList
from tests.fakes.letterbox import AUDIT_KEY
from tests.fakes.unit import Keyholder, Unit, new_key
from tests.handlers.casework.office import BOX, UNIT_KEY, Office

# ---------------------------------------------------------------- the first officer


async def test_the_first_officer_signs_the_first_list_and_is_active(office: Office) -> None:
    carmen = await office.found()
    async with office.row(carmen) as context:
        assert context.officer.signs_keys
        assert context.officer.reads_cases
        assert [row.serial for row in await key_lists.all_lists(context.tx)] == [1]
        assert (await trust.in_force(context.tx, context.unit, office.today)).chain.is_active(carmen.id)
        notebook = await notebooks.newest(context.tx, carmen.id)
    assert notebook is not None
    assert (notebook.version, notebook.box) == (1, BOX)


@pytest.mark.attack
@pytest.mark.parametrize(
    "fault",
    [
        "no list",
        "no unit key",
        "serial",
        "stranger",
        "signature",
        "other keys",
        "two officers",
        "another officer",
        "two recoveries",
        "day",
        "no keys",
    ],
)
async def test_an_inconsistent_first_list_is_refused_and_spends_nothing(office: Office, fault: str) -> None:
    token, carmen = await office.invite("Carmen", "admin")
    respaldo, today = Keyholder("Respaldo", "recovery"), office.today
    office.unit.readers = [carmen, respaldo]

    def signed(*readers: Keyholder, days: int = 0) -> SignedList:
        return Unit(list(readers), office.unit.signing).first_list(today + timedelta(days=days))

    right, keys = signed(carmen, respaldo), office.keys(carmen, UNIT_KEY)
    faulty: dict[str, tuple[ReaderKeys | None, Any]] = {
        "no list": (keys, None),
        "no unit key": (office.keys(carmen), right),
        "serial": (keys, office.unit.next_list(day=today)),
        "stranger": (keys, signed(carmen, respaldo, Keyholder("Extraña"))),
        "signature": (keys, {**right, "signature": office.unit.lists[0]["signature"]}),
        "other keys": (office.keys(replace(carmen, reading=new_key()), UNIT_KEY), right),
        "two officers": (keys, signed(carmen, Keyholder("Extraña"))),
        "another officer": (keys, signed(Keyholder("Extraña"), respaldo)),
        "two recoveries": (keys, signed(carmen, respaldo, Keyholder("Otro", "recovery"))),
        "day": (keys, signed(carmen, respaldo, days=-2)),
        "no keys": (None, right),
    }
    with pytest.raises(KeysRefused):
        await office.accept_invite(token, carmen, *faulty[fault])
    async with office.row(carmen) as context:
        assert await key_lists.newest(context.tx) is None
        assert context.officer.state is OfficerState.INVITED
    assert await office.accept_invite(token, carmen, keys, right) is OfficerState.ACTIVE


@pytest.mark.attack
async def test_where_a_unit_was_adopted_lost_lists_make_no_other(office: Office) -> None:
    await office.found()
    async with office.work() as work:
        await work.tx.execute(schema.key_lists.delete())
    token, dora = await office.invite("Dora")
    other = Unit([dora, Keyholder("Respaldo", "recovery")])
    keys = replace(office.keys(dora, UNIT_KEY), joining=other.joining(dora))  # type: ignore[arg-type]
    with pytest.raises(KeysRefused):
        await office.accept_invite(token, dora, keys, other.first_list(office.today))


# ---------------------------------------------------------------- later officers


async def test_a_later_officer_waits_for_the_signature_and_brings_no_list(office: Office) -> None:
    await office.found()
    token, dora = await office.invite("Dora")
    mine = office.unit.sign(office.unit.next_keys([dora], day=office.today))
    for keys, signed in ((office.keys(dora), mine), (office.keys(dora, UNIT_KEY), None)):
        with pytest.raises(KeysRefused):
            await office.accept_invite(token, dora, keys, signed)
    assert await office.accept_invite(token, dora, office.keys(dora)) is OfficerState.PENDING
    async with office.row(dora) as context:
        assert not context.officer.reads_cases
        assert [one.id for one in await joining.waiting_officers(context)] == [dora.id]
    with pytest.raises(InviteRefused):
        await office.accept_invite(token, dora, office.keys(dora))


@pytest.mark.attack
async def test_a_statement_that_is_not_the_officers_own_is_refused(office: Office) -> None:
    carmen = await office.found()
    token, dora = await office.invite("Dora")
    other_unit = Unit.with_recovery_key()
    own = office.keys(dora)
    join: Any = dora.join(office.unit.point)
    vouched: Any = {"join": join, "proofs": [dora.prove(join), carmen.prove(join)]}
    unsigned: Any = {"join": join, "proofs": []}
    faulty = [
        office.keys(dora, unit=other_unit.point),
        office.keys(dora, id=carmen.id),
        office.keys(dora, name="Carmen"),
        office.keys(dora, role="recovery"),
        office.keys(dora, reading="x"),
        office.keys(dora, signing=encode(b"\4" + bytes(64))),
        office.keys(replace(dora, signing=new_key()), signing=own.joining["join"]["signing"]),
        replace(own, joining=vouched),
        replace(own, joining=unsigned),
    ]
    for keys in faulty:
        with pytest.raises(KeysRefused):
            await office.accept_invite(token, dora, keys)
    assert await office.accept_invite(token, dora, own) is OfficerState.PENDING


async def test_other_roles_have_no_keys(office: Office) -> None:
    await office.found()
    token, lia = await office.invite("Lia", "liaison")
    with pytest.raises(KeysRefused):
        await office.accept_invite(token, lia, office.keys(lia))
    with pytest.raises(KeysRefused):
        await office.accept_invite(token, lia, None, office.unit.newest)
    assert await office.accept_invite(token, lia, None) is OfficerState.ACTIVE


# ---------------------------------------------------------------- vouching


def vouchers(officer: Officer) -> set[str]:
    """Whose proofs stand with an officer's statement."""
    assert officer.joining is not None
    return {proof["id"] for proof in officer.joining["proofs"]}


async def test_active_officers_vouch_for_one_who_waits(office: Office) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    await office.vouch(carmen, dora)
    await office.vouch(carmen, dora)  # again changes nothing
    async with office.row(dora) as context:
        assert vouchers(context.officer) == {carmen.id, dora.id}
    await office.sign_next(carmen, [dora])
    eva = await office.join("Eva")
    for voucher in (dora, carmen):
        await office.vouch(voucher, eva)
    async with office.row(eva) as context:
        assert vouchers(context.officer) == {carmen.id, dora.id, eva.id}
        assert await ledger.first_invalid(context.tx, AUDIT_KEY) is None


@pytest.mark.attack
async def test_a_proof_that_is_not_an_active_officers_own_is_refused(office: Office) -> None:
    carmen, dora, eva = await office.found(), await office.join("Dora"), await office.join("Eva")
    refused: list[tuple[Keyholder, Keyholder, dict[str, Any]]] = [
        (eva, dora, {}),  # who vouches waits too
        (dora, dora, {}),  # for oneself
        (carmen, dora, {"id": eva.id}),
        (carmen, dora, {"signature": carmen.prove(eva.join(office.unit.point))["signature"]}),
        (replace(carmen, signing=new_key()), dora, {}),
        (carmen, dora, {"signature": "x"}),
        (carmen, dora, {"more": 1}),
        (carmen, carmen, {}),  # who is active needs none
    ]
    for voucher, candidate, proof in refused:
        with pytest.raises(KeysRefused):
            await office.vouch(voucher, candidate, **proof)
    async with office.row(carmen) as context:
        for unknown in ("unknown", ""):
            with pytest.raises(KeysRefused):
                await joining.vouch(context, unknown, carmen.prove(dora.join(office.unit.point)))
    async with office.row(dora) as context:
        assert vouchers(context.officer) == {dora.id}


@pytest.mark.attack
async def test_who_has_left_vouches_for_no_one(office: Office) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    await office.sign_next(carmen, [dora])
    eva = await office.join("Eva")
    await office.sign_next(carmen, ending=[dora])
    with pytest.raises(KeysRefused):
        await office.vouch(dora, eva)
