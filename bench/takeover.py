"""The worker that sends is stopped or killed while prompts leave at 25 a second: how long nothing is sent until another
worker has taken over, and how many messages are sent twice because of it.

The gap is the longest between two messages that the platform accepted. The leases of a killed worker are expired once
the other sends, as a minute would; then all that it had claimed is sent as well.
"""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import text, update

from bench import seed
from bench.databases import POSTGRES, Databases, open_databases
from bench.processes import PlatformProcess, integra_process, platform_process
from bench.report import Figure, Row
from bench.runs import wait_for_platform
from storage import schema
from storage.database import open_database
from storage.queue import tuning
from storage.queue.outbox import DeliveryState

RATE, LATENCY = 25, 0.05  # messages a second; seconds that the platform takes, in which a message can be sent twice
BEFORE, PROMPTS = 50, 150  # messages before the worker ends; in all
LIMIT, KILL_LIMIT = 1.0, 2.0  # seconds; the target after a kill is 10


@dataclass(frozen=True, slots=True)
class Takeover:
    """What followed the end of the worker that sent; `gap` in seconds."""

    gap: float
    lost: int
    duplicated: int


async def rows(quick: bool) -> list[Row]:
    runs: dict[signal.Signals, list[Takeover]] = {signal.SIGTERM: [], signal.SIGKILL: []}
    with open_databases() as databases:
        async with platform_process() as fake:
            for _ in range(2 if quick else 10):
                for number, results in runs.items():
                    results.append(await _run(databases, fake, number))
    return [
        _row("stopped (SIGTERM)", runs[signal.SIGTERM], f"<= {LIMIT:g} s; none lost, none twice", LIMIT, 0),
        _row("killed (SIGKILL)", runs[signal.SIGKILL], f"<= 10 s, stretch {KILL_LIMIT:g} s; none lost", KILL_LIMIT),
    ]


def _row(how: str, runs: Sequence[Takeover], target: str, limit: float, most_twice: int | None = None) -> Row:
    gaps, twice = Figure([run.gap for run in runs], "s"), [run.duplicated for run in runs]
    lost = sum(run.lost for run in runs)
    note = f"{lost} lost, sent twice {'/'.join(map(str, twice))} of {PROMPTS} each"
    is_met = max(gaps.values) <= limit and not lost and (most_twice is None or max(twice) <= most_twice)
    return Row(
        f"no message at {RATE}/s after the sending worker is {how}", gaps, target=target, is_met=is_met, note=note
    )


async def _run(databases: Databases, fake: PlatformProcess, number: signal.Signals) -> Takeover:
    url, folder = await (await databases.create(POSTGRES, seed.leave_empty)).copy(), databases.data_dir()
    await fake.rules(latency=LATENCY)
    start = partial(
        integra_process, fake, folder, {"DATABASE_URL": url, "TELEGRAM_RATE": str(RATE)}, "--role", "worker"
    )
    async with start() as sending, start():  # the first one takes the credential
        await seed.pending_prompts(url, PROMPTS)
        await wait_for_platform(fake, lambda stats: stats["sent"] >= BEFORE)
        sending.process.send_signal(number)
        await sending.process.wait()
        await wait_for_platform(fake, lambda stats: stats["sent"] >= 2 * BEFORE)
        await _expire_leases(url)
        stats = await wait_for_platform(fake, partial(_is_all, PROMPTS))
    return Takeover(stats["longest_gap"], PROMPTS - stats["distinct"], stats["duplicated"])


def _is_all(count: int, stats: dict[str, Any]) -> bool:
    return bool(stats["distinct"] >= count)


async def _expire_leases(url: str) -> None:
    """Expire the leases of the worker that sent first."""
    database, deliveries = open_database(url), schema.deliveries
    holder = "SELECT holder FROM rate_limits WHERE channel = 'telegram'"
    try:
        async with database.write() as tx:
            is_orphaned = (deliveries.c.state == DeliveryState.CLAIMED) & (
                deliveries.c.worker != await tx.scalar(text(holder))
            )
            await tx.execute(update(deliveries).where(is_orphaned).values(lease_until=datetime.now(UTC) - tuning.LEASE))
    finally:
        await database.close()
