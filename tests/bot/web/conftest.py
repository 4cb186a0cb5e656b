"""Fixtures for the HTTP application: with a database, and with one that cannot be reached."""

from collections.abc import AsyncIterator

import pytest

from content.library import Library
from storage.database import Database, open_database
from tests.bot.web.http_site import UNREACHABLE, Site
from tests.cast import Clock


@pytest.fixture
async def site(database: Database, library: Library, clock: Clock) -> AsyncIterator[Site]:
    site = Site(database, library, clock)
    async with site.client:
        yield site


@pytest.fixture
async def without_database(library: Library, clock: Clock) -> AsyncIterator[Site]:
    """A site whose database cannot be reached."""
    database = open_database(UNREACHABLE)
    site = Site(database, library, clock)
    async with site.client:
        yield site
    await database.close()
