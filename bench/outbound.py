"""Sending without a limit: claimed from the outbox, sent, and noted durably, beside clients that keep no outbox."""

from bench import outbound_worker, seed
from bench.databases import NAMES, POSTGRES, SQLITE, Ground, Original, ground
from bench.processes import Platform, house, platform
from bench.report import Figure, Row, pairwise
from bench.runs import Run, told, until

PTB, AIOGRAM = "python-telegram-bot, gather", "aiogram, workers"
MODULES = {PTB: "bench.peers.ptb_gather", AIOGRAM: "bench.peers.aiogram_workers"}
LEAST = {PTB: 7.0, AIOGRAM: 1.5}
LATENCIES = (0.0, 0.05)  # seconds
HIGHEST = 1000  # messages a second that TELEGRAM_RATE allows


async def rows(quick: bool) -> list[Row]:
    count, peers_count = (400, 200) if quick else (3000, 600)
    latencies = LATENCIES[:1] if quick else LATENCIES
    found = []
    with ground() as land:
        async with platform() as fake:
            originals = [
                await land.seeded(kind, lambda url: seed.waiting_replies(url, count)) for kind in (SQLITE, POSTGRES)
            ]
            for latency in latencies:
                runs: dict[str, list[Run]] = {}
                for _ in range(1 if quick else 3):
                    for name, run in (await _each(fake, originals, latency, count, peers_count)).items():
                        runs.setdefault(name, []).append(run)
                found += _rows(runs, latency)
            empty = await land.seeded(SQLITE, seed.nothing)
            found.append(await _as_set(land, fake, empty, count))
    return found


async def _each(
    fake: Platform, originals: list[Original], latency: float, count: int, peers_count: int
) -> dict[str, Run]:
    """One run of ours on each database and of each peer, by turns."""
    runs = {}
    for original, (peer, module) in zip(originals, MODULES.items(), strict=True):
        url = await original.copy()
        await fake.rules(latency=latency)
        ours = Run(**await told(outbound_worker.__name__, "--database", url, "--url", fake.url))
        runs[NAMES[original.kind]] = await _checked(fake, ours, count)
        await fake.rules(latency=latency)
        theirs = Run(**await told(module, "--url", fake.url, "--count", str(peers_count)))
        runs[peer] = await _checked(fake, theirs, peers_count)
    return runs


async def _checked(fake: Platform, run: Run, count: int) -> Run:
    seen = await fake.stats()
    if (seen["distinct"], seen["doubled"]) != (count, 0):
        raise RuntimeError(f"{count} were to be sent, {seen['distinct']} were, {seen['doubled']} twice")
    return run


def _rows(runs: dict[str, list[Run]], latency: float) -> list[Row]:
    found = []
    for name in NAMES.values():
        for peer, least in LEAST.items():
            ours, theirs = _figure(runs[name]), _figure(runs[peer])
            ratio = pairwise(ours.values, theirs.values)
            target = f">= {least:g}x" + (" (stretch)" if peer == AIOGRAM else "")
            what = f"outbound, no limit, the platform takes {latency * 1e3:.0f} ms, {name}"
            found.append(Row(what, ours, theirs, peer, ratio, target, ratio >= least))
    return found


def _figure(runs: list[Run]) -> Figure:
    return Figure([run.rate for run in runs], "/s", [run.cost for run in runs])


async def _as_set(land: Ground, fake: Platform, empty: Original, count: int) -> Row:
    """The whole product at the highest pace that can be set."""
    await fake.rules()
    url = await empty.copy()
    async with house(fake, land.data(), {"DATABASE_URL": url, "TELEGRAM_RATE": str(HIGHEST)}) as one:
        cpu = one.cpu()
        await seed.waiting_replies(url, count)
        seen = await until(fake, lambda stats: stats["distinct"] >= count)
        cpu = one.cpu() - cpu
    rate = Figure([(seen["sent"] - 1) / seen["seconds"]], "/s", [cpu / count * 1000])
    return Row(f"outbound, `integra run` with TELEGRAM_RATE={HIGHEST}, its highest, SQLite", rate)
