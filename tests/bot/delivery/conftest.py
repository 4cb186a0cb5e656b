"""Each dispatcher of a test ends with it, and hands over its credentials."""

from collections.abc import AsyncIterator

import pytest

from content.library import Library
from storage.database import Database
from tests.bot.delivery.news_process import Process
from tests.bot.delivery.stage import Stage
from tests.cast import Clock


@pytest.fixture
async def process(database: Database, library: Library, clock: Clock) -> Process:
    return Process(database, library, clock)


@pytest.fixture(autouse=True)
async def close_stages() -> AsyncIterator[None]:
    yield
    while opened := Stage.opened or Process.opened:
        await opened.pop().dispatcher.close()
