"""Fixtures of the attacks: a host with letterbox and console, on both databases or on SQLite alone."""

from collections.abc import AsyncIterator

import pytest

from content.library import Library
from storage.database import Database, open_database
from tests.attack.model.host import Host, running


@pytest.fixture
async def host(database: Database, library: Library) -> AsyncIterator[Host]:
    """On both databases."""
    async with running(database, library) as host:
        yield host


@pytest.fixture
async def sqlite_host(sqlite_url: str, library: Library) -> AsyncIterator[Host]:
    """On SQLite: for attacks that a browser takes long over."""
    database = open_database(sqlite_url)
    async with running(database, library) as host:
        yield host
    await database.close()
