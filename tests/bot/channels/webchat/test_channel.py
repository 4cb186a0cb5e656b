"""Deliveries into the browser chat."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from bot.channels.channel import Channel, Unreachable
from bot.channels.webchat.channel import ChangeFeed, Webchat, number, opened, rows_of
from bot.encryption import SecretBox
from handlers.message import Action, Parcel, RenderedButton
from storage.channels import transcripts
from storage.database import Database, DatabaseUnavailable

BOX = SecretBox(bytes(32))
ROWS = (
    (RenderedButton("A", choice="answer:1:a", hint="Pedir consejo"), RenderedButton("B", choice="answer:1:b")),
    (RenderedButton("Ver", url="/c#t"),),
)
SAY = Parcel("ana", Action.SEND, "Hola", ROWS, token="reply:1")


@pytest.fixture
def channel(database: Database, clock: Callable[[], datetime]) -> Webchat:
    return Webchat(database, clock, BOX)


async def chat(database: Database, address: str = "ana") -> list[transcripts.Bubble]:
    async with database.read() as tx:
        return [replace(one, body=opened(one.body, BOX)) for one in await transcripts.latest(tx, address, 50)]


async def test_a_message_stands_in_the_chat_with_its_buttons(channel: Webchat, database: Database) -> None:
    ref = await channel.send(SAY)
    (bubble,) = await chat(database)
    assert (str(bubble.id), bubble.is_mine, bubble.body["text"]) == (ref, False, "Hola")
    assert rows_of(bubble.body) == ROWS


async def test_a_repeated_sending_is_shown_once_under_the_same_ref(channel: Webchat, database: Database) -> None:
    assert await channel.send(SAY) == await channel.send(SAY)
    assert len(await chat(database)) == 1


async def test_an_edit_takes_the_place_of_the_message(channel: Webchat, database: Database) -> None:
    ref = await channel.send(SAY)
    edit = Parcel("ana", Action.REPLACE, "Ya respondiste", ref=ref, token="reply:2")
    assert await channel.send(edit) == ref
    assert await channel.send(edit) == ref
    (bubble,) = await chat(database)
    assert (bubble.body, bubble.revision) == ({"text": "Ya respondiste"}, 2)


@pytest.mark.parametrize("ref", ["", "999", "-1", "x", "9" * 40, "²"])
async def test_an_edit_of_what_is_not_there_is_said_anew(channel: Webchat, database: Database, ref: str) -> None:
    await channel.send(replace(SAY, action=Action.REPLACE, ref=ref))
    assert [bubble.body["text"] for bubble in await chat(database)] == ["Hola"]


async def test_an_edit_never_reaches_another_chat(channel: Webchat, database: Database) -> None:
    theirs = await channel.send(replace(SAY, address="beto", token="reply:9"))
    await channel.send(Parcel("ana", Action.REPLACE, "Otra cosa", ref=theirs, token="reply:2"))
    assert [bubble.body["text"] for bubble in await chat(database, "beto")] == ["Hola"]
    assert [bubble.body["text"] for bubble in await chat(database)] == ["Otra cosa"]


async def test_erasing_takes_away_the_words_of_the_persons_own_message(
    channel: Webchat, database: Database, clock: Callable[[], datetime]
) -> None:
    async with database.write() as tx:
        own = await transcripts.add(tx, "ana", "mine:1", {"text": "mi jefa y su prima"}, clock(), is_mine=True)
    assert await channel.send(Parcel("ana", Action.ERASE, ref=str(own), token="reply:3")) == str(own)
    assert [bubble.body for bubble in await chat(database)] == [{"note": "erased"}]


async def test_only_the_persons_own_message_can_be_erased(channel: Webchat, database: Database) -> None:
    ref = await channel.send(SAY)
    assert await channel.send(Parcel("ana", Action.ERASE, ref=ref)) == ""
    assert await channel.send(Parcel("ana", Action.ERASE, ref="12345")) == ""
    assert [bubble.body["text"] for bubble in await chat(database)] == ["Hola"]


async def test_an_acknowledgement_needs_nothing(channel: Webchat, database: Database) -> None:
    assert await channel.send(Parcel("ana", Action.ACKNOWLEDGE, press="key")) == ""
    assert await chat(database) == []


async def test_whoever_listens_to_the_chat_hears_of_it_and_nobody_else(channel: Webchat) -> None:
    with channel.changes.listening("ana") as ana, channel.changes.listening("beto") as beto:
        await channel.send(SAY)
        assert await ana.wait(10)
        assert not await ana.wait(0)
        assert not await beto.wait(0)


async def test_a_stopping_server_lets_every_listener_go() -> None:
    changes = ChangeFeed()
    with changes.listening("ana") as bell:
        waiting = asyncio.create_task(bell.wait(60))
        changes.close()
        assert await waiting
    assert changes.is_closed


async def test_a_database_that_is_away_is_no_delivery_and_no_doubt(
    channel: Webchat, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> int:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(transcripts, "add", away)
    with pytest.raises(Unreachable) as caught:
        await channel.send(SAY)
    assert not caught.value.in_doubt


def test_it_keeps_the_contract(channel: Webchat) -> None:
    contract: Channel = channel
    assert contract.name == "webchat"


@pytest.mark.parametrize(("ref", "expected"), [("7", 7), ("", None), ("-7", None), ("7a", None), ("٧", None)])
def test_a_ref_is_a_number_or_nothing(ref: str, expected: int | None) -> None:
    assert number(ref) == expected


async def test_the_disk_shows_neither_words_nor_links(channel: Webchat, database: Database) -> None:
    await channel.send(SAY)
    async with database.read() as tx:
        (bubble,) = await transcripts.latest(tx, "ana", 50)
    assert "Hola" not in str(bubble.body)
    assert "/c#t" not in str(bubble.body)
