"""The one-time link to the letterbox, and when the letterbox is closed."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from content.library import Library
from handlers.context import Context, Installation
from handlers.message import Message, Update, UpdateKind
from handlers.orientation import consult
from storage import schema
from storage.confidential import addresses, link_counts, routes
from storage.confidential.protocol import tokens
from storage.confidential.protocol.canonical import decode
from storage.database import Database
from tests.fakes.letterbox import NOW, new_installation
from tests.fakes.unit import Keyholder, Unit

ANSWERS = "ynunnynnnn-nyu"


class Chat:
    """One asker's chat with an installation that has adopted a unit."""

    def __init__(self, database: Database, library: Library, folder: Path, unit: Unit) -> None:
        self.database, self.library, self.unit, self.now = database, library, unit, NOW
        self.installation: Installation = new_installation("http://127.0.0.1", folder)

    async def publish(self) -> None:
        async with self.database.write() as tx:
            await self.unit.publish(tx, self.installation.unit)

    async def press(
        self,
        choice: str = "consult:start",
        language: str = "es",
        *,
        channel: str = "telegram",
        address: str = "7001",
    ) -> Message:
        update = Update(channel, "1", address, UpdateKind.CHOICE, choice=choice)
        async with self.database.write() as tx:
            context = Context(tx, self.library, self.installation, self.now, update, language, None)
            (message,) = (await consult.handle(context)).messages
        return message

    async def rows(self, table: Any) -> list[Any]:
        async with self.database.read() as tx:
            return [*(await tx.execute(select(table))).all()]

    async def is_closed(self) -> bool:
        """Whether a press explains that no queries are taken, and leaves no row."""
        message = await self.press()
        if message.key != "consult.closed":
            return False
        assert message.buttons == ()
        assert await self.rows(schema.links) == await self.rows(schema.routes) == []
        return True


@pytest.fixture
async def chat(database: Database, library: Library, tmp_path: Path) -> Chat:
    chat = Chat(database, library, tmp_path, Unit.with_recovery_key())
    await chat.publish()
    return chat


async def test_limits_come_before_the_link(chat: Chat) -> None:
    message = await chat.press(f"consult:start:{ANSWERS}")
    assert message.key == "consult.limits"
    (open_letterbox,), (later,) = message.buttons
    page, fragment = open_letterbox.url.split("#")
    assert page == "http://127.0.0.1/c"
    token, *others = fragment.split("&")
    assert len(token) == len("t=") + 32
    assert others == [f"u={chat.unit.pin}", f"a={ANSWERS}", "l=es"]
    assert later.choice == "consult:later"


@pytest.mark.parametrize("choice", ["consult:start", "consult:start:", "consult:start:xyz", "consult:start:<b>:y", ""])
async def test_malformed_answers_are_not_passed_on(chat: Chat, choice: str) -> None:
    message = await chat.press(choice, "en")
    assert "&a=" not in message.buttons[0][0].url
    assert message.buttons[0][0].url.endswith(f"&u={chat.unit.pin}&l=en")


async def test_later_ends_politely(chat: Chat) -> None:
    assert (await chat.press("consult:later")).key == "consult.later"
    assert await chat.rows(schema.links) == await chat.rows(schema.routes) == []


async def test_a_link_row_reveals_neither_token_nor_user_nor_minute(chat: Chat) -> None:
    url = (await chat.press()).buttons[0][0].url
    (link,), (route,) = await chat.rows(schema.links), await chat.rows(schema.routes)
    token = url.split("#t=")[1].split("&")[0]
    stored = "".join(map(str, (*link, *route)))
    assert token not in stored
    assert "7001" not in stored
    assert link.row != route.row
    assert link.expires_at == datetime(2026, 11, 25, 17, tzinfo=UTC)
    assert timedelta(hours=48) <= link.expires_at - NOW < timedelta(hours=49)
    assert route.expires_on == date(2026, 11, 23) + timedelta(days=routes.DAYS_KEPT)
    key = chat.installation.route_key
    assert route.row == tokens.route_row(key, tokens.bell(decode(token)))
    address = {"channel": "telegram", "address": "7001", "language": "es"}
    assert addresses.open_address(key, route.sealed_address, route.row) == address


async def test_every_link_has_rows_of_its_own(chat: Chat) -> None:
    urls = {(await chat.press()).buttons[0][0].url for _ in range(3)}
    assert len(urls) == len(await chat.rows(schema.links)) == len(await chat.rows(schema.routes)) == 3


# ---------------------------------------------------------------- closed


async def test_without_a_list_the_letterbox_is_closed(database: Database, library: Library, tmp_path: Path) -> None:
    assert await Chat(database, library, tmp_path, Unit.with_recovery_key()).is_closed()


async def test_before_the_unit_is_adopted_the_letterbox_is_closed(
    database: Database, library: Library, tmp_path: Path
) -> None:
    chat = Chat(database, library, tmp_path, Unit.with_recovery_key())
    async with database.write() as tx:
        await chat.unit.publish(tx)
    assert await chat.is_closed()
    await chat.publish()
    assert not await chat.is_closed()


async def test_without_two_readers_the_letterbox_is_closed_and_no_link_is_created(
    database: Database, library: Library, tmp_path: Path
) -> None:
    chat = Chat(database, library, tmp_path, Unit([Keyholder("Carmen")]))
    await chat.publish()
    assert await chat.is_closed()


async def test_after_45_days_the_letterbox_is_closed_until_the_list_is_renewed(chat: Chat) -> None:
    chat.now += timedelta(days=43)
    assert await chat.is_closed()
    chat.unit.next_list(day=chat.now.date())
    await chat.publish()
    assert not await chat.is_closed()


@pytest.mark.attack
async def test_under_lists_of_another_unit_the_letterbox_is_closed(chat: Chat) -> None:
    async with chat.database.write() as tx:
        await tx.execute(schema.key_lists.delete())
        await Unit(chat.unit.readers).publish(tx)
    assert await chat.is_closed()


# ---------------------------------------------------------------- how many


async def test_a_chat_gets_three_links_a_day_and_then_reads_from_when_and_where_else(chat: Chat) -> None:
    keys = [(await chat.press()).key for _ in range(5)]
    assert keys == ["consult.limits"] * 3 + ["consult.enough"] * 2
    message = await chat.press()
    assert message.values == {"links": 3, "hours": 48, "day": "24/11/2026"}
    text = chat.library.phrases.plain("es", message.key, message.values)
    assert "Mañana, 24/11/2026, puedes pedir otro con /consulta" in text
    assert "órgano interno de control" in text
    assert len(await chat.rows(schema.links)) == len(await chat.rows(schema.routes)) == 3
    chat.now += timedelta(hours=13, minutes=39)  # one minute to midnight, of those whom it serves
    assert (await chat.press()).key == "consult.enough"
    chat.now += timedelta(minutes=1)
    assert [(await chat.press()).key for _ in range(4)] == ["consult.limits"] * 3 + ["consult.enough"]


async def test_each_chat_counts_for_itself_and_a_closed_letterbox_for_none(
    database: Database, library: Library, tmp_path: Path
) -> None:
    chat = Chat(database, library, tmp_path, Unit.with_recovery_key())
    for _ in range(4):
        assert await chat.is_closed()
    await chat.publish()
    for channel, address in (("telegram", "7001"), ("telegram", "7002"), ("whatsapp", "7001")):
        keys = [(await chat.press(channel=channel, address=address)).key for _ in range(4)]
        assert keys == ["consult.limits"] * 3 + ["consult.enough"]


async def test_presses_at_the_same_moment_get_no_more_links(chat: Chat) -> None:
    messages = await asyncio.gather(*(chat.press() for _ in range(8)))
    assert sorted(message.key for message in messages) == ["consult.enough"] * 5 + ["consult.limits"] * 3


async def test_what_is_counted_names_no_chat_and_joins_nothing(chat: Chat) -> None:
    await chat.press()
    first = await chat.rows(schema.link_counts)
    chat.now += timedelta(days=1)
    await chat.press()
    counted = await chat.rows(schema.link_counts)
    assert [(row.links, row.day) for row in sorted(counted, key=lambda row: row.day)] == [
        (1, date(2026, 11, 23)),
        (1, date(2026, 11, 24)),
    ]
    names = {row.row for row in counted}
    assert len(names) == 2, "the next day has another name"
    others = {row.row for table in (schema.links, schema.routes) for row in await chat.rows(table)}
    assert not names & others
    key, day = chat.installation.route_key, date(2026, 11, 23)
    assert first[0].row == link_counts.row_of(key, "telegram", "7001", day)
    assert first[0].row != link_counts.row_of(bytes(32), "telegram", "7001", day), "without the key nothing is found"
