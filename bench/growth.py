"""What planning and sending cost as people become more: ten times as many must cost no more than eleven times.

In a process of its own, on a clock that stands still: the scheduler plans the day for all, the sender sends it; counted
are statements and wall time. Everybody has a past of ten prompts, which must not matter. An hour later the day is
planned for as many more, all of them silent on WhatsApp.
Run by itself: python -m bench.growth --database sqlite+aiosqlite:////tmp/people.db --url http://127.0.0.1:9000
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event, insert, update

from bench import entry_point, seed
from bench.databases import SQLITE, Ground, ground
from bench.processes import TOKEN, Platform, platform
from bench.report import Figure, Row, pairwise
from bench.runs import told
from bot import app as wiring
from bot.config import Settings
from storage import schema
from storage.channels import channel_facts
from storage.database import open_database

TIMES = 10
MOST = 11.0
PAST = 10  # prompts
MONDAY = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)  # ten in the morning in Guanajuato
PARTS = {"planning": "plan", "sending": "send", "planning, all silent,": "silent"}
WHATSAPP: dict[str, Any] = {
    "whatsapp_phone_number_id": "1",
    "whatsapp_business_account_id": "1",
    "whatsapp_access_token": "bench",
    "whatsapp_app_secret": "bench",
    "whatsapp_verify_token": "bench",
}


async def rows(quick: bool) -> list[Row]:
    few = 100 if quick else 1000
    runs: dict[int, list[dict[str, float]]] = {few: [], few * TIMES: []}
    with ground() as land:
        async with platform() as fake:
            for _ in range(1 if quick else 3):
                for count, found in runs.items():
                    found.append(await _one(land, fake, count))
    return [row for part, name in PARTS.items() for row in _rows(part, name, runs)]


def _rows(part: str, name: str, runs: dict[int, list[dict[str, float]]]) -> list[Row]:
    (few, small), (many, large) = runs.items()
    found = []
    for unit, key in (("s", "seconds"), ("statements", "statements")):
        ours, beside = (
            Figure([run[f"{name}_{key}"] for run in some], unit, [run[f"{name}_cpu"] for run in some], "s")
            for some in (large, small)
        )
        ratio = pairwise(ours.values, beside.values)
        row = f"{part} for {many:,} people", ours, beside, f"{few:,} people", ratio
        if unit == "s":
            found.append(Row(*row, f"<= {MOST:g}x", ratio <= MOST))
        else:  # how many share a statement hangs on the moment
            found.append(Row(*row))
    return found


async def _one(land: Ground, fake: Platform, count: int) -> dict[str, float]:
    original = await land.seeded(SQLITE, lambda url: _lived(url, count))
    await fake.rules()
    url = await original.copy()
    arguments = ("--database", url, "--url", fake.url, "--data", str(land.data()))
    found: dict[str, float] = await told(__name__, *arguments)
    seen = await fake.stats()
    if (seen["distinct"], seen["doubled"]) != (count, 0):
        raise RuntimeError(f"{count} were to be sent, {seen['distinct']} were, {seen['doubled']} twice")
    return found


async def _lived(url: str, count: int) -> None:
    """People with a past, and as many who are silent on WhatsApp and due two hours later."""
    await seed.people(url, 2 * count, hour=9)
    database = open_database(url)
    scenarios = sorted(seed.library().scenarios.values(), key=lambda one: one.id)
    try:
        async with database.write() as tx:
            for back in range(1, PAST + 1):
                chosen, day = scenarios[back % len(scenarios)], MONDAY.date() - timedelta(days=back)
                about: dict[str, Any] = {"day": day, "scenario_id": chosen.id, "competency_id": chosen.competency}
                people = range(1, 2 * count + 1)
                await tx.execute(
                    insert(schema.prompts), [about | {"servant_id": one, "reason": "new"} for one in people]
                )
            later, there = schema.servants.c.id > count, schema.addresses.c.servant_id > count
            await tx.execute(update(schema.servants).where(later).values(hour=11))
            await tx.execute(update(schema.addresses).where(there).values(channel="whatsapp"))
            await channel_facts.store(tx, "whatsapp", channel_facts.RECIPIENT_LIMIT, "-1", MONDAY)
    finally:
        await database.close()


# ---------------------------------------------------------------- the process that is measured


async def measured(url: str, api: str, folder: str) -> dict[str, float]:
    given: dict[str, Any] = {"database_url": url, "data_dir": folder, "telegram_bot_token": TOKEN}
    settings = Settings(**given, **WHATSAPP, telegram_api_url=api, whatsapp_api_url=api, webchat="off")
    entry_point.lift_pace(1e6)
    counted: Counter[str] = Counter()
    found: dict[str, float] = {}
    async with wiring.build(settings, clock=lambda: MONDAY) as app:

        def _count(*_: object) -> None:
            counted["all"] += 1

        for engine in app.database.engines:
            event.listen(engine, "before_cursor_execute", _count)
        works: dict[str, Callable[[], Awaitable[object]]] = {
            "plan": lambda: app.scheduler.plan(MONDAY),
            "send": app.dispatcher.drain,
            "silent": lambda: app.scheduler.plan(MONDAY + timedelta(hours=1)),
        }
        for name, work in works.items():
            start, cpu, before = time.monotonic(), time.process_time(), counted["all"]
            await work()
            found[f"{name}_seconds"] = time.monotonic() - start
            found[f"{name}_cpu"] = time.process_time() - cpu
            found[f"{name}_statements"] = counted["all"] - before
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--url", required=True, help="of the platform")
    parser.add_argument("--data", required=True, help="folder for generated keys")
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measured(given.database, given.url, given.data))))
