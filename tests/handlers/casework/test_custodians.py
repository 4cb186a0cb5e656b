"""Custodians: who is invited, by which link a key arrives, and who may be forgotten."""

from datetime import timedelta

import pytest

from handlers.casework import custody
from handlers.casework.joining import KeysRefused
from storage.confidential.officers import InviteRefused
from storage.confidential.protocol import boxes, lists
from storage.confidential.protocol import custody as protocol
from storage.confidential.protocol.errors import Altered, Malformed
from tests.fakes.custodians import CustodianKeys
from tests.fakes.unit import Unit
from tests.handlers.casework.custody_steps import found_alone, invite_three, with_recovery_key
from tests.handlers.casework.office import UNIT_KEY, Office

pytestmark = pytest.mark.attack


async def test_a_custodians_link_is_used_once_for_its_own_name_and_within_a_week(office: Office) -> None:
    carmen = await found_alone(office)
    async with office.row(carmen) as context:
        custodian_id, token = await custody.invite(context, "Notaría 7")
    unit, one = office.unit.point, CustodianKeys("Notaría 7", custodian_id)
    wrong = [CustodianKeys("Otra", custodian_id), CustodianKeys("Notaría 7")]
    for statement in (*(each.statement(unit) for each in wrong), one.statement(Unit([carmen]).point)):
        async with office.work() as work:
            with pytest.raises(KeysRefused):
                await custody.register(work, token, statement, one.box(unit))
    async with office.work() as work:
        with pytest.raises(InviteRefused):
            await custody.register(work, "unknown", one.statement(unit), one.box(unit))
        await custody.register(work, token, one.statement(unit), one.box(unit))
        with pytest.raises(InviteRefused):
            await custody.register(work, token, one.statement(unit), one.box(unit))
    async with office.row(carmen) as context:
        _, late = await custody.invite(context, "Archivo")
    office.now += timedelta(days=7)
    async with office.work() as work:
        with pytest.raises(InviteRefused):
            await custody.invited(work, late)


async def test_no_one_is_invited_by_a_malformed_name_or_before_the_unit_is_adopted(office: Office) -> None:
    token, carmen = await office.invite("Carmen", "admin")
    office.unit.readers = [carmen]
    await office.accept_invite(token, carmen, office.keys(carmen, UNIT_KEY), office.unit.first_list(office.today))
    async with office.row(carmen) as context:
        with pytest.raises(KeysRefused):
            await custody.invite(context, "Notaría 7")
        office.installation.unit.adopt(office.unit.point, lists.pin_of(office.unit.newest["list"]))
        for malformed in ("", "Notaría\n7", "Notaría\u200b7", "n" * 201):
            with pytest.raises(Malformed):
                await custody.invite(context, malformed)
        await custody.invite(context, "Notaría 7")
        assert [one["name"] for one in (await custody.view(context))["custodians"]] == ["Notaría 7"]


async def test_a_custodian_who_is_needed_cannot_be_removed(office: Office) -> None:
    carmen, _ = await with_recovery_key(office)
    async with office.row(carmen) as context:
        extra, _ = await custody.invite(context, "De sobra")
        await custody.remove(context, extra)
        with pytest.raises(KeysRefused):
            await custody.remove(context, office.unit.custodians[0].id)
        assert len((await custody.view(context))["custodians"]) == 3


async def test_no_custodian_key_opens_with_another_code(office: Office) -> None:
    carmen = await found_alone(office)
    one, other, _ = await invite_three(office, carmen)
    statement, box = one.statement(office.unit.point), one.box(office.unit.point)
    key = boxes.derive(other.code, "custodian")
    with pytest.raises(Altered):
        protocol.unwrap_custodian(key, box, statement)
