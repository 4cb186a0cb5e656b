"""Typed application keys: what the wiring shares with the pages and webhooks of one HTTP application."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from aiohttp import web

from bot.config import Settings
from bot.encryption import SecretBox
from bot.secrets import Secrets
from bot.web.templating import Pages
from content.library import Library
from handlers.context import Installation, WorkContext
from handlers.message import Update
from storage.database import Database, Transaction


class UpdateStore(Protocol):
    """The part of the inbox that pages need: store updates before they are acknowledged, and its encryption.

    `bot/inbound/inbox.py` implements it.
    """

    @property
    def box(self) -> SecretBox:
        """Encrypts bodies at rest with the server's inbox key."""

    async def store(self, events: Iterable[Update], /) -> int:
        """Store updates in one transaction and return how many were new.

        Raises DatabaseUnavailable: nothing was stored, and the caller must repeat.
        """


SETTINGS = web.AppKey("settings", Settings)
SECRETS = web.AppKey("secrets", Secrets)
DATABASE = web.AppKey("database", Database)
LIBRARY = web.AppKey("library", Library)
INSTALLATION = web.AppKey("installation", Installation)
PAGES = web.AppKey("pages", Pages)
INBOX: web.AppKey[UpdateStore] = web.AppKey("inbox")
CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("clock")


def work_context(request: web.Request, tx: Transaction) -> WorkContext:
    """What handlers get for work that a page asks for, in a transaction that the page opened."""
    keys = request.config_dict  # of the site, also within the console's application
    return WorkContext(tx, keys[LIBRARY], keys[INSTALLATION], keys[CLOCK]())
