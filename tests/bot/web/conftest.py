"""Fixtures for the HTTP application, with a database and without, and for the letterbox on a small phone."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from content.library import Library
from storage.database import Database, open_database
from tests.bot.web.http_site import UNREACHABLE, Site
from tests.cast import Clock
from tests.fakes.unit import Keyholder
from tests.phones.letterbox_page import WORDS, LetterboxPage, small_phone


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


@pytest_asyncio.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A small phone's browser."""
    async with small_phone(browser) as page:
        yield page


@pytest.fixture
def phone(page: Page) -> LetterboxPage:
    """The phone of who noted down WORDS."""
    return LetterboxPage(page, WORDS.split())


@pytest.fixture
def dora() -> Keyholder:
    return Keyholder("Dora Paz")
