"""How long a reply waits for its turn while the day's prompts leave at the pace: it takes the next slot of its worker.

From the commit that holds it until the worker notes that the platform took it, by the clock of this machine. Not in the
quick run.
"""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import select

from bench import seed
from bench.databases import POSTGRES, Ground, ground
from bench.processes import Platform, houses, platform
from bench.report import Figure, Row, percentile
from storage import schema
from storage.database import Database, open_database
from storage.queue import outbox

RATE, STEP = 25, 1000 / 25  # messages a second; milliseconds
REPLIES = 20
BETWEEN = 0.3  # seconds between two replies
FULL = 1.0  # seconds until everybody is busy with prompts
WORKERS = (1, 2, 4)


async def rows(quick: bool) -> list[Row]:
    if quick:
        return []
    with ground() as land:
        async with platform() as fake:
            return [await _row(land, fake, workers) for workers in WORKERS]


async def _row(land: Ground, fake: Platform, workers: int) -> Row:
    waits = Figure(await _waits(land, fake, workers), "ms")
    what = f"a reply's wait while prompts leave at {RATE}/s, PostgreSQL, {workers} worker{'s' if workers > 1 else ''}"
    slowest = f"slowest of {REPLIES}: {percentile(waits.values, 1.0):,.0f} ms"
    return Row(what, waits, peer_name=f"a slot: {STEP:.0f} ms", note=slowest)


async def _waits(land: Ground, fake: Platform, workers: int) -> list[float]:
    """Milliseconds of each."""
    prompts = int(RATE * (2 * FULL + REPLIES * BETWEEN))
    url, folder = await (await land.seeded(POSTGRES, seed.nothing)).copy(), land.data()
    await fake.rules()
    settings = {"DATABASE_URL": url, "TELEGRAM_RATE": str(RATE)}
    database = open_database(url)
    try:
        async with houses(fake, folder, settings, ["worker"] * workers):
            await seed.waiting_replies(url, prompts)
            await asyncio.sleep(FULL)
            committed = [await _say(database, prompts + number) for number in range(1, REPLIES + 1)]
            return [await _wait(database, prompts + number, at) for number, at in enumerate(committed, 1)]
    finally:
        await database.close()


async def _say(database: Database, person: int) -> datetime:
    await asyncio.sleep(BETWEEN)
    async with database.write() as tx:
        await seed.say(tx, person, outbox.DeliveryKind.REPLY)
    return datetime.now(UTC)


async def _wait(database: Database, person: int, committed: datetime) -> float:
    noted = schema.deliveries.c.ended_at
    statement = select(noted).where(schema.deliveries.c.address == str(seed.CHAT + person))
    while True:
        async with database.read() as tx:
            ended: datetime | None = await tx.scalar(statement)
        if ended is not None:
            return (ended - committed).total_seconds() * 1e3
        await asyncio.sleep(BETWEEN)
