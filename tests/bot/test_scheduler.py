"""The scheduler: due prompts once per day, news at the slots, deletion after retention, closing of weeks."""

import asyncio
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Table, func, insert, select

from bot import scheduler as scheduler_module
from bot.scheduler import Scheduler
from content.library import Library
from handlers.context import Installation
from storage.confidential import link_counts
from storage.database import Database, DatabaseUnavailable, open_database
from storage.people import servants
from storage.queue import outbox, updates
from storage.queue.outbox import NewDelivery
from storage.queue.retention import DELIVERY_RETENTION, UPDATE_RETENTION
from storage.schema import closings, deliveries, metadata, officers, prompts, routes
from storage.schema import link_counts as counts_table
from storage.schema import servants as servants_table
from tests import delivery_worker
from tests.cast import MONDAY_NINE, Clock

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
INSTALLATION = Installation(
    ZoneInfo("America/Mexico_City"), "http://127.0.0.1:8080", bytes(32), min_group=10, draw_key=bytes(32)
)


class Stage:
    """A scheduler with servants who get their prompt at nine, unless a test chooses another hour."""

    def __init__(
        self, database: Database, library: Library, clock: Clock, installation: Installation = INSTALLATION
    ) -> None:
        self.database, self.library, self.clock, self.installation = database, library, clock, installation
        self.wakes = 0
        self.announced_at: list[str] = []
        self.scheduler = self.new_scheduler()

    def new_scheduler(self, database: Database | None = None) -> Scheduler:
        return Scheduler(
            database or self.database, self.library, self.installation, self.clock, self.wake, self.announce
        )

    def wake(self) -> None:
        self.wakes += 1

    def announce(self) -> None:
        self.announced_at.append(self.clock().strftime("%H:%M"))

    async def enrol(self, count: int, hour: int = 9, channel: str = "telegram") -> None:
        async with self.database.write() as tx:
            await servants.add_institution(tx, "LEON", "León", "municipal")
            place = await servants.institution_by_code(tx, "LEON")
            assert place is not None
            for number in range(count):
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
    assert stage.wakes == 1
    assert await stage.scheduler.tick(MONDAY_NINE) == 0
    assert await stage.scheduler.tick(MONDAY_NINE + timedelta(hours=5)) == 0
    assert stage.wakes == 1
    assert await stage.count() == (3, 3)


async def test_a_restart_between_two_ticks_plans_nothing_twice(stage: Stage) -> None:
    await stage.enrol(2)
    await stage.enrol(2, hour=10)
    assert await stage.scheduler.tick(MONDAY_NINE) == 2
    assert await stage.new_scheduler().tick(MONDAY_NINE + timedelta(hours=1)) == 2
    assert await stage.new_scheduler().tick(MONDAY_NINE + timedelta(hours=1)) == 0
    assert await stage.count() == (4, 4)


async def test_two_schedulers_at_once_plan_each_servant_once(stage: Stage, database_url: str) -> None:
    await stage.enrol(12)
    other = open_database(database_url)
    ticks = [scheduler.tick(MONDAY_NINE) for scheduler in (stage.scheduler, stage.new_scheduler(other))]
    assert sum(await asyncio.gather(*ticks)) == 12
    await other.close()
    assert await stage.count() == (12, 12)


async def test_more_servants_than_one_batch_are_all_planned(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "PLAN_BATCH", 4)
    await stage.enrol(10)
    assert await stage.scheduler.tick(MONDAY_NINE) == 10
    assert stage.wakes == 3


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


async def test_each_working_day_brings_one_prompt(stage: Stage) -> None:
    await stage.enrol(2)
    days = [await stage.scheduler.tick(MONDAY_NINE + number * DAY) for number in range(7)]
    assert days == [2, 2, 2, 2, 2, 0, 0]


# ---------------------------------------------------------------- the running scheduler


class FakeSleep:
    """Replaces asyncio.sleep: each interval moves the test's clock, and the run ends after `last` intervals."""

    def __init__(self, clock: Clock, last: int, seconds: float = 60) -> None:
        self.clock, self.last, self.seconds = clock, last, seconds
        self.ends = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds < scheduler_module.INTERVAL:  # another sleep, such as the one between two batches
            return
        self.last -= 1
        self.clock.move(seconds=self.seconds)
        if self.last <= 0:
            raise asyncio.CancelledError


async def _run(stage: Stage, fake_sleep: FakeSleep, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", fake_sleep.sleep)
        with pytest.raises(asyncio.CancelledError):
            await stage.scheduler.run()


async def test_news_are_announced_only_at_the_slots(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await _run(stage, FakeSleep(stage.clock, 50), monkeypatch)
    assert stage.announced_at == ["15:00", "15:15", "15:30", "15:45"]


async def test_a_scheduler_started_within_a_slot_announces_news_once_in_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.clock.move(minutes=7)
    await _run(stage, FakeSleep(stage.clock, 8), monkeypatch)
    assert stage.announced_at == ["15:07"]
    assert stage.wakes == 0, "no delivery was added"


async def test_news_are_announced_once_in_a_slot_in_which_the_database_is_unavailable(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: datetime) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(stage.scheduler, "delete_expired", fail)
    await _run(stage, FakeSleep(stage.clock, 8), monkeypatch)
    assert stage.announced_at == ["15:00"], "the minutes in between would show when a letter came"


async def test_the_scheduler_survives_an_unavailable_database(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.enrol(1)
    plan, calls = stage.scheduler.plan, []

    async def fail_once(now: datetime) -> int | None:
        calls.append(now)
        if len(calls) == 1:
            raise DatabaseUnavailable("gone")
        return await plan(now)

    monkeypatch.setattr(stage.scheduler, "plan", fail_once)
    await _run(stage, FakeSleep(stage.clock, 3), monkeypatch)
    assert len(calls) == 2, "again at the next interval, and then not before the next slot"
    assert await stage.count() == (1, 1)


# ---------------------------------------------------------------- retention


async def test_expired_rows_are_deleted_and_waiting_ones_are_not(stage: Stage) -> None:
    now = MONDAY_NINE
    async with stage.database.write() as tx:
        for key, at in (
            ("old", now - UPDATE_RETENTION - DAY),
            ("new", now - UPDATE_RETENTION + DAY),
            ("waits", now - 90 * DAY),
        ):
            await updates.store(tx, [updates.NewUpdate("telegram", key, key, b"")], at)
        for at in (now - UPDATE_RETENTION - DAY, now - UPDATE_RETENTION + DAY):
            taken = await updates.claim(tx)
            assert taken is not None
            await updates.finish(tx, at, taken.id)
        for key, ended in (("ended", now - DELIVERY_RETENTION - DAY), ("recent", now - DELIVERY_RETENTION + DAY)):
            await outbox.add(tx, [NewDelivery(key, "telegram", key, outbox.DeliveryKind.NOTICE, "[]", ended)])
            (claimed,) = await delivery_worker.claim(tx, "w", ["telegram"], ended, 1)
            await delivery_worker.finish(tx, claimed.id, outbox.DeliveryState.SENT, ended)
    await stage.scheduler.tick(now)
    async with stage.database.write() as tx:
        is_stored = {
            key: not await updates.store(tx, [updates.NewUpdate("telegram", key, key, b"")], now)
            for key in ("old", "new", "waits")
        }
        assert is_stored == {"old": False, "new": True, "waits": True}
        assert list((await tx.execute(select(deliveries.c.key))).scalars()) == ["recent"]


EXPIRING = [table for table in metadata.sorted_tables if "expires_at" in table.c]
VALUES = {  # of columns that must have one
    "servant_id": 1,
    "officer_id": "officer",
    "seen_at": MONDAY_NINE,
    "factor": "totp",
    "mac": "m" * 43,
    "name": "Notaría 7",
}


@pytest.mark.parametrize("table", EXPIRING, ids=lambda table: table.name)
async def test_a_row_that_expires_is_deleted_and_a_valid_one_is_not(stage: Stage, table: Table) -> None:
    """Invites, sessions, codes, links: whatever has an hour until which it is valid, used or not."""
    await stage.enrol(1)
    async with stage.database.write() as tx:
        await tx.execute(insert(officers).values(id="officer", email="e", name="n", role="officer", state="invited"))
        servant_id = await tx.scalar(select(servants_table.c.id))
        for name, ends in (("ended", -HOUR), ("valid", HOUR)):
            own = {column.name: VALUES[column.name] for column in table.c if column.name in VALUES}
            key = {column.name: name for column in table.primary_key}
            given = key | own | ({"servant_id": servant_id} if "servant_id" in own else {})
            await tx.execute(insert(table).values(given | {"expires_at": MONDAY_NINE + ends}))
    await stage.scheduler.tick(MONDAY_NINE)
    (key_column,) = table.primary_key
    async with stage.database.read() as tx:
        assert (await tx.execute(select(key_column))).scalars().all() == ["valid"]


def test_there_are_rows_that_expire() -> None:
    assert {table.name for table in EXPIRING} == {"invites", "sessions", "join_codes", "links", "custodians"}


async def test_how_many_links_a_chat_was_given_is_deleted_once_the_day_is_over(stage: Stage) -> None:
    today = MONDAY_NINE.date()
    async with stage.database.write() as tx:
        await link_counts.try_take(tx, "yesterday's", today - DAY, 3)
        await link_counts.try_take(tx, "today's", today, 3)
    await stage.scheduler.tick(MONDAY_NINE)
    async with stage.database.read() as tx:
        assert (await tx.execute(select(counts_table.c.row))).scalars().all() == ["today's"]


async def test_an_address_that_waits_for_news_is_deleted_after_its_last_day(stage: Stage) -> None:
    today = MONDAY_NINE.date()
    async with stage.database.write() as tx:
        for row, days in (("ended", -1), ("last day", 0), ("later", 1)):
            values = {"row": row, "sealed_address": "sealed"}
            await tx.execute(insert(routes).values(values | {"expires_on": today + days * DAY}))
    await stage.scheduler.tick(MONDAY_NINE)
    async with stage.database.read() as tx:
        assert {*await tx.scalars(select(routes.c.row))} == {"last day", "later"}


# ---------------------------------------------------------------- closing the week


async def _closings(stage: Stage) -> list[date]:
    async with stage.database.read() as tx:
        return list((await tx.scalars(select(closings.c.day).order_by(closings.c.n))).all())


async def test_the_first_tick_of_each_week_closes_the_week_before(stage: Stage) -> None:
    await stage.enrol(2)
    for days in (0, 0, 1, 6, 7, 8, 29):
        await stage.scheduler.tick(MONDAY_NINE + days * DAY)
    monday = MONDAY_NINE.date()
    assert await _closings(stage) == [monday, monday + 7 * DAY, monday + 29 * DAY]


async def test_a_week_begins_at_midnight_of_the_servants_time_zone(stage: Stage) -> None:
    midnight = datetime(2026, 11, 23, tzinfo=ZoneInfo("America/Mexico_City"))
    for moment in (midnight - timedelta(minutes=1), midnight - timedelta(seconds=1), midnight):
        await stage.scheduler.tick(moment)
    assert await _closings(stage) == [date(2026, 11, 22), date(2026, 11, 23)]


async def test_of_two_processes_at_once_one_closes_the_week(stage: Stage, database_url: str) -> None:
    other = open_database(database_url)
    await asyncio.gather(*(one.close_week(MONDAY_NINE) for one in (stage.scheduler, stage.new_scheduler(other))))
    await other.close()
    assert await _closings(stage) == [MONDAY_NINE.date()]


async def test_a_running_scheduler_closes_the_week(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.enrol(1)
    await _run(stage, FakeSleep(stage.clock, 3, seconds=900), monkeypatch)
    assert await _closings(stage) == [MONDAY_NINE.date()]
