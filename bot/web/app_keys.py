"""What the pages and webhooks of one server share, under typed keys."""

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from bot.config import Secrets, Settings
from bot.inbound.inbox import Inbox
from bot.web.templating import Pages
from content.library import Library
from handlers.context import Installation
from storage.database import Database

SETTINGS = web.AppKey("settings", Settings)
SECRETS = web.AppKey("secrets", Secrets)
DATABASE = web.AppKey("database", Database)
LIBRARY = web.AppKey("library", Library)
INSTALLATION = web.AppKey("house", Installation)
PAGES = web.AppKey("pages", Pages)
INBOX = web.AppKey("inbox", Inbox)
CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("clock")
