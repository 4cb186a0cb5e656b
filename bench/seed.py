"""People, prompts and deliveries as a benchmark needs them: written in bulk, straight through the tables.

Person n has the id n, the Telegram chat CHAT + n and, where there are prompts, the prompt n.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Table, func, insert, select, text

from content import library as course
from content.course.scenario import Scenario
from content.library import Library
from handlers import outgoing
from handlers.learning import daily
from handlers.message import Message
from handlers.outgoing import Recipient, Trigger
from storage import schema
from storage.database import Database, Transaction, open_database
from storage.learning.record import Prompt
from storage.people import servants
from storage.queue import outbox

CHAT = 100_000_000
CODE = "BANCO"
NEVER = 23
"""Local hour of people who are not to be planned: no prompt leaves that late."""
CHUNK = 5000


@cache
def library() -> Library:
    """The course as it is shipped."""
    return course.load()


def scenario() -> Scenario:
    """The one that everybody is asked."""
    return next(one for _, one in sorted(library().scenarios.items()) if len(one.options) >= 3)


def question(person: int) -> Message:
    """The prompt of one person."""
    chosen = scenario()
    prompt = Prompt(person, person, datetime.now(UTC).date(), chosen.id, chosen.competency, "new")
    return daily.prompt_message(library(), prompt, chosen)


async def nothing(_: str) -> None:
    """An empty database is all that is wanted."""


async def people(url: str, count: int, *, hour: int = NEVER, with_prompts: bool = False) -> None:
    """Enrolled people of one institution, on Telegram; with today's prompt or without."""
    database = open_database(url)
    try:
        async with database.write() as tx:
            await servants.add_institution(tx, CODE, "Municipio de prueba", "municipal")
            await _fill(tx, schema.servants, (_servant(one, hour) for one in range(1, count + 1)))
            await _fill(tx, schema.addresses, (_address(one) for one in range(1, count + 1)))
            if with_prompts:
                await _fill(tx, schema.prompts, (_prompt(one) for one in range(1, count + 1)))
            await count_on(tx, (schema.servants, schema.prompts))
    finally:
        await database.close()


def _servant(person: int, hour: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    version = library().phrases.template("es", "notice.version")
    fixed = {"institution_id": 1, "state": "active", "language": "es", "notice_version": version}
    return fixed | {"id": person, "hour": hour, "consented_at": now, "enrolled_on": now.date()}


def _address(person: int) -> dict[str, Any]:
    return {"channel": "telegram", "address": str(CHAT + person), "servant_id": person, "is_reachable": True}


def _prompt(person: int) -> dict[str, Any]:
    chosen = scenario()
    about = {"scenario_id": chosen.id, "competency_id": chosen.competency, "reason": "new"}
    return about | {"id": person, "servant_id": person, "day": datetime.now(UTC).date()}


async def _fill(tx: Transaction, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            await tx.execute(insert(table), chunk)
            chunk = []
    if chunk:
        await tx.execute(insert(table), chunk)


async def count_on(tx: Transaction, tables: Sequence[Table]) -> None:
    """PostgreSQL does not see ids that were given: its counters go on behind them."""
    if tx.dialect.name == "postgresql":
        for table in tables:
            last = await tx.scalar(select(func.coalesce(func.max(table.c.id), 1)))
            await tx.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {last})"))


async def waiting_replies(url: str, count: int) -> None:
    """A prompt for each of so many addresses, due now, in one transaction."""
    database = open_database(url)
    try:
        async with database.write() as tx:
            for person in range(1, count + 1):
                await say(tx, person)
    finally:
        await database.close()


async def say(tx: Transaction, person: int, kind: outbox.DeliveryKind = outbox.DeliveryKind.PROMPT) -> None:
    """One prompt into the outbox, through the door of everything that is said."""
    recipient = Recipient("telegram", str(CHAT + person), "es")
    trigger = Trigger(f"bench:{person}", kind, datetime.now(UTC))
    await outgoing.enqueue(tx, library(), recipient, trigger, [question(person)])


async def split(url: str) -> list[int]:
    """How many messages each worker sent, most first."""
    database: Database = open_database(url)
    try:
        async with database.read() as tx:
            sent = schema.deliveries.c.state == outbox.DeliveryState.SENT.value
            counted = func.count().label("count")
            statement = select(counted).where(sent).group_by(schema.deliveries.c.worker).order_by(counted.desc())
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


async def has_work(tx: Transaction) -> bool:
    """Whether anything waits to be handled or to leave, or is just leaving."""
    waiting = select(schema.updates.c.id).where(schema.updates.c.state == "waiting")
    going = select(schema.deliveries.c.id).where(schema.deliveries.c.state.in_(("waiting", "claimed")))
    return bool(await tx.scalar(select(waiting.exists() | going.exists())))
