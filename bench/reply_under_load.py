"""Latency of a reply while the day's prompts are sent at the rate limit: it takes the next turn.

From the commit that enqueues it until the worker records that the platform accepted it, by the clock of this machine.
Not in the quick run.
"""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import select

from bench import seed
from bench.databases import POSTGRES, Databases, open_databases
from bench.processes import PlatformProcess, integra_processes, platform_process
from bench.report import Figure, Row, percentile
from storage import schema
from storage.database import Database
from storage.queue import outbox

RATE, STEP = 25, 1000 / 25  # messages a second; milliseconds
REPLIES = 20
INTERVAL = 0.3  # seconds between two replies
WARM_UP = 1.0  # seconds until all workers are busy with prompts
WORKERS = (1, 2, 4)


async def rows(quick: bool) -> list[Row]:
    if quick:
        return []
    with open_databases() as databases:
        async with platform_process() as fake:
            return [await _row(databases, fake, workers) for workers in WORKERS]


async def _row(databases: Databases, fake: PlatformProcess, workers: int) -> Row:
    latencies = Figure(await _latencies(databases, fake, workers), "ms")
    what = f"reply latency while prompts are sent at {RATE}/s, PostgreSQL, {workers} worker{'s' if workers > 1 else ''}"
    slowest = f"slowest of {REPLIES}: {percentile(latencies.values, 1.0):,.0f} ms"
    return Row(what, latencies, peer_name=f"distance of two messages: {STEP:.0f} ms", note=slowest)


async def _latencies(databases: Databases, fake: PlatformProcess, workers: int) -> list[float]:
    """The latency of each reply, in milliseconds."""
    prompts = int(RATE * (2 * WARM_UP + REPLIES * INTERVAL))
    url, folder = await (await databases.create(POSTGRES, seed.leave_empty)).copy(), databases.data_dir()
    await fake.rules()
    settings = {"DATABASE_URL": url, "TELEGRAM_RATE": str(RATE)}
    database = seed.open_with_key(url)
    try:
        async with integra_processes(fake, folder, settings, ["worker"] * workers):
            await seed.pending_prompts(url, prompts)
            await asyncio.sleep(WARM_UP)
            committed = [await _enqueue(database, prompts + number) for number in range(1, REPLIES + 1)]
            return [await _latency(database, prompts + number, at) for number, at in enumerate(committed, 1)]
    finally:
        await database.close()


async def _enqueue(database: Database, number: int) -> datetime:
    await asyncio.sleep(INTERVAL)
    async with database.write() as tx:
        await seed.enqueue(tx, number, outbox.DeliveryKind.REPLY)
    return datetime.now(UTC)


async def _latency(database: Database, number: int, committed: datetime) -> float:
    """Milliseconds until the delivery's end is stored."""
    ended_at = schema.deliveries.c.ended_at
    statement = select(ended_at).where(schema.deliveries.c.address == str(seed.CHAT + number))
    while True:
        async with database.read() as tx:
            ended: datetime | None = await tx.scalar(statement)
        if ended is not None:
            return (ended - committed).total_seconds() * 1e3
        await asyncio.sleep(INTERVAL)
