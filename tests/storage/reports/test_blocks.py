"""Closings: what is counted, when, with whom, and that nothing is counted twice or changed afterwards."""

import asyncio
import itertools
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from content.library import Library
from storage import schema
from storage.database import Database, Transaction, open_database
from storage.learning.lanes import Lane
from storage.people import linking, servants
from storage.reports import blocks
from tests.attack.drill import RULES
from tests.attack.invented_year import ENROLLED, START, WEEK, Year

SIZES = {"A": 14, "B": 12, "C": 4}


async def begun(tx: Transaction, library: Library, sizes: dict[str, int] = SIZES) -> Year:
    """A year in which the first closing is done, so that periods are known, and all are diligent."""
    year = Year(library)
    await year.begin(tx, sizes)
    for person in year.people:
        person.diligence = 1.0
    await blocks.close(tx, START, RULES)
    return year


async def a_week(tx: Transaction, year: Year) -> int | None:
    await year.live_week(tx, RULES.key)
    return await blocks.close(tx, year.today, RULES)


async def blocks_of(tx: Transaction, lane: Lane) -> list[tuple[int, str]]:
    """Rung and key of each block of a lane."""
    columns = schema.blocks.c
    statement = select(columns.rung, columns.key).where(columns.lane == lane).order_by(columns.id)
    return [(row.rung, row.key) for row in await tx.execute(statement)]


async def answer_blocks(tx: Transaction) -> dict[int, int | None]:
    columns = schema.answers.c
    rows = await tx.execute(select(columns.prompt_id, columns.block))
    return {row.prompt_id: row.block for row in rows}


async def everything(tx: Transaction) -> list[tuple[Any, ...]]:
    tables = (schema.closings, schema.blocks, schema.block_counts)
    return [tuple(row) for table in tables for row in await tx.execute(select(table).order_by(*table.primary_key))]


# ---------------------------------------------------------------- what is counted, and when


async def test_each_week_places_are_counted_and_each_month_topics_and_scenarios(
    database: Database, library: Library
) -> None:
    async with database.write() as tx:
        year = await begun(tx, library)
        assert await a_week(tx, year) == 2
        here = {code: str(place) for code, place in year.places.items()}
        assert await blocks_of(tx, Lane.PLACE) == [(0, here["A"]), (0, here["B"])]
        assert await blocks_of(tx, Lane.TOPIC) == await blocks_of(tx, Lane.MAP) == []
        assert await blocks.newest_closing(tx) == 2
        assert await blocks.count_after(tx, 1) == (len(await blocks_of(tx, Lane.REACH)), 2)
        assert await blocks.count_after(tx, 2) == (0, 0)
        for _ in range(4):
            await a_week(tx, year)
        assert year.today == date(2026, 2, 9)
        assert {rung for rung, _ in await blocks_of(tx, Lane.TOPIC)} == {0}
        assert {key.split()[0] for _, key in await blocks_of(tx, Lane.TOPIC)} <= {here["A"], here["B"]}
        assert all(key.startswith(("state ", "municipal ")) for _, key in await blocks_of(tx, Lane.MAP))
        periods: dict[tuple[str, str], list[tuple[date, date]]] = {}
        for block in await tx.execute(select(schema.blocks).order_by(schema.blocks.c.id)):
            periods.setdefault((block.lane, block.key), []).append((block.since, block.week))
        assert len(periods[Lane.PLACE, here["A"]]) > 3
        for own in periods.values():
            assert all(before[1] < after[0] <= after[1] for before, after in itertools.pairwise(own)), "no week twice"


async def test_what_is_too_small_waits_and_is_counted_more_coarsely_at_the_end_of_the_quarter(
    database: Database, library: Library
) -> None:
    async with database.write() as tx:
        year = await begun(tx, library, {"A": 7, "B": 7, "C": 7, "D": 2})
        for _ in range(12):
            await a_week(tx, year)
        assert await blocks_of(tx, Lane.PLACE) == []
        assert set((await answer_blocks(tx)).values()) == {None}
        await a_week(tx, year)
        assert year.today == date(2026, 4, 6)
        assert await blocks_of(tx, Lane.PLACE) == [(1, "state")], "the municipal ones are nine people"
        waiting = select(func.count()).where(schema.answers.c.block.is_(None), schema.answers.c.lane != Lane.RETENTION)
        assert await tx.scalar(waiting) == 0, "the rest is never shown"
        place = select(schema.blocks).where(schema.blocks.c.lane == Lane.PLACE)
        block = (await tx.execute(place)).one()
        assert (block.since, block.week) == (START, START + 12 * WEEK)


async def test_people_are_counted_each_week_also_those_who_are_silent(database: Database, library: Library) -> None:
    async with database.write() as tx:
        year = await begun(tx, library, {"A": 30})
        year.fall_silent("A")
        await year.live_week(tx, RULES.key)
        await blocks.close(tx, year.today, RULES)
        counts = dict(map(tuple, await tx.execute(select(schema.block_counts.c.measure, schema.block_counts.c.value))))
        assert counts["total"] == 30
        assert counts["right"] in (0, 3), "one and a half (5 %) is stored as nothing or three"


async def test_a_week_without_prompts_says_nothing_about_people(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await begun(tx, library)
        assert await blocks.close(tx, START + WEEK, RULES) == 2
        assert await blocks_of(tx, Lane.REACH) == []


async def test_people_on_leave_are_not_counted(database: Database, library: Library) -> None:
    async with database.write() as tx:
        year = await begun(tx, library, {"A": 14})
        for person in year.people[:5]:
            await servants.pause(tx, person.id, None)
        await a_week(tx, year)
        assert await blocks_of(tx, Lane.REACH) == []
        for person in year.people[:5]:
            await servants.pause(tx, person.id, year.today + 8 * timedelta(days=1))
        for _ in range(2):
            await a_week(tx, year)
        assert await blocks_of(tx, Lane.REACH) == [(0, str(year.places["A"]))], "their leave is over"


# ---------------------------------------------------------------- who counts


@pytest.mark.parametrize(
    ("configured", "size", "is_shown"), [(1, 4, False), (1, 5, True), (10, 9, False), (10, 10, True)]
)
async def test_no_setting_shows_fewer_than_five(
    database: Database, library: Library, configured: int, size: int, is_shown: bool
) -> None:
    async with database.write() as tx:
        year = await begun(tx, library, {"A": size})
        await year.live_week(tx, RULES.key)
        await blocks.close(tx, year.today, replace(RULES, min_group=configured))
        assert bool(await blocks_of(tx, Lane.REACH)) is is_shown


@pytest.mark.parametrize("reason", ["new", "moved", "left", "on trial"])
async def test_an_account_counts_when_it_is_established(database: Database, library: Library, reason: str) -> None:
    async with database.write() as tx:
        year = await begun(tx, library, {"A": 9, "B": 12})
        for _ in range(3):
            if reason == "new":
                await year.enrol(tx, "A", START)
            elif reason == "on trial":
                await year.enrol(tx, "A", ENROLLED, "webchat")
            else:
                await year.move(tx, year.of("B")[0], "A")
        if reason == "left":
            for person in year.of("A")[-3:]:
                await year.leave(tx, person)
        for week in range(1, 6):
            await a_week(tx, year)
            own = [key for _, key in await blocks_of(tx, Lane.REACH) if key == str(year.places["A"])]
            assert len(own) == (max(0, week - 3) if reason in ("new", "moved") else 0)


async def test_a_clock_that_is_ahead_makes_no_account_established(database: Database, library: Library) -> None:
    async with database.write() as tx:
        year = await begun(tx, library, {})
        year.places = {}
        await year.begin(tx, {"A": 0})
        for _ in range(12):
            await year.enrol(tx, "A", START)
        await year.live_week(tx, RULES.key)
        assert await blocks.close(tx, year.today + 52 * WEEK, RULES) == 2
        assert await blocks_of(tx, Lane.REACH) == []


async def test_no_person_is_more_than_a_fifth_of_a_block(database: Database, library: Library) -> None:
    async with database.write() as tx:
        year = await begun(tx, library, {"A": 10})
        for person in year.people[1:]:
            person.diligence = 0.5
        year.people[0].diligence = 1.0
        for _ in range(6):
            await year.live_week(tx, RULES.key)
        await blocks.close(tx, year.today, RULES)
        columns = schema.answers.c
        found = await tx.execute(
            select(columns.block, columns.servant_id, func.count())
            .where(columns.block > 0)
            .group_by(columns.block, columns.servant_id)
        )
        sizes: dict[int, list[int]] = {}
        for block, _, count in found:
            sizes.setdefault(block, []).append(count)
        assert sizes
        assert all(5 * max(counts) <= sum(counts) for counts in sizes.values())


async def test_invented_people_are_counted_by_themselves_and_real_ones_among_them_never(
    database: Database, library: Library
) -> None:
    async with database.write() as tx:
        year = await begun(tx, library, {"A": 12})
        await tx.execute(update(schema.institutions).values(is_fictional=True))
        for _ in range(14):
            await a_week(tx, year)
        assert await everything(tx) != []
        assert await tx.scalar(select(func.count()).select_from(schema.blocks)) == 0
        assert set((await answer_blocks(tx)).values()) <= {0, None}


# ---------------------------------------------------------------- once, and for good


async def test_nothing_that_happens_later_changes_a_block(database: Database, library: Library) -> None:
    async with database.write() as tx:
        year = await begun(tx, library, {"A": 14, "B": 14})
        await a_week(tx, year)
        before, counted = await everything(tx), await answer_blocks(tx)
        ana, beto, carla, dora = year.of("A")[:4]
        await servants.leave(tx, ana.id)
        await servants.change_institution(tx, beto.id, year.places["B"], year.today)
        await linking.merge(tx, carla.id, dora.id)
        await tx.execute(update(schema.institutions).values(name="otro"))
        assert await blocks.close(tx, year.today, replace(RULES, min_group=5)) is None
        assert await everything(tx) == before
        after = await answer_blocks(tx)
        assert {key: counted[key] for key in after} == after


async def test_an_answer_counts_where_its_prompt_was_planned(database: Database, library: Library) -> None:
    """Also when the person has moved before answering: the prompt remembers the institution."""
    async with database.write() as tx:
        year = await begun(tx, library, {"A": 12, "B": 12})
        person = year.of("A")[0]
        planned = (await year.plan(tx))[0]
        await servants.change_institution(tx, person.id, year.places["B"], year.today)
        moved = await year.stored_prompt(tx, planned.id)
        assert (planned.institution_id, moved.institution_id) == (None, year.places["A"])


async def test_with_concurrent_processes_each_closing_is_done_by_one(
    database: Database, database_url: str, library: Library
) -> None:
    async with database.write() as tx:
        year = await begun(tx, library)
        await year.live_week(tx, RULES.key)
    others = [open_database(database_url) for _ in range(3)]

    async def close(one: Database) -> int | None:
        async with one.write(is_long=True) as tx:
            return await blocks.close(tx, year.today, RULES)

    done = await asyncio.gather(*(close(one) for one in (database, *others)))
    for one in others:
        await one.close()
    assert sorted(done, key=str) == [2, None, None, None]


class Crash(Exception):
    """The process dies here."""


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_after_a_crash_half_way_the_same_blocks_are_made(
    database: Database, library: Library, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    async with database.write() as tx:
        year = await begun(tx, library)
        await year.live_week(tx, RULES.key)
    add_block, left = blocks._add_block, [after]

    async def crash(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash
        await add_block(*arguments)

    async with database.read() as tx:
        before = await everything(tx)
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "_add_block", crash)
        with pytest.raises(Crash):
            async with database.write() as tx:
                await blocks.close(tx, year.today, RULES)
    async with database.read() as tx:
        assert await everything(tx) == before
        assert set((await answer_blocks(tx)).values()) == {None}
    async with database.write() as tx:
        assert await blocks.close(tx, year.today, RULES) == 2
        assert len(await blocks_of(tx, Lane.PLACE)) == 2


async def test_an_older_clock_and_one_that_is_ahead_only_make_other_labels(
    database: Database, library: Library
) -> None:
    async with database.write() as tx:
        year = await begun(tx, library)
        await year.live_week(tx, RULES.key)
        for moment in (year.today + 52 * WEEK, year.today, year.today - 4 * WEEK):
            assert await blocks.close(tx, moment, RULES) is not None
        rows = select(schema.blocks).where(schema.blocks.c.lane == Lane.PLACE, schema.blocks.c.rung == 0)
        assert len((await tx.execute(rows)).all()) == 2, "what was counted at the first is counted"
        every = await tx.execute(select(schema.blocks))
        assert all(block.since <= block.week for block in every)


async def test_after_a_restore_what_waited_is_never_shown(database: Database, library: Library) -> None:
    async with database.write() as tx:
        year = await begun(tx, library)
        await year.live_week(tx, RULES.key)
        waiting = len(await answer_blocks(tx))
        assert await blocks.discard_waiting(tx) == waiting
        assert await blocks.discard_waiting(tx) == 0
        await blocks.close(tx, year.today, RULES)
        assert await blocks_of(tx, Lane.PLACE) == []
        assert set((await answer_blocks(tx)).values()) == {0}
