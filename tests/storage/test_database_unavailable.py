"""What PostgreSQL says of itself, and not of what it was asked: whoever asked tries again, and nothing is set aside."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage.database import Database, DatabaseUnavailable

OF_ITSELF = ("53100", "53200", "53300", "58030", "57014", "57P01", "57P03", "25006", "40001", "40P01", "55P03")
OF_THE_QUESTION = ("22012", "42601", "P0001", "XX000")


async def _raised(database: Database, code: str) -> None:
    async with database.write() as tx:
        await tx.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$"))


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("code", OF_ITSELF)
async def test_a_fault_of_the_server_is_an_absence(database: Database, code: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _raised(database, code)
    async with database.read() as tx:
        assert await tx.scalar(text("select 1")) == 1, "the next one is served"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("code", OF_THE_QUESTION)
async def test_a_fault_of_what_was_asked_is_none(database: Database, code: str) -> None:
    with pytest.raises(DBAPIError):
        await _raised(database, code)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_whoever_froze_is_given_up_within_a_lease(database: Database) -> None:
    async with database.read() as tx:
        assert await tx.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"
