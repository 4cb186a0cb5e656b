"""Execution plans: look-ups use an index instead of reading all ended deliveries, or all servants of a channel."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from storage.database import Database, Transaction, open_database
from storage.people import addresses, closures, due, refusals
from storage.people.due import DueGroup, DueTime, WindowCutoff
from storage.queue import backlog, claims, outbox, receipts, refusal_streaks, retention, updates, wrong_clock
from storage.queue.claims import RecipientRateLimit
from storage.queue.outbox import DeliveryKind
from storage.queue.receipts import DeliveryStatus
from storage.schema import metadata
from tests.cast import MONDAY_NINE as NOW
from tests.statement_log import statement_listener

CHANNELS = ("telegram", "webchat", "whatsapp")
DAY = NOW.date()
AT = DueTime(DAY, 9, frozenset({1, 2}))
WINDOW = WindowCutoff("whatsapp", NOW)
LANGUAGES = {"es": False, "en": True}

PLANNING: dict[str, Callable[[Transaction], Awaitable[object]]] = {
    "within the window": lambda tx: due.within_window(tx, AT, [WINDOW]),
    "outside the window": lambda tx: due.outside_window(tx, AT, WINDOW, LANGUAGES, 100),
    "not yet deferred": lambda tx: due.not_yet_deferred(tx, AT, WINDOW),
    "recheck within": lambda tx: due.recheck(tx, AT, DueGroup([1, 2]), [WINDOW], {}),
    "recheck outside": lambda tx: due.recheck(tx, AT, DueGroup([1, 2], WINDOW), [WINDOW], LANGUAGES),
    "defer": lambda tx: due.defer(tx, AT, DueGroup([1, 2], WINDOW)),
    "deferred for later hours": lambda tx: due.count_deferred_for_later_hours(tx, AT, WINDOW, LANGUAGES),
    "deferred at all": lambda tx: addresses.count_deferred(tx, "whatsapp"),
    "closures of a day": lambda tx: closures.between(tx, DAY, DAY),
    "closures from a day on": lambda tx: closures.between(tx, DAY),
    "template recipients": lambda tx: addresses.count_template_recipients(tx, "whatsapp", NOW, NOW),
}
QUEUES: dict[str, Callable[[Transaction], Awaitable[object]]] = {
    "channels": outbox.channels,
    "claim": lambda tx: claims.claim(tx, "w", "telegram", NOW, 10),
    "claim within a recipient's limit": lambda tx: claims.claim(
        tx, "w", "telegram", NOW, 10, RecipientRateLimit(16, 8)
    ),
    "reclaim": lambda tx: outbox.reclaim(tx, "w", NOW),
    "due channels": lambda tx: claims.due_channels(tx, CHANNELS, NOW),
    "has expired lease": lambda tx: claims.has_expired_lease(tx, NOW),
    "oldest delivery age": lambda tx: backlog.oldest_delivery_age(tx, NOW),
    "counts": lambda tx: backlog.counts(tx, NOW),
    "delayed": lambda tx: backlog.count_delayed(tx, NOW),
    "backlogs": lambda tx: backlog.backlogs(tx, NOW, NOW),
    "oldest update age": lambda tx: backlog.oldest_update_age(tx, NOW),
    "expired leases": lambda tx: backlog.count_expired_leases(tx, NOW),
    "receipt": lambda tx: receipts.record_status(tx, "whatsapp", 5, "ref", DeliveryStatus.SENT, NOW),
    "release": lambda tx: outbox.release(tx, "w"),
    "release all": outbox.release_all,
    "drop unreachable": lambda tx: outbox.drop_unreachable(tx, "telegram", "ana", NOW),
    "delete all of an address": lambda tx: outbox.delete_all(tx, "telegram", "ana"),
    "obstacles": refusal_streaks.obstacles,
    "refusals in a row": lambda tx: _count_refusals(tx),
    "clear the refusals of an address": lambda tx: refusals.clear(tx, "telegram", "ana"),
    "clear the refusals of who was reached": lambda tx: refusals.clear_reached(tx, NOW),
    "delete sent replies": retention.delete_sent_replies,
    "release far": lambda tx: wrong_clock.release_far(tx, NOW),
    "claim updates": lambda tx: updates.claim_batch(tx, 16),
    "count waiting": lambda tx: updates.count_waiting(tx),
}


async def _count_refusals(tx: Transaction) -> None:
    """Open a streak, look whether it is over, let it pause, and end it."""
    for number in range(3):
        counted = await refusal_streaks.refuse_later(tx, number, "whatsapp", DeliveryKind.PROMPT, "code 1", NOW)
        assert counted is not None
        await refusal_streaks.failed_later(tx, counted, number)
        await refusal_streaks.count_waiting(tx, counted.streak)
    await refusal_streaks.refuse(tx, "w", 1, "whatsapp", DeliveryKind.PROMPT, "code 1", NOW)
    await refusal_streaks.close(tx, "whatsapp", DeliveryKind.PROMPT, NOW)


class Undo(Exception):
    """Rolls a transaction back."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_sqlite(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    """A SQLite database with ended deliveries, for these tests alone.

    As in an installation nothing in it was ever analyzed. The shared one may keep statistics of rows that are gone.
    """
    path = tmp_path_factory.mktemp("plans") / "plans.db"
    shutil.copy(migrated_file, path)
    database = open_database(f"sqlite+aiosqlite:///{path}")
    async with database.write() as tx:
        await tx.execute(text(ENDED_DELIVERIES), {"count": 30})
    yield database
    await database.close()


@pytest.mark.parametrize("name", QUEUES)
async def test_no_statement_of_the_queues_reads_a_whole_table(own_sqlite: Database, name: str) -> None:
    steps = await _steps(own_sqlite, QUEUES[name])
    assert not [step for step in steps if step.startswith("SCAN") and ("deliveries" in step or "updates" in step)]
    assert not [step for step in steps if step.endswith("(channel=?)")], "reads all of a channel"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("is_analyzed", [False, True])
async def test_no_statement_of_the_outbox_reads_all_deliveries_on_postgresql_either(
    database: Database, is_analyzed: bool
) -> None:
    """With 20,000 ended deliveries, of which it has statistics or not; rolled back, as others share the database."""
    found = {}
    with suppress(Undo):
        async with database.write() as tx:
            await tx.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
            await tx.execute(text(DELETE_STATISTICS))
            await tx.execute(text(ENDED_DELIVERIES), {"count": 20_000})
            if is_analyzed:
                await tx.execute(text("ANALYZE deliveries"))
            for name, function in QUEUES.items():
                found[name] = await _explained(database, tx, function)
            raise Undo
    assert "ix_deliveries_due" in found["channels"]
    assert [name for name, plan in found.items() if "Seq Scan on deliveries" in plan] == []


@pytest.mark.parametrize("name", PLANNING)
async def test_planning_skips_servants_who_were_planned(own_sqlite: Database, name: str) -> None:
    steps = await _steps(own_sqlite, PLANNING[name])
    relevant = [step for step in steps if any(f" {table}" in step for table in ("servants", "addresses", "closures"))]
    assert relevant
    assert not [step for step in relevant if step.startswith("SCAN")]
    assert not [step for step in relevant if step.endswith("(channel=?)")], "reads all of a channel"
    unplanned = ("AND hour=? AND planned_on<?)", "AND hour=? AND planned_on>?)")
    assert not [step for step in relevant if "(state=?" in step and not step.endswith(unplanned)]


PLANNING_ON_POSTGRESQL = (
    "within the window",
    "outside the window",
    "not yet deferred",
    "recheck within",
    "recheck outside",
)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("name", PLANNING_ON_POSTGRESQL)
async def test_due_servants_are_looked_up_by_servant_on_postgresql_too(database: Database, name: str) -> None:
    """Without statistics it would read a day's prompts, and a channel's addresses, for a few servants."""
    plan = await _plan_without_statistics(database, await _statements(database, PLANNING[name]))
    _assert_looked_up_by_servant(plan)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("count", [0, 1, 5, 3000])
async def test_these_plans_do_not_depend_on_statistics_that_other_tests_left(database: Database, count: int) -> None:
    """The database is shared: any table may have been analyzed, by autovacuum too, while another test had filled it."""
    async with database.write() as tx:
        for statement in ROWS:
            await tx.execute(text(statement), {"count": count})
        await tx.execute(text("ANALYZE"))
    for name in PLANNING_ON_POSTGRESQL:
        plan = await _plan_without_statistics(database, await _statements(database, PLANNING[name]))
        _assert_looked_up_by_servant(plan)


ROWS = (
    "INSERT INTO institutions (id, code, name, sphere)"
    " SELECT n, 'I' || n, 'x', 'state' FROM generate_series(1, :count) n",
    "INSERT INTO closures (institution_id, day) SELECT n, DATE '2026-01-01' FROM generate_series(1, :count) n",
    "INSERT INTO servants (id, institution_id, state, language, hour, notice_version, consented_at, enrolled_on)"
    " SELECT n, n, 'active', 'es', n % 24, '1', now(), DATE '2026-01-01' FROM generate_series(1, :count) n",
    "INSERT INTO addresses (channel, address, servant_id)"
    " SELECT 'whatsapp', 'a' || n, n FROM generate_series(1, :count) n",
    "INSERT INTO prompts (servant_id, day, scenario_id, competency_id, reason)"
    " SELECT n, DATE '2026-11-20', 's', 'c', 'new' FROM generate_series(1, :count) n",
)
ENDED_DELIVERIES = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    INSERT INTO deliveries (key, channel, address, kind, priority, due_at, state, ended_at)
    SELECT 'k' || n, CASE n % 3 WHEN 0 THEN 'telegram' WHEN 1 THEN 'webchat' ELSE 'whatsapp' END, 'a' || n,
    'prompt', 20, '2026-11-20', 'sent', '2026-11-20' FROM numbers
"""
"""On three channels; nothing waits."""
DELETE_STATISTICS = """
    DELETE FROM pg_statistic USING pg_class WHERE starelid = oid AND relnamespace = 'public'::regnamespace
"""


def _assert_looked_up_by_servant(plan: str) -> None:
    assert "ix_servants_unplanned" in plan or "pk_servants" in plan
    assert "uq_prompts_servant_id_day" in plan
    assert "ix_addresses_servant_id" in plan
    assert not [name for name in ("ix_prompts_day", "ix_addresses_template_sent", "pk_addresses") if name in plan]


async def _plan_without_statistics(database: Database, statements: list[tuple[str, Any]]) -> str:
    """The plans for tables that were never analyzed, in a transaction that is rolled back.

    Without statistics the planner goes by the size of a table's file, which grows with other tests' rows: TRUNCATE
    begins new files, and resets the counts of rows and pages. Its locks keep autovacuum from analyzing meanwhile.
    """
    plan = ""
    with suppress(Undo):
        async with database.write() as tx:
            await tx.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
            await tx.execute(text(DELETE_STATISTICS))
            await tx.execute(text("SET LOCAL enable_seqscan = off"))
            for sql, values in statements:
                plan += "\n".join(row[0] for row in await tx.exec_driver_sql(f"EXPLAIN {sql}", values))
            raise Undo
    return plan


async def _explained(database: Database, tx: Transaction, function: Callable[[Transaction], Awaitable[object]]) -> str:
    """PostgreSQL's plans for all statements of a function, which is run in this transaction."""
    statements: list[tuple[str, Any]] = []
    with statement_listener(database, lambda *arguments: statements.append((arguments[2], arguments[3]))):
        await function(tx)
    plans = [await tx.exec_driver_sql(f"EXPLAIN {sql}", values) for sql, values in statements]
    return "\n".join(row[0] for plan in plans for row in plan)


async def _steps(database: Database, function: Callable[[Transaction], Awaitable[object]]) -> list[str]:
    """The steps of SQLite's plans for all statements of a function."""
    steps: list[str] = []
    statements = await _statements(database, function)
    async with database.read() as tx:
        for sql, values in statements:
            rows: Any = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            steps += [row[3] for row in rows]
    assert steps
    return steps


async def _statements(
    database: Database, function: Callable[[Transaction], Awaitable[object]]
) -> list[tuple[str, Any]]:
    """All statements of a function, with their values."""
    statements: list[tuple[str, Any]] = []

    def record(*arguments: Any) -> None:
        statements.append((arguments[2], arguments[3]))

    with statement_listener(database, record):
        async with database.write() as tx:
            await function(tx)
    return [statement for statement in statements if not statement[0].startswith("BEGIN")]
