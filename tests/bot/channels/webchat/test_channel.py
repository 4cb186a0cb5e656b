"""Deliveries into the browser chat."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import select

from bot.channels.channel import Channel, Unreachable
from bot.channels.webchat.channel import ChangeFeed, Webchat, button_rows, decrypted, encrypted, parse_number
from bot.encryption import SecretBox
from handlers.message import Action, Parcel, RenderedButton
from storage.channels import transcripts
from storage.database import Database, DatabaseUnavailable
from storage.schema import transcript_messages

BOX = SecretBox(bytes(32))
ROWS = (
    (RenderedButton("A", choice="answer:1:a", hint="Pedir consejo"), RenderedButton("B", choice="answer:1:b")),
    (RenderedButton("Ver", url="/c#t"),),
)
SAY = Parcel("ana", Action.SEND, "Hola", ROWS, token="reply:1")


@pytest.fixture
def channel(database: Database, clock: Callable[[], datetime]) -> Webchat:
    return Webchat(database, clock, BOX)


async def chat(database: Database, address: str = "ana") -> list[transcripts.TranscriptMessage]:
    async with database.read() as tx:
        return [
            replace(bubble, body=decrypted(bubble.body, BOX)[0]) for bubble in await transcripts.latest(tx, address, 50)
        ]


async def test_a_message_is_added_to_the_chat_with_its_buttons(channel: Webchat, database: Database) -> None:
    ref = await channel.send(SAY)
    (bubble,) = await chat(database)
    assert (str(bubble.id), bubble.is_mine, bubble.body["text"]) == (ref, False, "Hola")
    assert button_rows(bubble.body) == ROWS


async def test_a_repeated_delivery_is_shown_once_under_the_same_ref(channel: Webchat, database: Database) -> None:
    assert await channel.send(SAY) == await channel.send(SAY)
    assert len(await chat(database)) == 1


async def test_an_edit_replaces_the_message(channel: Webchat, database: Database) -> None:
    ref = await channel.send(SAY)
    edit = Parcel("ana", Action.REPLACE, "Ya respondiste", ref=ref, token="reply:2")
    assert await channel.send(edit) == ref
    assert await channel.send(edit) == ref
    (bubble,) = await chat(database)
    assert (bubble.body, bubble.revision) == ({"text": "Ya respondiste"}, 2)


@pytest.mark.parametrize("ref", ["", "999", "-1", "x", "9" * 40, "²"])
async def test_an_edit_of_a_missing_message_is_sent_as_a_new_one(
    channel: Webchat, database: Database, ref: str
) -> None:
    await channel.send(replace(SAY, action=Action.REPLACE, ref=ref))
    assert [bubble.body["text"] for bubble in await chat(database)] == ["Hola"]


async def test_an_edit_never_reaches_another_chat(channel: Webchat, database: Database) -> None:
    theirs = await channel.send(replace(SAY, address="beto", token="reply:9"))
    await channel.send(Parcel("ana", Action.REPLACE, "Otra cosa", ref=theirs, token="reply:2"))
    assert [bubble.body["text"] for bubble in await chat(database, "beto")] == ["Hola"]
    assert [bubble.body["text"] for bubble in await chat(database)] == ["Otra cosa"]


async def test_erasing_removes_the_text_of_the_users_own_message(
    channel: Webchat, database: Database, clock: Callable[[], datetime]
) -> None:
    async with database.write() as tx:
        words = encrypted({"text": "mi jefa y su prima"}, BOX, clock())
        own = await transcripts.add(tx, "ana", "mine:1", words, clock(), is_mine=True)
    assert await channel.send(Parcel("ana", Action.ERASE, ref=str(own), token="reply:3")) == str(own)
    assert [bubble.body for bubble in await chat(database)] == [{"note": "erased"}]


async def test_only_the_users_own_message_can_be_erased(channel: Webchat, database: Database) -> None:
    ref = await channel.send(SAY)
    assert await channel.send(Parcel("ana", Action.ERASE, ref=ref)) == ""
    assert await channel.send(Parcel("ana", Action.ERASE, ref="12345")) == ""
    assert [bubble.body["text"] for bubble in await chat(database)] == ["Hola"]


async def test_an_acknowledgement_does_nothing(channel: Webchat, database: Database) -> None:
    assert await channel.send(Parcel("ana", Action.ACKNOWLEDGE, press="key")) == ""
    assert await chat(database) == []


async def test_only_subscribers_of_the_chat_are_notified(channel: Webchat) -> None:
    with channel.changes.subscribe("ana") as ana, channel.changes.subscribe("beto") as beto:
        await channel.send(SAY)
        assert await ana.wait(10)
        assert not await ana.wait(0)
        assert not await beto.wait(0)


async def test_a_stopping_server_wakes_every_subscriber() -> None:
    changes = ChangeFeed()
    with changes.subscribe("ana") as subscription:
        waiting = asyncio.create_task(subscription.wait(60))
        changes.close()
        assert await waiting
    assert changes.is_closed


async def test_an_unavailable_database_is_no_delivery_and_leaves_no_doubt(
    channel: Webchat, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: object, **__: object) -> int:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(transcripts, "add", unavailable)
    with pytest.raises(Unreachable) as caught:
        await channel.send(SAY)
    assert not caught.value.in_doubt


def test_it_implements_the_channel_contract(channel: Webchat) -> None:
    contract: Channel = channel
    assert contract.name == "webchat"


@pytest.mark.parametrize(("ref", "expected"), [("7", 7), ("", None), ("-7", None), ("7a", None), ("٧", None)])
def test_a_ref_is_a_number_or_nothing(ref: str, expected: int | None) -> None:
    assert parse_number(ref) == expected


async def test_the_database_contains_neither_texts_nor_links(channel: Webchat, database: Database) -> None:
    await channel.send(SAY)
    async with database.read() as tx:
        (bubble,) = await transcripts.latest(tx, "ana", 50)
    assert "Hola" not in str(bubble.body)
    assert "/c#t" not in str(bubble.body)


async def test_rows_tell_neither_whose_chat_it_is_nor_how_long_a_message_is_nor_its_hour(
    channel: Webchat, database: Database, clock: Callable[[], datetime]
) -> None:
    """A self-assessment's question with three buttons and a short answer look alike, and name no delivery."""
    for token, text, rows in (("webchat:1:say", "Sí", ()), ("webchat:2:say", "¿Recibió algo de valor?" * 4, ROWS)):
        await channel.send(Parcel("ana", Action.SEND, text, rows, token=token))
    async with database.read() as tx:
        rows_of_chat = (await tx.execute(select(transcript_messages))).all()
        shown = [decrypted(bubble.body, BOX)[1] for bubble in await transcripts.latest(tx, "ana", 9)]
    assert shown == [clock()] * 2
    assert len({len(row.body) for row in rows_of_chat}) == 1
    for row in rows_of_chat:
        assert row.at == clock().replace(hour=0, minute=0)
        assert "ana" not in row.address
        assert "webchat" not in row.token
