"""Invites, keys and sessions of officers, on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from storage import schema
from storage.confidential import officers, sessions
from storage.confidential.notebooks import StoredNotebook
from storage.confidential.officers import InviteRefused, Joining, OfficerExists, OfficerState, ReaderKeys, Role
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import encode
from storage.database import Database
from tests.fakes.unit import Keyholder, Unit
from tests.keys import invented

NOW = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
KEY = invented().session
UNIT, CARMEN = Unit.with_recovery_key(), Keyholder("Carmen Ríos")


def box(words: str) -> Box:
    return {"iv": encode(bytes(12)), "body": encode(words.encode())}


JOINING: Any = UNIT.joining(CARMEN)
KEYS = ReaderKeys(JOINING, box("words"), box("code"), box("notebook"))
CREDENTIALS = ("salt", "hash")


async def joined(
    database: Database, email: str = "carmen@ueipci.example", state: OfficerState = OfficerState.ACTIVE
) -> str:
    async with database.write() as tx:
        token = await officers.invite(tx, email, "Carmen Ríos", "officer", None, NOW)
        return await officers.sign_up(tx, token, *CREDENTIALS, state, NOW, KEYS)


async def test_an_invite_is_stored_as_a_hash_and_reading_it_does_not_redeem_it(database: Database) -> None:
    async with database.write() as tx:
        token = await officers.invite(tx, " Carmen@UEIPCI.example ", "Carmen  Ríos", "admin", None, NOW)
        row = (await tx.execute(select(schema.invites))).one()
        assert token not in tuple(row)
        for _ in range(2):
            officer = await officers.by_invite(tx, token, NOW)
    assert (officer.email, officer.name, officer.role) == ("carmen@ueipci.example", "Carmen Ríos", Role.ADMIN)
    assert officer.state is OfficerState.INVITED
    assert not officer.reads_cases


async def test_an_invite_is_redeemed_once(database: Database) -> None:
    async with database.write() as tx:
        token = await officers.invite(tx, "carmen@ueipci.example", "Carmen", "officer", None, NOW)
        officer_id = await officers.sign_up(tx, token, *CREDENTIALS, OfficerState.PENDING, NOW, KEYS)
        with pytest.raises(InviteRefused):
            await officers.sign_up(tx, token, *CREDENTIALS, OfficerState.PENDING, NOW, KEYS)
        with pytest.raises(InviteRefused):
            await officers.by_invite(tx, token, NOW)
        officer = await officers.by_id(tx, officer_id)
    assert officer is not None
    assert (officer.state, officer.joining) == (OfficerState.PENDING, JOINING)


async def test_an_invite_expires_after_seven_days(database: Database) -> None:
    async with database.write() as tx:
        token = await officers.invite(tx, "carmen@ueipci.example", "Carmen", "officer", None, NOW)
        await officers.by_invite(tx, token, NOW + timedelta(days=7) - timedelta(seconds=1))
        with pytest.raises(InviteRefused):
            await officers.sign_up(tx, token, *CREDENTIALS, OfficerState.ACTIVE, NOW + timedelta(days=7), KEYS)


async def test_a_newer_invite_replaces_the_older_one(database: Database) -> None:
    async with database.write() as tx:
        old = await officers.invite(tx, "carmen@ueipci.example", "Carmen", "officer", None, NOW)
        new = await officers.invite(tx, "carmen@ueipci.example", "Carmen Ríos", "admin", None, NOW)
        with pytest.raises(InviteRefused):
            await officers.by_invite(tx, old, NOW)
        assert (await officers.by_invite(tx, new, NOW)).role is Role.ADMIN
        assert len(await officers.all_officers(tx)) == 1


async def test_an_officer_with_keys_cannot_be_invited_again(database: Database) -> None:
    await joined(database)
    async with database.write() as tx:
        with pytest.raises(OfficerExists):
            await officers.invite(tx, "CARMEN@ueipci.example", "Carmen", "officer", None, NOW)


@pytest.mark.parametrize("gone", officers.GONE)
async def test_who_is_gone_is_invited_as_another_officer(database: Database, gone: OfficerState) -> None:
    former = await joined(database)
    async with database.write() as tx:
        await officers.leave(tx, [former], gone)
        token = await officers.invite(tx, "CARMEN@ueipci.example", "Carmen Ríos Paz", "admin", None, NOW)
        again = await officers.invite(tx, "carmen@ueipci.example", "Carmen Ríos Paz", "admin", None, NOW)
        with pytest.raises(InviteRefused):
            await officers.by_invite(tx, token, NOW)
        new = await officers.sign_up(tx, again, *CREDENTIALS, OfficerState.ACTIVE, NOW, KEYS)
        rows = {one.id: (one.name, one.state) for one in await officers.by_email(tx, "carmen@ueipci.example")}
        known = await officers.credentials(tx, "carmen@ueipci.example")
    assert rows == {former: ("Carmen Ríos", gone), new: ("Carmen Ríos Paz", OfficerState.ACTIVE)}
    assert known is not None
    assert known.officer.id == new


async def test_one_officer_at_a_time_has_an_address(database: Database) -> None:
    former = await joined(database)
    async with database.write() as tx:
        await officers.leave(tx, [former])
    await joined(database)
    returned = update(schema.officers).where(schema.officers.c.id == former).values(state=OfficerState.ACTIVE.value)
    with pytest.raises(IntegrityError):
        async with database.write() as tx:
            await tx.execute(returned)


async def test_who_has_no_keys_is_invited_again_and_signs_in_no_more_until_then(database: Database) -> None:
    async with database.write() as tx:
        token = await officers.invite(tx, "lia@leon.example", "Lía", "liaison", None, NOW)
        lia = await officers.sign_up(tx, token, *CREDENTIALS, OfficerState.ACTIVE, NOW)
        cookie = await sessions.begin(tx, KEY, lia, "", NOW)
        token = await officers.invite(tx, "lia@leon.example", "Lía Paz", "liaison", None, NOW)
        assert await sessions.by_token(tx, KEY, cookie, NOW) is None
        assert (await tx.execute(select(schema.sessions))).all() == []
        assert await officers.credentials(tx, "lia@leon.example") is None
        assert await officers.sign_up(tx, token, "new salt", "new hash", OfficerState.ACTIVE, NOW) == lia
        known = await officers.credentials(tx, "lia@leon.example")
    assert known is not None
    assert (known.salt, known.auth_hash, known.officer.name) == ("new salt", "new hash", "Lía Paz")


@pytest.mark.parametrize(
    ("email", "name", "role"),
    [("carmen", "Carmen", "officer"), ("c@x.mx", " ", "officer"), ("c@x.mx", "Carmen", "boss"), ("@", "C", "admin")],
)
async def test_an_invite_needs_an_address_a_name_and_a_role(
    database: Database, email: str, name: str, role: str
) -> None:
    async with database.write() as tx:
        with pytest.raises(ValueError, match=r"an officer needs|not a valid Role"):
            await officers.invite(tx, email, name, role, None, NOW)


@pytest.mark.parametrize("gone", officers.GONE)
async def test_an_officer_who_is_gone_is_signed_out_everywhere_and_signs_in_no_more(
    database: Database, gone: OfficerState
) -> None:
    carmen, dora = await joined(database), await joined(database, "dora@ueipci.example")
    async with database.write() as tx:
        tokens = [await sessions.begin(tx, KEY, carmen, "", NOW) for _ in range(3)]
        other = await sessions.begin(tx, KEY, dora, "", NOW)
        await officers.leave(tx, [carmen], gone)
        assert [await sessions.by_token(tx, KEY, token, NOW) for token in tokens] == [None] * 3
        assert await sessions.by_token(tx, KEY, other, NOW) is not None
        assert {*await tx.scalars(select(schema.sessions.c.officer_id))} == {dora}
        assert await officers.credentials(tx, "carmen@ueipci.example") is None
        left = await officers.by_id(tx, carmen)
    assert left is not None
    assert left.state is gone
    assert not left.reads_cases


async def test_deleting_expired_rows_leaves_valid_ones(database: Database) -> None:
    officer_id = await joined(database)
    async with database.write() as tx:
        session = await sessions.begin(tx, KEY, officer_id, "", NOW)
        token = await officers.invite(tx, "dora@ueipci.example", "Dora", "officer", None, NOW)
        await officers.delete_expired(tx, NOW + timedelta(minutes=1))
        assert await sessions.by_token(tx, KEY, session, NOW) is not None
        await officers.by_invite(tx, token, NOW)
        await officers.delete_expired(tx, NOW + timedelta(days=8))
        assert (await tx.execute(select(schema.sessions))).all() == []
        assert (await tx.execute(select(schema.invites))).all() == []


async def test_only_officers_with_keys_can_sign_in(database: Database) -> None:
    await joined(database)
    async with database.write() as tx:
        await officers.invite(tx, "dora@ueipci.example", "Dora", "officer", None, NOW)
        known = await officers.credentials(tx, " Carmen@ueipci.example")
        assert known is not None
        assert (known.salt, known.auth_hash) == ("salt", "hash")
        assert await officers.credentials(tx, "dora@ueipci.example") is None
        assert await officers.credentials(tx, "nadie@ueipci.example") is None


async def test_sign_in_gets_the_boxes_that_a_reader_has_and_no_others(database: Database) -> None:
    await joined(database)
    async with database.write() as tx:
        token = await officers.invite(tx, "lia@leon.example", "Lía", "liaison", None, NOW)
        await officers.sign_up(tx, token, *CREDENTIALS, OfficerState.ACTIVE, NOW)
        reader = await officers.credentials(tx, "carmen@ueipci.example")
        liaison = await officers.credentials(tx, "lia@leon.example")
    assert reader is not None
    assert (reader.bundle, reader.unit_key) == (box("words"), None)
    assert reader.notebook == StoredNotebook(1, box("notebook"))
    assert liaison is not None
    assert (liaison.bundle, liaison.unit_key, liaison.notebook, liaison.officer.joining) == (None, None, None, None)


@pytest.mark.parametrize("unit_key", [None, "sealed"])
async def test_only_who_has_the_units_key_signs_lists(database: Database, unit_key: str | None) -> None:
    async with database.write() as tx:
        token = await officers.invite(tx, "carmen@ueipci.example", "Carmen", "officer", None, NOW)
        keys = ReaderKeys(JOINING, box("words"), box("code"), box("notebook"), unit_key)
        officer_id = await officers.sign_up(tx, token, *CREDENTIALS, OfficerState.ACTIVE, NOW, keys)
        officer = await officers.by_id(tx, officer_id)
    assert officer is not None
    assert officer.signs_keys is officer.holds_unit_key is (unit_key is not None)


@pytest.mark.parametrize("state", list(OfficerState))
async def test_proofs_are_added_to_a_pending_officer_only(database: Database, state: OfficerState) -> None:
    officer_id = await joined(database, state=state)
    vouched: Joining = {"join": JOINING["join"], "proofs": UNIT.joining(CARMEN, [UNIT.officer])["proofs"]}
    async with database.write() as tx:
        await officers.replace_joining(tx, officer_id, vouched)
        officer = await officers.by_id(tx, officer_id)
    assert officer is not None
    assert officer.joining == (vouched if state is OfficerState.PENDING else JOINING)


# ---------------------------------------------------------------- states


async def test_a_signed_list_activates_only_pending_officers(database: Database) -> None:
    pending = await joined(database, state=OfficerState.PENDING)
    async with database.write() as tx:
        await officers.invite(tx, "dora@ueipci.example", "Dora", "officer", None, NOW)
        everybody = await officers.all_officers(tx)
        await officers.activate(tx, [one.id for one in everybody])
        states = {one.email: one.state for one in await officers.all_officers(tx)}
        assert states == {"carmen@ueipci.example": OfficerState.ACTIVE, "dora@ueipci.example": OfficerState.INVITED}
        assert (await officers.by_id(tx, pending)) is not None


@pytest.mark.parametrize(("role", "reads"), [("officer", True), ("admin", True), ("liaison", False), ("author", False)])
async def test_only_officers_and_administrators_read_queries(database: Database, role: str, reads: bool) -> None:
    async with database.write() as tx:
        token = await officers.invite(tx, "carmen@ueipci.example", "Carmen", role, None, NOW)
        officer_id = await officers.sign_up(tx, token, *CREDENTIALS, OfficerState.ACTIVE, NOW, KEYS)
        officer = await officers.by_id(tx, officer_id)
    assert officer is not None
    assert officer.reads_cases is reads
