"""The console's numbers over many answers: a page of all institutions, one of a single institution, and a naive query.

Each page in a process of its own that has just opened the database (the system's file cache is warm). The naive
query is what one would write first: answers with their prompts, by institution, topic and week.
Run by itself: python -m bench.dashboards --database sqlite+aiosqlite:////tmp/answers.db --page all
"""

import argparse
import asyncio
import json
import time
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Date, Integer, String, column, insert, literal, select, text, true, update, values

from bench import seed
from bench.ground import NAMES, POSTGRES, SQLITE, Ground, ground
from bench.report import Figure, Row, pairwise
from bench.runs import told
from handlers import reports
from storage import counts, schema, servants
from storage.database import Transaction, UtcDateTime, open_database

PAGES = {"all": "all institutions", "one": "one institution"}
NAIVE = "the naive query"
PLACES, DAYS = 40, 100
LAST = date(2026, 11, 20)
FIRST = LAST - timedelta(days=DAYS - 1)
MOMENT = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
MOST, LEAST = 1.0, 100.0  # seconds a page; times the naive query's speed


async def rows(quick: bool) -> list[Row]:
    sizes = {SQLITE: (50_000,)} if quick else {SQLITE: (500_000, 5_000_000), POSTGRES: (500_000,)}
    found = []
    with ground() as land:
        for kind, answers in ((kind, size) for kind, every in sizes.items() for size in every):
            found += await _of(land, kind, answers, 1 if quick or answers > 1_000_000 else 3)
    return found


async def _of(land: Ground, kind: str, answers: int, repeats: int) -> list[Row]:
    original = await land.seeded(kind, lambda url: _answered(url, answers // DAYS))
    taken: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repeats):
        for page in (*PAGES, "naive"):
            taken.setdefault(page, []).append(await told(__name__, "--database", original.url, "--page", page))
    await original.drop()
    figures = {
        page: Figure([seconds for seconds, _ in runs], "s", [cpu for _, cpu in runs], "s")
        for page, runs in taken.items()
    }
    target, naive = f"< {MOST:g} s, naive >= {LEAST:g}x", figures["naive"]
    found = []
    for page, name in PAGES.items():
        ours, ratio = figures[page], pairwise(naive.values, figures[page].values)
        what = f"page of {name}, {answers:,} answers, {NAMES[kind]}"
        found.append(Row(what, ours, naive, NAIVE, ratio, target, ours.median < MOST and ratio >= LEAST))
    return found


async def _answered(url: str, people: int) -> None:
    """Everybody was asked each day and answered, in forty institutions; written by the database itself."""
    await seed.people(url, people)
    database = open_database(url, foreign_keys=False)  # all of it is right, and looking would take the longest
    try:
        async with database.write() as tx:
            if tx.dialect.name == "postgresql":
                await tx.execute(text("SET LOCAL session_replication_role = replica"))
            for place in range(2, PLACES + 1):
                await servants.add_institution(tx, f"B{place}", f"Dependencia {place}", "state")
            theirs = 1 + (schema.servants.c.id - 1) * PLACES // people
            await tx.execute(update(schema.servants).values(institution_id=theirs))
            await _fill(tx)
            await seed.count_on(tx, [schema.prompts])
            if rebuild := getattr(counts, "rebuild", None):  # where aggregates are kept, they are made anew
                await rebuild(tx)
            await tx.execute(text("ANALYZE"))
    finally:
        await database.close()


async def _fill(tx: Transaction) -> None:
    people, topics = schema.servants.c, sorted(seed.library().topics)
    shape = (column("place", Integer), column("day", Date), column("topic", String))
    each = [(place, FIRST + timedelta(days=place), topics[place % len(topics)]) for place in range(DAYS)]
    days = values(*shape, name="days").data(each).cte()
    number = (people.id - 1) * DAYS + days.c.place + 1
    what = {"day": days.c.day, "scenario_id": literal("s"), "competency_id": literal("c"), "servant_id": people.id}
    prompt = what | {"id": number, "reason": literal("new")}
    answer = what | {
        "prompt_id": number,
        "institution_id": people.institution_id,
        "topic_id": days.c.topic,
        "option": literal("a"),
        "is_right": people.id % 3 > 0,
        "answered_at": literal(MOMENT, UtcDateTime),
    }
    for table, row in ((schema.prompts, prompt), (schema.answers, answer)):
        rows = select(*row.values()).select_from(schema.servants.join(days, true())).order_by(people.id, days.c.day)
        await tx.execute(insert(table).from_select(list(row), rows))


# ---------------------------------------------------------------- the process that is measured


async def measured(url: str, page: str) -> tuple[float, float]:
    """Seconds that a page takes, from opening the database, and this process's own of the processor."""
    database = open_database(url)
    seed.library()
    try:
        start, cpu = time.monotonic(), time.process_time()
        async with database.read() as tx:
            if page == "naive":
                await _naive(tx)
            else:
                code = seed.CODE if page == "one" else None
                found = await reports.institution_table(tx, seed.library(), FIRST, LAST, 10, code)
                assert found.answers
        return time.monotonic() - start, time.process_time() - cpu
    finally:
        await database.close()


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--page", required=True, choices=(*PAGES, "naive"))
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measured(given.database, given.page))))
