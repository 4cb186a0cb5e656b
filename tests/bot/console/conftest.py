"""The console's own fixture: an office on either database."""

from collections.abc import AsyncIterator

import pytest

from content.library import Library
from storage.database import Database
from tests.bot.console.office import Office, open_office


@pytest.fixture
async def office(database: Database, library: Library) -> AsyncIterator[Office]:
    async with open_office(database, library) as office:
        yield office
