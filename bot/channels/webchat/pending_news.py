"""News of confidential queries on the page of the browser chat: a bubble would be a row that tells who asked.

The page itself says that there are news, for as long as they were not read; only the route's row knows of them.
"""

from datetime import datetime

from aiohttp import web

from bot.channels.webchat.channel import NAME
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY
from handlers.casework import news
from handlers.context import WorkContext
from storage.confidential import routes
from storage.database import Transaction

PERIOD_MINUTES = 15  # as of the scheduler, which sends notices on other channels


async def are_waiting(app: web.Application, tx: Transaction, address: str) -> bool:
    """Whether there is something to read for a chat."""
    return bool(await news.waiting_for(_work(app, tx), NAME, address))


async def have_come(app: web.Application, address: str) -> bool:
    """The same, in a transaction of its own."""
    async with app[DATABASE].read() as tx:
        return await are_waiting(app, tx, address)


async def clear(app: web.Application, address: str) -> None:
    """Record that the news of a chat are being read."""
    async with app[DATABASE].write() as tx:
        await routes.clear_news(tx, await news.waiting_for(_work(app, tx), NAME, address))


def period(now: datetime) -> datetime:
    """The beginning of the quarter of an hour, at which an open page asks: it must not show the minute of a letter."""
    return now.replace(minute=now.minute // PERIOD_MINUTES * PERIOD_MINUTES, second=0, microsecond=0)


def _work(app: web.Application, tx: Transaction) -> WorkContext:
    return WorkContext(tx, app[LIBRARY], app[INSTALLATION], app[CLOCK]())
