"""Webhook acknowledgement latency while presses arrive at a fixed rate and are handled, compared with a minimal server
that only stores them.

Open loop: a request's latency counts from when it was due, not from when it was sent. There is no TLS on either side.
Where this machine cannot keep up with 500/s, the highest sustainable rate is measured, and the peer at the same rate.
On SQLite the process that acknowledges also handles the updates; on PostgreSQL another process does.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench import entry_point, press, seed
from bench.databases import NAMES, POSTGRES, SQLITE, Databases, SeededDatabase, open_databases
from bench.driver import Driver
from bench.processes import PlatformProcess, ServerProcess, integra_processes, platform_process
from bench.report import Figure, Row, median_ratio, percentile
from bench.runs import peer_server

RATES = (500, 350, 250, 150, 100, 50, 25)  # a second
MAX_DELAY = 0.2  # seconds: a longer delay at the end of a run means that a backlog grows
TIMEOUT = 2.0  # seconds after the last request was due
ROLES = {SQLITE: ("all",), POSTGRES: ("web", "worker")}
PEERS = {SQLITE: "aiohttp + sqlite3", POSTGRES: "aiohttp + asyncpg"}
MODULES = {SQLITE: "bench.peers.bare_ack", POSTGRES: "bench.peers.bare_ack_postgres"}


@dataclass(frozen=True, slots=True)
class Acknowledgements:
    """Latency of each webhook in seconds, in order of sending, and CPU seconds per 1,000 of the receiving process."""

    latencies: Sequence[float]
    cost: float


async def rows(quick: bool) -> list[Row]:
    with open_databases() as databases:
        async with platform_process() as fake:
            return [row for kind in (SQLITE, POSTGRES) for row in await _rows_on(databases, fake, kind, quick)]


async def _rows_on(databases: Databases, fake: PlatformProcess, kind: str, quick: bool) -> list[Row]:
    seconds, rates = (2, RATES[::3]) if quick else (5, RATES)
    ours: list[Acknowledgements] = []
    theirs: list[Acknowledgements] = []
    original = await databases.create(
        kind, lambda url: seed.enrolled_servants(url, RATES[0] * seconds, with_prompts=True)
    )
    empty = await databases.create(kind, seed.leave_empty)
    rate, first = await _highest_sustainable_rate(databases, fake, original, seconds, rates)
    for run in range(1 if quick else 3):
        ours.append(first if run == 0 else await _ours(databases, fake, original, rate, seconds))
        theirs.append(await _peer(empty, rate, seconds))
    return _rows(kind, rate, ours, theirs)


async def _highest_sustainable_rate(
    databases: Databases, fake: PlatformProcess, original: SeededDatabase, seconds: int, rates: Sequence[int]
) -> tuple[int, Acknowledgements]:
    """The highest rate at which webhooks are still acknowledged in time at the end of the run, and that run."""
    for rate in rates:
        try:
            run = await _ours(databases, fake, original, rate, seconds)
        except TimeoutError:
            continue
        if statistics.median(run.latencies[-len(run.latencies) // 4 :]) < MAX_DELAY:
            return rate, run
    raise RuntimeError(f"{rates[-1]} webhooks a second are too many")


async def _ours(
    databases: Databases, fake: PlatformProcess, original: SeededDatabase, rate: int, seconds: int
) -> Acknowledgements:
    await fake.rules()
    settings = {"DATABASE_URL": await original.copy()} | entry_point.UNLIMITED_RATE
    roles, module = ROLES[original.kind], entry_point.__name__
    async with integra_processes(fake, databases.data_dir(), settings, roles, module=module) as running:
        try:
            return await _acknowledgements(running[0], rate, seconds)
        finally:
            for server in running:
                server.process.kill()  # a graceful stop would first handle the remaining updates


async def _peer(empty: SeededDatabase, rate: int, seconds: int) -> Acknowledgements:
    database = (await empty.copy()).removeprefix("sqlite+aiosqlite:///")
    async with peer_server(MODULES[empty.kind], "--database", database) as server:
        return await _acknowledgements(server, rate, seconds)


async def _acknowledgements(server: ServerProcess, rate: int, seconds: int) -> Acknowledgements:
    driver = Driver()
    await driver.open([server.url])
    cpu, count = server.cpu(), rate * seconds
    try:
        latencies = await driver.send_at_rate(press.requests(count), rate, TIMEOUT)
        return Acknowledgements(latencies, (server.cpu() - cpu) / count * 1000)
    finally:
        driver.close()


def _rows(kind: str, rate: int, ours: list[Acknowledgements], theirs: list[Acknowledgements]) -> list[Row]:
    where = NAMES[kind] + (", web + worker" if kind == POSTGRES else "")
    what = f"webhook acknowledged while {rate}/s arrive and are handled, {where}"
    note = "" if rate == RATES[0] else f"a backlog grows above {rate}/s here; the target rate is {RATES[0]}/s"
    median, slow = ([_figure(runs, share) for runs in (ours, theirs)] for share in (0.5, 0.99))
    return [
        Row(
            f"{what}: median", median[0], median[1], PEERS[kind], median_ratio(median[0].values, median[1].values),
            "<= 10 ms", median[0].median <= 10 and not note, note,
        ),
        Row(
            f"{what}: 99 %", slow[0], slow[1], PEERS[kind], ratio := median_ratio(slow[0].values, slow[1].values),
            "<= 100 ms, <= 3x", slow[0].median <= 100 and ratio <= 3 and not note,
        ),
    ]  # fmt: skip


def _figure(runs: Sequence[Acknowledgements], share: float) -> Figure:
    return Figure([percentile(run.latencies, share) * 1e3 for run in runs], "ms", [run.cost for run in runs])
