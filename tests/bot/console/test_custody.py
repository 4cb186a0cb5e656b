"""The requests of custodians and of the officers who invite them: what the server answers, refuses and survives."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from bot.console import recovery
from handlers.casework.recovery import USES_SHOWN
from storage.confidential import custody, officers, unit_keys
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.keys import seal_unit_key
from tests.bot.console.office import Desk, Office, OfficerWithKeys
from tests.fakes import custodians
from tests.fakes.custodians import CustodianKeys


@pytest.fixture
async def carmen(office: Office) -> OfficerWithKeys:
    """The first officer, who holds the unit's key."""
    carmen = OfficerWithKeys("", "Carmen Ríos", "carmen@ueipci.example")
    await office.enrol(carmen)
    await hold_unit_key(office, carmen)
    return carmen


async def hold_unit_key(office: Office, officer: OfficerWithKeys) -> None:
    assert officer.holder is not None
    sealed = seal_unit_key(office.unit.signing, officer.id, officer.holder.join(office.unit.point)["reading"])
    async with office.database.write() as tx:
        await unit_keys.share(tx, officer.id, sealed)


async def invited(desk: Desk, name: str = "Notaría 9") -> tuple[str, str]:
    status, body = await desk.post("/console/custodians", {"name": name})
    assert status == 201
    return body["id"], body["link"].split("#")[1].split("&")[0]


def registration(office: Office, one: CustodianKeys, token: str) -> dict[str, Any]:
    unit = office.unit.point
    return {"token": token, "custodian": one.statement(unit), "box": one.box(unit)}


async def test_a_custodian_uses_the_link_and_the_officers_page_shows_the_key(
    office: Office, carmen: OfficerWithKeys
) -> None:
    desk = await office.signed_in(carmen)
    custodian_id, token = await invited(desk, "  Notaría 9 ")
    status, begun = await desk.post("/console/custodian/begin", {"token": token})
    assert (status, begun["id"], begun["name"]) == (200, custodian_id, "Notaría 9")
    assert begun["unit"] == office.unit.point
    one = CustodianKeys("Notaría 9", custodian_id)
    assert await desk.post("/console/custodian", registration(office, one, token)) == (201, {})
    assert await desk.post("/console/custodian", registration(office, one, token)) == (409, {"error": "token"})
    status, page = await desk.get("/console/custody")
    assert status == 200
    assert one.statement(office.unit.point)["reading"] in page
    assert await desk.post("/console/custodians/remove", {"id": custodian_id}) == (201, {})


async def test_two_custodians_without_an_account_rehearse_and_use(office: Office, carmen: OfficerWithKeys) -> None:
    """No session, no account: what is posted is signed with the key that two codes open."""
    recovery = office.unit.recovery
    assert recovery is not None
    signed, three = office.unit.custody(recovery), office.unit.custodians
    desk = await office.signed_in(carmen)
    public = Desk(office.address, "")
    public.cookie, public.csrf = {}, ""
    async with ClientSession() as client, client.get(office.address + "/console/recovery/boxes") as answer:
        assert answer.status == 200
        found = await answer.json()
    assert found["custody"] == signed
    assert {one["id"] for one in found["boxes"]} == {one.id for one in three}
    said = custodians.rehearsal(signed, three[:2], office.today)
    assert await desk.post("/console/recovery/rehearsals", said) == (201, {"rehearsed": True})  # as all have before
    assert await public.post("/console/recovery/rehearsals", said) == (403, {"error": "403"}), "not from elsewhere"
    asker = await office.submit_case("¿Puedo firmar?")
    used = custodians.use(signed, three[1:], "cases", office.today)
    authority = {"use": used, "secret": custodians.secret_of(used)}
    wanted = {**authority, "after": ""}
    assert await desk.post("/console/recovery/cases", wanted) == (409, {"error": "keys"})
    assert await desk.post("/console/recovery/use", used) == (201, {})
    status, page = await desk.post("/console/recovery/cases", wanted)
    assert (status, [one["case"] for one in page["cases"]]) == (200, [asker.case])
    assert (await desk.get("/c/keys"))[0] == 404, "a used key takes no new query"
    shared = {**authority, "id": carmen.id, "unit_key": encode(bytes(200))}
    assert await desk.post("/console/recovery/unit-key", shared) == (409, {"error": "keys"}), "another purpose"


async def test_a_deputy_holds_the_units_key_too(office: Office, carmen: OfficerWithKeys) -> None:
    dora = OfficerWithKeys("", "Dora Luna", "dora@ueipci.example")
    await office.enrol(dora)
    assert dora.holder is not None
    sealed = seal_unit_key(office.unit.signing, dora.id, dora.holder.join(office.unit.point)["reading"])
    given, unknown = {"id": dora.id, "unit_key": sealed}, {"id": encode(bytes(16)), "unit_key": sealed}
    assert (await (await office.signed_in(dora)).post("/console/unit-key", given))[0] == 409, "not from herself"
    desk = await office.signed_in(carmen)
    assert await desk.post("/console/unit-key", given) == (201, {})
    assert await desk.post("/console/unit-key", given) == (409, {"error": "keys"}), "what she holds is replaced by none"
    assert await desk.post("/console/unit-key", unknown) == (409, {"error": "keys"})
    async with office.database.read() as tx:
        found = await officers.by_id(tx, dora.id)
    assert found is not None
    assert found.signs_keys


async def test_without_a_recovery_key_there_is_nothing_to_open(office: Office) -> None:
    async with ClientSession() as client, client.get(office.address + "/console/recovery/boxes") as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "none"})


@pytest.mark.attack
async def test_what_the_codes_open_is_not_given_without_end_and_does_not_grow_with_its_uses(
    office: Office, carmen: OfficerWithKeys
) -> None:
    recovery_reader, three = office.unit.recovery, office.unit.custodians
    assert recovery_reader is not None
    signed = office.unit.custody(recovery_reader)
    uses = [custodians.use(signed, three[1:], "unit", office.today) for _ in range(USES_SHOWN + 2)]
    async with office.database.write() as tx:
        stored = await custody.locked(tx, recovery_reader.id)
        assert stored is not None
        await custody.replace(tx, replace(stored, uses=uses))
    assert office.app[recovery.BOXES].limit == 200
    office.app[recovery.BOXES].limit = 1
    async with ClientSession() as client:
        async with client.get(office.address + "/console/recovery/boxes") as answer:
            assert (await answer.json())["uses"] == uses[2:]
        async with client.get(office.address + "/console/recovery/boxes") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "3600")
            at = (office.now + timedelta(hours=1)).isoformat()
            assert await answer.json() == {"error": "later", "at": at}


@pytest.mark.attack
@pytest.mark.parametrize(
    "path", ["custodians", "custodians/remove", "recovery-proposal", "recovery-proofs", "unit-key"]
)
async def test_who_is_not_signed_in_changes_nothing(office: Office, carmen: OfficerWithKeys, path: str) -> None:
    stranger = Desk(office.address, "x" * 43)
    assert (await stranger.post(f"/console/{path}", {}))[0] == 401


@pytest.mark.attack
@pytest.mark.parametrize("body", [{}, [], {"token": 7}, {"token": "x"}, {"token": "x", "custodian": {}, "box": {}}])
@pytest.mark.parametrize(
    "path",
    [
        *("custodians", "custodians/remove", "recovery-proposal", "recovery-proofs", "unit-key"),
        *("custodian/begin", "custodian", "recovery/rehearsals", "recovery/use", "recovery/cases"),
        *("recovery/letters", "recovery/unit-key"),
    ],
)
async def test_a_body_of_another_shape_is_refused(
    office: Office, carmen: OfficerWithKeys, path: str, body: Any
) -> None:
    desk = await office.signed_in(carmen)
    assert (await desk.post(f"/console/{path}", body))[0] in (409, 422)
