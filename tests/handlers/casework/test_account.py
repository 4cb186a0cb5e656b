"""Officers who are suspended or left, and come back: with another id and other keys, beside their old name."""

import pytest

from handlers.casework import account, joining, trust
from handlers.casework.joining import KeysRefused
from storage.confidential import accounts, ledger, officers, sessions
from storage.confidential.officers import OfficerState
from storage.confidential.protocol import boxes
from tests.fakes.letterbox import AUDIT_KEY
from tests.fakes.unit import Keyholder
from tests.handlers.casework.office import BOX, Office
from tests.keys import invented

SESSION_KEY = invented().session


async def suspend(office: Office, signer: Keyholder, *ended: Keyholder) -> None:
    """Sign the list that ends officers, and say that they are suspended."""
    signed = office.unit.next_list((), ended, day=office.today)
    async with office.row(signer) as context:
        chain = await joining.sign_list(context, signed)
        await account.suspend(context, chain, [one.id for one in ended])


async def with_dora(office: Office) -> tuple[Keyholder, Keyholder]:
    """Carmen, who holds the unit's key, and Dora, whom she has signed."""
    carmen, dora = await office.found(), await office.join("Dora")
    await office.vouch(carmen, dora)
    await office.sign_next(carmen, [dora])
    return carmen, dora


async def test_a_suspended_officer_is_ended_by_a_list_and_signed_out(office: Office) -> None:
    carmen, dora = await with_dora(office)
    async with office.row(dora) as context:
        session = await sessions.begin(context.tx, SESSION_KEY, dora.id, "", office.now)
    await suspend(office, carmen, dora)
    assert await office.state(dora) is OfficerState.SUSPENDED
    async with office.row(carmen) as context:
        assert await sessions.by_token(context.tx, SESSION_KEY, session, office.now) is None
        assert await officers.credentials(context.tx, "dora@ueipci.example") is None
        assert await accounts.by_email(context.tx, "dora@ueipci.example") is None
        assert await ledger.first_invalid(context.tx, AUDIT_KEY) is None
    await office.sign_next(carmen)
    assert await office.state(dora) is OfficerState.SUSPENDED, "no later list brings her back"


@pytest.mark.attack
async def test_only_whom_the_newest_list_ended_is_suspended(office: Office) -> None:
    carmen, dora = await with_dora(office)
    for wrong in (dora.id, carmen.id, "unknown"):
        async with office.row(carmen) as context:
            with pytest.raises(KeysRefused):
                await account.suspend(context, office.unit.chain, [wrong])
    await office.sign_next(carmen, ending=[dora])
    await office.sign_next(carmen)
    async with office.row(carmen) as context:
        with pytest.raises(KeysRefused):
            await account.suspend(context, office.unit.chain, [dora.id])
    assert await office.state(dora) is OfficerState.LEFT


class RollbackError(Exception):
    """What undoes a transaction after all of its work was done."""


async def suspend_and_fail(office: Office, signer: Keyholder, ended: Keyholder) -> None:
    signed = office.unit.next_list(ending=[ended], day=office.today)
    async with office.row(signer) as context:
        chain = await joining.sign_list(context, signed)
        await account.suspend(context, chain, [ended.id])
        raise RollbackError


@pytest.mark.attack
async def test_a_list_that_is_rolled_back_is_remembered_nowhere(office: Office) -> None:
    """Otherwise the file outside the database would wait for it, and everything would stay closed."""
    carmen, dora = await with_dora(office)
    with pytest.raises(RollbackError):
        await suspend_and_fail(office, carmen, dora)
    floor = office.installation.unit.floor()
    assert floor is not None
    assert floor["serial"] == 2
    async with office.row(carmen) as context:
        assert (await trust.verified(context.tx, context.unit)).chain.serial == 2


@pytest.mark.parametrize("leaves", [True, False])
async def test_who_returns_is_another_officer_and_the_old_name_stays(office: Office, leaves: bool) -> None:
    carmen, dora = await with_dora(office)
    if leaves:
        await office.sign_next(carmen, ending=[dora])
    else:
        await suspend(office, carmen, dora)
    again = await office.join("Dora")
    assert again.id != dora.id
    await office.vouch(carmen, again)
    await office.sign_next(carmen, [again])
    async with office.row(again) as context:
        assert context.officer.reads_cases
        known = await joining.known_lists(context)
        account_now = await accounts.by_email(context.tx, "dora@ueipci.example")
    assert known is not None
    assert account_now is not None
    assert account_now.id == again.id
    entries = {one: known.chain.by_id[one.id] for one in (dora, again)}
    assert [(entry["join"]["name"], entry["ended"]) for entry in entries.values()] == [("Dora", 3), ("Dora", 0)]
    assert entries[dora]["join"]["signing"] != entries[again]["join"]["signing"]
    assert await office.state(dora) is (OfficerState.LEFT if leaves else OfficerState.SUSPENDED)


async def test_a_code_is_not_replaced_by_a_page_that_saw_another(office: Office) -> None:
    carmen = await office.found()
    new = accounts.Code("new hash", BOX)
    async with office.row(carmen) as context:
        known = await accounts.by_id(context.tx, carmen.id)
        assert known is not None
        with pytest.raises(account.AccountChanged):
            await account.replace_code(context, known, new, "A" * 43)
        await account.replace_code(context, known, new, boxes.box_hash(BOX))
        with pytest.raises(account.AccountChanged):
            await account.replace_code(context, known, new, boxes.box_hash(BOX))
