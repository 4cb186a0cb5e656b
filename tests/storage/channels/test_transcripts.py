"""Transcripts of the web chat, on both databases."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from storage.channels import transcripts
from storage.database import Database

Clock = Callable[[], datetime]


async def add(database: Database, clock: Clock, token: str, address: str = "ana", *, is_mine: bool = False) -> int:
    async with database.write() as tx:
        return await transcripts.add(tx, address, token, {"text": token}, clock(), is_mine=is_mine)


async def texts(database: Database, address: str = "ana") -> list[str]:
    async with database.read() as tx:
        return [message.body["text"] for message in await transcripts.latest(tx, address, 50)]


async def changes_since(database: Database, revision: int, address: str = "ana") -> list[int]:
    async with database.read() as tx:
        return [message.id for message in await transcripts.since(tx, address, revision, 50)]


async def test_messages_are_in_the_order_in_which_they_were_added(database: Database, clock: Clock) -> None:
    for token in ("one", "two", "three"):
        await add(database, clock, token)
    assert await texts(database) == ["one", "two", "three"]


async def test_only_the_latest_messages_are_returned_when_there_are_many(database: Database, clock: Clock) -> None:
    for token in ("one", "two", "three"):
        await add(database, clock, token)
    async with database.read() as tx:
        assert [message.body["text"] for message in await transcripts.latest(tx, "ana", 2)] == ["two", "three"]


async def test_a_known_token_adds_nothing_and_returns_the_same_id(database: Database, clock: Clock) -> None:
    first = await add(database, clock, "one")
    assert await add(database, clock, "one") == first
    assert await texts(database) == ["one"]


async def test_a_message_is_returned_as_it_was_stored(database: Database, clock: Clock) -> None:
    body = {"text": "¿Qué haces? 🤝\n\u202eabc", "rows": [[{"label": "A", "choice": "x:1"}]]}
    async with database.write() as tx:
        kept = await transcripts.add(tx, "ana", "t", body, clock(), is_mine=False)
    async with database.read() as tx:
        found = await transcripts.find(tx, "ana", kept)
    assert found == transcripts.TranscriptMessage(kept, False, body, 1, clock().replace(hour=0, minute=0))


async def test_an_edit_has_a_newer_revision_than_messages_added_before_it(database: Database, clock: Clock) -> None:
    first = await add(database, clock, "one")
    second = await add(database, clock, "two")
    assert await changes_since(database, 0) == [first, second]
    async with database.write() as tx:
        assert await transcripts.change(tx, "ana", first, {"text": "edited"}, is_mine=False)
    assert await changes_since(database, 2) == [first]
    assert await texts(database) == ["edited", "two"]


async def test_an_edit_with_the_same_body_is_no_new_revision(database: Database, clock: Clock) -> None:
    first = await add(database, clock, "one")
    async with database.write() as tx:
        assert await transcripts.change(tx, "ana", first, {"text": "one"}, is_mine=False)
    assert await changes_since(database, 1) == []


async def test_a_message_of_another_chat_or_side_cannot_be_edited_or_found(database: Database, clock: Clock) -> None:
    theirs = await add(database, clock, "one", "beto")
    own = await add(database, clock, "two", is_mine=True)
    async with database.write() as tx:
        assert not await transcripts.change(tx, "ana", theirs, {"text": "x"}, is_mine=False)
        assert not await transcripts.change(tx, "ana", own, {"text": "x"}, is_mine=False)
        assert await transcripts.find(tx, "ana", theirs) is None
    assert await texts(database, "beto") == ["one"]


async def test_revisions_number_the_changes_of_all_chats(database: Database, clock: Clock) -> None:
    """So that no chat shows how many there were in it."""
    await add(database, clock, "one")
    await add(database, clock, "two", "beto")
    async with database.read() as tx:
        assert (await transcripts.newest_revision(tx, "ana"), await transcripts.newest_revision(tx, "beto")) == (1, 2)
        assert await transcripts.newest_revision(tx, "nadie") == 0


async def test_a_reader_of_one_chat_never_sees_another(database: Database, clock: Clock) -> None:
    """Whatever is read: all, what is newer than any revision, or one message. The chats' ids and revisions mingle."""
    ids = {
        chat: [await add(database, clock, f"{chat} {number}", chat) for number in range(3)] for chat in ("beto", "ana")
    }
    for before, (chat, own) in zip((0, 3), ids.items(), strict=True):
        assert await texts(database, chat) == [f"{chat} {number}" for number in range(3)]
        for revision in range(7):
            assert await changes_since(database, revision, chat) == own[max(0, revision - before) :]
        async with database.read() as tx:
            found = [number for number in ids["beto"] + ids["ana"] if await transcripts.find(tx, chat, number)]
        assert found == own


async def test_concurrent_writers_of_one_chat_get_different_revisions(database: Database, clock: Clock) -> None:
    await asyncio.gather(*(add(database, clock, f"t{n}") for n in range(12)))
    async with database.read() as tx:
        changes = await transcripts.since(tx, "ana", 0, 50)
    assert [message.revision for message in changes] == list(range(1, 13))


async def test_deleting_a_chat_leaves_the_other_chats(database: Database, clock: Clock) -> None:
    await add(database, clock, "one")
    await add(database, clock, "two", "beto")
    async with database.write() as tx:
        await transcripts.delete_all(tx, "ana")
    assert await texts(database) == []
    assert await texts(database, "beto") == ["two"]
