"""The whole product on platforms in memory, with all people of the month enrolled on the Friday before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar

from bot import app as wiring
from bot.channels.webchat import page as webchat_page
from bot.config import Settings
from content.library import Library
from storage.database import Database
from storage.people import servants
from storage.queue.claims import RecipientRateLimit
from tests.attack.guessing.chats import BrowserChat, Chat, Platform, TelegramChat, WhatsAppChat, WhatsAppPlatform
from tests.attack.guessing.life import FIRST_DAY, HOURS, Life
from tests.attack.guessing.month import Month, Size
from tests.cast import INSTITUTIONS, Clock
from tests.fakes.letterbox import Letterbox
from tests.fakes.telegram import TOKEN
from tests.fakes.unit import Keyholder, Unit
from tests.fakes.whatsapp import ACCESS_TOKEN, APP_SECRET, BUSINESS_ACCOUNT_ID, PHONE_NUMBER_ID, VERIFY_TOKEN
from tests.product import FAST_PAGE
from tests.serving import served


async def _no_sleep(_: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def begun(url: str, folder: Path, library: Library, seed: int, size: Size) -> AsyncIterator[Life]:
    """The product on the migrated database at `url`, with all people enrolled on the day before."""
    clock = Clock(datetime.combine(FIRST_DAY - timedelta(days=3), time(16), UTC))
    platforms: dict[str, Platform] = {
        "telegram": Platform(clock),
        "whatsapp": WhatsAppPlatform(clock),
        "webchat": Platform(clock),
    }
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        limit = RecipientRateLimit(100_000, 1.0)
        settings = Settings(**_settings(url, folder))
        build = wiring.build(settings, clock, library, _no_sleep, lambda: clock().timestamp(), limit)
        app = await stack.enter_async_context(build)
        app.web[webchat_page.TIMING] = FAST_PAGE
        for name, platform in platforms.items():
            channel = app.channels[name].channel
            patch.setattr(channel, "send", platform.over(channel) if name == "webchat" else platform.send)
        async with app.database.write() as tx:
            for institution in INSTITUTIONS:
                await servants.add_institution(tx, *institution)
        address = await stack.enter_async_context(served(app.web))
        web = await stack.enter_async_context(ClientSession())
        unit = Unit([Keyholder("Carmen Ríos"), Keyholder("Diego Paz"), Keyholder("Respaldo", "recovery")])
        box = Letterbox(app.database, library, address, app.installation, web, unit, clock())
        await box.publish()
        life = Life(app, clock, box, platforms, seed)
        await _enrol_all(life, size, stack)
        yield life


async def _enrol_all(life: Life, size: Size, stack: AsyncExitStack) -> None:
    updates, platforms = count(870_000_001), life.platforms
    whatsapp = platforms["whatsapp"]
    assert isinstance(whatsapp, WhatsAppPlatform)
    chats: list[Chat] = [TelegramChat(platforms["telegram"], 100_001 + n, updates) for n in range(size.telegram)]
    chats += [WhatsAppChat(whatsapp, 100_001 + n) for n in range(size.whatsapp)]
    for _ in range(size.webchat):
        session = await stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
        page = BrowserChat(platforms["webchat"], session, life.box.url)
        await page.open()
        chats.append(page)
    life.random.shuffle(chats)
    for chat in chats:
        await life.enrol(chat, life.random.choice(HOURS))
        life.clock.move(seconds=life.random.uniform(20, 90))


def _settings(url: str, folder: Path) -> dict[str, Any]:
    return {
        "database_url": url,
        "data_dir": folder,
        "telegram_bot_token": TOKEN,
        "telegram_rate": 1000,
        "whatsapp_phone_number_id": PHONE_NUMBER_ID,
        "whatsapp_business_account_id": BUSINESS_ACCOUNT_ID,
        "whatsapp_access_token": ACCESS_TOKEN,
        "whatsapp_app_secret": APP_SECRET,
        "whatsapp_verify_token": VERIFY_TOKEN,
        "whatsapp_rate": 1000,
        "_env_file": None,
    }


async def lived(
    url: str,
    folder: Path,
    library: Library,
    seed: int,
    size: Size,
    look: Callable[[Database], Awaitable[None]] | None = None,
) -> Month:
    """Live a month and return its copies with the truth; `look` each night."""
    async with begun(url, folder, library, seed, size) as life:
        await life.live(size, look)
        return life.month
