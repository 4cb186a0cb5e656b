"""Fixtures of the handlers' tests: a conversation, on both databases."""

import pytest

from content.library import Library
from storage.database import Database
from tests.cast import Clock
from tests.handlers.conversation import Talk


@pytest.fixture
async def talk(database: Database, library: Library, clock: Clock) -> Talk:
    talk = Talk(database, library, clock)
    await talk.open()
    return talk
