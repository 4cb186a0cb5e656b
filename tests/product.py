"""The whole product, wired as in production, on loopback and with a clock that only the test moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot import app as wiring
from bot.app import App
from bot.channels.telegram import receiver as telegram_receiver
from bot.channels.webchat import page as webchat_page
from bot.channels.webchat import visitors
from bot.config import Settings
from content.library import Library
from content.text import LANGUAGES
from storage.people import servants
from storage.queue.claims import RecipientRateLimit
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
from tests.serving import served

FAST_PAGE = webchat_page.PageTiming(reply_timeout=0, poll_interval=0.05)


@dataclass
class Product:
    """A running product with the fakes of its platforms; `address` is the URL of its pages."""

    app: App
    clock: Clock
    address: str
    fake_telegram: FakeTelegram
    meta: FakeWhatsApp

    async def settle(self) -> None:
        """Receive all pending updates from the fake platforms, handle them, and send all deliveries that are due."""
        while True:
            while batch := await telegram_of(self.app).fetch(self._offset, seconds=0):
                await telegram_receiver.parse_and_store(batch, telegram_of(self.app), self.app.inbox)
                self._offset = max(raw["update_id"] for raw in batch) + 1
            statuses = await self.meta.deliver(self.address)
            assert set(statuses) <= {200}, statuses
            await self.app.settle()
            if not self.meta.pending:  # the sent messages may have caused receipts
                return

    async def tick(self) -> int:
        """Do all work that is due at the clock's moment; return how many prompts were planned."""
        await self.settle()
        return await self.app.tick(self.clock())

    def telegram(self, number: int = 100_001, language: str = "es") -> TelegramPhone:
        return TelegramPhone(self.fake_telegram, self.settle, number=number, language=language)

    def whatsapp(self, number: int = 1001, **options: bool) -> WhatsAppPhone:
        person = self.meta.person(f"521477100{number}", f"MX.{number}", **options)
        return WhatsAppPhone(self.meta, self.settle, person)

    def webchat(self, language: str = "es") -> WebchatPhone:
        return WebchatPhone(self.address, self.settle, language=language)

    _offset: int | None = None


async def _no_sleep(_: float) -> None:
    """Return at once: rate limits have tests of their own."""


@asynccontextmanager
async def running(url: str, folder: Path, library: Library, clock: Clock, **settings: object) -> AsyncIterator[Product]:
    """The product on the migrated database at `url`, with the institutions of tests/cast.py, listening on a port."""
    async with FakeTelegram(now=clock) as fake, FakeWhatsApp(clock) as meta:
        for template in library.templates.values():
            for language in LANGUAGES:
                meta.templates.put(template.name, template.code(language), template.components(language))
        values: dict[str, Any] = {
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
        # no time passes between two taps of a test, so that real limits would be exceeded
        limit = RecipientRateLimit(100_000, 1.0)
        build = wiring.build(Settings(**values), clock, library, _no_sleep, lambda: clock().timestamp(), limit)
        async with build as app:
            app.web[webchat_page.TIMING] = FAST_PAGE
            app.web[visitors.CAPS] = visitors.VisitorCaps(posts=10_000)  # no time passes, as above
            await telegram_of(app).start()
            await whatsapp_of(app).start()
            async with app.database.write() as tx:
                for code, name, sphere in INSTITUTIONS:
                    await servants.add_institution(tx, code, name, sphere)
            async with served(app.web) as address:
                yield Product(app, clock, address, fake, meta)
