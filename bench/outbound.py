"""Sending without a rate limit: claimed from the outbox, sent and recorded durably; compared with clients that have no
outbox."""

from functools import partial

from bench import outbound_worker, seed
from bench.databases import NAMES, POSTGRES, SQLITE, Databases, SeededDatabase, open_databases
from bench.processes import PlatformProcess, integra_process, platform_process
from bench.report import Figure, Row, median_ratio
from bench.runs import Run, json_output, wait_for_platform

PTB, AIOGRAM = "python-telegram-bot, gather", "aiogram, workers"
MODULES = {PTB: "bench.peers.ptb_gather", AIOGRAM: "bench.peers.aiogram_workers"}
MIN_RATIO = {PTB: 7.0, AIOGRAM: 1.5}
LATENCIES = (0.0, 0.05)  # seconds
HIGHEST = 1000  # messages a second: the maximum of TELEGRAM_RATE


async def rows(quick: bool) -> list[Row]:
    count, peers_count = (400, 200) if quick else (3000, 600)
    latencies = LATENCIES[:1] if quick else LATENCIES
    table_rows = []
    with open_databases() as databases:
        async with platform_process() as fake:
            originals = [
                await databases.create(kind, partial(seed.pending_prompts, count=count)) for kind in (SQLITE, POSTGRES)
            ]
            for latency in latencies:
                runs: dict[str, list[Run]] = {}
                for _ in range(1 if quick else 3):
                    for name, run in (await _run_each(fake, originals, latency, count, peers_count)).items():
                        runs.setdefault(name, []).append(run)
                table_rows += _rows(runs, latency)
            empty = await databases.create(SQLITE, seed.leave_empty)
            table_rows.append(await _row_at_highest_setting(databases, fake, empty, count))
    return table_rows


async def _run_each(
    fake: PlatformProcess, originals: list[SeededDatabase], latency: float, count: int, peers_count: int
) -> dict[str, Run]:
    """One run of ours on each database and one of each peer, alternating."""
    runs = {}
    for original, (peer, module) in zip(originals, MODULES.items(), strict=True):
        url = await original.copy()
        await fake.rules(latency=latency)
        ours = Run(**await json_output(outbound_worker.__name__, "--database", url, "--url", fake.url))
        runs[NAMES[original.kind]] = await _checked(fake, ours, count)
        await fake.rules(latency=latency)
        theirs = Run(**await json_output(module, "--url", fake.url, "--count", str(peers_count)))
        runs[peer] = await _checked(fake, theirs, peers_count)
    return runs


async def _checked(fake: PlatformProcess, run: Run, count: int) -> Run:
    stats = await fake.stats()
    if (stats["distinct"], stats["duplicated"]) != (count, 0):
        raise RuntimeError(f"expected {count} messages, got {stats['distinct']}, {stats['duplicated']} of them twice")
    return run


def _rows(runs: dict[str, list[Run]], latency: float) -> list[Row]:
    table_rows = []
    for name in NAMES.values():
        for peer, least in MIN_RATIO.items():
            ours, theirs = _figure(runs[name]), _figure(runs[peer])
            ratio = median_ratio(ours.values, theirs.values)
            target = f">= {least:g}x" + (" (stretch)" if peer == AIOGRAM else "")
            what = f"outbound, no rate limit, platform latency {latency * 1e3:.0f} ms, {name}"
            table_rows.append(Row(what, ours, theirs, peer, ratio, target, ratio >= least))
    return table_rows


def _figure(runs: list[Run]) -> Figure:
    return Figure([run.rate for run in runs], "/s", [run.cost for run in runs])


async def _row_at_highest_setting(
    databases: Databases, fake: PlatformProcess, empty: SeededDatabase, count: int
) -> Row:
    """The whole product at the highest rate that can be configured."""
    await fake.rules()
    url = await empty.copy()
    settings = {"DATABASE_URL": url, "TELEGRAM_RATE": str(HIGHEST)}
    async with integra_process(fake, databases.data_dir(), settings) as server:
        cpu = server.cpu()
        await seed.pending_prompts(url, count)
        stats = await wait_for_platform(fake, lambda stats: stats["distinct"] >= count)
        cpu = server.cpu() - cpu
    rate = Figure([(stats["sent"] - 1) / stats["seconds"]], "/s", [cpu / count * 1000])
    return Row(f"outbound, `integra run` with TELEGRAM_RATE={HIGHEST}, its maximum, SQLite", rate)
