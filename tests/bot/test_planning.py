"""How the clock plans a day for many: each is found once, in portions, by one process at a time, whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from bot import scheduler as scheduler_module
from bot.channels.whatsapp.channel import capabilities
from bot.scheduler import Scheduler
from content.library import Library
from handlers.learning import daily
from storage import notifications
from storage.advisory_locks import Lock
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable, open_database
from storage.learning import record
from storage.people import addresses, servants
from storage.schema import addresses as places
from storage.schema import closures, prompts
from storage.schema import servants as people
from tests.bot.test_scheduler import HOUSE, Beats, Stage, _run
from tests.cast import MONDAY_NINE, Clock
from tests.statement_log import statement_listener
from tests.storage.test_notifications import end_whoever_has

HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
WITH_WHATSAPP = replace(HOUSE, channel_capabilities={"whatsapp": capabilities("tap")})
WAYS = {"free": "telegram", "silent": "whatsapp"}


@pytest.fixture
def stage(database: Database, library: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(scheduler_module, "CHUNK", 2)
    return Stage(database, library, clock, WITH_WHATSAPP)


class Crash(Exception):
    """The process ended there."""


def crashing(stage: Stage, portions: int) -> Scheduler:
    """A clock whose process ends after so many portions."""
    left = [Crash] * (portions - 1)

    def end() -> None:
        if not left:
            raise Crash
        left.pop()

    return Scheduler(stage.database, stage.library, stage.installation, stage.clock, end)


# ---------------------------------------------------------------- portions


@pytest.mark.parametrize("way", WAYS)
async def test_a_start_after_a_crash_goes_on(stage: Stage, way: str) -> None:
    await stage.enrol(7, channel=WAYS[way])
    with pytest.raises(Crash):
        await crashing(stage, 2).plan(MONDAY_NINE)
    assert await stage.count() == (4, 4)
    assert await stage.restarted().plan(MONDAY_NINE) == 3
    assert await stage.count() == (7, 7)


async def test_whoever_was_not_reached_by_a_plan_that_crashed_is_put_off_by_the_next(stage: Stage) -> None:
    await stage.enrol(7, channel="whatsapp")
    async with stage.database.write() as tx:
        await channel_facts.note(tx, "whatsapp", channel_facts.PEOPLE, "5", MONDAY_NINE)
    with pytest.raises(Crash):
        await crashing(stage, 2).plan(MONDAY_NINE)
    assert await stage.restarted().plan(MONDAY_NINE) == 1
    assert await stage.restarted().plan(MONDAY_NINE) == 0
    async with stage.database.read() as tx:
        assert await addresses.count_template_recipients(tx, "whatsapp", MONDAY_NINE - HOUR) == 5
        assert await addresses.count_put_off(tx, "whatsapp") == 2


async def test_those_who_wait_go_before_the_others_over_all_portions(stage: Stage) -> None:
    await stage.enrol(7, channel="whatsapp")
    async with stage.database.write() as tx:
        for number, days in ((5, 2), (6, 3), (2, 2)):
            await addresses.put_off(tx, "whatsapp", f"9-{number}", (MONDAY_NINE - timedelta(days=days)).date())
        await channel_facts.note(tx, "whatsapp", channel_facts.PEOPLE, "5", MONDAY_NINE)
    await stage.scheduler.plan(MONDAY_NINE)
    asked = select(places.c.address).join(prompts, prompts.c.servant_id == places.c.servant_id)
    async with stage.database.read() as tx:
        assert (await tx.scalars(asked.order_by(prompts.c.id))).all() == ["9-6", "9-2", "9-5", "9-0", "9-1"]


@pytest.mark.parametrize("way", WAYS)
async def test_people_are_found_once_however_many_they_are(stage: Stage, way: str) -> None:
    found = []
    for times in (1, 4):
        looks: list[str] = []

        def note(*arguments: Any, looks: list[str] = looks) -> None:
            if "planned_on <" in arguments[2]:
                looks.append(arguments[2])

        await stage.enrol(4 * times, hour=9 + times, channel=WAYS[way])
        with statement_listener(stage.database, note):
            assert await stage.scheduler.plan(MONDAY_NINE + times * HOUR) == 4 * times
        found.append(len(looks))
    assert found == [3, 3], "the free, the silent, and whoever is left over"


# ---------------------------------------------------------------- whoever comes later on the same day


async def _joins(stage: Stage) -> None:
    await stage.enrol(1, hour=8)


async def _resumes(stage: Stage) -> None:
    await _with(stage, servants.resume)


async def _chooses_an_earlier_hour(stage: Stage) -> None:
    await _with(stage, lambda tx, one: servants.change(tx, one, hour=8))


async def _is_reached_again(stage: Stage) -> None:
    await _with(stage, lambda tx, _: addresses.meet(tx, "telegram", "17-0"))


async def _opens(stage: Stage) -> None:
    await _with(stage, lambda tx, _: tx.execute(closures.delete()))


async def _with(stage: Stage, change: Any) -> None:
    async with stage.database.write() as tx:
        known = await servants.at(tx, "telegram", "17-0")
        assert known is not None
        await change(tx, known.id)


BEFORE: dict[str, dict[str, Any]] = {  # how somebody stands while the others are planned
    "joins": {"hour": 17},
    "resumes": {"state": "paused", "hour": 9},
    "chooses an earlier hour": {"hour": 17},
    "is reached again": {"hour": 9},
    "opens": {"hour": 9},
}
LATER = {
    "joins": _joins,
    "resumes": _resumes,
    "chooses an earlier hour": _chooses_an_earlier_hour,
    "is reached again": _is_reached_again,
    "opens": _opens,
}


@pytest.mark.parametrize("name", LATER)
async def test_whoever_becomes_due_after_their_hour_is_planned_by_the_next_look(stage: Stage, name: str) -> None:
    await stage.enrol(3)
    await stage.enrol(1, hour=17)
    async with stage.database.write() as tx:
        known = await servants.at(tx, "telegram", "17-0")
        assert known is not None
        await tx.execute(update(people).where(people.c.id == known.id).values(BEFORE[name]))
        if name == "is reached again":
            await tx.execute(update(places).where(places.c.servant_id == known.id).values(is_reachable=False))
        if name == "opens":
            await servants.close_day(tx, None, MONDAY_NINE.date())
    assert await stage.scheduler.plan(MONDAY_NINE) == (0 if name == "opens" else 3)
    await LATER[name](stage)
    planned = [await stage.scheduler.plan(MONDAY_NINE + number * QUARTER) for number in (1, 2)]
    assert planned == [4 if name == "opens" else 1, 0]


async def test_whoever_has_a_prompt_of_yesterday_is_found_today_and_whoever_has_one_of_today_is_not(
    stage: Stage,
) -> None:
    await stage.enrol(3)
    async with stage.database.write() as tx:
        ids = (await tx.scalars(select(people.c.id).order_by(people.c.id))).all()
        for one, days in ((ids[0], 0), (ids[1], 1)):
            await record.plan(tx, one, (MONDAY_NINE - timedelta(days=days)).date(), "s", "c", "new")
    assert await stage.scheduler.plan(MONDAY_NINE) == 2


async def test_a_prompt_that_was_not_noted_with_the_person_is_not_planned_twice(stage: Stage) -> None:
    await stage.enrol(3)
    assert await stage.scheduler.plan(MONDAY_NINE) == 3
    async with stage.database.write() as tx:  # as an older version leaves it
        await tx.execute(update(people).values(planned_on=MONDAY_NINE.date() - timedelta(days=3)))
    assert await stage.scheduler.plan(MONDAY_NINE) == 0


# ---------------------------------------------------------------- several processes


@asynccontextmanager
async def beside(stage: Stage, database_url: str) -> AsyncIterator[Scheduler]:
    """The clock of another process."""
    database = open_database(database_url)
    yield stage.restarted(database)
    await database.close()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_one_process_plans_at_a_time(stage: Stage, database_url: str) -> None:
    await stage.enrol(3)
    async with beside(stage, database_url) as other:
        async with notifications.right(stage.database, Lock.PLANNING):
            assert await other.plan(MONDAY_NINE) is None
            assert await stage.count() == (0, 0)
        assert await other.plan(MONDAY_NINE) == 3


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_where_the_one_that_plans_is_given_up_another_goes_on_and_the_first_plans_no_more(
    stage: Stage, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.enrol(7)
    ask_some, begun, planned = daily.ask_some, [], []

    async def another_goes_on() -> None:
        await end_whoever_has(stage.database, Lock.PLANNING)
        async with beside(stage, database_url) as other:
            planned.append(await other.plan(MONDAY_NINE))

    async def slowly(*given: Any) -> int:
        begun.append(given)
        if len(begun) == 2:  # of our portions
            await asyncio.create_task(another_goes_on(), context=Context())
        return await ask_some(*given)

    monkeypatch.setattr(daily, "ask_some", slowly)
    with pytest.raises(DatabaseUnavailable):
        await stage.scheduler.plan(MONDAY_NINE)
    assert planned == [5]
    assert await stage.count() == (7, 7)


async def test_a_clock_looks_again_at_each_beat_while_another_plans(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def busy(_: object) -> int | None:
        asked.append(f"{stage.clock():%H:%M}")
        return None if len(asked) < 3 else 0

    monkeypatch.setattr(stage.scheduler, "plan", busy)
    await _run(stage, Beats(stage.clock, 20), monkeypatch)
    assert asked == ["15:00", "15:01", "15:02", "15:15"]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_tick_waits_for_whoever_plans(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "PAUSE", 0.01)
    await stage.enrol(3)
    async with notifications.right(stage.database, Lock.PLANNING):
        ticking = asyncio.create_task(stage.scheduler.tick(MONDAY_NINE))
        done, _ = await asyncio.wait([ticking], timeout=0.2)
        assert not done
    assert await ticking == 3


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_whoever_is_just_being_changed_is_planned_and_nobody_waits(stage: Stage, database_url: str) -> None:
    await stage.enrol(3)
    async with beside(stage, database_url) as other, asyncio.timeout(5), stage.database.glance() as tx:
        known = await servants.at(tx, "telegram", "9-1")
        assert known is not None
        await servants.change(tx, known.id, language="en")
        assert await other.plan(MONDAY_NINE) == 3
        assert await other.plan(MONDAY_NINE) == 0
