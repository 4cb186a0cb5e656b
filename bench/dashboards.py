"""The console's reports over many answers: all institutions, a single institution, and a naive query to compare with.

Fourteen weeks are closed, the fifteenth is not. Each page runs in its own process that has just opened the database.
The file cache of the system is warm, and for SQLite also measured empty. The naive query is the obvious one: answers
joined to their prompts, by institution, topic and week. One more row gives the cost of a closing: of the last week.
Run by itself: python -m bench.dashboards --database sqlite+aiosqlite:////tmp/answers.db --page all
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Date, Integer, case, column, insert, literal, select, text, true, update, values

from bench import seed
from bench.databases import NAMES, POSTGRES, SQLITE, Databases, SeededDatabase, open_databases
from bench.report import Figure, Row, median_ratio, number
from bench.runs import json_output
from handlers.administration import reports
from storage import schema
from storage.database import Transaction, UtcDateTime, open_database
from storage.people import servants
from storage.reports import blocks, figures
from storage.reports.blocks import ClosingRules

PAGES = {"all": "page of all institutions", "one": "page of one institution", "export": "export of all blocks"}
MAINTENANCE = {"close": "one week closed"}
NAIVE = "the naive query"
INSTITUTIONS, WEEKS = 40, 15
FIRST = date(2026, 8, 10)  # a Monday
DAYS = 5 * WEEKS
LAST = FIRST + timedelta(weeks=WEEKS)
RULES = ClosingRules(10, bytes(32))
MOMENT = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
ANSWERED = 7  # of ten
MAX_SECONDS, MIN_RATIO = 1.0, 100.0  # per page; speed relative to the naive query
MANY = 5_000_000  # answers, from which on MIN_RATIO is a target too


async def rows(quick: bool) -> list[Row]:
    sizes = {SQLITE: (50_000,)} if quick else {SQLITE: (MANY,), POSTGRES: (500_000,)}
    table_rows = []
    with open_databases() as databases:
        for kind, answers in ((kind, size) for kind, counts in sizes.items() for size in counts):
            table_rows += await _rows_for(databases, kind, answers, 1 if quick or answers == MANY else 3)
    return table_rows


async def _rows_for(databases: Databases, kind: str, answers: int, repeats: int) -> list[Row]:
    original = await databases.create(kind, lambda url: _seed_answers(url, answers))
    size = f"{answers:,} answers, {NAMES[kind]}"
    maintenance = [
        Row(f"{name}, {size}", (await _timings(original, [part]))[part]) for part, name in MAINTENANCE.items()
    ]
    figures = await _timings(original, [*PAGES, "naive"] * repeats)
    cold = await _timings(original, [*PAGES] * repeats, is_cold=True) if kind == SQLITE else {}
    await original.drop()
    naive, page_rows = figures["naive"], []
    for page, name in PAGES.items():
        ours, ratio = figures[page], median_ratio(naive.values, figures[page].values)
        slowest = max(figure.median for figure in (ours, cold.get(page, ours)))
        is_met = slowest < MAX_SECONDS and (ratio >= MIN_RATIO or answers < MANY)
        target = f"< {MAX_SECONDS:g} s, naive >= {MIN_RATIO:g}x" if answers == MANY else f"< {MAX_SECONDS:g} s"
        note = f"with an empty file cache {number(cold[page].median)} s" if cold else ""
        page_rows.append(Row(f"{name}, {size}", ours, naive, NAIVE, ratio, target, is_met, note))
    return page_rows + maintenance


async def _timings(original: SeededDatabase, parts: list[str], *, is_cold: bool = False) -> dict[str, Figure]:
    """Seconds of each part, run one after the other in processes of their own."""
    runs: dict[str, list[tuple[float, float]]] = {}
    for part in parts:
        if is_cold:
            _evict_from_cache(original)
        runs.setdefault(part, []).append(await json_output(__name__, "--database", original.url, "--page", part))
    return {
        part: Figure([seconds for seconds, _ in timings], "s", [cpu for _, cpu in timings], "s")
        for part, timings in runs.items()
    }


def _evict_from_cache(original: SeededDatabase) -> None:
    """Drop the database file from the system's file cache, so that it is read from disk again."""
    with (original.databases.folder / f"{original.name}.db").open("rb") as file:
        os.fsync(file.fileno())  # pages that are not written yet would stay cached
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# ---------------------------------------------------------------- the history that is measured on


async def _seed_answers(url: str, count: int) -> None:
    """Seed a prompt for every servant on each working day, seven of ten answered; all weeks but the last are closed.

    The database itself generates the rows.
    """
    servant_count = count * 10 // ANSWERED // DAYS
    await seed.enrolled_servants(url, servant_count)
    database = open_database(url, foreign_keys=False)  # the rows are consistent, and checking them would dominate
    try:
        async with database.write() as tx:
            if tx.dialect.name == "postgresql":
                await tx.execute(text("SET LOCAL session_replication_role = replica"))
            for number in range(2, INSTITUTIONS + 1):
                await servants.add_institution(tx, f"B{number}", f"Dependencia {number}", "state")
            place = {"institution_id": 1 + schema.servants.c.id % INSTITUTIONS}
            await tx.execute(update(schema.servants).values(place | {"enrolled_on": FIRST - timedelta(days=60)}))
            for week in range(WEEKS):
                await blocks.close(tx, FIRST + timedelta(weeks=week), RULES)
                await _insert_week(tx, servant_count, week)
            await seed.advance_sequences(tx, [schema.prompts])
            await tx.execute(text("ANALYZE"))
    finally:
        await database.close()


async def _insert_week(tx: Transaction, count: int, week: int) -> None:
    servant, topics = schema.servants.c, sorted(seed.library().topics)
    day_rows = [(5 * week + index, FIRST + timedelta(weeks=week, days=index)) for index in range(5)]
    days = values(column("day_index", Integer), column("day", Date), name="days").data(day_rows).cte()
    index = days.c.day_index
    random = (servant.id * 7919 + index * index * 104_729 + servant.id * index * 31) % 10_007
    number = index * count + servant.id  # in the order of real inserts: all rows of a day, then all of the next
    common = {"day": days.c.day, "scenario_id": literal("s"), "competency_id": literal("c"), "servant_id": servant.id}
    prompt = common | {"id": number, "reason": literal("new")}
    answer = common | {
        "prompt_id": number,
        "institution_id": servant.institution_id,
        "topic_id": case(dict(enumerate(topics)), value=random % len(topics)),
        "option": literal("a"),
        "is_right": servant.id % 3 > 0,
        "answered_at": literal(MOMENT, UtcDateTime),
        "lane": case({0: "place", 1: "place", 2: "topic", 3: "map"}, value=random // 11 % 4),
    }
    for table, row, is_included in (
        (schema.prompts, prompt, true()),
        (schema.answers, answer, random // 7 % 10 < ANSWERED),
    ):
        rows = select(*row.values()).select_from(schema.servants.join(days, true())).where(is_included)
        await tx.execute(insert(table).from_select(list(row), rows.order_by(number)))


# ---------------------------------------------------------------- the process that is measured


async def measured(url: str, part: str) -> tuple[float, float]:
    """Seconds that a part takes from opening the database on, and CPU seconds of this process."""
    work, database = WORK[part], open_database(url)
    seed.library()
    try:
        start, cpu = time.monotonic(), time.process_time()
        async with database.write() if part in MAINTENANCE else database.read() as tx:
            await work(tx)
        return time.monotonic() - start, time.process_time() - cpu
    finally:
        await database.close()


async def _page(tx: Transaction, code: str | None) -> None:
    table = await reports.institution_table(seed.work_context(tx), FIRST, LAST, code)
    assert table.answers
    assert table.weeks


async def _export(tx: Transaction) -> None:
    assert await figures.blocks_within(tx, FIRST, LAST)


async def _close(tx: Transaction) -> None:
    assert await blocks.close(tx, LAST, RULES) == WEEKS + 1


async def _naive(tx: Transaction) -> None:
    week = "strftime('%Y-%W', prompts.day)" if tx.dialect.name == "sqlite" else "date_trunc('week', prompts.day)"
    statement = (
        f"SELECT institutions.code, answers.topic_id, {week}, count(*), count(answers.prompt_id),"
        " count(DISTINCT answers.servant_id), sum(CASE WHEN answers.is_right THEN 1 ELSE 0 END)"
        " FROM prompts JOIN servants ON servants.id = prompts.servant_id"
        " JOIN institutions ON institutions.id = servants.institution_id"
        " LEFT JOIN answers ON answers.prompt_id = prompts.id GROUP BY 1, 2, 3"
    )
    assert (await tx.execute(text(statement))).all()


WORK: dict[str, Callable[[Transaction], Awaitable[None]]] = {
    "all": lambda tx: _page(tx, None),
    "one": lambda tx: _page(tx, seed.CODE),
    "naive": _naive,
    "export": _export,
    "close": _close,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--page", required=True, choices=tuple(WORK))
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measured(options.database, options.page))))
