"""A server with the browser chat alone: updates are stored in a list, and the test sends the replies."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestServer

from bot.channels.events import PlatformEvent
from bot.channels.webchat import page as webchat_page
from bot.channels.webchat import visitors
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
QUICK = webchat_page.PageTiming(reply_timeout=0, poll_interval=0.05)
COOKIE_KEY = b"c" * 32


class ListedInbox(Inbox):
    """Stores updates in a list, each key once, and lets a test answer them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, bytes(32), clock)
        self.stored: list[Update] = []
        self.answer: Callable[[Update], Awaitable[None]] | None = None

    async def store(self, events: Iterable[PlatformEvent]) -> int:
        known = {update.key for update in self.stored}
        fresh = [event for event in events if isinstance(event, Update) and event.key not in known]
        self.stored += fresh
        for update in fresh:
            if self.answer:
                await self.answer(update)
        return len(fresh)


async def _letterbox(_: web.Request) -> web.Response:
    """Stands for the letterbox, into which the chat leads."""
    return web.Response(text="the letterbox")


class Product:
    """The server, the updates that it stored, and its channel."""

    def __init__(self, database: Database, library: Library, clock: Clock, timing: webchat_page.PageTiming) -> None:
        self.database = database
        self.inbox = ListedInbox(database, clock)
        self.channel = Webchat(database, clock, self.inbox.box)
        self.address = ""  # base URL of the server
        self.app = web.Application()
        self.app[DATABASE], self.app[LIBRARY], self.app[CLOCK] = database, library, clock
        self.app[INSTALLATION] = Installation(
            ZoneInfo("America/Mexico_City"), "http://127.0.0.1:8080", bytes(32), min_group=10, draw_key=bytes(32)
        )
        self.app[PAGES], self.app[INBOX] = Pages(library), self.inbox
        self.app[webchat_page.CHANGES], self.app[webchat_page.TIMING] = self.channel.changes, timing
        self.app[visitors.COOKIE_KEY], self.app[visitors.CAPS] = COOKIE_KEY, visitors.VisitorCaps(posts=1000)
        webchat_page.attach(self.app)
        self.app[landing.LINKS] = (("chat", "/chat"), *landing.BASE_LINKS)
        landing.attach(self.app)
        self.app.router.add_get("/c", _letterbox)

    @property
    def stored(self) -> list[Update]:
        return self.inbox.stored

    async def say(self, text: str, rows: Rows = (), *, ref: str = "") -> str:
        """Send a message, or edit one, in the chat of the last stored update."""
        action = Action.REPLACE if ref else Action.SEND
        parcel = Parcel(self.stored[-1].address, action, text, rows, ref=ref, token=f"{self.stored[-1].address}:{text}")
        return await self.channel.send(parcel)

    def browser(self, **headers: str) -> ClientSession:
        """A client with its own cookies."""
        return ClientSession(self.address, cookie_jar=CookieJar(unsafe=True), headers=headers)


@asynccontextmanager
async def serving(
    database: Database, library: Library, clock: Clock, timing: webchat_page.PageTiming = QUICK
) -> AsyncIterator[Product]:
    """A running server."""
    product = Product(database, library, clock, timing)
    async with TestServer(product.app) as server:
        product.address = str(server.make_url("")).rstrip("/")
        yield product
