"""Two people have the same day, and one of them also does the self-assessment and asks for a link: no row tells which.

Compared are all rows of all tables after the outbox was drained: those that name a person do not differ from what they
were before, and those that were added name no one, in no encoding, with no finer time than the day.
"""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from content.library import Library
from storage import schema
from storage.database import Database
from tests.cast import Clock
from tests.fakes.unit import Unit
from tests.phones.telegram import TelegramPhone
from tests.phones.whatsapp import WhatsAppPhone
from tests.product import Product, running

pytestmark = pytest.mark.attack

Rows = dict[tuple[Any, ...], dict[str, Any]]
ANSWERED = 10
"""Questions of the self-assessment that are answered, at least."""
MEANWHILE = {"channel_facts", "rate_limits"}
"""They tell of a channel as a whole when it was last heard or slowed down."""
OF_THE_SERVICE = {("links", "expires_at")}
"""Times that are not of the day: a link expires on the full hour, at least two days later."""
NAMES = {"telegram": ("100002",), "whatsapp": ("MX.1002", "5214771001002", "524771001002", "+524771001002")}


@pytest.fixture
async def both(
    database: Database, database_url: str, tmp_path: Path, library: Library, clock: Clock
) -> AsyncIterator[Product]:
    """The whole product, on both databases."""
    async with running(database_url, tmp_path, library, clock) as product:
        async with product.app.database.write() as tx:
            await Unit.with_recovery_key().publish(tx, product.app.installation.unit)
        yield product


@pytest.mark.parametrize("channel", list(NAMES))
async def test_no_row_tells_who_of_two_people_asked(both: Product, channel: str) -> None:
    phones = [await enrolled(both, channel, number) for number in (1, 2)]
    both.clock.move(days=1)
    assert await both.tick() == 2
    for phone in phones:
        await phone.tap("A")
    before = await rows(both)
    both.clock.move(hours=3, minutes=7)
    await ask(phones[1])
    after = await rows(both)
    added = {key: row for key, row in after.items() if before.get(key) != row and key[0] not in MEANWHILE}
    assert {name for name, *_ in added} == {"deliveries", "handled_updates", "link_counts", "links", "routes"}
    assert len(added) > 2 * ANSWERED, "or the self-assessment was not done"
    assert before.keys() <= after.keys()
    names = encodings(NAMES[channel])
    assert named(before, names), "or the search finds nothing"
    assert named(added, names) == []
    assert finer_than_days(added) == []
    await both.tick()
    kept = [row for row in (await rows(both)).values() if row.get("kind") in ("reply", "signal")]
    assert [row["key"] for row in kept if row["prompt_id"] is None] == [], "their number and order tell something too"


async def enrolled(product: Product, channel: str, number: int) -> TelegramPhone | WhatsAppPhone:
    phone = product.telegram(100_000 + number) if channel == "telegram" else product.whatsapp(1000 + number)
    await phone.start("LEON")
    await phone.tap("Acepto")
    await phone.tap("9:00")
    return phone


async def ask(phone: TelegramPhone | WhatsAppPhone) -> None:
    """From the doubt to the link."""
    await phone.type("/consulta")
    await phone.tap("Empezar")
    pressed = 0
    while "No" in phone.buttons():
        await phone.tap("No")
        pressed += 1
    assert pressed >= ANSWERED
    await phone.tap("Preguntar a UEIPCI")
    link = phone.url("Abrir") if isinstance(phone, TelegramPhone) else "".join(phone.messages())
    assert "#t=" in link


async def rows(product: Product) -> Rows:
    """Every row, by table and primary key."""
    found: Rows = {}
    async with product.app.database.read() as tx:
        for table in schema.metadata.sorted_tables:
            for row in (await tx.execute(select(table))).mappings():
                found[table.name, *(row[column.name] for column in table.primary_key)] = dict(row)
    return found


def named(rows: Rows, names: set[str]) -> list[tuple[Any, ...]]:
    """Keys of rows that contain one of the names."""
    return [key for key, row in rows.items() if any(name in repr(row).lower() for name in names)]


def encodings(names: tuple[str, ...]) -> set[str]:
    """Each name in the clear, in hexadecimal, in Base64 at each offset, and hashed without a key."""
    found = set()
    for name in names:
        found |= {name, name.encode().hex(), hashlib.sha256(name.encode()).hexdigest()[:16]}
        for offset in range(3):
            found.add(base64.b64encode(b"\0" * offset + name.encode()).decode()[offset * 2 : -4])
    return {one.lower() for one in found}


def finer_than_days(rows: Rows) -> list[tuple[Any, ...]]:
    """Table, column and value of all times that are not midnight."""
    times = [(key[0], name, value) for key, row in rows.items() for name, value in row.items()]
    finer = [one for one in times if isinstance(one[2], datetime) and one[2].time().isoformat() != "00:00:00"]
    return [one for one in finer if one[:2] not in OF_THE_SERVICE]
