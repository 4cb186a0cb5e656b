"""Invites, vouching and the unit's lists: who becomes a reader, and who is one no more."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from content.library import Library
from handlers.casework import joining, trust
from handlers.casework.joining import KeysRefused
from handlers.casework.office import OfficerContext
from storage import schema
from storage.confidential import key_lists, ledger, notebooks, officers
from storage.confidential.officers import InviteRefused, Officer, OfficerState, ReaderKeys
from storage.confidential.protocol import lists
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.lists import KeyList, SignedList
from storage.database import Database
from tests.fakes.letterbox import AUDIT_KEY, TODAY
from tests.fakes.unit import Keyholder, Unit, new_key
from tests.handlers.casework.desk import Desk

BOX: Box = {"iv": encode(bytes(12)), "body": encode(bytes(40))}
CREDENTIALS = ("salt", "hash")


class Office(Desk):
    """The unit from its first invite on: its officers have rows, and their keys are those of their browsers."""

    async def invite(self, name: str, role: str = "officer") -> tuple[str, Keyholder]:
        """An invite's token, and who is to use it."""
        async with self.work() as work:
            token = await officers.invite(work.tx, f"{name.lower()}@ueipci.example", name, role, None, self.now)
            return token, Keyholder(name, id=(await officers.by_invite(work.tx, token, self.now)).id)

    @asynccontextmanager
    async def row(self, one: Keyholder) -> AsyncIterator[OfficerContext]:
        """What an officer does, as the database knows them."""
        async with self.work() as work:
            officer = await officers.by_id(work.tx, one.id)
            assert officer is not None
            yield OfficerContext(work.tx, officer, self.installation, AUDIT_KEY, self.now)

    def keys(self, one: Keyholder, unit_bundle: Box | None = None, **join: Any) -> ReaderKeys:
        """What the officer's browser makes; `join` replaces fields of the statement, which it signs."""
        joined: Any = self.unit.joining(one)
        if join:
            statement = joined["join"] | join
            joined = {"join": statement, "proofs": [one.prove(statement)]}
        return ReaderKeys(joined, BOX, BOX, BOX, unit_bundle)

    async def accept_invite(
        self, token: str, one: Keyholder, keys: ReaderKeys | None, first: SignedList | None = None
    ) -> OfficerState:
        async with self.row(one) as context:
            return await joining.accept_invite(context, token, CREDENTIALS, keys, first)

    async def found(self, is_adopted: bool = True) -> Keyholder:
        """Carmen accepts the first invite and signs the first list."""
        token, carmen = await self.invite("Carmen", "admin")
        self.unit.readers = [carmen, Keyholder("Respaldo", "recovery")]
        assert (
            await self.accept_invite(token, carmen, self.keys(carmen, BOX), self.unit.first_list(self.today))
            == "active"
        )
        if is_adopted:
            self.installation.unit.adopt(self.unit.point, lists.pin_of(self.unit.newest["list"]))
        return carmen

    async def join(self, name: str) -> Keyholder:
        """A later officer accepts an invite and waits."""
        token, one = await self.invite(name)
        assert await self.accept_invite(token, one, self.keys(one)) is OfficerState.PENDING
        return one

    async def sign(self, signer: Keyholder, signed: object) -> None:
        async with self.row(signer) as context:
            await joining.sign_list(context, signed)

    async def sign_next(self, signer: Keyholder, adding: Sequence[Keyholder] = (), ending: Sequence[Any] = ()) -> None:
        """The unit's next list of today."""
        await self.sign(signer, self.unit.next_list(adding, ending, day=self.today))

    async def vouch(self, voucher: Keyholder, candidate: Keyholder, **proof: Any) -> None:
        given: Any = voucher.prove(candidate.join(self.unit.point))
        async with self.row(voucher) as context:
            await joining.vouch(context, candidate.id, given | proof)

    async def state(self, one: Keyholder) -> OfficerState:
        async with self.row(one) as context:
            return context.officer.state


@pytest.fixture
async def office(database: Database, library: Library, tmp_path: Path) -> Office:
    return Office(database, library, tmp_path)


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
        "no recovery",
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

    right, keys = signed(carmen, respaldo), office.keys(carmen, BOX)
    faulty: dict[str, tuple[ReaderKeys | None, Any]] = {
        "no list": (keys, None),
        "no unit key": (office.keys(carmen), right),
        "serial": (keys, office.unit.next_list(day=today)),
        "stranger": (keys, signed(carmen, respaldo, Keyholder("Extraña"))),
        "signature": (keys, {**right, "signature": office.unit.lists[0]["signature"]}),
        "other keys": (office.keys(replace(carmen, reading=new_key()), BOX), right),
        "no recovery": (keys, signed(carmen)),
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
    keys = replace(office.keys(dora, BOX), joining=other.joining(dora))  # type: ignore[arg-type]
    with pytest.raises(KeysRefused):
        await office.accept_invite(token, dora, keys, other.first_list(office.today))


# ---------------------------------------------------------------- later officers


async def test_a_later_officer_waits_for_the_signature_and_brings_no_list(office: Office) -> None:
    await office.found()
    token, dora = await office.invite("Dora")
    mine = office.unit.sign(office.unit.next_keys([dora], day=office.today))
    for keys, signed in ((office.keys(dora), mine), (office.keys(dora, BOX), None)):
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


# ---------------------------------------------------------------- the next list


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
        session = await officers.open_session(context.tx, dora.id, office.now)
        own = await officers.open_session(context.tx, carmen.id, office.now)
    await office.sign_next(carmen, ending=[dora])
    async with office.row(carmen) as context:
        assert await officers.session(context.tx, session, office.now) is None
        assert await officers.session(context.tx, own, office.now) is not None
        assert await officers.credentials(context.tx, "dora@ueipci.example") is None
    assert await office.state(dora) is OfficerState.LEFT
    assert await office.state(carmen) is OfficerState.ACTIVE
    await office.sign_next(carmen)  # who has left stays so
    assert await office.state(dora) is OfficerState.LEFT


async def test_a_recovery_key_is_exchanged_without_any_row_of_its_own(office: Office) -> None:
    carmen = await office.found()
    old, new = office.unit.readers[1], Keyholder("Respaldo 2", "recovery")
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
        "no list": {"list": {}, "signature": ""},
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
