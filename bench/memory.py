"""Memory of one process during a daily run over many servants: at the start, in the middle, at the end."""

import asyncio
import time

from bench import entry_point, seed
from bench.databases import SQLITE, open_databases
from bench.processes import ServerProcess, integra_process, platform_process
from bench.report import Figure, Row

LIMIT, STRETCH = 300, 150  # MiB
RATE = 1000  # the maximum of TELEGRAM_RATE: the more is sent meanwhile, the more memory could leak
FLAT = 1.15  # maximum of end over middle


async def rows(quick: bool) -> list[Row]:
    servants, seconds = (5_000, 6) if quick else (100_000, 30)
    with open_databases() as databases:
        original = await databases.create(SQLITE, lambda url: seed.enrolled_servants(url, servants, hour=9))
        async with platform_process() as fake:
            await fake.rules()
            settings = {"DATABASE_URL": await original.copy(), "TELEGRAM_RATE": str(RATE)}
            settings |= entry_point.clock_at_next_working_morning()
            async with integra_process(fake, databases.data_dir(), settings, module=entry_point.__name__) as server:
                cpu = server.cpu()
                samples = await _memory_samples(server, seconds)
                sent, cpu = (await fake.stats())["sent"], server.cpu() - cpu
                server.process.kill()  # the run would continue
    return [_row(servants, seconds, samples, sent, cpu)]


async def _memory_samples(server: ServerProcess, seconds: float) -> list[float]:
    """Resident memory in MiB, ten times a second."""
    samples, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        samples.append(server.rss())
        await asyncio.sleep(0.1)
    return samples


def _row(servants: int, seconds: int, samples: list[float], sent: int, cpu: float) -> Row:
    start, middle, end = samples[0], samples[len(samples) // 2], samples[-1]
    note = f"start {start:.0f}, middle {middle:.0f}, end {end:.0f}; {seconds} s, {sent:,} messages"
    what = f"memory with {servants:,} enrolled servants during the daily run, SQLite"
    peak = Figure([max(samples)], "MiB", [cpu / seconds], "s a second")
    target = f"< {LIMIT} MiB, flat (stretch {STRETCH})"
    return Row(what, peak, target=target, is_met=max(samples) < LIMIT and end <= middle * FLAT, note=note)
