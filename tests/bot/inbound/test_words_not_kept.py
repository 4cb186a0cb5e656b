"""Nothing of what people type when they ask to stop or tell of distress is kept, in no table and in no log."""

import json
import logging
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.inbound.inbox import Inbox
from bot.inbound.worker import UpdateWorker
from content.library import Library
from handlers.context import Installation
from handlers.message import Update, UpdateKind
from storage import schema
from storage.database import Database
from storage.people import servants
from tests.cast import INSTITUTIONS, Clock
from tests.opened_deliveries import opened

KEY = bytes(range(32))
INSTALLATION = Installation(
    ZoneInfo("America/Mexico_City"), "http://127.0.0.1:8080", b"k" * 32, min_group=10, draw_key=bytes(32)
)
NAME = "zqxrobles"
TEXTS = [
    f"mi jefe {NAME} me acosa",
    f"{NAME} me amenazó con correrme",
    f"ya no quiero recibir mensajes, soy {NAME}",
    f"ya no quiero mensajes, {NAME} me amenaza",
    f"my boss {NAME} is harassing me",
    f"stop messaging me, says {NAME}",
]
PEOPLE = ["100001", "100002"]


async def test_no_row_and_no_log_has_the_words(
    database: Database, library: Library, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    inbox = Inbox(database, KEY, clock)
    worker = UpdateWorker(database, inbox, library, INSTALLATION, clock, lambda: None)
    await _enrol(inbox, worker, database, library)
    with capture_logs() as logs:
        for person in PEOPLE:
            for number, text in enumerate(TEXTS):
                key = f"{person}-{number}"
                await inbox.store([Update("telegram", key, person, UpdateKind.TEXT, text=text, ref=key)])
                assert NAME not in await _rows(database), "encrypted while it waits"
                assert await worker.drain() == 1
    rows = await _rows(database)
    assert rows.count("Hay quien puede ayudarte") == 2 * 4, "every text of distress was answered"
    assert "leave:yes" in rows
    assert library.phrases.plain("es", "leave.stranger", {}) in rows
    for place in (rows, json.dumps(logs, default=str, ensure_ascii=False), caplog.text, repr(vars(library.intents))):
        assert NAME not in place.lower()
        assert not any(text in place for text in TEXTS)


async def _enrol(inbox: Inbox, worker: UpdateWorker, database: Database, library: Library) -> None:
    """The first person is enrolled, the second one is not."""
    async with database.write() as tx:
        for code, name, sphere in INSTITUTIONS:
            await servants.add_institution(tx, code, name, sphere)
    version = library.phrases.template("es", "notice.version")
    choice = f"enroll:hour:es:{version}:9:LEON"
    await inbox.store([Update("telegram", "0", PEOPLE[0], UpdateKind.CHOICE, choice=choice)])
    assert await worker.drain() == 1


async def _rows(database: Database) -> str:
    """Every row of every table, and what the encrypted bodies of deliveries say."""
    found = []
    async with database.read() as tx:
        for table in schema.metadata.sorted_tables:
            found += [f"{table.name} {tuple(row)!r}" for row in await tx.execute(select(table))]
        found += [f"opened {row!r}" for row in await opened(tx)]
    return "\n".join(found)
