"""The console's fixture, on SQLite only: storage and rules are tested on both databases in their own folders."""

from collections.abc import AsyncIterator

import pytest

from content.library import Library
from storage.database import open_database
from tests.bot.console.office import Office, open_office


@pytest.fixture
async def office(sqlite_url: str, library: Library) -> AsyncIterator[Office]:
    """A listening server with letterbox and console."""
    database = open_database(sqlite_url)
    async with open_office(database, library) as office:
        yield office
    await database.close()
