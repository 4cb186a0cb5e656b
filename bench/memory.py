"""Memory of one process while the daily run goes over many enrolled people: at the start, in the middle, at the end."""

import asyncio
import time

from bench import entry_point, seed
from bench.databases import SQLITE, ground
from bench.processes import House, platform
from bench.processes import house as process
from bench.report import Figure, Row

LIMIT, STRETCH = 300, 150  # MiB
RATE = 1000  # the highest that TELEGRAM_RATE allows: the more is sent meanwhile, the more could be left behind
FLAT = 1.15  # the end over the middle


async def rows(quick: bool) -> list[Row]:
    people, seconds = (5_000, 6) if quick else (100_000, 30)
    with ground() as land:
        original = await land.seeded(SQLITE, lambda url: seed.people(url, people, hour=9))
        async with platform() as fake:
            await fake.rules()
            settings = {"DATABASE_URL": await original.copy(), "TELEGRAM_RATE": str(RATE)}
            moved = settings | entry_point.to_a_working_morning()
            async with process(fake, land.data(), moved, module="bench.door") as one:
                cpu = one.cpu()
                seen = await _watched(one, seconds)
                sent, cpu = (await fake.stats())["sent"], one.cpu() - cpu
                one.process.kill()  # the run would go on
    return [_row(people, seconds, seen, sent, cpu)]


async def _watched(one: House, seconds: float) -> list[float]:
    """MiB, ten times a second."""
    seen, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        seen.append(one.rss())
        await asyncio.sleep(0.1)
    return seen


def _row(people: int, seconds: int, seen: list[float], sent: int, cpu: float) -> Row:
    start, middle, end = seen[0], seen[len(seen) // 2], seen[-1]
    note = f"start {start:.0f}, middle {middle:.0f}, end {end:.0f}; {seconds} s, {sent:,} messages"
    what = f"memory with {people:,} enrolled and the daily run going, SQLite"
    most = Figure([max(seen)], "MiB", [cpu / seconds], "s a second")
    target = f"< {LIMIT} MiB, flat (stretch {STRETCH})"
    return Row(what, most, target=target, is_met=max(seen) < LIMIT and end <= middle * FLAT, note=note)
