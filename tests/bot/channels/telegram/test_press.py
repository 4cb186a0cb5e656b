"""A press is acknowledged: by the response where Telegram calls the webhook, by a call of ours when polling."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from sqlalchemy import select

from bot.channels.telegram.receiver import PATH, SECRET_HEADER
from content.library import Library
from storage.database import DatabaseUnavailable, Transaction
from storage.schema import answers, deliveries
from tests.cast import ADDRESSES, Clock
from tests.fakes.telegram_chats import Person
from tests.product import Product, running

ACKNOWLEDGE = "answerCallbackQuery"


@pytest.fixture
async def webhook(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Product]:
    """The product with Telegram's webhook."""
    public = {"telegram_mode": "webhook", "public_url": "https://integra.example"} | ADDRESSES
    async with running(sqlite_url, tmp_path, library, clock, **public) as product:
        product.fake_telegram.tunnel = product.address
        yield product


async def deliver_updates(product: Product) -> list[int]:
    """Telegram posts its pending updates, and they are handled; return the HTTP statuses."""
    statuses = await product.fake_telegram.deliver()
    await product.app.settle()
    return statuses


async def enrolled(product: Product) -> Person:
    """A user who joined and was sent the prompt of the day."""
    person = product.fake_telegram.person(100_001, "es")
    person.start("LEON")
    await deliver_updates(product)
    for label in ("Acepto", "9:00"):
        person.press(label)
        await deliver_updates(product)
    product.fake_telegram.calls.clear()
    return person


def acknowledged(product: Product) -> list[str]:
    """Ids of the acknowledged presses."""
    return [values["callback_query_id"] for method, values in product.fake_telegram.calls if method == ACKNOWLEDGE]


async def acknowledgement_keys(product: Product) -> Sequence[str]:
    """Keys of the acknowledgements in the outbox."""
    async with product.app.database.read() as tx:
        rows = (await tx.execute(select(deliveries.c.key, deliveries.c.kind))).all()
    return [row.key for row in rows if row.kind == "signal"]


async def answer_count(product: Product) -> int:
    async with product.app.database.read() as tx:
        return len((await tx.execute(select(answers))).all())


def newest_press(product: Product) -> str:
    return str(product.fake_telegram.pending[-1]["callback_query"]["id"])


async def test_a_press_is_acknowledged_by_the_webhook_response_alone(webhook: Product) -> None:
    person = await enrolled(webhook)
    person.press("A")
    press = newest_press(webhook)
    assert await webhook.fake_telegram.deliver() == [200]
    assert acknowledged(webhook) == [press], "acknowledged before anything is handled"
    assert await answer_count(webhook) == 0
    await webhook.app.settle()
    assert acknowledged(webhook) == [press]
    assert await acknowledgement_keys(webhook) == []
    assert await answer_count(webhook) == 1
    assert webhook.fake_telegram.refusals == []
    assert person.toasts in ([], [""]), "the acknowledgement has no text"


async def post(product: Product, raw: dict[str, Any]) -> tuple[int, Any]:
    """Post an update to the webhook; return the status and the JSON body of the response."""
    headers = {SECRET_HEADER: product.fake_telegram.webhook["secret_token"]}
    address = product.address + PATH
    async with ClientSession() as session, session.post(address, json=raw, headers=headers) as answer:
        content = await answer.read()
    return answer.status, json.loads(content) if content else None


async def test_a_repeated_press_is_acknowledged_again_and_handled_once(webhook: Product) -> None:
    person = await enrolled(webhook)
    person.press("A")
    raw = webhook.fake_telegram.pending.pop()
    acknowledging = {"method": ACKNOWLEDGE, "callback_query_id": raw["callback_query"]["id"]}
    for _ in range(3):
        assert await post(webhook, raw) == (200, acknowledging)
        await webhook.app.settle()
    assert await answer_count(webhook) == 1
    assert await acknowledgement_keys(webhook) == []


async def test_an_update_that_is_no_press_gets_an_empty_response(webhook: Product) -> None:
    person = await enrolled(webhook)
    person.say("hola")
    assert await post(webhook, webhook.fake_telegram.pending.pop()) == (200, None)
    assert acknowledged(webhook) == []


async def test_a_press_is_not_acknowledged_until_it_is_stored(
    webhook: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await enrolled(webhook)
    person.press("A")
    raw = webhook.fake_telegram.pending[-1]

    @asynccontextmanager
    async def unavailable(**_: object) -> AsyncIterator[Transaction]:
        raise DatabaseUnavailable("gone")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(webhook.app.database, "write", unavailable)
        assert await post(webhook, raw) == (503, None)
        assert set(await webhook.fake_telegram.deliver()) == {503}
    assert acknowledged(webhook) == []
    assert await deliver_updates(webhook) == [200]
    assert acknowledged(webhook) == [raw["callback_query"]["id"]]
    assert await answer_count(webhook) == 1


async def test_a_forged_press_without_the_secret_is_not_acknowledged(webhook: Product) -> None:
    person = await enrolled(webhook)
    person.forge("answer:1:a")
    raw = webhook.fake_telegram.pending.pop()
    webhook.fake_telegram.webhook["secret_token"] = "guessed"
    assert await post(webhook, raw) == (403, None)


async def test_when_polling_a_press_is_acknowledged_through_the_outbox(product: Product) -> None:
    phone = product.telegram()
    await phone.start("LEON")
    product.fake_telegram.calls.clear()
    phone.person.press("Acepto")
    press = newest_press(product)
    await product.settle()
    assert acknowledged(product) == [press]
    (key,) = await acknowledgement_keys(product)
    async with product.app.database.read() as tx:
        row = (await tx.execute(select(deliveries).where(deliveries.c.key == key))).one()
    assert row.state == "sent"
