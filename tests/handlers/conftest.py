"""What the tests of the handlers share: a talk, on both databases."""

import pytest

from content.library import Library
from storage.database import Database
from tests.cast import Clock
from tests.handlers.conversation import Talk


@pytest.fixture
async def talk(database: Database, library: Library, clock: Clock) -> Talk:
    one = Talk(database, library, clock)
    await one.open()
    return one
