"""The inbox: stored once, encrypted, and only in whole batches."""

import asyncio
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from bot.channels.events import (
    AccountEffect,
    AccountEvent,
    AccountEventKind,
    ErrorMeaning,
    Receipt,
    UnreadableEvent,
)
from bot.inbound.inbox import Inbox, ReadableEvent
from handlers.message import Update, UpdateKind
from storage.database import Database, DatabaseUnavailable, Transaction, open_database
from storage.queue import updates
from storage.queue.receipts import DeliveryStatus
from storage.schema import updates as table
from tests.cast import Clock

KEY = bytes(range(32))
RECEIVED_AT = Clock()().timestamp()
CANARY = "mi primo vende sillas a la oficina"


def update(key: str = "1", text: str = CANARY) -> Update:
    return Update(
        "telegram", key, "100001", UpdateKind.TEXT, text=text, language="es-MX", ref="55", press="p", choice="c"
    )


def received(event: ReadableEvent) -> ReadableEvent:
    """The event as it is read: an update has the moment of its receipt."""
    return replace(event, received_at=RECEIVED_AT) if isinstance(event, Update) else event


@pytest.fixture
def inbox(database: Database, clock: Clock) -> Inbox:
    return Inbox(database, KEY, clock)


async def waiting(database: Database) -> updates.StoredUpdate:
    async with database.write() as tx:
        taken = await updates.claim(tx)
    assert taken is not None
    return taken


async def test_an_update_is_read_as_it_was_stored(inbox: Inbox, database: Database) -> None:
    sent = update(text='ñandú 🙂 \u200b\u202e "' + CANARY)
    assert await inbox.store([sent]) == 1
    stored = inbox.read(await waiting(database))
    assert stored == received(sent)
    assert all(type(getattr(stored, field.name)) is type(getattr(sent, field.name)) for field in fields(Update))


def events_of(event_type: type[ReadableEvent], **columns: str) -> st.SearchStrategy[ReadableEvent]:
    """Events with any values but for the fields that are also columns."""
    values: dict[str, Any] = dict.fromkeys(event_type.__slots__, ...)
    values |= {name: st.just(value) for name, value in columns.items()}
    if "fields" in values:
        values["fields"] = st.dictionaries(st.text(), st.text())
    return st.builds(event_type, **values)


EVENTS = st.one_of(
    events_of(Update, channel="telegram", key="1", address="5"),
    events_of(Receipt, channel="whatsapp", key="1", ref="h:2"),
    events_of(AccountEvent, channel="whatsapp", key="1"),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=EVENTS)
async def test_every_event_is_read_as_it_was_stored(inbox: Inbox, database: Database, event: ReadableEvent) -> None:
    async with database.write() as tx:
        await tx.execute(delete(table))
    await inbox.store([event])
    stored = inbox.read(await waiting(database))
    assert stored == received(event)
    for name in event.__slots__:
        assert type(getattr(stored, name)) is type(getattr(event, name)), name


OLD_BODIES: list[tuple[str, ReadableEvent]] = [
    (
        '{"is": "update", "channel": "telegram", "key": "31", "address": "5", "kind": "choice", "text": "", '
        '"command": "", "choice": "answer:7:b", "language": "es-MX", "ref": "8", "press": "4", "album": "", '
        '"at": 0, "alias": "", "moved_to": "", "moved_alias": ""}',
        Update("telegram", "31", "5", UpdateKind.CHOICE, choice="answer:7:b", language="es-MX", ref="8", press="4"),
    ),
    (
        '{"channel": "telegram", "key": "31", "address": "5", "kind": "text", "text": "ñandú"}',  # without a tag
        Update("telegram", "31", "5", UpdateKind.TEXT, text="ñandú"),
    ),
    (
        '{"is": "receipt", "channel": "whatsapp", "key": "h:1", "ref": "h:2", "status": "failed", "number": 7, '
        '"at": 1795300000, "code": 131026, "meaning": "recipient_gone"}',
        Receipt("whatsapp", "h:1", "h:2", DeliveryStatus.FAILED, 7, 1_795_300_000, 131026, ErrorMeaning.RECIPIENT_GONE),
    ),
    (
        '{"is": "account_event", "channel": "whatsapp", "key": "b:1", "topic": "account", '
        '"fields": {"event": "DISABLED_UPDATE", "ban": "DISABLE"}, "at": 1795300000, "effect": "stop"}',
        AccountEvent(
            "whatsapp",
            "b:1",
            AccountEventKind.ACCOUNT,
            {"event": "DISABLED_UPDATE", "ban": "DISABLE"},
            1_795_300_000,
            AccountEffect.STOP,
        ),
    ),
    (
        '{"is": "account_event", "channel": "whatsapp", "key": "b:1", "topic": "fault", "from_later": [1]}',
        AccountEvent("whatsapp", "b:1", AccountEventKind.FAULT),
    ),
]


@pytest.mark.parametrize(("body", "event"), OLD_BODIES, ids=[body[:40] for body, _ in OLD_BODIES])
async def test_a_body_that_another_version_stored_is_read(inbox: Inbox, body: str, event: ReadableEvent) -> None:
    encrypted = inbox.box.encrypt(body.encode(), event.channel)
    assert inbox.read(updates.StoredUpdate(1, event.channel, event.key, encrypted)) == event


@pytest.mark.parametrize(
    "body",
    [
        '{"is": "update", "kind": "text"}',
        '{"is": "receipt", "channel": "whatsapp", "key": "1", "ref": "", "status": "?"}',
        '{"is": "account_event", "channel": "whatsapp", "key": "1", "topic": "fault", "fields": {"code": 1}}',
    ],
)
async def test_a_body_that_is_no_event_is_refused(inbox: Inbox, body: str) -> None:
    with pytest.raises(ValidationError):
        inbox.read(updates.StoredUpdate(1, "whatsapp", "1", inbox.box.encrypt(body.encode(), "whatsapp")))


@pytest.mark.parametrize("kind", list(UpdateKind))
async def test_every_kind_of_update_is_stored(inbox: Inbox, database: Database, kind: UpdateKind) -> None:
    sent = Update("webchat", "k", "a", kind, command="hoy")
    await inbox.store([sent])
    assert inbox.read(await waiting(database)) == received(sent)


async def test_a_repeated_update_is_not_new_and_wakes_no_worker(inbox: Inbox, database: Database) -> None:
    assert await inbox.store([update("1"), update("2"), update("1")]) == 2
    assert inbox.arrived.is_set()
    inbox.arrived.clear()
    assert await inbox.store([update("1", "other words"), update("2")]) == 0
    assert not inbox.arrived.is_set()
    assert inbox.read(await waiting(database)) == received(update("1"))


async def test_an_unreadable_event_is_stored_by_its_key_and_never_handled(inbox: Inbox, database: Database) -> None:
    assert await inbox.store([UnreadableEvent("telegram", "1", "KeyError"), update("2")]) == 1
    assert await inbox.store([update("1")]) == 0
    assert (await waiting(database)).key == inbox.key_of("telegram", "2")
    async with database.read() as tx:
        row = (await tx.execute(select(table).where(table.c.key == inbox.key_of("telegram", "1")))).one()
    assert (row.state, row.body, row.fault) == ("aside", None, "KeyError")


async def test_neither_typed_text_nor_address_is_ever_on_disk_in_the_clear(sqlite_url: str, clock: Clock) -> None:
    database = open_database(sqlite_url)
    path = Path(sqlite_url.partition("///")[2])
    await Inbox(database, KEY, clock).store(update(str(number)) for number in range(50))
    files = {file.name: file.read_bytes() for file in path.parent.glob(path.name + "*")}
    assert b"telegram" in b"".join(files.values()), "the channel is found, so the text would be"
    for word in (CANARY, "primo", "es-MX", "100001"):
        assert [name for name, content in files.items() if word.encode() in content] == []
    await database.close()


async def test_the_same_text_is_encrypted_differently_each_time(inbox: Inbox, database: Database) -> None:
    await inbox.store([update("1"), update("2")])
    async with database.read() as tx:
        first, second = (await tx.execute(select(table.c.body))).scalars()
    assert first != second


async def test_another_key_or_another_channel_cannot_decrypt_it(inbox: Inbox, database: Database, clock: Clock) -> None:
    await inbox.store([update()])
    stored = await waiting(database)
    with pytest.raises(InvalidTag):
        Inbox(database, bytes(32), clock).read(stored)
    moved = updates.StoredUpdate(stored.id, "webchat", stored.key, stored.body)
    with pytest.raises(InvalidTag):
        inbox.read(moved)


async def test_with_an_unavailable_database_nothing_is_stored_and_the_platform_must_repeat(clock: Clock) -> None:
    unavailable = open_database("postgresql+asyncpg://user@/x?host=/nowhere/at/all")
    inbox = Inbox(unavailable, KEY, clock)
    with pytest.raises(DatabaseUnavailable):
        await inbox.store([update()])
    assert not inbox.arrived.is_set()
    await unavailable.close()


async def test_a_batch_is_stored_whole_or_not_at_all(
    inbox: Inbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = updates.store

    async def store_with_a_bad_row(
        tx: Transaction, wanted: Sequence[updates.NewUpdate], now: datetime
    ) -> frozenset[tuple[str, str]]:
        return await store(tx, [*wanted[:2], replace(wanted[2], key=None)], now)  # type: ignore[arg-type]

    monkeypatch.setattr(updates, "store", store_with_a_bad_row)
    with pytest.raises(IntegrityError):
        await inbox.store([update("1"), update("2"), UnreadableEvent("telegram", "3", "KeyError")])
    assert not inbox.arrived.is_set()
    async with database.read() as tx:
        assert await updates.count_waiting(tx) == 0


async def test_concurrent_webhooks_store_the_same_update_once(inbox: Inbox, database: Database) -> None:
    new = await asyncio.gather(*(inbox.store([update()]) for _ in range(6)))
    assert sorted(new) == [0, 0, 0, 0, 0, 1]
