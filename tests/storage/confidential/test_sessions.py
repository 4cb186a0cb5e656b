"""Sessions of officers, on both databases: how long they last, and that a row alone is none."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from storage import schema
from storage.confidential import sessions
from storage.confidential.protocol.canonical import encode
from storage.database import Database
from tests.storage.confidential.test_officers import KEY, NOW, joined


async def test_a_session_is_stored_as_a_hash_and_ends_at_sign_out(database: Database) -> None:
    officer_id = await joined(database)
    async with database.write() as tx:
        token = await sessions.begin(tx, KEY, officer_id, "", NOW)
        assert token not in tuple((await tx.execute(select(schema.sessions))).one())
        session = await sessions.by_token(tx, KEY, token, NOW)
        assert session is not None
        assert session.officer.id == officer_id
        assert await sessions.by_token(tx, KEY, token + "x", NOW) is None
        await sessions.end(tx, session.key)
        assert await sessions.by_token(tx, KEY, token, NOW) is None


async def test_a_session_ends_when_idle_and_after_twelve_hours_of_work(database: Database) -> None:
    officer_id = await joined(database)
    async with database.write() as tx:
        token = await sessions.begin(tx, KEY, officer_id, "", NOW)
        assert await sessions.by_token(tx, KEY, token, NOW + timedelta(minutes=14)) is not None
        assert await sessions.by_token(tx, KEY, token, NOW + timedelta(minutes=15)) is None
        at = NOW
        while at < NOW + timedelta(hours=12):
            session = await sessions.by_token(tx, KEY, token, at)
            assert session is not None
            await sessions.touch(tx, session.key, at)
            at += timedelta(minutes=10)
        assert await sessions.by_token(tx, KEY, token, at) is None


@pytest.mark.parametrize(
    ("minutes", "is_used", "count"), [(14, False, 2), (15, False, 1), (719, True, 2), (720, True, 1)]
)
async def test_opening_a_session_deletes_those_that_are_idle_or_expired(
    database: Database, minutes: int, is_used: bool, count: int
) -> None:
    officer_id, at = await joined(database), NOW + timedelta(minutes=minutes)
    async with database.write() as tx:
        token = await sessions.begin(tx, KEY, officer_id, "", NOW)
        if is_used:
            await sessions.touch(tx, sessions.key_of(token), at)
        assert (await sessions.by_token(tx, KEY, token, at) is not None) == (count == 2)
        await sessions.begin(tx, KEY, officer_id, "", at)
        assert len((await tx.execute(select(schema.sessions))).all()) == count


# ---------------------------------------------------------------- a row alone


@pytest.mark.attack
async def test_a_row_that_was_inserted_is_no_session(database: Database) -> None:
    officer_id = await joined(database)
    async with database.write() as tx:
        await sessions.begin(tx, b"another installation's key of ses", officer_id, "totp", NOW)
        made = dict((await tx.execute(select(schema.sessions))).one()._mapping)
        for token in (encode(bytes(32)), "no token of ours", "á"):
            await tx.execute(insert(schema.sessions).values({**made, "token_hash": sessions.key_of(token)}))
            assert await sessions.by_token(tx, KEY, token, NOW) is None


@pytest.mark.attack
@pytest.mark.parametrize("column", ["officer_id", "factor", "expires_at", "mac"])
async def test_a_session_whose_row_was_changed_is_none(database: Database, column: str) -> None:
    """A session of one's own is not made one of a colleague, nor one that showed a factor, nor one that lasts."""
    carmen, dora = await joined(database), await joined(database, "dora@ueipci.example")
    changes = {
        "officer_id": dora,
        "factor": "passkey",
        "expires_at": NOW + timedelta(days=400),
        "mac": encode(bytes(32)),
    }
    async with database.write() as tx:
        token = await sessions.begin(tx, KEY, carmen, "", NOW)
        assert await sessions.by_token(tx, KEY, token, NOW) is not None
        await tx.execute(update(schema.sessions).values({column: changes[column]}))
        assert await sessions.by_token(tx, KEY, token, NOW) is None


async def test_a_session_knows_the_factor_that_was_shown(database: Database) -> None:
    officer_id = await joined(database)
    async with database.write() as tx:
        for factor in ("", "totp", "passkey"):
            found = await sessions.by_token(tx, KEY, await sessions.begin(tx, KEY, officer_id, factor, NOW), NOW)
            assert found is not None
            assert found.factor == factor
