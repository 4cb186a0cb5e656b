"""Fixtures of the tests of confidential queries: an installation with its unit, on both databases."""

from pathlib import Path

import pytest

from content.library import Library
from storage.database import Database
from tests.handlers.casework.desk import Desk
from tests.handlers.casework.office import Office


@pytest.fixture
async def desk(database: Database, library: Library, tmp_path: Path) -> Desk:
    """The unit, of one officer and the recovery key, is adopted and its first list is published."""
    desk = Desk(database, library, tmp_path)
    await desk.publish()
    return desk


@pytest.fixture
async def office(database: Database, library: Library, tmp_path: Path) -> Office:
    """A unit that no officer has founded yet."""
    return Office(database, library, tmp_path)
