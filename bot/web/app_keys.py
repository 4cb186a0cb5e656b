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
from handlers.context import Installation
from handlers.message import Update
from storage.database import Database


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
