"""A pressed button stops waiting: at once where Telegram comes to us, by a call of ours where we go to Telegram."""

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
from tests.cast import Clock
from tests.fakes.telegram_chats import Person
from tests.product import Product, running

ACKNOWLEDGE = "answerCallbackQuery"


@pytest.fixture
async def hooked(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Product]:
    """The product with Telegram's webhook."""
    public = {"telegram_mode": "webhook", "public_url": "https://integra.example"}
    async with running(sqlite_url, tmp_path, library, clock, **public) as one:
        one.fake_telegram.tunnel = one.address
        yield one


async def brings(product: Product) -> list[int]:
    """Telegram brings what it holds, and it is handled."""
    statuses = await product.fake_telegram.deliver()
    await product.app.settle()
    return statuses


async def asked(product: Product) -> Person:
    """Somebody who joined and was asked the question of the day."""
    person = product.fake_telegram.person(100_001, "es")
    person.start("LEON")
    await brings(product)
    for label in ("Acepto", "9:00"):
        person.press(label)
        await brings(product)
    product.fake_telegram.calls.clear()
    return person


def acknowledged(product: Product) -> list[str]:
    """The presses that were acknowledged, by their ids."""
    return [values["callback_query_id"] for method, values in product.fake_telegram.calls if method == ACKNOWLEDGE]


async def in_the_outbox(product: Product) -> Sequence[str]:
    """What was to be sent as an acknowledgement, by its key."""
    async with product.app.database.read() as tx:
        rows = (await tx.execute(select(deliveries.c.key, deliveries.c.kind))).all()
    return [row.key for row in rows if row.kind == "signal"]


async def kept(product: Product) -> int:
    async with product.app.database.read() as tx:
        return len((await tx.execute(select(answers))).all())


def newest_press(product: Product) -> str:
    return str(product.fake_telegram.pending[-1]["callback_query"]["id"])


async def test_a_press_is_acknowledged_with_the_answer_to_the_webhook_and_by_nothing_else(hooked: Product) -> None:
    person = await asked(hooked)
    person.press("A")
    press = newest_press(hooked)
    assert await hooked.fake_telegram.deliver() == [200]
    assert acknowledged(hooked) == [press], "before anything is handled"
    assert await kept(hooked) == 0
    await hooked.app.settle()
    assert acknowledged(hooked) == [press]
    assert await in_the_outbox(hooked) == []
    assert await kept(hooked) == 1
    assert hooked.fake_telegram.refusals == []
    assert person.toasts in ([], [""]), "it tells nothing"


async def posted(product: Product, raw: dict[str, Any]) -> tuple[int, Any]:
    """The same by a hand of ours: the status, and what came along."""
    headers = {SECRET_HEADER: product.fake_telegram.webhook["secret_token"]}
    address = product.address + PATH
    async with ClientSession() as session, session.post(address, json=raw, headers=headers) as answer:
        content = await answer.read()
    return answer.status, json.loads(content) if content else None


async def test_a_repeated_press_is_acknowledged_again_and_handled_once(hooked: Product) -> None:
    person = await asked(hooked)
    person.press("A")
    raw = hooked.fake_telegram.pending.pop()
    acknowledging = {"method": ACKNOWLEDGE, "callback_query_id": raw["callback_query"]["id"]}
    for _ in range(3):
        assert await posted(hooked, raw) == (200, acknowledging)
        await hooked.app.settle()
    assert await kept(hooked) == 1
    assert await in_the_outbox(hooked) == []


async def test_what_is_no_press_is_answered_with_nothing(hooked: Product) -> None:
    person = await asked(hooked)
    person.say("hola")
    assert await posted(hooked, hooked.fake_telegram.pending.pop()) == (200, None)
    assert acknowledged(hooked) == []


async def test_a_press_that_could_not_be_kept_is_not_acknowledged_until_it_is(
    hooked: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await asked(hooked)
    person.press("A")
    raw = hooked.fake_telegram.pending[-1]

    @asynccontextmanager
    async def away(**_: object) -> AsyncIterator[Transaction]:
        raise DatabaseUnavailable("gone")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(hooked.app.database, "write", away)
        assert await posted(hooked, raw) == (503, None)
        assert set(await hooked.fake_telegram.deliver()) == {503}
    assert acknowledged(hooked) == []
    assert await brings(hooked) == [200]
    assert acknowledged(hooked) == [raw["callback_query"]["id"]]
    assert await kept(hooked) == 1


async def test_a_press_that_somebody_forged_is_acknowledged_only_with_the_secret(hooked: Product) -> None:
    person = await asked(hooked)
    person.forge("answer:1:a")
    raw = hooked.fake_telegram.pending.pop()
    hooked.fake_telegram.webhook["secret_token"] = "guessed"
    assert await posted(hooked, raw) == (403, None)


async def test_by_long_polling_a_press_is_acknowledged_through_the_outbox(product: Product) -> None:
    phone = product.telegram()
    await phone.start("LEON")
    product.fake_telegram.calls.clear()
    phone.person.press("Acepto")
    press = newest_press(product)
    await product.settle()
    assert acknowledged(product) == [press]
    (key,) = await in_the_outbox(product)
    async with product.app.database.read() as tx:
        row = (await tx.execute(select(deliveries).where(deliveries.c.key == key))).one()
    assert row.state == "sent"
