"""Cost of planning and sending as servants become more: for ten times as many it must be at most eleven times as high.

In a process of its own, on a fixed clock: the scheduler plans the day for all servants, and the dispatcher sends it;
statements and wall time are counted. Every servant has ten earlier prompts, which must not affect the cost. An hour
later the day is planned for as many more, all on WhatsApp and outside its reply window.
Run by itself: python -m bench.growth --database sqlite+aiosqlite:////tmp/people.db --url http://127.0.0.1:9000
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event, insert, update

from bench import entry_point, seed
from bench.databases import SQLITE, Databases, open_databases
from bench.processes import TOKEN, PlatformProcess, platform_process
from bench.report import Figure, Row, median_ratio
from bench.runs import json_output
from bot import app as wiring
from bot.config import Settings
from storage import schema
from storage.channels import channel_facts
from storage.database import open_database

FACTOR = 10
MAX_RATIO = 11.0
PAST_PROMPTS = 10  # per servant
MONDAY = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)  # 10:00 in Guanajuato
PARTS = {"planning": "plan", "sending": "send", "planning, all outside the reply window,": "plan_templates"}
WHATSAPP: dict[str, Any] = {
    "whatsapp_phone_number_id": "1",
    "whatsapp_business_account_id": "1",
    "whatsapp_access_token": "bench",
    "whatsapp_app_secret": "bench",
    "whatsapp_verify_token": "bench",
}


async def rows(quick: bool) -> list[Row]:
    few = 100 if quick else 1000
    runs: dict[int, list[dict[str, float]]] = {few: [], few * FACTOR: []}
    with open_databases() as databases:
        async with platform_process() as fake:
            for _ in range(1 if quick else 3):
                for count, results in runs.items():
                    results.append(await _measure(databases, fake, count))
    return [row for part, name in PARTS.items() for row in _rows(part, name, runs)]


def _rows(part: str, name: str, runs: dict[int, list[dict[str, float]]]) -> list[Row]:
    (few, small_runs), (many, large_runs) = runs.items()
    table_rows = []
    for unit, key in (("s", "seconds"), ("statements", "statements")):
        large, small = (
            Figure([run[f"{name}_{key}"] for run in sized], unit, [run[f"{name}_cpu"] for run in sized], "s")
            for sized in (large_runs, small_runs)
        )
        ratio = median_ratio(large.values, small.values)
        row = f"{part} for {many:,} servants", large, small, f"{few:,} servants", ratio
        if unit == "s":
            table_rows.append(Row(*row, f"<= {MAX_RATIO:g}x", ratio <= MAX_RATIO))
        else:  # no target: how many deliveries share a statement depends on timing
            table_rows.append(Row(*row))
    return table_rows


async def _measure(databases: Databases, fake: PlatformProcess, count: int) -> dict[str, float]:
    original = await databases.create(SQLITE, lambda url: _seed_history(url, count))
    await fake.rules()
    url = await original.copy()
    arguments = ("--database", url, "--url", fake.url, "--data", str(databases.data_dir()))
    figures: dict[str, float] = await json_output(__name__, *arguments)
    stats = await fake.stats()
    if (stats["distinct"], stats["duplicated"]) != (count, 0):
        raise RuntimeError(f"expected {count} messages, got {stats['distinct']}, {stats['duplicated']} of them twice")
    return figures


async def _seed_history(url: str, count: int) -> None:
    """Seed servants with prompts: `count` due at 9, as many on WhatsApp, outside its reply window, due at 11."""
    await seed.enrolled_servants(url, 2 * count, hour=9)
    database = open_database(url)
    scenarios = sorted(seed.library().scenarios.values(), key=lambda scenario: scenario.id)
    try:
        async with database.write() as tx:
            for days_ago in range(1, PAST_PROMPTS + 1):
                scenario, day = scenarios[days_ago % len(scenarios)], MONDAY.date() - timedelta(days=days_ago)
                common = {"day": day, "scenario_id": scenario.id, "competency_id": scenario.competency, "reason": "new"}
                prompts = [common | {"servant_id": number} for number in range(1, 2 * count + 1)]
                await tx.execute(insert(schema.prompts), prompts)
            is_later, is_on_whatsapp = schema.servants.c.id > count, schema.addresses.c.servant_id > count
            await tx.execute(update(schema.servants).where(is_later).values(hour=11))
            await tx.execute(update(schema.addresses).where(is_on_whatsapp).values(channel="whatsapp"))
            await channel_facts.store(tx, "whatsapp", channel_facts.RECIPIENT_LIMIT, "-1", MONDAY)
    finally:
        await database.close()


# ---------------------------------------------------------------- the process that is measured


async def measured(url: str, api: str, folder: str) -> dict[str, float]:
    required: dict[str, Any] = {"database_url": url, "data_dir": folder, "telegram_bot_token": TOKEN}
    settings = Settings(**required, **WHATSAPP, telegram_api_url=api, whatsapp_api_url=api, webchat="off")
    entry_point.lift_rate_limit(1e6)
    statements = 0
    figures: dict[str, float] = {}
    async with wiring.build(settings, clock=lambda: MONDAY) as app:

        def _count(*_: object) -> None:
            nonlocal statements
            statements += 1

        for engine in app.database.engines:
            event.listen(engine, "before_cursor_execute", _count)
        works: dict[str, Callable[[], Awaitable[object]]] = {
            "plan": lambda: app.scheduler.plan(MONDAY),
            "send": app.dispatcher.drain,
            "plan_templates": lambda: app.scheduler.plan(MONDAY + timedelta(hours=1)),
        }
        for name, work in works.items():
            start, cpu, before = time.monotonic(), time.process_time(), statements
            await work()
            figures[f"{name}_seconds"] = time.monotonic() - start
            figures[f"{name}_cpu"] = time.process_time() - cpu
            figures[f"{name}_statements"] = statements - before
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--url", required=True, help="of the platform")
    parser.add_argument("--data", required=True, help="folder for generated keys")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measured(options.database, options.url, options.data))))
