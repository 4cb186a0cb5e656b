"""Presses have no time on Telegram: what was pressed while it could not reach us counts on the prompt's own day."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import date

import pytest

from bot.channels.telegram import webhook_monitor
from bot.channels.telegram.contact import ContactRecorder
from bot.channels.telegram.receiver import poll
from storage.learning import record
from tests.channels_of import telegram_of
from tests.phones.telegram import TelegramPhone
from tests.product import Product

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture
async def ana(product: Product) -> AsyncIterator[TelegramPhone]:
    """Ana's phone, enrolled on Monday at 9:00 with Monday's prompt before her."""
    async with product.telegram() as phone:
        await phone.start("LEON")
        await phone.tap("Acepto")
        await phone.tap("9:00")
        yield phone


@contextlib.asynccontextmanager
async def polling(ana: TelegramPhone, product: Product) -> AsyncIterator[None]:
    """Poll until everything that waits at Telegram has been stored."""
    recorder = ContactRecorder(product.app.database, "telegram", product.clock)
    task = asyncio.create_task(poll(telegram_of(product.app), product.app.inbox, recorder.confirm))
    try:
        await reach(ana, product)
        yield
        await product.fake_telegram.drained()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def reach(ana: TelegramPhone, product: Product) -> None:
    """Let an update that means nothing reach the product."""
    own = next(message for message in ana.person.messages if not message.is_from_bot)
    ana.person.edit(own.number, own.text)
    await product.fake_telegram.drained()


async def days(product: Product) -> list[date]:
    """The days on which Ana's answers count."""
    await product.app.settle()
    async with product.app.database.read() as tx:
        return [one.day for one in await record.answers_of(tx, 1)]


async def test_away_over_midnight_a_press_counts_on_the_prompts_day(ana: TelegramPhone, product: Product) -> None:
    product.clock.move(hours=10)
    async with polling(ana, product):
        pass
    ana.person.press("B")  # on Monday at 20:00, while the product is away
    product.clock.move(hours=14)
    async with polling(ana, product):
        pass
    assert await days(product) == [MONDAY]


async def test_after_a_quiet_night_a_press_counts_on_the_day_of_its_receipt(
    ana: TelegramPhone, product: Product
) -> None:
    """Telegram could have reached us all the time."""
    async with polling(ana, product):
        for _ in range(24 * 6):
            product.clock.move(minutes=10)
            await reach(ana, product)
        ana.person.press("B")
    assert await days(product) == [TUESDAY]


@pytest.mark.parametrize(("pending", "day"), [(1, MONDAY), (0, TUESDAY)])
async def test_with_a_webhook_pending_updates_show_that_telegram_cannot_reach_us(
    ana: TelegramPhone, product: Product, pending: int, day: date
) -> None:
    app, fake = product.app, product.fake_telegram
    recorder = ContactRecorder(app.database, "telegram", product.clock)
    state = None
    for number in range(24 * 6):
        product.clock.move(minutes=10)
        fake.pending = [{"update_id": 1}] * (pending if number > 9 * 6 else 0)
        state = await webhook_monitor.check(app.database, telegram_of(app), product.clock, state, recorder)
    fake.pending.clear()
    await ana.tap("B")
    assert await days(product) == [day]
