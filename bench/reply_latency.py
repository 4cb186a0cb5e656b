"""A reply's way when nothing else is going on: from the commit that holds it to the platform, and from the press.

The first in a process of its own, with the Sender alone: a transaction that says something is committed, the sender is
woken as the receiver wakes it, and the platform's clock tells when it was there (all processes of a machine share it).
Run by itself: python -m bench.reply_way --database sqlite+aiosqlite:////tmp/outbox.db --url http://127.0.0.1:9000
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from bench import entry_point, outbound_worker, press, seed
from bench.databases import NAMES, POSTGRES, SQLITE, Ground, ground
from bench.driver import Driver
from bench.processes import TOKEN, Platform, houses, platform
from bench.report import Figure, Row, percentile
from bench.runs import told, until
from bot.channels.telegram.channel import PERSON, Telegram
from bot.delivery import dispatcher
from bot.delivery.rate_limiter import Limits
from bot.inbound import worker
from handlers.message import Parcel
from storage.database import open_database
from storage.queue import outbox

PAUSE = 0.05  # seconds in which everything comes to rest
TARGET = "a turn of the loop (<= 25 ms), no poll interval"
LIMIT = 25.0  # ms


async def rows(quick: bool) -> list[Row]:
    count, presses = (20, 3) if quick else (100, 8)
    found = []
    with ground() as land:
        async with platform() as fake:
            for kind in (SQLITE, POSTGRES):
                found.append(await _alone(land, fake, kind, count))
            found.append(await _whole(land, fake, SQLITE, ("all",), presses))
            found.append(await _whole(land, fake, POSTGRES, ("web", "worker"), presses))
    return found


async def _alone(land: Ground, fake: Platform, kind: str, count: int) -> Row:
    await fake.rules()
    url = await (await land.seeded(kind, seed.nothing)).copy()
    taken = Figure(await told(__name__, "--database", url, "--url", fake.url, "--count", str(count)), "ms")
    what = f"a reply's way, idle, from its commit to the platform, {NAMES[kind]}"
    beside = f"sender's look: {dispatcher.POLL_INTERVAL * 1e3:,.0f} ms"
    return Row(what, taken, peer_name=beside, target=TARGET, is_met=taken.median <= LIMIT, note=_late(taken.values))


async def _whole(land: Ground, fake: Platform, kind: str, roles: Sequence[str], count: int) -> Row:
    """From the press at the webhook until its last reply is with the platform, in the whole product."""
    url = await (await land.seeded(kind, lambda url: seed.people(url, count, with_prompts=True))).copy()
    folder = land.data()
    await fake.rules()
    async with houses(fake, folder, {"DATABASE_URL": url} | entry_point.UNPACED, roles, module="bench.door") as running:
        taken = Figure(await _pressed(fake, running[0].url, count), "ms")
    what = f"a press's way, idle, from the webhook to its last reply, {NAMES[kind]}, {' + '.join(roles)}"
    beside = f"receiver's look: {worker.POLL_INTERVAL * 1e3:,.0f} ms"
    return Row(what, taken, peer_name=beside, note=_late(taken.values))


async def _pressed(fake: Platform, url: str, count: int) -> list[float]:
    driver = Driver()
    await driver.open([url], 1)
    taken = []
    for place, raw in enumerate(press.requests(count), 1):
        await asyncio.sleep(4 * PAUSE)
        start = time.monotonic()
        await driver.send(raw, start)
        seen = await until(fake, partial(_is_answered, place, driver))
        taken.append((seen["last_call"] - start) * 1e3)
    driver.close()
    return taken


def _is_answered(count: int, driver: Driver, stats: dict[str, Any]) -> bool:
    return press.replies(stats) + driver.called >= press.CALLS * count


def _late(values: Sequence[float]) -> str:
    return f"slowest of {len(values)}: {percentile(values, 1.0):,.0f} ms"


# ---------------------------------------------------------------- the process that is measured


class _Watched(Telegram):
    """Tells when something has left."""

    def __init__(self, token: str, api: str) -> None:
        super().__init__(token, api)
        self.left = asyncio.Event()

    async def send(self, parcel: Parcel) -> str:
        ref = await super().send(parcel)
        self.left.set()
        return ref


async def measured(url: str, api: str, count: int) -> list[float]:
    """Milliseconds of each."""
    database, telegram = open_database(url), _Watched(TOKEN, api)
    limits = {telegram.name: Limits(outbound_worker.RATE, PERSON)}
    rate_limit_clock = outbound_worker.clock if database.is_sqlite else None
    one = dispatcher.Dispatcher(
        database, {telegram.name: telegram}, limits, outbound_worker.clock, rate_limit_clock=rate_limit_clock
    )
    running = asyncio.create_task(one.run())
    taken = []
    for person in range(1, count + 1):
        await asyncio.sleep(PAUSE)
        telegram.left.clear()
        async with database.write() as tx:
            await seed.say(tx, person, outbox.DeliveryKind.REPLY)
        committed = time.monotonic()
        one.wake.set()
        await telegram.left.wait()
        seen = await Platform(api).stats()
        taken.append((seen["last_call"] - committed) * 1e3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await telegram.stop()
    await database.close()
    return taken[1:]  # the first opens the connections


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--url", required=True, help="of the platform")
    parser.add_argument("--count", type=int, default=100)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measured(given.database, given.url, given.count))))
