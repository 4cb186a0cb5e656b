"""The whole product, wired as in real life, on loopback and on a clock that only the test moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer

from bot import app as house
from bot import webchat
from bot.app import App
from bot.channels import telegram_intake
from bot.config import Settings
from content.library import Library
from storage import servants
from tests.cast import INSTITUTIONS, Clock
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.phones.telegram import TelegramPhone
from tests.phones.webchat import WebchatPhone

QUICK = webchat.Manners(patience=0, posts=10_000, poll=0.05)


@dataclass
class Product:
    """One running product: `address` is where its pages are."""

    app: App
    clock: Clock
    address: str
    fake: FakeTelegram

    async def settle(self) -> None:
        """Take in what the fake Telegram holds, handle all that waits, send all that is due."""
        assert self.app.telegram is not None
        while batch := await self.app.telegram.fetch(self._offset, seconds=0):
            await telegram_intake.keep_all(batch, self.app.telegram, self.app.inbox)
            self._offset = max(raw["update_id"] for raw in batch) + 1
        await self.app.settle()

    async def tick(self) -> int:
        """All that is due at the clock's moment."""
        await self.settle()
        return await self.app.tick(self.clock())

    def telegram(self, number: int = 100_001, language: str = "es") -> TelegramPhone:
        return TelegramPhone(self.fake, self.settle, number=number, language=language)

    def webchat(self, language: str = "es") -> WebchatPhone:
        return WebchatPhone(self.address, self.settle, language=language)

    _offset: int | None = None


async def _at_once(_: float) -> None:
    """The pace has tests of its own: here nobody waits for it."""


@asynccontextmanager
async def running(url: str, folder: Path, library: Library, clock: Clock, **settings: object) -> AsyncIterator[Product]:
    """The product on the (migrated) database at `url`, with the cast's institutions, and the port open."""
    async with FakeTelegram() as fake:
        given: dict[str, Any] = {
            "database_url": url,
            "data_dir": folder,
            "telegram_bot_token": TOKEN,
            "telegram_api_url": fake.url,
            "telegram_rate": 1000,
            "_env_file": None,
        } | settings
        async with house.build(Settings(**given), clock, library, _at_once) as app:
            app.web[webchat.MANNERS] = QUICK
            assert app.telegram is not None
            await app.telegram.start()
            async with app.database.write() as tx:
                for code, name, sphere in INSTITUTIONS:
                    await servants.add_institution(tx, code, name, sphere)
            async with TestServer(app.web) as server:
                yield Product(app, clock, str(server.make_url("")).rstrip("/"), fake)
