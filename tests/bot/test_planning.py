"""Planning a day: each servant once, in batches, by one process at a time, also after crashes."""

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
from handlers.context import WorkContext
from handlers.learning import daily
from storage import advisory_locks
from storage.advisory_locks import Lock
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable, open_database
from storage.learning import record
from storage.people import addresses, closures, servants
from storage.people.closures import Closure
from storage.people.due import DueGroup
from storage.schema import addresses as address_rows
from storage.schema import prompts
from storage.schema import servants as servant_rows
from tests.bot.test_scheduler import INSTALLATION, FakeSleep, Stage, _run
from tests.cast import MONDAY_NINE, Clock
from tests.statement_log import statement_listener
from tests.storage.test_advisory_locks import terminate_lock_holder

HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
WITH_WHATSAPP = replace(INSTALLATION, channel_capabilities={"whatsapp": capabilities("tap")})
CLOSED = Closure(None, MONDAY_NINE.date())
CHANNEL_OF = {"within the reply window": "telegram", "by template only": "whatsapp"}


@pytest.fixture
def stage(database: Database, library: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(scheduler_module, "PLAN_BATCH", 2)
    return Stage(database, library, clock, WITH_WHATSAPP)


class Crash(Exception):
    """The process ended."""


def crashing_scheduler(stage: Stage, batches: int) -> Scheduler:
    """A scheduler whose process ends after so many batches."""
    left = [Crash] * (batches - 1)

    def crash() -> None:
        if not left:
            raise Crash
        left.pop()

    return Scheduler(stage.database, stage.library, stage.installation, stage.clock, crash, lambda: None)


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize("reach", CHANNEL_OF)
async def test_a_restart_after_a_crash_resume(stage: Stage, reach: str) -> None:
    await stage.enrol(7, channel=CHANNEL_OF[reach])
    with pytest.raises(Crash):
        await crashing_scheduler(stage, 2).plan(MONDAY_NINE)
    assert await stage.count() == (4, 4)
    assert await stage.new_scheduler().plan(MONDAY_NINE) == 3
    assert await stage.count() == (7, 7)


async def test_servants_without_a_prompt_after_a_crash_are_deferred_by_the_next_plan(stage: Stage) -> None:
    await stage.enrol(7, channel="whatsapp")
    async with stage.database.write() as tx:
        await channel_facts.store_recipient_limit(tx, "whatsapp", 5, MONDAY_NINE)
    with pytest.raises(Crash):
        await crashing_scheduler(stage, 2).plan(MONDAY_NINE)
    assert await stage.new_scheduler().plan(MONDAY_NINE) == 1
    assert await stage.new_scheduler().plan(MONDAY_NINE) == 0
    async with stage.database.read() as tx:
        assert await addresses.count_template_recipients(tx, "whatsapp", MONDAY_NINE - HOUR, MONDAY_NINE) == 5
        assert await addresses.count_deferred(tx, "whatsapp") == 2


async def test_deferred_servants_are_planned_first_over_all_batches(stage: Stage) -> None:
    await stage.enrol(7, channel="whatsapp")
    async with stage.database.write() as tx:
        for number, days in ((5, 2), (6, 3), (2, 2)):
            await addresses.defer(tx, "whatsapp", f"9-{number}", (MONDAY_NINE - timedelta(days=days)).date())
        await channel_facts.store_recipient_limit(tx, "whatsapp", 5, MONDAY_NINE)
    await stage.scheduler.plan(MONDAY_NINE)
    planned = select(address_rows.c.address).join(prompts, prompts.c.servant_id == address_rows.c.servant_id)
    async with stage.database.read() as tx:
        assert (await tx.scalars(planned.order_by(prompts.c.id))).all() == ["9-6", "9-2", "9-5", "9-0", "9-1"]


@pytest.mark.parametrize("reach", CHANNEL_OF)
async def test_due_servants_are_searched_once_however_many_there_are(stage: Stage, reach: str) -> None:
    counts = []
    for times in (1, 4):
        searches: list[str] = []

        def record_search(*arguments: Any, searches: list[str] = searches) -> None:
            if "planned_on <" in arguments[2]:
                searches.append(arguments[2])

        await stage.enrol(4 * times, hour=9 + times, channel=CHANNEL_OF[reach])
        with statement_listener(stage.database, record_search):
            assert await stage.scheduler.plan(MONDAY_NINE + times * HOUR) == 4 * times
        counts.append(len(searches))
    assert counts == [3, 3], "within the reply window, outside of it, and those left over"


# ---------------------------------------------------------------- servants who become due later on the same day


async def _join(stage: Stage) -> None:
    await stage.enrol(1, hour=8)


async def _resume(stage: Stage) -> None:
    await _change_servant(stage, servants.resume)


async def _choose_an_earlier_hour(stage: Stage) -> None:
    await _change_servant(stage, lambda tx, servant_id: servants.change(tx, servant_id, hour=8))


async def _become_reachable(stage: Stage) -> None:
    await _change_servant(stage, lambda tx, _: addresses.recognize(tx, "telegram", "17-0"))


async def _open_the_day(stage: Stage) -> None:
    await _change_servant(stage, lambda tx, _: closures.remove(tx, [CLOSED]))


async def _change_servant(stage: Stage, change: Any) -> None:
    async with stage.database.write() as tx:
        known = await servants.by_address(tx, "telegram", "17-0")
        assert known is not None
        await change(tx, known.id)


BEFORE: dict[str, dict[str, Any]] = {  # the servant while the others are planned
    "joins": {"hour": 17},
    "resumes": {"state": "paused", "hour": 9},
    "chooses an earlier hour": {"hour": 17},
    "is reached again": {"hour": 9},
    "opens": {"hour": 9},
}
LATER = {
    "joins": _join,
    "resumes": _resume,
    "chooses an earlier hour": _choose_an_earlier_hour,
    "is reached again": _become_reachable,
    "opens": _open_the_day,
}


@pytest.mark.parametrize("name", LATER)
async def test_a_servant_who_becomes_due_after_their_hour_is_planned_next_time(stage: Stage, name: str) -> None:
    await stage.enrol(3)
    await stage.enrol(1, hour=17)
    async with stage.database.write() as tx:
        known = await servants.by_address(tx, "telegram", "17-0")
        assert known is not None
        await tx.execute(update(servant_rows).where(servant_rows.c.id == known.id).values(BEFORE[name]))
        if name == "is reached again":
            await tx.execute(
                update(address_rows).where(address_rows.c.servant_id == known.id).values(is_reachable=False)
            )
        if name == "opens":
            await closures.store(tx, [CLOSED])
    assert await stage.scheduler.plan(MONDAY_NINE) == (0 if name == "opens" else 3)
    await LATER[name](stage)
    planned = [await stage.scheduler.plan(MONDAY_NINE + number * QUARTER) for number in (1, 2)]
    assert planned == [4 if name == "opens" else 1, 0]


async def test_a_prompt_of_yesterday_does_not_prevent_one_today_but_one_of_today_does(
    stage: Stage,
) -> None:
    await stage.enrol(3)
    async with stage.database.write() as tx:
        ids = (await tx.scalars(select(servant_rows.c.id).order_by(servant_rows.c.id))).all()
        for servant_id, days in ((ids[0], 0), (ids[1], 1)):
            await record.plan(tx, servant_id, (MONDAY_NINE - timedelta(days=days)).date(), "s", "c", "new")
    assert await stage.scheduler.plan(MONDAY_NINE) == 2


async def test_a_prompt_is_not_planned_twice_even_if_the_servants_planned_on_is_stale(stage: Stage) -> None:
    await stage.enrol(3)
    assert await stage.scheduler.plan(MONDAY_NINE) == 3
    async with stage.database.write() as tx:  # as an older version leaves it
        await tx.execute(update(servant_rows).values(planned_on=MONDAY_NINE.date() - timedelta(days=3)))
    assert await stage.scheduler.plan(MONDAY_NINE) == 0


@pytest.mark.parametrize("reach", CHANNEL_OF)
@pytest.mark.parametrize("is_general", [True, False])
async def test_a_closure_that_is_imported_while_prompts_are_planned_stops_the_rest(
    stage: Stage, reach: str, is_general: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.enrol(7, channel=CHANNEL_OF[reach])
    plan_batch = daily.plan_prompts
    planned: list[int] = []

    async def closed_after_one(work: WorkContext, group: DueGroup) -> int:
        if len(planned) == 1:
            (institution,) = await servants.all_institutions(work.tx)
            await closures.store(work.tx, [CLOSED if is_general else replace(CLOSED, institution_id=institution.id)])
        planned.append(await plan_batch(work, group))
        return planned[-1]

    monkeypatch.setattr(daily, "plan_prompts", closed_after_one)
    assert await stage.scheduler.plan(MONDAY_NINE) == 2
    assert planned == [2, 0, 0, 0]
    async with stage.database.read() as tx:
        assert await addresses.count_deferred(tx, "whatsapp") == 0


# ---------------------------------------------------------------- several processes


@asynccontextmanager
async def second_scheduler(stage: Stage, database_url: str) -> AsyncIterator[Scheduler]:
    """The scheduler of another process."""
    database = open_database(database_url)
    yield stage.new_scheduler(database)
    await database.close()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_only_one_process_plans_at_a_time(stage: Stage, database_url: str) -> None:
    await stage.enrol(3)
    async with second_scheduler(stage, database_url) as other:
        async with advisory_locks.try_acquire(stage.database, Lock.PLANNING):
            assert await other.plan(MONDAY_NINE) is None
            assert await stage.count() == (0, 0)
        assert await other.plan(MONDAY_NINE) == 3


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_when_the_planning_process_loses_its_lock_another_resumes_and_the_first_stops(
    stage: Stage, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.enrol(7)
    plan_batch, calls, planned = daily.plan_prompts, [], []

    async def another_resumes() -> None:
        await terminate_lock_holder(stage.database, Lock.PLANNING)
        async with second_scheduler(stage, database_url) as other:
            planned.append(await other.plan(MONDAY_NINE))

    async def interrupted(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) == 2:  # our second batch
            await asyncio.create_task(another_resumes(), context=Context())
        return await plan_batch(*arguments)

    monkeypatch.setattr(daily, "plan_prompts", interrupted)
    with pytest.raises(DatabaseUnavailable):
        await stage.scheduler.plan(MONDAY_NINE)
    assert planned == [5]
    assert await stage.count() == (7, 7)


async def test_a_scheduler_tries_again_at_each_interval_while_another_plans(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    async def busy(_: object) -> int | None:
        tries.append(f"{stage.clock():%H:%M}")
        return None if len(tries) < 3 else 0

    monkeypatch.setattr(stage.scheduler, "plan", busy)
    await _run(stage, FakeSleep(stage.clock, 20), monkeypatch)
    assert tries == ["15:00", "15:01", "15:02", "15:15"]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_tick_waits_while_another_process_plans(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "LOCK_RETRY", 0.01)
    await stage.enrol(3)
    async with advisory_locks.try_acquire(stage.database, Lock.PLANNING):
        ticking = asyncio.create_task(stage.scheduler.tick(MONDAY_NINE))
        done, _ = await asyncio.wait([ticking], timeout=0.2)
        assert not done
    assert await ticking == 3


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_servant_locked_by_another_transaction_is_planned_without_waiting(
    stage: Stage, database_url: str
) -> None:
    await stage.enrol(3)
    async with second_scheduler(stage, database_url) as other, asyncio.timeout(5), stage.database.quick_read() as tx:
        known = await servants.by_address(tx, "telegram", "9-1")
        assert known is not None
        await servants.change(tx, known.id, language="en")
        assert await other.plan(MONDAY_NINE) == 3
        assert await other.plan(MONDAY_NINE) == 0
