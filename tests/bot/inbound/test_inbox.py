import asyncio
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from bot.channels.events import UnreadableEvent
from bot.inbound.inbox import Inbox
from handlers.message import Update, UpdateKind
from storage.database import Database, DatabaseUnavailable, Transaction, open_database
from storage.queue import updates
from storage.schema import updates as table
from tests.cast import Clock

KEY = bytes(range(32))
CANARY = "mi primo vende sillas a la oficina"


def update(key: str = "1", text: str = CANARY) -> Update:
    return Update(
        "telegram", key, "100001", UpdateKind.TEXT, text=text, language="es-MX", ref="55", press="p", choice="c"
    )


@pytest.fixture
def inbox(database: Database, clock: Clock) -> Inbox:
    return Inbox(database, KEY, clock)


async def waiting(database: Database) -> updates.StoredUpdate:
    async with database.write() as tx:
        taken = await updates.take(tx)
    assert taken is not None
    return taken


async def test_an_update_comes_out_as_it_went_in(inbox: Inbox, database: Database) -> None:
    sent = update(text='ñandú 🙂 \u200b\u202e "' + CANARY)
    assert await inbox.store([sent]) == 1
    kept = inbox.open(await waiting(database))
    assert kept == sent
    assert all(type(getattr(kept, one.name)) is type(getattr(sent, one.name)) for one in fields(Update))


@pytest.mark.parametrize("kind", list(UpdateKind))
async def test_every_kind_of_update_is_kept(inbox: Inbox, database: Database, kind: UpdateKind) -> None:
    sent = Update("webchat", "k", "a", kind, command="hoy")
    await inbox.store([sent])
    assert inbox.open(await waiting(database)) == sent


async def test_a_repetition_is_not_new_and_wakes_nobody(inbox: Inbox, database: Database) -> None:
    assert await inbox.store([update("1"), update("2"), update("1")]) == 2
    assert inbox.arrived.is_set()
    inbox.arrived.clear()
    assert await inbox.store([update("1", "other words"), update("2")]) == 0
    assert not inbox.arrived.is_set()
    assert inbox.open(await waiting(database)) == update("1")


async def test_what_could_not_be_read_is_known_by_its_key_and_is_never_handled(
    inbox: Inbox, database: Database
) -> None:
    assert await inbox.store([UnreadableEvent("telegram", "1", "KeyError"), update("2")]) == 1
    assert await inbox.store([update("1")]) == 0
    assert (await waiting(database)).key == "2"
    async with database.read() as tx:
        row = (await tx.execute(select(table).where(table.c.key == "1"))).one()
    assert (row.state, row.body, row.fault) == ("aside", None, "KeyError")


async def test_typed_words_never_stand_in_the_clear_on_the_disk(sqlite_url: str, clock: Clock) -> None:
    database = open_database(sqlite_url)
    path = Path(sqlite_url.partition("///")[2])
    await Inbox(database, KEY, clock).store(update(str(number)) for number in range(50))
    found = {one.name: one.read_bytes() for one in path.parent.glob(path.name + "*")}
    assert b"100001" in b"".join(found.values()), "the address is seen, so the words would be"
    for word in (CANARY, "primo", "es-MX"):
        assert [name for name, content in found.items() if word.encode() in content] == []
    await database.close()


async def test_the_same_words_never_look_the_same_twice(inbox: Inbox, database: Database) -> None:
    await inbox.store([update("1"), update("2")])
    async with database.read() as tx:
        first, second = (await tx.execute(select(table.c.body))).scalars()
    assert first != second


async def test_another_key_or_another_channel_does_not_open_it(inbox: Inbox, database: Database, clock: Clock) -> None:
    await inbox.store([update()])
    kept = await waiting(database)
    with pytest.raises(InvalidTag):
        Inbox(database, bytes(32), clock).open(kept)
    moved = updates.StoredUpdate(kept.id, "webchat", kept.address, kept.key, kept.body)
    with pytest.raises(InvalidTag):
        inbox.open(moved)


async def test_with_a_database_that_is_away_nothing_is_kept_and_the_platform_must_repeat(clock: Clock) -> None:
    away = open_database("postgresql+asyncpg://user@/x?host=/nowhere/at/all")
    inbox = Inbox(away, KEY, clock)
    with pytest.raises(DatabaseUnavailable):
        await inbox.store([update()])
    assert not inbox.arrived.is_set()
    await away.close()


async def test_a_batch_is_kept_whole_or_not_at_all(
    inbox: Inbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = updates.keep

    async def one_is_refused(
        tx: Transaction, wanted: Sequence[updates.NewUpdate], now: datetime
    ) -> frozenset[tuple[str, str]]:
        return await keep(tx, [*wanted[:2], replace(wanted[2], key=None)], now)  # type: ignore[arg-type]

    monkeypatch.setattr(updates, "keep", one_is_refused)
    with pytest.raises(IntegrityError):
        await inbox.store([update("1"), update("2"), UnreadableEvent("telegram", "3", "KeyError")])
    assert not inbox.arrived.is_set()
    async with database.read() as tx:
        assert await updates.count_waiting(tx) == 0


async def test_two_doors_keep_the_same_update_once(inbox: Inbox, database: Database) -> None:
    new = await asyncio.gather(*(inbox.store([update()]) for _ in range(6)))
    assert sorted(new) == [0, 0, 0, 0, 0, 1]
