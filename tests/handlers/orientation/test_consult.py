"""The one-time link to the letterbox, and when the letterbox is closed."""

import os
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from content.library import Library
from handlers.context import Context, Installation
from handlers.message import Message, Update, UpdateKind
from handlers.orientation import consult
from storage import schema
from storage.database import Database, Transaction
from tests.fakes.letterbox import NOW
from tests.fakes.unit import Unit

INSTALLATION = Installation(
    ZoneInfo("America/Mexico_City"), "http://127.0.0.1", os.urandom(32), min_group=10, draw_key=bytes(32)
)
ANSWERS = "ynunnynnnn-nyu"


async def press(tx: Transaction, library: Library, choice: str, language: str = "es") -> Message:
    update = Update("telegram", "1", "7001", UpdateKind.CHOICE, choice=choice)
    response = await consult.handle(Context(tx, library, INSTALLATION, NOW, update, language, None))
    (message,) = response.messages
    return message


async def test_limits_come_before_the_link(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await Unit.with_recovery_key().publish(tx)
        message = await press(tx, library, f"consult:start:{ANSWERS}")
    assert message.key == "consult.limits"
    (open_letterbox,), (later,) = message.buttons
    page, fragment = open_letterbox.url.split("#")
    assert page == "http://127.0.0.1/c"
    assert fragment.endswith(f"&a={ANSWERS}&l=es")
    assert later.choice == "consult:later"


@pytest.mark.parametrize("choice", ["consult:start", "consult:start:", "consult:start:xyz", "consult:start:<b>:y", ""])
async def test_malformed_answers_are_not_passed_on(database: Database, library: Library, choice: str) -> None:
    async with database.write() as tx:
        await Unit.with_recovery_key().publish(tx)
        message = await press(tx, library, choice, "en")
    assert "&a=" not in message.buttons[0][0].url
    assert message.buttons[0][0].url.endswith("&l=en")


async def test_without_two_readers_the_letterbox_is_closed_and_no_link_is_created(
    database: Database, library: Library
) -> None:
    async with database.write() as tx:
        message = await press(tx, library, "consult:start")
        assert (message.key, message.buttons) == ("consult.closed", ())
        assert (await tx.execute(select(schema.links))).all() == []


async def test_later_ends_politely(database: Database, library: Library) -> None:
    async with database.write() as tx:
        assert (await press(tx, library, "consult:later")).key == "consult.later"
        assert (await tx.execute(select(schema.links))).all() == []


async def test_a_link_row_reveals_neither_token_nor_user_nor_minute(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await Unit.with_recovery_key().publish(tx)
        url = (await press(tx, library, "consult:start")).buttons[0][0].url
        row = (await tx.execute(select(schema.links))).one()
    token = url.split("#t=")[1].split("&")[0]
    assert token not in "".join(map(str, row))
    assert "7001" not in row.sealed_address
    assert row.expires_at == datetime(2026, 11, 25, 17, tzinfo=UTC)
    assert timedelta(hours=48) <= row.expires_at - NOW < timedelta(hours=49)
