"""Latency of a reply on an idle system: from the commit that enqueues it to the platform, and from the button press.

The first is measured in a process of its own with the dispatcher alone: a transaction with a delivery is committed, the
dispatcher is woken as the update worker wakes it, and the time of arrival is read from the platform (all processes of a
machine share its monotonic clock).
Run by itself: python -m bench.reply_latency --database sqlite+aiosqlite:////tmp/outbox.db --url http://127.0.0.1:9000
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from bench import entry_point, outbound_worker, press, seed
from bench.databases import NAMES, POSTGRES, SQLITE, Databases, open_databases
from bench.driver import Driver
from bench.processes import TOKEN, PlatformProcess, integra_processes, platform_process
from bench.report import Figure, Row, percentile
from bench.runs import json_output, wait_for_platform
from bot.channels.telegram.channel import RECIPIENT_RATE_LIMIT, Telegram
from bot.delivery.dispatcher import Dispatcher
from bot.delivery.rate_limiter import Limits
from bot.inbound import worker
from handlers.message import Parcel
from storage.queue import outbox, tuning

PAUSE = 0.05  # seconds after which all processes are idle
TARGET = "one event loop iteration (<= 25 ms), no poll interval"
LIMIT = 25.0  # ms


async def rows(quick: bool) -> list[Row]:
    count, presses = (20, 3) if quick else (100, 8)
    table_rows = []
    with open_databases() as databases:
        async with platform_process() as fake:
            for kind in (SQLITE, POSTGRES):
                table_rows.append(await _dispatcher_row(databases, fake, kind, count))
            table_rows.append(await _product_row(databases, fake, SQLITE, ("all",), presses))
            table_rows.append(await _product_row(databases, fake, POSTGRES, ("web", "worker"), presses))
    return table_rows


async def _dispatcher_row(databases: Databases, fake: PlatformProcess, kind: str, count: int) -> Row:
    await fake.rules()
    url = await (await databases.create(kind, seed.leave_empty)).copy()
    latencies = Figure(await json_output(__name__, "--database", url, "--url", fake.url, "--count", str(count)), "ms")
    what = f"reply latency, idle, from its commit to the platform, {NAMES[kind]}"
    interval = f"dispatcher's poll interval: {tuning.POLL_INTERVAL * 1e3:,.0f} ms"
    is_met, note = latencies.median <= LIMIT, _slowest(latencies.values)
    return Row(what, latencies, peer_name=interval, target=TARGET, is_met=is_met, note=note)


async def _product_row(databases: Databases, fake: PlatformProcess, kind: str, roles: Sequence[str], count: int) -> Row:
    """Latency in the whole product, from the webhook with a press until the platform has its last reply."""
    url = await (await databases.create(kind, lambda url: seed.enrolled_servants(url, count, with_prompts=True))).copy()
    folder = databases.data_dir()
    await fake.rules()
    settings = {"DATABASE_URL": url} | entry_point.UNLIMITED_RATE
    async with integra_processes(fake, folder, settings, roles, module=entry_point.__name__) as running:
        latencies = Figure(await _press_latencies(fake, running[0].url, count), "ms")
    what = f"press latency, idle, from the webhook to its last reply, {NAMES[kind]}, {' + '.join(roles)}"
    interval = f"update worker's poll interval: {worker.POLL_INTERVAL * 1e3:,.0f} ms"
    return Row(what, latencies, peer_name=interval, note=_slowest(latencies.values))


async def _press_latencies(fake: PlatformProcess, url: str, count: int) -> list[float]:
    driver = Driver()
    await driver.open([url], 1)
    latencies = []
    for number, request in enumerate(press.requests(count), 1):
        await asyncio.sleep(4 * PAUSE)
        start = time.monotonic()
        await driver.send(request, start)
        stats = await wait_for_platform(fake, partial(_is_answered, number, driver))
        latencies.append((stats["last_call"] - start) * 1e3)
    driver.close()
    return latencies


def _is_answered(count: int, driver: Driver, stats: dict[str, Any]) -> bool:
    return press.replies(stats) + driver.acknowledged >= press.CALLS * count


def _slowest(values: Sequence[float]) -> str:
    return f"slowest of {len(values)}: {percentile(values, 1.0):,.0f} ms"


# ---------------------------------------------------------------- the process that is measured


class _ObservedTelegram(Telegram):
    """Telegram whose event `has_sent` is set after each sent message."""

    def __init__(self, token: str, api: str) -> None:
        super().__init__(token, api)
        self.has_sent = asyncio.Event()

    async def send(self, parcel: Parcel) -> str:
        ref = await super().send(parcel)
        self.has_sent.set()
        return ref


async def measured(url: str, api: str, count: int) -> list[float]:
    """The latency of each of `count` replies, in milliseconds."""
    database, telegram = seed.open_with_key(url), _ObservedTelegram(TOKEN, api)
    limits = {telegram.name: Limits(outbound_worker.RATE, RECIPIENT_RATE_LIMIT)}
    dispatch = Dispatcher(database, {telegram.name: telegram}, limits, outbound_worker.clock)
    running = asyncio.create_task(dispatch.run())
    latencies = []
    for number in range(1, count + 1):
        await asyncio.sleep(PAUSE)
        telegram.has_sent.clear()
        async with database.write() as tx:
            await seed.enqueue(tx, number, outbox.DeliveryKind.REPLY)
        committed = time.monotonic()
        dispatch.wake.set()
        await telegram.has_sent.wait()
        stats = await PlatformProcess(api).stats()
        latencies.append((stats["last_call"] - committed) * 1e3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await telegram.close()
    await database.close()
    return latencies[1:]  # the first one includes opening the connections


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--url", required=True, help="of the platform")
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measured(options.database, options.url, options.count))))
