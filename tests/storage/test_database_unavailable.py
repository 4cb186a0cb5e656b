"""Error codes of PostgreSQL: errors of the server may be retried, errors of the statement may not."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage.database import Database, DatabaseUnavailable

SERVER_ERRORS = ("53100", "53200", "53300", "58030", "57014", "57P01", "57P03", "25006", "40001", "40P01", "55P03")
STATEMENT_ERRORS = ("22012", "42601", "P0001", "XX000")


async def _raised(database: Database, code: str) -> None:
    async with database.write() as tx:
        await tx.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$"))


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("code", SERVER_ERRORS)
async def test_an_error_of_the_server_is_database_unavailable(database: Database, code: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _raised(database, code)
    async with database.read() as tx:
        assert await tx.scalar(text("select 1")) == 1, "the next transaction works"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("code", STATEMENT_ERRORS)
async def test_an_error_of_the_statement_is_not_database_unavailable(database: Database, code: str) -> None:
    with pytest.raises(DBAPIError):
        await _raised(database, code)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_an_idle_transaction_is_ended_within_a_lease(database: Database) -> None:
    async with database.read() as tx:
        assert await tx.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"
