"""Where the time of our own two roads goes: each stretch by itself, the libraries and the 25 functions that take most.

In this process, with the fake platform beside it: one pass without a profiler for the figures of each stretch, one
with cProfile on the event loop's thread for the functions (slower than it is). What the threads of the SQLite driver
take shows in the difference between the two processor times.
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
from bench.databases import POSTGRES, SQLITE, Ground, ground
from bench.processes import ROOT, TOKEN, Platform, platform
from bot import app as wiring
from bot.app import App
from bot.channels.telegram import receiver as telegram_receiver
from bot.config import Settings
from tests.channels_of import telegram_of

TOP, LIBRARIES = 25, 12
OUTBOUND, INBOUND = "OUTBOUND", "INBOUND"
FEW = 120  # messages at the pace of a platform
AT_ONCE = 40  # webhooks that are kept side by side

Stretch = tuple[str, Callable[[App, int], Awaitable[object]]]


async def _send(app: App, _: int) -> None:
    await app.dispatcher.drain()


async def _paced(app: App, _: int) -> None:
    running = asyncio.create_task(app.dispatcher.run())
    await _until_idle(app)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _handle(app: App, _: int) -> None:
    await app.update_worker.drain()


async def _keep(app: App, count: int) -> None:
    raws = [json.loads(raw.partition(b"\r\n\r\n")[2]) for raw in press.requests(count)]
    for place in range(0, count, AT_ONCE):
        some = raws[place : place + AT_ONCE]
        await asyncio.gather(*(telegram_receiver.keep_all([raw], telegram_of(app), app.inbox) for raw in some))


async def _together(app: App, count: int) -> None:
    """As it is when the product runs: kept, handled and sent at the same time."""
    running = [asyncio.create_task(app.update_worker.run()), asyncio.create_task(app.dispatcher.run())]
    await _keep(app, count)
    await _until_idle(app)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _until_idle(app: App) -> None:
    while True:
        async with app.database.read() as tx:
            if not await seed.has_work(tx):
                return
        await asyncio.sleep(0.1)


OUT: Sequence[Stretch] = (("claimed, sent and noted", _send),)
IN: Sequence[Stretch] = (("kept", _keep), ("handled", _handle), ("replies sent", _send))
PACED: Sequence[Stretch] = (("at 29.4/s", _paced),)
AT_THE_SAME_TIME: Sequence[Stretch] = (("all at the same time", _together),)


async def main(count: int, kind: str) -> None:
    with ground() as land:
        async with platform() as fake:
            for name, stretches, many, rate in (
                (OUTBOUND, OUT, count, 1e6), (OUTBOUND, PACED, FEW, 29.4),
                (INBOUND, IN, count, 1e6), (INBOUND, AT_THE_SAME_TIME, count, 1e6),
            ):  # fmt: skip
                entry_point.lift_pace(rate)
                original = await land.seeded(kind, partial(_filled, name, many))
                for profile in (None, cProfile.Profile()):
                    async with _app(land, fake, await original.copy()) as app:
                        await _passed(app, name, stretches, many, profile)


async def _filled(name: str, count: int, url: str) -> None:
    if name == OUTBOUND:
        await seed.waiting_replies(url, count)
    else:
        await seed.people(url, count, with_prompts=True)


@asynccontextmanager
async def _app(land: Ground, fake: Platform, url: str) -> AsyncIterator[App]:
    await fake.rules()
    given: dict[str, Any] = {"database_url": url, "data_dir": land.data(), "telegram_bot_token": TOKEN}
    async with wiring.build(Settings(**given, telegram_api_url=fake.url, webchat="off")) as app:
        yield app


async def _passed(
    app: App, name: str, stretches: Sequence[Stretch], count: int, profile: cProfile.Profile | None
) -> None:
    statements = [0]

    def _count(*_: object) -> None:
        statements[0] += 1

    for engine in app.database.engines:
        event.listen(engine, "before_cursor_execute", _count)

    for stretch, work in stretches:
        statements[0] = 0
        start, loop, whole = time.monotonic(), time.thread_time(), time.process_time()
        if profile is not None:
            profile.enable()
        await work(app, count)
        if profile is not None:
            profile.disable()
            continue
        start, loop, whole = time.monotonic() - start, time.thread_time() - loop, time.process_time() - whole
        each = 1000 / count
        print(
            f"{name}, {stretch}: {start * each:.2f} ms each; CPU {loop * each:.2f} ms on the loop, "
            f"{(whole - loop) * each:.2f} ms in other threads; {statements[0] / count:.2f} statements"
        )
    if profile is not None:
        stats = pstats.Stats(profile)
        _by_library(stats)
        stats.strip_dirs().sort_stats("tottime").print_stats(TOP)


def _by_library(stats: pstats.Stats) -> None:
    """Own time, summed: greenlets make what is called from where unsure, but not where the time is spent."""
    own: Counter[str] = Counter()
    for (path, _, name), (_, _, seconds, _, _) in vars(stats)["stats"].items():
        own[_library(path, name)] += seconds
    whole = own.total()
    for library, seconds in own.most_common(LIBRARIES):
        print(f"  {seconds / whole:5.1%}  {library}")


def _library(path: str, name: str) -> str:
    if path == "~":
        return f"built in: {name}" if any(one in name for one in ("poll", "send", "recv")) else "built in: the rest"
    place = Path(path)
    if place.is_relative_to(ROOT) and "site-packages" not in place.parts:
        return place.relative_to(ROOT).as_posix()
    if "site-packages" in place.parts:
        return place.parts[place.parts.index("site-packages") + 1]
    return f"Python: {place.parent.name if place.parent.name == 'asyncio' else place.name}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--database", choices=(SQLITE, POSTGRES), default=SQLITE)
    chosen = parser.parse_args()
    asyncio.run(main(chosen.count, chosen.database))
