"""How SQLite looks for what it is asked: by an index, never through all deliveries that ever ended."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text

from storage.database import Database, Transaction
from storage.people import addresses, due
from storage.people.due import DueGroup, Silence
from storage.queue import backlog, claims, outbox, receipts, updates
from storage.queue.claims import PersonLimit
from tests.cast import MONDAY_NINE as NOW
from tests.statement_log import statement_listener

DAY = NOW.date()
SILENCE = Silence("whatsapp", NOW)
BOTH = {"es": False, "en": True}

PLANNED: dict[str, Callable[[Transaction], Awaitable[object]]] = {
    "free": lambda tx: due.free(tx, DAY, 9, [SILENCE]),
    "silent": lambda tx: due.silent(tx, DAY, 9, SILENCE, BOTH, 100),
    "left over": lambda tx: due.left_over(tx, DAY, 9, SILENCE),
    "still free": lambda tx: due.still(tx, DAY, 9, DueGroup([1, 2]), [SILENCE], {}),
    "still silent": lambda tx: due.still(tx, DAY, 9, DueGroup([1, 2], SILENCE), [SILENCE], BOTH),
    "wait from now on": lambda tx: due.put_off(tx, DAY, 9, DueGroup([1, 2], SILENCE)),
    "wait for a later hour": lambda tx: due.count_put_off_ahead(tx, DAY, 9, SILENCE, BOTH),
    "wait at all": lambda tx: addresses.count_put_off(tx, "whatsapp"),
    "knocked at": lambda tx: addresses.count_template_recipients(tx, "whatsapp", NOW),
}
ASKED: dict[str, Callable[[Transaction], Awaitable[object]]] = {
    "claim": lambda tx: claims.claim(tx, "w", "telegram", NOW, 10),
    "claim within a person's limit": lambda tx: claims.claim(tx, "w", "telegram", NOW, 10, PersonLimit(16, 8)),
    "reclaim": lambda tx: outbox.reclaim(tx, "w", NOW),
    "due on": lambda tx: claims.due_on(tx, NOW),
    "has expired": lambda tx: claims.has_expired(tx, NOW),
    "oldest waiting": lambda tx: backlog.oldest_waiting(tx, NOW),
    "counts": lambda tx: backlog.counts(tx, NOW),
    "put off": lambda tx: backlog.count_put_off(tx, NOW),
    "backlogs": lambda tx: backlog.backlogs(tx, NOW, NOW),
    "oldest update": lambda tx: backlog.oldest_update(tx, NOW),
    "expired": lambda tx: backlog.count_expired(tx, NOW),
    "told": lambda tx: receipts.note(tx, "whatsapp", 5, "ref", "sent", NOW),
    "give back": lambda tx: outbox.give_back(tx, "w"),
    "drop unreachable": lambda tx: outbox.drop_unreachable(tx, "telegram", "ana", NOW),
    "forget": lambda tx: outbox.forget(tx, "telegram", "ana"),
    "take": lambda tx: updates.take_some(tx, 16),
    "count waiting": lambda tx: updates.count_waiting(tx),
}


class Undo(Exception):
    """Nothing of what a transaction did is to stay."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ASKED)
async def test_no_question_reads_the_whole_table(database: Database, name: str) -> None:
    steps = await _steps(database, ASKED[name])
    assert not [step for step in steps if step.startswith("SCAN") and ("deliveries" in step or "updates" in step)]
    assert not [step for step in steps if step.endswith("(channel=?)")], "through all of a channel"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", PLANNED)
async def test_planning_passes_over_whoever_was_planned(database: Database, name: str) -> None:
    steps = await _steps(database, PLANNED[name])
    people = [step for step in steps if " servants" in step or " addresses" in step]
    assert people
    assert not [step for step in people if step.startswith("SCAN")]
    assert not [step for step in people if step.endswith("(channel=?)")], "through all of a channel"
    assert not [step for step in people if "(state=?" in step and not step.endswith("AND hour=? AND planned_on<?)")]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("name", ["free", "silent", "left over", "still free", "still silent"])
async def test_whoever_is_due_is_looked_up_by_the_person_on_postgresql_too(database: Database, name: str) -> None:
    """Without statistics it takes a day's prompts, and a channel's addresses, for a few."""
    seen = await _statements(database, PLANNED[name])
    plan = ""
    with suppress(Undo):
        async with database.write() as tx:
            await tx.execute(text("DELETE FROM pg_statistic WHERE starelid = 'prompts'::regclass"))  # other tests' ones
            await tx.execute(text("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relname LIKE '%prompts%'"))
            await tx.execute(text("SET LOCAL enable_seqscan = off"))
            for statement, values in seen:
                plan += "\n".join(row[0] for row in await tx.exec_driver_sql(f"EXPLAIN {statement}", values))
            raise Undo
    assert "ix_servants_unplanned" in plan or "pk_servants" in plan
    assert "uq_prompts_servant_id_day" in plan
    assert "ix_addresses_servant_id" in plan
    assert not [name for name in ("ix_prompts_day", "ix_addresses_knocked", "pk_addresses") if name in plan]


async def _steps(database: Database, asked: Callable[[Transaction], Awaitable[object]]) -> list[str]:
    """How SQLite goes about all the statements of a question."""
    steps: list[str] = []
    seen = await _statements(database, asked)
    async with database.read() as tx:
        for statement, values in seen:
            rows: Any = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps += [row[3] for row in rows]
    assert steps
    return steps


async def _statements(database: Database, asked: Callable[[Transaction], Awaitable[object]]) -> list[tuple[str, Any]]:
    """All that is asked, with the values."""
    seen: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        seen.append((arguments[2], arguments[3]))

    with statement_listener(database, note):
        async with database.write() as tx:
            await asked(tx)
    return [one for one in seen if not one[0].startswith("BEGIN")]
