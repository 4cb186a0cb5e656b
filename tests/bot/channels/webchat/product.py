"""A server with the browser chat alone: what reaches it is kept in a list, what is said is up to the test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestServer

from bot.channels.events import PlatformEvent
from bot.channels.webchat import page as webchat_page
from bot.channels.webchat.channel import Webchat
from bot.inbound.inbox import Inbox
from bot.web import landing
from bot.web.app_keys import CLOCK, DATABASE, INBOX, INSTALLATION, LIBRARY, PAGES
from bot.web.templating import Pages
from content.library import Library
from handlers.context import Installation
from handlers.message import Action, Parcel, RenderedButton, Update
from storage.database import Database

Clock = Callable[[], datetime]
Rows = tuple[tuple[RenderedButton, ...], ...]
QUICK = webchat_page.PageTiming(patience=0, posts=1000, poll=0.05)


class ListedInbox(Inbox):
    """Keeps updates in a list, each key once, and lets a test answer them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, bytes(32), clock)
        self.kept: list[Update] = []
        self.answer: Callable[[Update], Awaitable[None]] | None = None

    async def keep(self, arrivals: Iterable[PlatformEvent]) -> int:
        known = {update.key for update in self.kept}
        fresh = [one for one in arrivals if isinstance(one, Update) and one.key not in known]
        self.kept += fresh
        for update in fresh:
            if self.answer:
                await self.answer(update)
        return len(fresh)


class Product:
    """The server, what reached it, and its mouth."""

    def __init__(self, database: Database, library: Library, clock: Clock, manners: webchat_page.PageTiming) -> None:
        self.database = database
        self.inbox = ListedInbox(database, clock)
        self.channel = Webchat(database, clock, self.inbox.box)
        self.address = ""  # where it listens
        self.app = web.Application()
        self.app[DATABASE], self.app[LIBRARY], self.app[CLOCK] = database, library, clock
        self.app[INSTALLATION] = Installation(ZoneInfo("America/Mexico_City"), "http://127.0.0.1:8080", bytes(32))
        self.app[PAGES], self.app[INBOX] = Pages(library), self.inbox
        self.app[webchat_page.CHANGES], self.app[webchat_page.TIMING] = self.channel.changes, manners
        webchat_page.attach(self.app)
        self.app[landing.LINKS] = (("chat", "/chat"), *landing.BASE_LINKS)
        landing.attach(self.app)

    @property
    def kept(self) -> list[Update]:
        return self.inbox.kept

    async def say(self, text: str, rows: Rows = (), *, ref: str = "") -> str:
        """Say something, or edit it, in the chat of whoever did something last."""
        act = Action.REPLACE if ref else Action.SAY
        parcel = Parcel(self.kept[-1].address, act, text, rows, ref=ref, token=f"{self.kept[-1].address}:{text}")
        return await self.channel.send(parcel)

    def browser(self, **headers: str) -> ClientSession:
        """A client with its own cookies."""
        return ClientSession(self.address, cookie_jar=CookieJar(unsafe=True), headers=headers)


@asynccontextmanager
async def serving(
    database: Database, library: Library, clock: Clock, manners: webchat_page.PageTiming = QUICK
) -> AsyncIterator[Product]:
    """The product, listening."""
    product = Product(database, library, clock, manners)
    async with TestServer(product.app) as server:
        product.address = str(server.make_url("")).rstrip("/")
        yield product
