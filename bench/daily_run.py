"""The daily run under a platform's limit: how near to the allowed rate it stays, and that nothing is lost or doubled.

The platform refuses the 31st message in any sliding second, and for three seconds and longer whoever pushes on. On
SQLite the scheduler plans the prompts itself; several workers on PostgreSQL find them planned once all are up, so that
it can be seen how they share them. All ways run side by side, each with a platform of its own: at 30 a second they
leave most of the machine to the others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench import entry_point, seed
from bench.databases import NAMES, POSTGRES, SQLITE, Ground, Original, ground
from bench.processes import Platform, house, houses, platform
from bench.report import Figure, Row, number
from bench.runs import cpu_of_all, until

ALLOWED, PACE = 30, 29.4  # messages a second: what the platform takes, and what we are set to
LATENCY = 0.05  # seconds
SETTLED = 5.0  # seconds from the start of a process to the hour of its people: it has come to rest
TARGET = ">= 0.98 of the allowed rate; 0 lost, doubled, refused"


@dataclass(frozen=True, slots=True)
class Day:
    """One run: `share` of the allowed rate from the first message to the last."""

    share: float
    lost: int
    doubled: int
    refused: int
    cpu: float  # seconds per 1,000 messages
    evenness: float  # the least that a worker sent, over its even part; one worker: 1

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.refused)


async def rows(quick: bool) -> list[Row]:
    people = int(PACE * (7 if quick else 25))
    ways = [(SQLITE, 1), (POSTGRES, 2)] if quick else [(SQLITE, 1), (POSTGRES, 2), (POSTGRES, 4)]
    with ground() as land:
        originals = {
            SQLITE: await land.seeded(SQLITE, lambda url: seed.people(url, people, hour=entry_point.HOUR)),
            POSTGRES: await land.seeded(POSTGRES, seed.nothing),
        }
        days = [
            await asyncio.gather(*(_run(land, originals[kind], people, workers) for kind, workers in ways))
            for _ in range(1 if quick else 3)
        ]
    return [
        _row(people, NAMES[kind], workers, found)
        for (kind, workers), found in zip(ways, zip(*days, strict=True), strict=True)
    ]


async def _run(land: Ground, original: Original, people: int, workers: int) -> Day:
    run = planned if original.kind == SQLITE else shared
    async with platform() as fake:
        return await run(land, fake, original, people, workers)


async def planned(land: Ground, fake: Platform, original: Original, people: int, workers: int) -> Day:
    """One process on SQLite, in which the scheduler plans while the sender sends."""
    url = await original.copy()
    await fake.rules(latency=LATENCY, limit=ALLOWED)
    settings = {"DATABASE_URL": url, "TELEGRAM_RATE": str(PACE)} | entry_point.to_a_working_morning(before=SETTLED)
    async with house(fake, land.data(), settings, module="bench.door") as one:
        before = one.cpu()
        seen = await until(fake, lambda stats: stats["distinct"] >= people)
        return _day(seen, people, one.cpu() - before, await seed.split(url), workers)


async def shared(land: Ground, fake: Platform, original: Original, people: int, workers: int) -> Day:
    """Several workers on PostgreSQL, who find everything planned at once."""
    url, folder = await original.copy(), land.data()
    await fake.rules(latency=LATENCY, limit=ALLOWED)
    settings = {"DATABASE_URL": url, "TELEGRAM_RATE": str(PACE)}
    async with houses(fake, folder, settings, ["worker"] * workers) as running:
        before = cpu_of_all(running)
        await seed.waiting_replies(url, people)
        seen = await until(fake, lambda stats: stats["distinct"] >= people)
        return _day(seen, people, cpu_of_all(running) - before, await seed.split(url), workers)


def _day(seen: dict[str, float], people: int, cpu: float, split: list[int], workers: int) -> Day:
    rate = (seen["sent"] - 1) / seen["seconds"] if seen["seconds"] else 0.0
    least = split[-1] if len(split) == workers else 0
    return Day(
        share=rate / ALLOWED,
        lost=people - int(seen["distinct"]),
        doubled=int(seen["doubled"]),
        refused=int(seen["refused"]),
        cpu=cpu / people * 1000,
        evenness=least / (people / workers),
    )


def _row(people: int, name: str, workers: int, days: Sequence[Day]) -> Row:
    share = Figure([day.share for day in days], "of 30/s", [day.cpu for day in days])
    told = f"lost {_all(days, 'lost')}, doubled {_all(days, 'doubled')}, refused {_all(days, 'refused')}"
    if workers > 1:
        told += f", the least busy worker had {number(min(day.evenness for day in days))} of its part"
    what = f"daily run to {people:,} people, {name}, {workers} process{'es' if workers > 1 else ''}"
    is_met = round(share.median, 3) >= 0.98 and all(day.is_clean for day in days)
    return Row(what, share, target=TARGET, is_met=is_met, note=told)


def _all(days: Sequence[Day], name: str) -> str:
    return "/".join(str(getattr(day, name)) for day in days)
