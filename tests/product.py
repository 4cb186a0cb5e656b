"""The whole product, wired as in real life, on loopback and on a clock that only the test moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer

from bot import app as wiring
from bot.app import App
from bot.channels.telegram import receiver as telegram_receiver
from bot.channels.webchat import page as webchat_page
from bot.config import Settings
from content.library import Library
from content.text import LANGUAGES
from storage.people import servants
from storage.queue.claims import PersonLimit
from tests.cast import INSTITUTIONS, Clock
from tests.channels_of import telegram_of, whatsapp_of
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.whatsapp import (
    ACCESS_TOKEN,
    APP_SECRET,
    BUSINESS_ACCOUNT_ID,
    PHONE_NUMBER_ID,
    VERIFY_TOKEN,
    FakeWhatsApp,
)
from tests.phones.telegram import TelegramPhone
from tests.phones.webchat import WebchatPhone
from tests.phones.whatsapp import WhatsAppPhone

QUICK = webchat_page.PageTiming(patience=0, posts=10_000, poll=0.05)


@dataclass
class Product:
    """One running product: `address` is where its pages are."""

    app: App
    clock: Clock
    address: str
    fake: FakeTelegram
    meta: FakeWhatsApp

    async def settle(self) -> None:
        """Take in what the fake platforms hold, handle all that waits, send all that is due."""
        while True:
            while batch := await telegram_of(self.app).fetch(self._offset, seconds=0):
                await telegram_receiver.keep_all(batch, telegram_of(self.app), self.app.inbox)
                self._offset = max(raw["update_id"] for raw in batch) + 1
            answered = await self.meta.deliver(self.address)
            assert set(answered) <= {200}, answered
            await self.app.settle()
            if not self.meta.pending:  # what was sent may have brought receipts
                return

    async def tick(self) -> int:
        """All that is due at the clock's moment."""
        await self.settle()
        return await self.app.tick(self.clock())

    def telegram(self, number: int = 100_001, language: str = "es") -> TelegramPhone:
        return TelegramPhone(self.fake, self.settle, number=number, language=language)

    def whatsapp(self, number: int = 1001, **how: bool) -> WhatsAppPhone:
        person = self.meta.person(f"521477100{number}", f"MX.{number}", **how)
        return WhatsAppPhone(self.meta, self.settle, person)

    def webchat(self, language: str = "es") -> WebchatPhone:
        return WebchatPhone(self.address, self.settle, language=language)

    _offset: int | None = None


async def _at_once(_: float) -> None:
    """The pace has tests of its own: here nobody waits for it."""


@asynccontextmanager
async def running(url: str, folder: Path, library: Library, clock: Clock, **settings: object) -> AsyncIterator[Product]:
    """The product on the (migrated) database at `url`, with the cast's institutions, and the port open."""
    async with FakeTelegram() as fake, FakeWhatsApp(clock) as meta:
        for template in library.templates.values():
            for language in LANGUAGES:
                meta.templates.put(template.name, template.code(language), template.components(language))
        given: dict[str, Any] = {
            "database_url": url,
            "data_dir": folder,
            "telegram_bot_token": TOKEN,
            "telegram_api_url": fake.url,
            "telegram_rate": 1000,
            "whatsapp_phone_number_id": PHONE_NUMBER_ID,
            "whatsapp_business_account_id": BUSINESS_ACCOUNT_ID,
            "whatsapp_access_token": ACCESS_TOKEN,
            "whatsapp_app_secret": APP_SECRET,
            "whatsapp_verify_token": VERIFY_TOKEN,
            "whatsapp_api_url": meta.url,
            "whatsapp_rate": 1000,
            "_env_file": None,
        } | settings
        generous = dict.fromkeys(
            wiring.RECIPIENT_LIMITS, PersonLimit(100_000, 1.0)
        )  # nobody's clock moves between two taps
        build = wiring.build(Settings(**given), clock, library, _at_once, lambda: clock().timestamp(), generous)
        async with build as app:
            app.web[webchat_page.TIMING] = QUICK
            await telegram_of(app).start()
            await whatsapp_of(app).start()
            async with app.database.write() as tx:
                for code, name, sphere in INSTITUTIONS:
                    await servants.add_institution(tx, code, name, sphere)
            async with TestServer(app.web) as server:
                yield Product(app, clock, str(server.make_url("")).rstrip("/"), fake, meta)
