"""Profiles our inbound and outbound paths: each stage by itself, CPU time by library, and the 25 costliest functions.

In this process, with the fake platform beside it: one pass without a profiler for the figures of each stage, and one
with cProfile on the event loop's thread for the functions (which slows it down). The CPU time of the SQLite driver's
threads is the difference between the two CPU times.
Run: python -m bench.profile [--count 1000] [--database postgres]
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bench import entry_point, press, seed
from bench.databases import POSTGRES, SQLITE, Databases, open_databases
from bench.processes import ROOT, TOKEN, PlatformProcess, platform_process
from bot import app as wiring
from bot.app import App
from bot.channels.telegram import receiver as telegram_receiver
from bot.config import Settings
from tests.channels_of import telegram_of

TOP, LIBRARIES = 25, 12
OUTBOUND, INBOUND = "OUTBOUND", "INBOUND"
FEW = 120  # messages at a platform's rate limit
AT_ONCE = 40  # webhooks that are stored concurrently

Stage = tuple[str, Callable[[App, int], Awaitable[object]]]


async def _send(app: App, _: int) -> None:
    await app.dispatcher.drain()


async def _send_at_rate(app: App, _: int) -> None:
    running = asyncio.create_task(app.dispatcher.run())
    await _until_idle(app)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _handle(app: App, _: int) -> None:
    await app.update_worker.drain()


async def _store(app: App, count: int) -> None:
    raws = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in press.requests(count)]
    for start in range(0, count, AT_ONCE):
        batch = raws[start : start + AT_ONCE]
        await asyncio.gather(*(telegram_receiver.parse_and_store([raw], telegram_of(app), app.inbox) for raw in batch))


async def _concurrently(app: App, count: int) -> None:
    """As in the running product: updates are stored, handled and answered at the same time."""
    running = [asyncio.create_task(app.update_worker.run()), asyncio.create_task(app.dispatcher.run())]
    await _store(app, count)
    await _until_idle(app)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _until_idle(app: App) -> None:
    while True:
        async with app.database.read() as tx:
            if not await seed.has_pending_work(tx):
                return
        await asyncio.sleep(0.1)


OUT: Sequence[Stage] = (("claimed, sent and recorded", _send),)
IN: Sequence[Stage] = (("stored", _store), ("handled", _handle), ("replies sent", _send))
RATE_LIMITED: Sequence[Stage] = (("at 29.4/s", _send_at_rate),)
CONCURRENT: Sequence[Stage] = (("all concurrently", _concurrently),)


async def main(count: int, kind: str) -> None:
    with open_databases() as databases:
        async with platform_process() as fake:
            for name, stages, messages, rate in (
                (OUTBOUND, OUT, count, 1e6), (OUTBOUND, RATE_LIMITED, FEW, 29.4),
                (INBOUND, IN, count, 1e6), (INBOUND, CONCURRENT, count, 1e6),
            ):  # fmt: skip
                entry_point.lift_rate_limit(rate)
                original = await databases.create(kind, partial(_seed, name, messages))
                for profile in (None, cProfile.Profile()):
                    async with _app(databases, fake, await original.copy()) as app:
                        await _run_stages(app, name, stages, messages, profile)


async def _seed(name: str, count: int, url: str) -> None:
    if name == OUTBOUND:
        await seed.pending_prompts(url, count)
    else:
        await seed.enrolled_servants(url, count, with_prompts=True)


@asynccontextmanager
async def _app(databases: Databases, fake: PlatformProcess, url: str) -> AsyncIterator[App]:
    await fake.rules()
    required: dict[str, Any] = {"database_url": url, "data_dir": databases.data_dir(), "telegram_bot_token": TOKEN}
    async with wiring.build(Settings(**required, telegram_api_url=fake.url, webchat="off")) as app:
        yield app


async def _run_stages(
    app: App, name: str, stages: Sequence[Stage], count: int, profile: cProfile.Profile | None
) -> None:
    statements = 0

    def _count(*_: object) -> None:
        nonlocal statements
        statements += 1

    for engine in app.database.engines:
        event.listen(engine, "before_cursor_execute", _count)

    for stage, work in stages:
        statements = 0
        start, loop, total = time.monotonic(), time.thread_time(), time.process_time()
        if profile is not None:
            profile.enable()
        await work(app, count)
        if profile is not None:
            profile.disable()
            continue
        wall, loop, total = time.monotonic() - start, time.thread_time() - loop, time.process_time() - total
        each = 1000 / count
        print(
            f"{name}, {stage}: {wall * each:.2f} ms each; CPU {loop * each:.2f} ms on the loop, "
            f"{(total - loop) * each:.2f} ms in other threads; {statements / count:.2f} statements"
        )
    if profile is not None:
        stats = pstats.Stats(profile)
        _by_library(stats)
        stats.strip_dirs().sort_stats("tottime").print_stats(TOP)


def _by_library(stats: pstats.Stats) -> None:
    """Print own time summed by library: greenlets make callers unreliable, but not where time is spent."""
    own: Counter[str] = Counter()
    for (path, _, name), (_, _, seconds, _, _) in vars(stats)["stats"].items():
        own[_library(path, name)] += seconds
    total = own.total()
    for library, seconds in own.most_common(LIBRARIES):
        print(f"  {seconds / total:5.1%}  {library}")


def _library(path: str, name: str) -> str:
    if path == "~":
        is_io = any(call in name for call in ("poll", "send", "recv"))
        return f"built in: {name}" if is_io else "built in: other"
    file = Path(path)
    if file.is_relative_to(ROOT) and "site-packages" not in file.parts:
        return file.relative_to(ROOT).as_posix()
    if "site-packages" in file.parts:
        return file.parts[file.parts.index("site-packages") + 1]
    return f"Python: {file.parent.name if file.parent.name == 'asyncio' else file.name}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--database", choices=(SQLITE, POSTGRES), default=SQLITE)
    options = parser.parse_args()
    asyncio.run(main(options.count, options.database))
