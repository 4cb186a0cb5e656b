"""Receiving: button presses delivered by webhook, recorded and answered; compared with bots that store no updates.

Each servant answers their prompt once. Time is measured from the first webhook until the platform has the last reply:
the press acknowledged (we do it in the response to the webhook, which the driver counts), the prompt edited, and the
feedback sent.

On a machine with few cores, more processes only share them: the gain from more processes is measured with each of them
limited to a share of a core, which leaves enough for PostgreSQL, the platform and the driver.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext

from bench import entry_point, press, seed
from bench.cpu_limit import limited_cpu
from bench.databases import POSTGRES, SQLITE, Databases, SeededDatabase, open_databases
from bench.driver import Driver
from bench.processes import PlatformProcess, ServerProcess, integra_processes, platform_process
from bench.report import Figure, Row, median_ratio
from bench.runs import Run, peer_server, total_cpu, wait_for_platform
from storage import schema

PTB, AIOGRAM = "python-telegram-bot + SQLAlchemy + aiosqlite", "aiogram + aiosqlite by hand"
ON_SQLITE = "SQLite, one process"
ONE, TWO, FOUR = "PostgreSQL, one process", "PostgreSQL, 1 web + 1 worker", "PostgreSQL, 2 web + 2 workers"
SHARE = 0.15  # of a core, for each process where the gain from twice as many is measured
LIMITED = f", each limited to {SHARE:.0%} of a core"
SETUPS = {
    ON_SQLITE: (SQLITE, ("all",)),
    ONE: (POSTGRES, ("all",)),
    TWO: (POSTGRES, ("web", "worker")),
    FOUR: (POSTGRES, ("web", "web", "worker", "worker")),
}
MODULES = {PTB: "bench.peers.ptb_inbound", AIOGRAM: "bench.peers.aiogram_inbound"}
SLOW = 400  # presses for the slow peer
FEW = 800  # presses while processes are limited


async def rows(quick: bool) -> list[Row]:
    count = 600 if quick else 1000
    runs: dict[str, list[Run]] = {}
    with open_databases() as databases:
        async with platform_process() as fake:

            async def prompted_servants(url: str) -> None:
                await seed.enrolled_servants(url, count, with_prompts=True)

            originals = {kind: await databases.create(kind, prompted_servants) for kind in (SQLITE, POSTGRES)}
            for _ in range(1 if quick else 3):
                for name, (kind, roles) in SETUPS.items():
                    runs.setdefault(name, []).append(await _ours(databases, fake, originals[kind], roles, count))
                    if name in (TWO, FOUR):
                        limited = await _ours(databases, fake, originals[kind], roles, min(FEW, count), SHARE)
                        runs.setdefault(f"{name}{LIMITED}", []).append(limited)
                    if name == ON_SQLITE:
                        runs.setdefault(PTB, []).append(await _peer(fake, originals[SQLITE], PTB, min(SLOW, count)))
                        runs.setdefault(AIOGRAM, []).append(await _peer(fake, originals[SQLITE], AIOGRAM, count))
    return _rows({name: _figure(results) for name, results in runs.items()})


def _rows(figures: dict[str, Figure]) -> list[Row]:
    def compared(name: str, peer: str, target: str, least: float) -> Row:
        ratio = median_ratio(figures[name].values, figures[peer].values)
        return Row(f"inbound, {name}", figures[name], figures[peer], peer, ratio, target, ratio >= least)

    def relative(name: str, other: str) -> Row:
        ratio = median_ratio(figures[name].values, figures[other].values)
        return Row(f"inbound, {name}", figures[name], figures[other], other, ratio)

    return [
        compared(ON_SQLITE, PTB, ">= 8x (stretch 15x)", 8),
        compared(ON_SQLITE, AIOGRAM, "> 4x (stretch)", 4),
        Row(f"inbound, {ONE}", figures[ONE]),
        relative(TWO, ONE),
        relative(FOUR, TWO),
        compared(f"{FOUR}{LIMITED}", f"{TWO}{LIMITED}", ">= 1.6x", 1.6),
    ]


def _figure(runs: Sequence[Run]) -> Figure:
    return Figure([run.rate for run in runs], "/s", [run.cost for run in runs])


async def _ours(
    databases: Databases,
    fake: PlatformProcess,
    original: SeededDatabase,
    roles: Sequence[str],
    count: int,
    share: float = 1.0,
) -> Run:
    """One process of the product per role; the rate limit is lifted, as TELEGRAM_RATE is at most 1,000/s."""
    url, folder = await original.copy(), databases.data_dir()
    await fake.rules()
    settings = {"DATABASE_URL": url} | entry_point.UNLIMITED_RATE
    async with integra_processes(fake, folder, settings, roles, module=entry_point.__name__) as running:
        web_servers = [server for server, role in zip(running, roles, strict=True) if role != "worker"]
        async with limited_cpu(running, share) if share < 1 else nullcontext():
            run = await answered(fake, web_servers, running, press.requests(count))
        await _check_answers(url, count)
        return run


async def _peer(fake: PlatformProcess, original: SeededDatabase, name: str, count: int) -> Run:
    url = await original.copy()
    await fake.rules()
    async with peer_server(MODULES[name], "--url", fake.url, "--database", url) as server:
        run = await answered(fake, [server], [server], press.requests(count))
        await _check_answers(url, count)
        return run


async def answered(
    fake: PlatformProcess,
    web_servers: Sequence[ServerProcess],
    running: Sequence[ServerProcess],
    requests: Sequence[bytes],
) -> Run:
    """Send all webhook requests as fast as they are accepted; the run ends when the platform has every reply."""
    driver = Driver()
    await driver.open([server.url for server in web_servers])
    cpu, before = total_cpu(running), press.replies(await fake.stats())
    expected = before + press.CALLS * len(requests)
    start = time.monotonic()
    await driver.send_all(requests)
    stats = await wait_for_platform(fake, lambda stats: press.replies(stats) + driver.acknowledged >= expected)
    driver.close()
    if (replies := press.replies(stats) + driver.acknowledged) < expected:
        raise RuntimeError(f"{expected - replies} of {press.CALLS * len(requests)} replies are missing")
    return Run(len(requests), stats["last_call"] - start, total_cpu(running) - cpu)


async def _check_answers(url: str, count: int) -> None:
    stored = await seed.count_rows(url, schema.answers)
    if stored != count:
        raise RuntimeError(f"{count} presses were answered, but {stored} answers are stored")
