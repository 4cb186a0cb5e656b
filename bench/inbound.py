"""Receiving: a button pressed, brought by webhook, recorded and answered; beside bots that keep nothing before.

Each of so many people answers their prompt once. The clock runs from the first webhook until the last reply is with
the platform: the press acknowledged (ours comes along with the answer to the webhook, which is told by the driver),
the prompt brought up to date, the reason sent.

Where a machine has few cores, more processes only share them: how much is gained by more processes is measured with
each of them held to a part of a core, so that PostgreSQL, the platform and the driver have theirs in any case.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext

from bench import entry_point, press, seed
from bench.cpu_limit import braked
from bench.databases import POSTGRES, SQLITE, Ground, Original, ground
from bench.driver import Driver
from bench.processes import House, Platform, houses, platform
from bench.report import Figure, Row, pairwise
from bench.runs import Run, cpu_of_all, server, until
from storage import schema

PTB, AIOGRAM = "python-telegram-bot + SQLAlchemy + aiosqlite", "aiogram + aiosqlite by hand"
ON_SQLITE = "SQLite, one process"
ONE, TWO, FOUR = "PostgreSQL, one process", "PostgreSQL, 1 web + 1 worker", "PostgreSQL, 2 web + 2 workers"
SHARE = 0.15  # of a core, for each process while it is seen whether twice as many do more
HELD = f", each held to {SHARE:.0%} of a core"
WAYS = {
    ON_SQLITE: (SQLITE, ("all",)),
    ONE: (POSTGRES, ("all",)),
    TWO: (POSTGRES, ("web", "worker")),
    FOUR: (POSTGRES, ("web", "web", "worker", "worker")),
}
MODULES = {PTB: "bench.peers.ptb_inbound", AIOGRAM: "bench.peers.aiogram_inbound"}
SLOW = 400  # presses for the peer that would keep us waiting ...
FEW = 800  # ... and while processes are held


async def rows(quick: bool) -> list[Row]:
    count = 600 if quick else 1000
    runs: dict[str, list[Run]] = {}
    with ground() as land:
        async with platform() as fake:

            async def people(url: str) -> None:
                await seed.people(url, count, with_prompts=True)

            originals = {kind: await land.seeded(kind, people) for kind in (SQLITE, POSTGRES)}
            for _ in range(1 if quick else 3):
                for name, (kind, roles) in WAYS.items():
                    runs.setdefault(name, []).append(await _ours(land, fake, originals[kind], roles, count))
                    if name in (TWO, FOUR):
                        held = await _ours(land, fake, originals[kind], roles, min(FEW, count), SHARE)
                        runs.setdefault(f"{name}{HELD}", []).append(held)
                    if name == ON_SQLITE:
                        runs.setdefault(PTB, []).append(await _peer(fake, originals[SQLITE], PTB, min(SLOW, count)))
                        runs.setdefault(AIOGRAM, []).append(await _peer(fake, originals[SQLITE], AIOGRAM, count))
    return _rows({name: _figure(found) for name, found in runs.items()})


def _rows(found: dict[str, Figure]) -> list[Row]:
    def beside(name: str, peer: str, target: str, least: float) -> Row:
        ratio = pairwise(found[name].values, found[peer].values)
        return Row(f"inbound, {name}", found[name], found[peer], peer, ratio, target, ratio >= least)

    return [
        beside(ON_SQLITE, PTB, ">= 8x (stretch 15x)", 8),
        beside(ON_SQLITE, AIOGRAM, "> 4x (stretch)", 4),
        Row(f"inbound, {ONE}", found[ONE]),
        Row(f"inbound, {TWO}", found[TWO], found[ONE], ONE, pairwise(found[TWO].values, found[ONE].values)),
        Row(f"inbound, {FOUR}", found[FOUR], found[TWO], TWO, pairwise(found[FOUR].values, found[TWO].values)),
        beside(f"{FOUR}{HELD}", f"{TWO}{HELD}", ">= 1.6x", 1.6),
    ]


def _figure(runs: Sequence[Run]) -> Figure:
    return Figure([run.rate for run in runs], "/s", [run.cost for run in runs])


async def _ours(
    land: Ground, fake: Platform, original: Original, roles: Sequence[str], count: int, share: float = 1.0
) -> Run:
    """The product in as many processes as there are roles; the pace is lifted, as TELEGRAM_RATE ends at 1,000/s."""
    url, folder = await original.copy(), land.data()
    await fake.rules()
    settings = {"DATABASE_URL": url} | entry_point.UNPACED
    async with houses(fake, folder, settings, roles, module="bench.door") as running:
        webs = [one for one, role in zip(running, roles, strict=True) if role != "worker"]
        async with braked(running, share) if share < 1 else nullcontext():
            run = await answered(fake, webs, running, press.requests(count))
        await _check(url, count)
        return run


async def _peer(fake: Platform, original: Original, name: str, count: int) -> Run:
    url = await original.copy()
    await fake.rules()
    async with server(MODULES[name], "--url", fake.url, "--database", url) as one:
        run = await answered(fake, [one], [one], press.requests(count))
        await _check(url, count)
        return run


async def answered(fake: Platform, webs: Sequence[House], running: Sequence[House], raws: Sequence[bytes]) -> Run:
    """Everything is brought as fast as it is taken; over when every reply is with the platform."""
    driver = Driver()
    await driver.open([one.url for one in webs])
    cpu, before = cpu_of_all(running), press.replies(await fake.stats())
    wanted = before + press.CALLS * len(raws)
    first = time.monotonic()
    await driver.pour(raws)
    seen = await until(fake, lambda stats: press.replies(stats) + driver.called >= wanted)
    driver.close()
    if (came := press.replies(seen) + driver.called) < wanted:
        raise RuntimeError(f"{wanted - came} of {press.CALLS * len(raws)} replies never came")
    return Run(len(raws), seen["last_call"] - first, cpu_of_all(running) - cpu)


async def _check(url: str, count: int) -> None:
    found = await seed.count_rows(url, schema.answers)
    if found != count:
        raise RuntimeError(f"{count} were answered, {found} answers are stored")
