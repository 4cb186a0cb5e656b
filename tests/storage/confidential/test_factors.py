"""Second factors on both databases: each is one officer's, and no proof of it is accepted twice."""

from datetime import UTC, date, datetime, timedelta

import pytest

from storage.confidential import factors, officers, totp
from storage.confidential.factors import Factor, Kind
from storage.database import Database
from tests.storage.confidential.test_officers import joined

CARMEN, DORA = "carmen@ueipci.example", "dora@ueipci.example"
DAY = date(2026, 11, 23)


async def with_factor(database: Database, email: str) -> Factor:
    """The factor of a new officer."""
    officer_id = await joined(database, email)
    async with database.write() as tx:
        await factors.add(tx, officer_id, Kind.TOTP, "sealed", 7, DAY)
    (factor,) = await of(database, officer_id)
    return factor


async def of(database: Database, officer_id: str) -> list[Factor]:
    async with database.read() as tx:
        return await factors.of_officer(tx, officer_id)


async def officer_id(database: Database, email: str) -> str:
    async with database.read() as tx:
        (officer,) = await officers.by_email(tx, email)
        return officer.id


async def test_factors_are_those_of_one_officer(database: Database) -> None:
    factor, other = await with_factor(database, CARMEN), await with_factor(database, DORA)
    assert (factor.kind, factor.secret, factor.used, factor.added_on) == (Kind.TOTP, "sealed", 7, DAY)
    carmen, dora = await officer_id(database, CARMEN), await officer_id(database, DORA)
    async with database.write() as tx:
        assert not await factors.remove(tx, dora, factor.id)
        assert await factors.remove(tx, carmen, factor.id)
        assert not await factors.remove(tx, carmen, factor.id)
    assert (await of(database, carmen), await of(database, dora)) == ([], [other])


@pytest.mark.attack
async def test_a_proof_is_accepted_once_and_no_earlier_one_afterwards(database: Database) -> None:
    factor = await with_factor(database, CARMEN)
    async with database.write() as tx:
        assert [await factors.use(tx, factor, step) for step in (7, 6, 8, 8, 7, 9)] == [
            False,
            False,
            True,
            False,
            False,
            True,
        ]


@pytest.mark.attack
async def test_of_a_code_that_is_accepted_no_more_only_the_day_is_kept(database: Database) -> None:
    """Who has copies of every hour would otherwise learn when officers work, and whose doorbell followed."""
    factor = await with_factor(database, CARMEN)
    now = datetime(2026, 11, 23, 16, 20, tzinfo=UTC)
    step, midnight = totp.step_at(now), totp.step_at(datetime(2026, 11, 23, tzinfo=UTC))
    for later, kept in ((0, step), (1, step), (2, midnight)):
        async with database.write() as tx:
            await factors.use(tx, factor, step)
            await officers.delete_expired(tx, now + later * timedelta(seconds=totp.STEP))
        assert [one.used for one in await of(database, await officer_id(database, CARMEN))] == [kept]


async def test_who_leaves_has_no_factor_any_more(database: Database) -> None:
    await with_factor(database, CARMEN)
    other = await with_factor(database, DORA)
    carmen, dora = await officer_id(database, CARMEN), await officer_id(database, DORA)
    async with database.write() as tx:
        await officers.leave(tx, [carmen])
    assert (await of(database, carmen), await of(database, dora)) == ([], [other])
