"""Custodians of the recovery key: how the letterbox opens, what closes it again, and what invented rows achieve."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import delete, update

from handlers.casework import custody, recovery, trust
from handlers.casework.joining import KeysRefused
from handlers.casework.recovery import Recovery
from storage import schema
from storage.confidential import custody as stored
from storage.confidential import key_lists
from storage.confidential.ledger import Verb
from storage.confidential.protocol import custody as protocol
from storage.confidential.protocol.canonical import canonical, encode
from storage.confidential.protocol.errors import Altered, Malformed, Refused
from storage.confidential.protocol.signatures import export_key, sign
from tests.fakes import custodians
from tests.fakes.letterbox import AUDIT_KEY
from tests.fakes.unit import Keyholder, Unit
from tests.handlers.casework.custody_steps import (
    found_alone,
    invite_three,
    propose,
    rehearse,
    verbs,
    why_closed,
    with_recovery_key,
)
from tests.handlers.casework.office import UNIT_KEY, Office

pytestmark = pytest.mark.attack


# ---------------------------------------------------------------- the letterbox opens


async def test_the_letterbox_opens_once_each_of_three_custodians_has_rehearsed(office: Office) -> None:
    carmen = await found_alone(office)
    assert await why_closed(office) == "readers"
    first, second, third = await invite_three(office, carmen)
    respaldo = Keyholder("Respaldo", "recovery")
    signed = office.unit.custody(respaldo)
    await propose(office, carmen, respaldo, signed)
    await office.sign_next(carmen, [respaldo])
    assert await why_closed(office) == "custody"
    for pair in ((first, second), (second, third)):
        assert not await rehearse(office, signed, *pair)
        assert await why_closed(office) == "custody", "the share of a pair that never met could hold anything"
    assert await rehearse(office, signed, first, third)
    assert await why_closed(office) == ""
    expected = [Verb.SIGN_UP, Verb.SIGN_KEYS, *[Verb.INVITE_CUSTODIAN] * 3, Verb.CUSTODY, Verb.SIGN_KEYS]
    assert await verbs(office) == [*expected, *[Verb.REHEARSE] * 3]


async def test_in_a_trial_there_are_no_custodians(office: Office) -> None:
    token, carmen = await office.invite("Carmen", "admin")
    office.installation.unit.adopts_itself = True
    office.unit.readers = [carmen, Keyholder("Respaldo", "recovery")]
    await office.accept_invite(token, carmen, office.keys(carmen, UNIT_KEY), office.unit.first_list(office.today))
    assert await why_closed(office) == ""
    async with office.row(carmen) as context:
        assert not await custody.is_missing(context)


async def test_a_second_officer_vouches_for_a_new_recovery_key(office: Office) -> None:
    carmen, respaldo = await with_recovery_key(office)
    dora, new = await office.join("Dora"), Keyholder("Respaldo 2", "recovery")
    await office.vouch(carmen, dora)
    await office.sign_next(carmen, [dora])
    await propose(office, carmen, new, office.unit.custody(new))
    async with office.row(dora) as context:
        await custody.vouch(context, new.id, dora.prove(new.join(office.unit.point)))
    async with office.row(carmen) as context:
        (proposed,) = [(await custody.view(context))["proposal"]]
    assert [proof["id"] for proof in proposed["proofs"]] == sorted([dora.id, new.id])
    await office.sign_next(carmen, [new], [respaldo])
    assert await why_closed(office) == "custody", "the new key's custodians have not rehearsed"


# ---------------------------------------------------------------- what two open, and one does not


async def test_each_pair_opens_the_keys_and_none_alone(office: Office) -> None:
    _, respaldo = await with_recovery_key(office)
    signed, three = office.unit.custody(respaldo), office.unit.custodians
    for pair in combinations(three, 2):
        kept = custodians.open_with(signed, pair)
        protocol.check_kept(kept, office.unit.chain)
        assert kept["reading"] == export_key(respaldo.reading)
    for one in three:
        with pytest.raises(Refused, match=r"custody\.pair"):
            custodians.open_with(signed, [one])
        for other in three:
            if other is not one:  # who knows the other's id, and tries with the own key alone
                with pytest.raises(Altered):
                    custodians.open_with(signed, [one, replace(other, reading=one.reading)])


# ---------------------------------------------------------------- refused


async def test_a_list_adds_no_recovery_key_without_its_custody_and_changes_no_custodians(office: Office) -> None:
    carmen, respaldo = await with_recovery_key(office)
    before = len(office.unit.lists)
    other = Keyholder("Otro", "recovery")
    unknown = office.unit.next_list([other], [respaldo], day=office.today)
    office.unit.lists.pop()
    office.unit.readers = [carmen, respaldo]
    renamed = office.unit.sign({**office.unit.next_keys(day=office.today), "custodians": ["Quien sea"]})
    for signed in (unknown, renamed):
        with pytest.raises(KeysRefused):
            await office.sign(carmen, signed)
    async with office.work() as work:
        assert len((await trust.verified(work.tx, office.installation.unit)).lists) == before


FAULTS = ("another unit", "stranger", "role", "known", "proof", "proof of another", "unregistered", "unsigned")


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_proposal_that_does_not_fit_is_refused(office: Office, fault: str) -> None:
    carmen, respaldo = await with_recovery_key(office)
    new, other = Keyholder("Respaldo 2", "recovery"), Unit(office.unit.readers)
    made = office.unit.custody(new)
    joined: Any = office.unit.joining(new)
    join, proof = joined["join"], joined["proofs"][0]
    if fault == "another unit":
        other.custodians = office.unit.custodians
        made = other.custody(new)
    elif fault == "stranger":
        stranger: Any = office.unit.joining(Keyholder("Otro", "recovery"))
        join, proof = stranger["join"], stranger["proofs"][0]
    elif fault == "role":
        officer = replace(new, role="officer")
        join, proof = officer.join(office.unit.point), officer.prove(officer.join(office.unit.point))
    elif fault == "known":
        made = office.unit.custody(respaldo)
        known: Any = office.unit.joining(respaldo)
        join, proof = known["join"], known["proofs"][0]
    elif fault == "proof":
        proof = {**proof, "signature": carmen.prove(join)["signature"]}
    elif fault == "proof of another":
        proof = {**proof, "id": carmen.id}
    elif fault == "unregistered":
        twin = Unit(office.unit.readers, office.unit.signing)
        made = twin.custody(new)
    else:
        made = {**made, "signature": office.unit.custody(respaldo)["signature"]}
    async with office.row(carmen) as context:
        with pytest.raises(KeysRefused):
            await custody.propose(context, join, proof, made)


async def test_only_who_holds_the_units_key_invites_proposes_and_shares(office: Office) -> None:
    carmen, _ = await with_recovery_key(office)
    dora, new = await office.join("Dora"), Keyholder("Respaldo 2", "recovery")
    await office.vouch(carmen, dora)
    await office.sign_next(carmen, [dora])
    with pytest.raises(KeysRefused):
        await propose(office, dora, new, office.unit.custody(new))
    async with office.row(dora) as context:
        with pytest.raises(KeysRefused):
            await custody.invite(context, "Alguien")
        with pytest.raises(KeysRefused):
            await custody.share_unit_key(context, dora.id, UNIT_KEY)


async def with_proposal(office: Office) -> tuple[Keyholder, Keyholder, Keyholder]:
    """Carmen, Dora, and a recovery key that waits for an officer's proof; Eva has left."""
    carmen, _ = await with_recovery_key(office)
    dora, eva = await office.join("Dora"), await office.join("Eva")
    for one in (dora, eva):
        await office.vouch(carmen, one)
        await office.sign_next(carmen, [one])
    await office.sign_next(carmen, ending=[eva])
    new = Keyholder("Respaldo 2", "recovery")
    await propose(office, carmen, new, office.unit.custody(new))
    return carmen, dora, new


@pytest.mark.parametrize("fault", ["another id", "another key", "another statement", "unknown key", "in force"])
async def test_a_proof_that_does_not_fit_vouches_for_nothing(office: Office, fault: str) -> None:
    carmen, dora, new = await with_proposal(office)
    join = new.join(office.unit.point)
    proof, recovery_id = dora.prove(join), new.id
    if fault == "another id":
        proof = {**proof, "id": carmen.id}
    elif fault == "another key":
        proof = {**proof, "signature": carmen.prove(join)["signature"]}
    elif fault == "another statement":
        proof = dora.prove({**join, "name": "Otro"})
    elif fault == "unknown key":
        recovery_id = dora.id
    else:
        assert office.unit.recovery is not None
        recovery_id = office.unit.recovery.id
        proof = dora.prove(office.unit.recovery.join(office.unit.point))
    async with office.row(dora) as context:
        with pytest.raises(KeysRefused):
            await custody.vouch(context, recovery_id, proof)
        assert len((await custody.view(context))["proposal"]["proofs"]) == 1


@pytest.mark.parametrize("who", ["Eva", "nobody"])
async def test_who_is_no_active_officer_vouches_for_no_recovery_key(office: Office, who: str) -> None:
    carmen, _, new = await with_proposal(office)
    stranger = Keyholder("Fulana")
    if who == "Eva":
        (entry,) = [one for one in office.unit.newest["list"]["readers"] if one["join"]["name"] == "Eva"]
        stranger = replace(stranger, id=entry["join"]["id"])
    async with office.row(carmen) as context:
        acting = replace(context, officer=replace(context.officer, id=stranger.id))
        with pytest.raises(KeysRefused):
            await custody.vouch(acting, new.id, stranger.prove(new.join(office.unit.point)))


async def test_vouching_and_sharing_are_in_the_ledger_and_a_malformed_key_is_shared_with_no_one(office: Office) -> None:
    carmen, dora, new = await with_proposal(office)
    async with office.row(dora) as context:
        await custody.vouch(context, new.id, dora.prove(new.join(office.unit.point)))
    assert (await verbs(office))[-1] == Verb.VOUCH
    async with office.row(carmen) as context:
        for malformed in ("", "x", encode(bytes(20)), encode(bytes(400))):
            with pytest.raises(Malformed):
                await custody.share_unit_key(context, dora.id, malformed)
        await custody.share_unit_key(context, dora.id, UNIT_KEY)
        with pytest.raises(KeysRefused):
            await custody.share_unit_key(context, dora.id, UNIT_KEY)
    assert (await verbs(office))[-1] == Verb.SHARE_UNIT_KEY


async def test_before_there_is_a_list_nothing_is_missing_and_nothing_is_shown(office: Office) -> None:
    _, carmen = await office.invite("Carmen", "admin")
    async with office.row(carmen) as context:
        assert not await custody.is_missing(context)
        shown = await custody.view(context)
    assert (shown["proposal"], shown["custody"], shown["custodians"]) == (None, None, [])


async def test_a_new_proposal_replaces_the_one_before_and_no_key_in_force(office: Office) -> None:
    carmen, respaldo = await with_recovery_key(office)
    first, second = Keyholder("Respaldo 2", "recovery"), Keyholder("Respaldo 3", "recovery")
    for new in (first, second):
        await propose(office, carmen, new, office.unit.custody(new))
    async with office.work() as work:
        assert {one.recovery for one in await stored.all_custodies(work.tx)} == {respaldo.id, second.id}


async def test_the_units_key_is_shared_with_active_officers_alone(office: Office) -> None:
    carmen, dora, _ = await with_proposal(office)
    (eva,) = [one["join"]["id"] for one in office.unit.newest["list"]["readers"] if one["join"]["name"] == "Eva"]
    waiting = await office.join("Fe")
    async with office.row(carmen) as context:
        for refused in (eva, waiting.id, Keyholder("Fulana").id):
            with pytest.raises(KeysRefused):
                await custody.share_unit_key(context, refused, UNIT_KEY)
        table = schema.officers
        for officer_id, state in ((dora.id, "suspended"), (eva, "active"), (waiting.id, "active")):
            await context.tx.execute(update(table).where(table.c.id == officer_id).values(state=state))
            with pytest.raises(KeysRefused):
                await custody.share_unit_key(context, officer_id, UNIT_KEY)


# ---------------------------------------------------------------- invented rows


async def test_a_rehearsal_that_the_recovery_key_did_not_sign_opens_nothing(office: Office) -> None:
    carmen, respaldo = await with_recovery_key(office)
    signed, three = office.unit.custody(respaldo), office.unit.custodians
    honest = custodians.rehearsal(signed, three, office.today)
    forged: Any = {**honest, "signature": office.unit.custody(Keyholder("Otro", "recovery"))["signature"]}
    by_carmen: Any = {
        **honest,
        "signature": sign(carmen.signing, "rehearsal", honest["rehearsal"]),
    }
    for said in (forged, by_carmen):
        async with office.work() as work:
            with pytest.raises(KeysRefused):
                await recovery.rehearse(Recovery(work, AUDIT_KEY), said)
            table = schema.custodies
            await work.tx.execute(update(table).values(rehearsals=canonical([said])))
        assert await why_closed(office) == "custody"


@pytest.mark.parametrize("column", ["body", "joining", "rehearsals", "uses"])
@pytest.mark.parametrize("garbage", ["", "7", "[7]", "{}", "not json", "[[]]"])
async def test_a_row_that_cannot_be_read_closes_the_letterbox_and_nothing_else(
    office: Office, column: str, garbage: str
) -> None:
    carmen, respaldo = await with_recovery_key(office)
    assert await rehearse(office, office.unit.custody(respaldo), *office.unit.custodians)
    async with office.work() as work:
        await work.tx.execute(update(schema.custodies).values({column: garbage}))
    assert await why_closed(office) == "custody"
    async with office.row(carmen) as context:
        assert (await custody.view(context))["custody"] is None
        assert await custody.is_missing(context)


async def test_custodians_whose_keys_are_gone_close_the_letterbox(office: Office) -> None:
    """What is signed still holds, but nothing opens it any more."""
    _, respaldo = await with_recovery_key(office)
    assert await rehearse(office, office.unit.custody(respaldo), *office.unit.custodians)
    assert await why_closed(office) == ""
    async with office.work() as work:
        table = schema.custodians
        await work.tx.execute(update(table).where(table.c.id == office.unit.custodians[0].id).values(box="{}"))
    assert await why_closed(office) == "custody"


@pytest.mark.parametrize("what", ["shares", "custodians", "signature", "recovery"])
async def test_a_custody_that_was_altered_closes_the_letterbox(office: Office, what: str) -> None:
    """The rehearsals beside it are true, and are still there."""
    carmen, respaldo = await with_recovery_key(office)
    signed: Any = office.unit.custody(respaldo)
    assert await rehearse(office, signed, *office.unit.custodians)
    other: Any = office.unit.custody(Keyholder("Otro", "recovery"))
    made = {"custody": {**signed["custody"]}, "signature": signed["signature"]}
    if what == "signature":
        made["signature"] = other["signature"]
    elif what == "custodians":
        first, *rest = signed["custody"]["custodians"]
        made["custody"]["custodians"] = [{**first, "name": "Quien sea"}, *rest]
    else:
        made["custody"][what] = other["custody"][what]
    async with office.work() as work:
        await work.tx.execute(update(schema.custodies).values(body=canonical(made)))
    assert await why_closed(office) == "custody"
    async with office.row(carmen) as context:
        assert (await custody.view(context))["custody"] is None


async def test_a_list_with_other_custodians_than_the_custody_takes_no_query(office: Office) -> None:
    """No honest server stores one; the unit's key could still sign it."""
    _, respaldo = await with_recovery_key(office)
    assert await rehearse(office, office.unit.custody(respaldo), *office.unit.custodians)
    office.unit.lists.append(office.unit.sign({**office.unit.next_keys(day=office.today), "custodians": ["Quien sea"]}))
    async with office.work() as work:
        await key_lists.add(work.tx, office.unit.newest)
    assert await why_closed(office) == "custody"


async def test_another_units_custody_in_the_row_opens_nothing(office: Office) -> None:
    """Who writes rows puts a custody there that opens with keys of his own, rehearsed by his own custodians."""
    _, respaldo = await with_recovery_key(office)
    mine = Unit([Keyholder("Yo"), replace(respaldo)])
    signed = mine.custody(respaldo)
    said = custodians.rehearsal(signed, mine.custodians, office.today)
    async with office.work() as work:
        await work.tx.execute(delete(schema.custodies))
        joined: Any = office.unit.joining(respaldo)
        assert await stored.add(work.tx, signed, joined)
        await work.tx.execute(update(schema.custodies).values(rehearsals=canonical([said])))
    assert await why_closed(office) == "custody"
