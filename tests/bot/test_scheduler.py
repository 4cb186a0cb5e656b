import asyncio
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from bot import scheduler as scheduler_module
from bot.scheduler import KEPT, REPEATED, Scheduler
from content.library import Library
from handlers.casework import news
from handlers.context import Installation
from storage.database import Database, DatabaseUnavailable, Transaction, open_database
from storage.people import servants
from storage.queue import outbox, updates
from storage.queue.outbox import NewDelivery
from storage.reports import aggregates
from storage.schema import deliveries, prompts
from tests import delivery_worker
from tests.cast import MONDAY_NINE, Clock

DAY = timedelta(days=1)
HOUSE = Installation(ZoneInfo("America/Mexico_City"), "http://127.0.0.1:8080", bytes(32))


class Stage:
    """A scheduler with people who want their prompt at nine."""

    def __init__(self, database: Database, library: Library, clock: Clock, installation: Installation = HOUSE) -> None:
        self.database, self.library, self.clock, self.installation = database, library, clock, installation
        self.woken = 0
        self.scheduler = self.restarted()

    def restarted(self, database: Database | None = None) -> Scheduler:
        return Scheduler(database or self.database, self.library, self.installation, self.clock, self.wake)

    def wake(self) -> None:
        self.woken += 1

    async def enrol(self, people: int, hour: int = 9, channel: str = "telegram") -> None:
        async with self.database.write() as tx:
            await servants.add_institution(tx, "LEON", "León", "municipal")
            place = await servants.institution_by_code(tx, "LEON")
            assert place is not None
            for number in range(people):
                await servants.enrol(
                    tx,
                    channel,
                    f"{hour}-{number}",
                    institution_id=place.id,
                    language="es",
                    hour=hour,
                    notice_version=self.library.phrases.template("es", "notice.version"),
                    now=self.clock(),
                    today=self.clock().date(),
                )

    async def count(self) -> tuple[int, int]:
        """Prompts planned, deliveries in the outbox."""
        async with self.database.read() as tx:
            planned = await tx.scalar(select(func.count()).select_from(prompts)) or 0
            return planned, await tx.scalar(select(func.count()).select_from(deliveries)) or 0


@pytest.fixture
def stage(database: Database, library: Library, clock: Clock) -> Stage:
    return Stage(database, library, clock)


async def test_a_second_tick_plans_nothing(stage: Stage) -> None:
    await stage.enrol(3)
    assert await stage.scheduler.tick(MONDAY_NINE) == 3
    assert stage.woken == 1
    assert await stage.scheduler.tick(MONDAY_NINE) == 0
    assert await stage.scheduler.tick(MONDAY_NINE + timedelta(hours=5)) == 0
    assert stage.woken == 1
    assert await stage.count() == (3, 3)


async def test_a_restart_in_between_plans_nothing_twice(stage: Stage) -> None:
    await stage.enrol(2)
    await stage.enrol(2, hour=10)
    assert await stage.scheduler.tick(MONDAY_NINE) == 2
    assert await stage.restarted().tick(MONDAY_NINE + timedelta(hours=1)) == 2
    assert await stage.restarted().tick(MONDAY_NINE + timedelta(hours=1)) == 0
    assert await stage.count() == (4, 4)


async def test_two_clocks_at_once_plan_everybody_once(stage: Stage, database_url: str) -> None:
    await stage.enrol(12)
    other = open_database(database_url)
    ticks = [one.tick(MONDAY_NINE) for one in (stage.scheduler, stage.restarted(other))]
    assert sum(await asyncio.gather(*ticks)) == 12
    await other.close()
    assert await stage.count() == (12, 12)


async def test_more_people_than_fit_in_one_transaction_are_all_planned(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_module, "CHUNK", 4)
    await stage.enrol(10)
    assert await stage.scheduler.tick(MONDAY_NINE) == 10
    assert stage.woken == 3


@pytest.mark.parametrize(
    ("moment", "planned"),
    [
        (MONDAY_NINE - timedelta(minutes=1), 0),
        (MONDAY_NINE, 1),
        (MONDAY_NINE + timedelta(hours=9, minutes=59), 1),
        (MONDAY_NINE + timedelta(hours=10), 0),  # 19:00: too late for today
        (MONDAY_NINE - DAY, 0),  # Sunday
        (MONDAY_NINE - 2 * DAY, 0),  # Saturday
        (MONDAY_NINE - 3 * DAY, 1),  # Friday
        (datetime(2026, 11, 23, 9, 0, tzinfo=ZoneInfo("America/Mexico_City")), 1),
    ],
)
async def test_prompts_are_planned_on_working_days_within_the_window(
    stage: Stage, moment: datetime, planned: int
) -> None:
    await stage.enrol(1)
    assert await stage.scheduler.tick(moment) == planned


async def test_each_day_brings_one_prompt(stage: Stage) -> None:
    await stage.enrol(2)
    days = [await stage.scheduler.tick(MONDAY_NINE + number * DAY) for number in range(7)]
    assert days == [2, 2, 2, 2, 2, 0, 0]


# ---------------------------------------------------------------- the clock that runs


class Beats:
    """Stands in for asyncio.sleep: moves the test's clock, and ends the run after so many beats."""

    def __init__(self, clock: Clock, last: int, seconds: float = 60) -> None:
        self.clock, self.last, self.seconds = clock, last, seconds
        self.ends = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds < scheduler_module.BEAT:  # somebody else lets others in between
            return
        self.last -= 1
        self.clock.move(seconds=self.seconds)
        if self.last <= 0:
            raise asyncio.CancelledError


async def _run(stage: Stage, beats: Beats, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", beats.sleep)
        with pytest.raises(asyncio.CancelledError):
            await stage.scheduler.run()


async def test_notices_leave_only_at_the_slots_of_the_clock(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []

    async def ring(_: Transaction, __: Library, ___: Installation, now: datetime) -> int:
        rung.append(now.strftime("%H:%M"))
        return 0

    monkeypatch.setattr(news, "ring", ring)
    await _run(stage, Beats(stage.clock, 50), monkeypatch)
    assert rung == ["15:00", "15:15", "15:30", "15:45"]


async def test_a_clock_started_in_the_middle_of_a_slot_does_not_ring_twice_in_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []

    async def ring(_: Transaction, __: Library, ___: Installation, now: datetime) -> int:
        rung.append(now.strftime("%H:%M"))
        return 1

    monkeypatch.setattr(news, "ring", ring)
    stage.clock.move(minutes=7)
    await _run(stage, Beats(stage.clock, 8), monkeypatch)
    assert rung == ["15:07"]
    assert stage.woken == 1


async def test_the_clock_outlives_a_database_that_is_away(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.enrol(1)
    plan, asked = stage.scheduler.plan, []

    async def sometimes(now: datetime) -> int | None:
        asked.append(now)
        if len(asked) == 1:
            raise DatabaseUnavailable("gone")
        return await plan(now)

    monkeypatch.setattr(stage.scheduler, "plan", sometimes)
    await _run(stage, Beats(stage.clock, 3), monkeypatch)
    assert len(asked) == 2, "again at the next beat, and then not before the next slot"
    assert await stage.count() == (1, 1)


# ---------------------------------------------------------------- forgetting


async def test_what_is_old_is_forgotten_and_what_waits_is_not(stage: Stage) -> None:
    now = MONDAY_NINE
    async with stage.database.write() as tx:
        for key, at in (("old", now - REPEATED - DAY), ("new", now - REPEATED + DAY), ("waits", now - 90 * DAY)):
            await updates.keep(tx, [updates.NewUpdate("telegram", key, key, b"")], at)
        for _ in range(2):
            taken = await updates.take(tx)
            assert taken is not None
            await updates.finish(tx, taken.id)
        for key, ended in (("ended", now - KEPT - DAY), ("recent", now - KEPT + DAY)):
            await outbox.add(tx, [NewDelivery(key, "telegram", key, outbox.DeliveryKind.REPLY, "[]", ended)])
            (claimed,) = await delivery_worker.claim(tx, "w", ["telegram"], ended, 1)
            await delivery_worker.finish(tx, claimed.id, outbox.DeliveryState.SENT, ended)
    await stage.scheduler.tick(now)
    async with stage.database.write() as tx:
        kept = {
            key: not await updates.keep(tx, [updates.NewUpdate("telegram", key, key, b"")], now)
            for key in ("old", "new", "waits")
        }
        assert kept == {"old": False, "new": True, "waits": True}
        assert list((await tx.execute(select(deliveries.c.key))).scalars()) == ["recent"]


# ---------------------------------------------------------------- counting what is over


async def _kept(stage: Stage) -> date:
    async with stage.database.read() as tx:
        return await aggregates.until(tx)


async def test_a_tick_counts_all_days_that_are_over(stage: Stage) -> None:
    await stage.enrol(2)
    await stage.scheduler.tick(MONDAY_NINE)
    assert await _kept(stage) == aggregates.NEVER
    await stage.scheduler.tick(MONDAY_NINE + 3 * DAY)
    assert await _kept(stage) == (MONDAY_NINE + 2 * DAY).date()


async def test_after_a_long_past_prompts_are_planned_between_the_days_that_are_counted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.enrol(1)
    await stage.scheduler.tick(MONDAY_NINE)
    stage.clock.move(days=4)
    done: list[str] = []

    async def plan(_: datetime) -> int:
        done.append("plan")
        return 0

    async def fold(_: Transaction, __: datetime) -> date | None:
        done.append("fold")
        return MONDAY_NINE.date() if done.count("fold") < 3 else None

    monkeypatch.setattr(stage.scheduler, "plan", plan)
    monkeypatch.setattr(aggregates, "fold", fold)
    await _run(stage, Beats(stage.clock, 5, seconds=900), monkeypatch)
    assert done == ["plan", "fold"] * 5
