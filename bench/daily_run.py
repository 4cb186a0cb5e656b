"""The daily run under a platform's rate limit: how close it stays to the allowed rate, and that no message is lost or
sent twice.

The platform refuses the 31st message in any sliding second, and for three seconds and longer a client that goes on. On
SQLite the scheduler plans the prompts; on PostgreSQL the prompts are inserted once all workers are up, of which one
sends. All setups run concurrently, each with a platform of its own: at 30 a second each leaves most of
the CPU to the others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bench import entry_point, seed
from bench.databases import NAMES, POSTGRES, SQLITE, Databases, SeededDatabase, open_databases
from bench.processes import PlatformProcess, integra_process, integra_processes, platform_process
from bench.report import Figure, Row
from bench.runs import total_cpu, wait_for_platform

ALLOWED, RATE = 30, 29.4  # messages a second: accepted by the platform, and our setting
LATENCY = 0.05  # seconds
WARM_UP = 5.0  # seconds from the start of a process to the hour of its servants, by which it is idle
TARGET = ">= 0.98 of the allowed rate; 0 lost, duplicated, refused"


@dataclass(frozen=True, slots=True)
class DailyRun:
    """The result of one run; `share`: of the allowed rate, from the first message to the last."""

    share: float
    lost: int
    duplicated: int
    refused: int
    cpu: float  # seconds per 1,000 messages
    senders: int  # workers that sent

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.duplicated or self.refused)


async def rows(quick: bool) -> list[Row]:
    servants = int(RATE * (7 if quick else 25))
    setups = [(SQLITE, 1), *((POSTGRES, workers) for workers in ((1, 2) if quick else (1, 2, 4)))]
    with open_databases() as databases:
        originals = {
            SQLITE: await databases.create(
                SQLITE, partial(seed.enrolled_servants, count=servants, hour=entry_point.HOUR)
            ),
            POSTGRES: await databases.create(POSTGRES, seed.leave_empty),
        }
        rounds = [
            await asyncio.gather(*(_run(databases, originals[kind], servants, workers) for kind, workers in setups))
            for _ in range(1 if quick else 3)
        ]
    return [
        _row(servants, NAMES[kind], workers, runs)
        for (kind, workers), runs in zip(setups, zip(*rounds, strict=True), strict=True)
    ]


async def _run(databases: Databases, original: SeededDatabase, servants: int, workers: int) -> DailyRun:
    run = run_with_scheduler if original.kind == SQLITE else run_with_workers
    async with platform_process() as fake:
        return await run(databases, fake, original, servants, workers)


async def run_with_scheduler(
    databases: Databases, fake: PlatformProcess, original: SeededDatabase, servants: int, workers: int
) -> DailyRun:
    """One process on SQLite, in which the scheduler plans while the dispatcher sends."""
    url = await original.copy()
    await fake.rules(latency=LATENCY, limit=ALLOWED)
    settings = {"DATABASE_URL": url, "TELEGRAM_RATE": str(RATE)}
    settings |= entry_point.clock_at_next_working_morning(before=WARM_UP)
    async with integra_process(fake, databases.data_dir(), settings, module=entry_point.__name__) as server:
        before = server.cpu()
        stats = await wait_for_platform(fake, lambda stats: stats["distinct"] >= servants)
        return _result(stats, servants, server.cpu() - before, await seed.messages_per_worker(url))


async def run_with_workers(
    databases: Databases, fake: PlatformProcess, original: SeededDatabase, servants: int, workers: int
) -> DailyRun:
    """Several workers on PostgreSQL, for which all prompts are inserted at once."""
    url, folder = await original.copy(), databases.data_dir()
    await fake.rules(latency=LATENCY, limit=ALLOWED)
    settings = {"DATABASE_URL": url, "TELEGRAM_RATE": str(RATE)}
    async with integra_processes(fake, folder, settings, ["worker"] * workers) as running:
        before = total_cpu(running)
        await seed.pending_prompts(url, servants)
        stats = await wait_for_platform(fake, lambda stats: stats["distinct"] >= servants)
        return _result(stats, servants, total_cpu(running) - before, await seed.messages_per_worker(url))


def _result(stats: dict[str, float], servants: int, cpu: float, sent_by_worker: list[int]) -> DailyRun:
    rate = (stats["sent"] - 1) / stats["seconds"] if stats["seconds"] else 0.0
    return DailyRun(
        share=rate / ALLOWED,
        lost=servants - int(stats["distinct"]),
        duplicated=int(stats["duplicated"]),
        refused=int(stats["refused"]),
        cpu=cpu / servants * 1000,
        senders=len(sent_by_worker),
    )


def _row(servants: int, name: str, workers: int, runs: Sequence[DailyRun]) -> Row:
    share = Figure([run.share for run in runs], "of 30/s", [run.cpu for run in runs])
    note = ", ".join(f"{name} {_per_run(runs, name)}" for name in ("lost", "duplicated", "refused"))
    note += f", sent by {max(run.senders for run in runs)} of {workers}"
    what = f"daily run to {servants:,} servants, {name}, {workers} process{'es' if workers > 1 else ''}"
    is_met = round(share.median, 3) >= 0.98 and all(run.is_clean for run in runs)
    return Row(what, share, target=TARGET, is_met=is_met, note=note)


def _per_run(runs: Sequence[DailyRun], name: str) -> str:
    return "/".join(str(getattr(run, name)) for run in runs)
