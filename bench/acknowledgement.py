"""How soon a webhook is acknowledged while presses arrive at a rate and are being handled, beside the least that keeps.

Open loop: a request's clock starts when it was due, not when it was sent. TLS is left out on both sides. Where this
machine cannot keep up with 500/s, the highest rate that it holds is measured, and the peer at the same rate. On SQLite
the process that acknowledges also handles what it took; on PostgreSQL another one does.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench import entry_point, press, seed
from bench.databases import NAMES, POSTGRES, SQLITE, Ground, Original, ground
from bench.driver import Driver
from bench.processes import House, Platform, houses, platform
from bench.report import Figure, Row, pairwise, percentile
from bench.runs import server

RATES = (500, 350, 250, 150, 100, 50, 25)  # a second
BEHIND = 0.2  # seconds: later than this at the end, and what comes in piles up
PATIENCE = 2.0  # seconds after the last was due
ROLES = {SQLITE: ("all",), POSTGRES: ("web", "worker")}
PEERS = {SQLITE: "aiohttp + sqlite3", POSTGRES: "aiohttp + asyncpg"}
MODULES = {SQLITE: "bench.peers.bare_ack", POSTGRES: "bench.peers.bare_ack_postgres"}


@dataclass(frozen=True, slots=True)
class Rain:
    """Seconds that each webhook waited, in their order, and CPU seconds per 1,000 of the process that took them."""

    taken: Sequence[float]
    cost: float


async def rows(quick: bool) -> list[Row]:
    with ground() as land:
        async with platform() as fake:
            return [row for kind in (SQLITE, POSTGRES) for row in await _on(land, fake, kind, quick)]


async def _on(land: Ground, fake: Platform, kind: str, quick: bool) -> list[Row]:
    seconds, rates = (2, RATES[::3]) if quick else (5, RATES)
    ours: list[Rain] = []
    theirs: list[Rain] = []
    original = await land.seeded(kind, lambda url: seed.people(url, RATES[0] * seconds, with_prompts=True))
    empty = await land.seeded(kind, seed.nothing)
    rate, first = await _highest(land, fake, original, seconds, rates)
    for place in range(1 if quick else 3):
        ours.append(first if place == 0 else await _ours(land, fake, original, rate, seconds))
        theirs.append(await _peer(empty, rate, seconds))
    return _rows(kind, rate, ours, theirs)


async def _highest(
    land: Ground, fake: Platform, original: Original, seconds: int, rates: Sequence[int]
) -> tuple[int, Rain]:
    """The highest rate at which webhooks are still acknowledged in time at the end, and what they took."""
    for rate in rates:
        try:
            found = await _ours(land, fake, original, rate, seconds)
        except TimeoutError:
            continue
        if statistics.median(found.taken[-len(found.taken) // 4 :]) < BEHIND:
            return rate, found
    raise RuntimeError(f"{rates[-1]} webhooks a second are too many")


async def _ours(land: Ground, fake: Platform, original: Original, rate: int, seconds: int) -> Rain:
    await fake.rules()
    settings = {"DATABASE_URL": await original.copy()} | entry_point.UNPACED
    async with houses(fake, land.data(), settings, ROLES[original.kind], module="bench.door") as running:
        try:
            return await _rain(running[0], rate, seconds)
        finally:
            for one in running:
                one.process.kill()  # what is still being handled would be waited for


async def _peer(empty: Original, rate: int, seconds: int) -> Rain:
    database = (await empty.copy()).removeprefix("sqlite+aiosqlite:///")
    async with server(MODULES[empty.kind], "--database", database) as one:
        return await _rain(one, rate, seconds)


async def _rain(one: House, rate: int, seconds: int) -> Rain:
    driver = Driver()
    await driver.open([one.url])
    cpu, count = one.cpu(), rate * seconds
    try:
        taken = await driver.rain(press.requests(count), rate, PATIENCE)
        return Rain(taken, (one.cpu() - cpu) / count * 1000)
    finally:
        driver.close()


def _rows(kind: str, rate: int, ours: list[Rain], theirs: list[Rain]) -> list[Row]:
    where = NAMES[kind] + (", web + worker" if kind == POSTGRES else "")
    what = f"webhook acknowledged while {rate}/s arrive and are handled, {where}"
    note = "" if rate == RATES[0] else f"more than {rate}/s pile up here; {RATES[0]}/s were wanted"
    middle, late = ([_figure(runs, share) for runs in (ours, theirs)] for share in (0.5, 0.99))
    return [
        Row(
            f"{what}: median", middle[0], middle[1], PEERS[kind], pairwise(middle[0].values, middle[1].values),
            "<= 10 ms", middle[0].median <= 10 and not note, note,
        ),
        Row(
            f"{what}: 99 %", late[0], late[1], PEERS[kind], ratio := pairwise(late[0].values, late[1].values),
            "<= 100 ms, <= 3x", late[0].median <= 100 and ratio <= 3 and not note,
        ),
    ]  # fmt: skip


def _figure(runs: Sequence[Rain], share: float) -> Figure:
    return Figure([percentile(run.taken, share) * 1e3 for run in runs], "ms", [run.cost for run in runs])
