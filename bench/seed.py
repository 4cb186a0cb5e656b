"""Servants, prompts and deliveries for benchmarks: inserted in bulk, directly into the tables.

Servant n has the id n, the Telegram chat CHAT + n and, where there are prompts, the prompt n.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Table, func, insert, select, text

from content import library as course
from content.course.scenario import Scenario
from content.library import Library
from handlers import outgoing
from handlers.context import Installation, WorkContext
from handlers.learning import daily
from handlers.message import Message
from handlers.outgoing import Recipient, Trigger
from storage import envelopes, schema
from storage.database import Database, Transaction, open_database
from storage.learning.record import Prompt
from storage.people import servants
from storage.queue import outbox
from tests import keys

CHAT = 100_000_000
CODE = "BANCO"
INSTALLATION = Installation(
    ZoneInfo("America/Mexico_City"), "http://127.0.0.1:8080", bytes(32), min_group=10, draw_key=bytes(32)
)
UNPLANNED_HOUR = 23
"""Local hour of servants for whom nothing is to be planned: no prompt is sent that late."""
CHUNK = 5000


@cache
def library() -> Library:
    """The course as it is shipped."""
    return course.load()


def scenario() -> Scenario:
    """The scenario of every prompt: the first with at least three options."""
    return next(scenario for _, scenario in sorted(library().scenarios.items()) if len(scenario.options) >= 3)


def prompt_message(number: int) -> Message:
    """The message of prompt `number`."""
    chosen = scenario()
    prompt = Prompt(number, number, _today(), chosen.id, chosen.competency, "new")
    return daily.prompt_message(library(), prompt, chosen)


async def leave_empty(_: str) -> None:
    """Seed nothing."""


async def enrolled_servants(url: str, count: int, *, hour: int = UNPLANNED_HOUR, with_prompts: bool = False) -> None:
    """Seed enrolled servants of one institution, on Telegram, with or without a prompt of today."""
    database = open_database(url)
    numbers = range(1, count + 1)
    try:
        async with database.write() as tx:
            await servants.add_institution(tx, CODE, "Municipio de prueba", "municipal")
            await _insert_in_chunks(tx, schema.servants, (_servant(number, hour) for number in numbers))
            await _insert_in_chunks(tx, schema.addresses, (_address(number) for number in numbers))
            if with_prompts:
                await _insert_in_chunks(tx, schema.prompts, (_prompt(number) for number in numbers))
            await advance_sequences(tx, (schema.servants, schema.prompts))
    finally:
        await database.close()


def _today() -> date:
    """The servants' day: in the evening that of UTC is tomorrow's, whose prompts are still to be planned."""
    return datetime.now(INSTALLATION.timezone).date()


def _servant(number: int, hour: int) -> dict[str, Any]:
    version = library().phrases.template("es", "notice.version")
    fixed = {"institution_id": 1, "state": "active", "language": "es", "notice_version": version}
    return fixed | {"id": number, "hour": hour, "consented_at": datetime.now(UTC), "enrolled_on": _today()}


def _address(number: int) -> dict[str, Any]:
    return {"channel": "telegram", "address": str(CHAT + number), "servant_id": number, "is_reachable": True}


def _prompt(number: int) -> dict[str, Any]:
    chosen = scenario()
    fixed = {"scenario_id": chosen.id, "competency_id": chosen.competency, "reason": "new"}
    return fixed | {"id": number, "servant_id": number, "day": _today()}


async def _insert_in_chunks(tx: Transaction, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            await tx.execute(insert(table), chunk)
            chunk = []
    if chunk:
        await tx.execute(insert(table), chunk)


async def advance_sequences(tx: Transaction, tables: Sequence[Table]) -> None:
    """Move PostgreSQL's id sequences past explicitly inserted ids, which do not advance them."""
    if tx.dialect.name == "postgresql":
        for table in tables:
            last = await tx.scalar(select(func.coalesce(func.max(table.c.id), 1)))
            await tx.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {last})"))


def open_with_key(url: str) -> Database:
    """Open a database whose deliveries are encrypted with the key in the folders of benchmarks."""
    database = open_database(url)
    envelopes.use(database, keys.OUTBOX)
    return database


async def pending_prompts(url: str, count: int) -> None:
    """Seed a prompt due now for each of `count` addresses, in one transaction."""
    database = open_with_key(url)
    try:
        async with database.write() as tx:
            for number in range(1, count + 1):
                await enqueue(tx, number)
    finally:
        await database.close()


async def enqueue(tx: Transaction, number: int, kind: outbox.DeliveryKind = outbox.DeliveryKind.PROMPT) -> None:
    """Add one message to the outbox, through `handlers.outgoing` like every message."""
    recipient = Recipient("telegram", str(CHAT + number), "es")
    trigger = Trigger(f"bench:{number}", kind)
    await outgoing.enqueue(work_context(tx), recipient, trigger, [prompt_message(number)])


def work_context(tx: Transaction) -> WorkContext:
    """What handlers get for work done now."""
    return WorkContext(tx, library(), INSTALLATION, datetime.now(UTC))


async def messages_per_worker(url: str) -> list[int]:
    """How many messages each worker sent, in descending order."""
    database: Database = open_database(url)
    try:
        async with database.read() as tx:
            is_sent = schema.deliveries.c.state == outbox.DeliveryState.SENT.value
            count = func.count().label("count")
            statement = select(count).where(is_sent).group_by(schema.deliveries.c.worker).order_by(count.desc())
            return list((await tx.execute(statement)).scalars())
    finally:
        await database.close()


async def count_rows(url: str, table: Table) -> int:
    database = open_database(url)
    try:
        async with database.read() as tx:
            return await tx.scalar(select(func.count()).select_from(table)) or 0
    finally:
        await database.close()


async def has_pending_work(tx: Transaction) -> bool:
    """Whether any update waits to be handled, or any delivery to be sent or is in flight."""
    updates = select(schema.updates.c.id).where(schema.updates.c.state == "waiting")
    deliveries = select(schema.deliveries.c.id).where(schema.deliveries.c.state.in_(("waiting", "claimed")))
    return bool(await tx.scalar(select(updates.exists() | deliveries.exists())))
