"""The console's numbers over many answers: a page of all institutions, one of a single institution, and a naive query.

It is ten in the morning: three tenths of the people have had today's situation, which is counted as it is; the days
before are kept as counts. Each page in a process of its own that has just opened the database. The file cache of the
system is warm, and for SQLite once more empty. The naive query is what one would write first: answers with their
prompts, by institution, topic and week. Below stands what the counts cost: a day, and all of them anew.
Run by itself: python -m bench.dashboards --database sqlite+aiosqlite:////tmp/answers.db --page all
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Date, Integer, case, column, insert, literal, or_, select, text, true, update, values

from bench import seed
from bench.databases import NAMES, POSTGRES, SQLITE, Ground, Original, ground
from bench.report import Figure, Row, number, pairwise
from bench.runs import told
from handlers.administration import reports
from storage import schema
from storage.database import Transaction, UtcDateTime, open_database
from storage.people import servants
from storage.reports import aggregates, statistics

PAGES = {"all": "all institutions", "one": "one institution"}
UPKEEP = {"rebuild": "all counts made anew", "fold": "a day counted"}
NAIVE = "the naive query"
PLACES, DAYS = 40, 100
LAST = date(2026, 11, 20)
FIRST = LAST - timedelta(days=DAYS - 1)
MOMENT = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
ASKED_TODAY, ANSWERED = 3, 7  # of ten
MOST, LEAST = 1.0, 100.0  # seconds a page; times the naive query's speed
MANY = 5_000_000  # answers: there the second one is a target too


async def rows(quick: bool) -> list[Row]:
    sizes = {SQLITE: (50_000,)} if quick else {SQLITE: (MANY,), POSTGRES: (500_000,)}
    found = []
    with ground() as land:
        for kind, answers in ((kind, size) for kind, every in sizes.items() for size in every):
            found += await _of(land, kind, answers, 1 if quick or answers == MANY else 3)
    return found


async def _of(land: Ground, kind: str, answers: int, repeats: int) -> list[Row]:
    original = await land.seeded(kind, lambda url: _answered(url, answers))
    size = f"{answers:,} answers, {NAMES[kind]}"
    upkeep = [Row(f"{name}, {size}", (await _taken(original, [part]))[part]) for part, name in UPKEEP.items()]
    figures = await _taken(original, [*PAGES, "naive"] * repeats)
    cold = await _taken(original, [*PAGES] * repeats, is_cold=True) if kind == SQLITE else {}
    await original.drop()
    naive, found = figures["naive"], []
    for page, name in PAGES.items():
        ours, ratio = figures[page], pairwise(naive.values, figures[page].values)
        slowest = max(one.median for one in (ours, cold.get(page, ours)))
        is_met = slowest < MOST and (ratio >= LEAST or answers < MANY)
        target = f"< {MOST:g} s, naive >= {LEAST:g}x" if answers == MANY else f"< {MOST:g} s"
        note = f"with an empty file cache {number(cold[page].median)} s" if cold else ""
        found.append(Row(f"page of {name}, {size}", ours, naive, NAIVE, ratio, target, is_met, note))
    return found + upkeep


async def _taken(original: Original, parts: list[str], *, is_cold: bool = False) -> dict[str, Figure]:
    """Seconds that each part takes, one after the other, in processes of their own."""
    runs: dict[str, list[tuple[float, float]]] = {}
    for part in parts:
        if is_cold:
            _forget_cache(original)
        runs.setdefault(part, []).append(await told(__name__, "--database", original.url, "--page", part))
    return {part: Figure([one for one, _ in each], "s", [cpu for _, cpu in each], "s") for part, each in runs.items()}


def _forget_cache(original: Original) -> None:
    """The system reads the file from the disk again."""
    with (original.ground.folder / f"{original.name}.db").open("rb") as file:
        os.fsync(file.fileno())  # what is not written yet would stay
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# ---------------------------------------------------------------- the past that is measured on


async def _answered(url: str, count: int) -> None:
    """Everybody was asked each day, seven of ten answered; written by the database itself, nothing kept yet."""
    people = count * 10 // ANSWERED * 10 // (10 * (DAYS - 1) + ASKED_TODAY)
    await seed.people(url, people)
    database = open_database(url, foreign_keys=False)  # all of it is right, and looking would take the longest
    try:
        async with database.write() as tx:
            if tx.dialect.name == "postgresql":
                await tx.execute(text("SET LOCAL session_replication_role = replica"))
            for place in range(2, PLACES + 1):
                await servants.add_institution(tx, f"B{place}", f"Dependencia {place}", "state")
            await tx.execute(update(schema.servants).values(institution_id=1 + schema.servants.c.id % PLACES))
            await _fill(tx, people)
            await seed.count_on(tx, [schema.prompts])
            row = {"id": 1, "day": LAST - 2 * aggregates.DAY, "since": FIRST}
            await tx.execute(insert(schema.aggregation_state).values(row))
            await tx.execute(text("ANALYZE"))
    finally:
        await database.close()


async def _fill(tx: Transaction, count: int) -> None:
    people, topics = schema.servants.c, sorted(seed.library().topics)
    each = [(place, FIRST + timedelta(days=place)) for place in range(DAYS)]
    days = values(column("place", Integer), column("day", Date), name="days").data(each).cte()
    place = days.c.place
    chance = (people.id * 7919 + place * place * 104_729 + people.id * place * 31) % 10_007
    is_asked = or_(days.c.day < LAST, people.id // PLACES % 10 < ASKED_TODAY)
    number = place * count + people.id  # as they are in life: all of a day, then all of the next
    what = {"day": days.c.day, "scenario_id": literal("s"), "competency_id": literal("c"), "servant_id": people.id}
    prompt = what | {"id": number, "reason": literal("new")}
    answer = what | {
        "prompt_id": number,
        "institution_id": people.institution_id,
        "topic_id": case(dict(enumerate(topics)), value=chance % len(topics)),
        "option": literal("a"),
        "is_right": people.id % 3 > 0,
        "answered_at": literal(MOMENT, UtcDateTime),
    }
    for table, row, is_there in (
        (schema.prompts, prompt, is_asked),
        (schema.answers, answer, is_asked & (chance // 7 % 10 < ANSWERED)),
    ):
        rows = select(*row.values()).select_from(schema.servants.join(days, true())).where(is_there)
        await tx.execute(insert(table).from_select(list(row), rows.order_by(number)))


# ---------------------------------------------------------------- the process that is measured


async def measured(url: str, part: str) -> tuple[float, float]:
    """Seconds that a part takes, from opening the database, and this process's own of the processor."""
    work, database = WORK[part], open_database(url)
    seed.library()
    try:
        start, cpu = time.monotonic(), time.process_time()
        async with database.write() if part in UPKEEP else database.read() as tx:
            await work(tx)
        return time.monotonic() - start, time.process_time() - cpu
    finally:
        await database.close()


async def _page(tx: Transaction, code: str | None) -> None:
    found = await reports.institution_table(tx, seed.library(), FIRST, LAST, 10, code)
    assert found.answers
    assert found.days


async def _fold(tx: Transaction) -> None:
    assert await aggregates.aggregate_next_day(tx, MOMENT) == LAST - aggregates.DAY


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
    "rebuild": statistics.rebuild,
    "fold": _fold,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--page", required=True, choices=tuple(WORK))
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measured(given.database, given.page))))
