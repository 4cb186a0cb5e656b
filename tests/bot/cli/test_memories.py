"""`integra memories rebuild`: all memories again from the answers, on both databases, and with no servants at all."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from content.library import Library
from storage.database import Database, Transaction, open_database
from storage.learning import memories
from storage.learning.memories import PackedMemory
from storage.people import servants
from tests import keys
from tests.handlers.learning.year import Habit, live
from tests.terminal import Integra, command_line

HABITS = [Habit(0.0, 1.0), Habit(0.5, 0.5), Habit(1.0, 1.0), Habit(0.5, 0.0)]


@pytest.fixture
def integra(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Iterator[Integra]:
    keys.write(tmp_path / "data")
    given = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": database_url}
    with command_line(tmp_path, monkeypatch, capsys, **given) as integra:
        yield integra


def in_database(url: str, work: Callable[[Database], Awaitable[Any]]) -> Any:
    """Do something with a database that this process opens for it."""

    async def opened() -> Any:
        database = open_database(url)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(opened())


async def stored(database: Database) -> dict[int, PackedMemory]:
    async with database.read() as tx:
        return await memories.of(tx, await servants.enrolled_ids(tx))


async def spoil(database: Database) -> None:
    """One row is gone, one has an older format, one says something else."""
    async with database.write() as tx:
        gone, old, other, *_ = await servants.enrolled_ids(tx)
        await memories.discard(tx, [gone])
        await memories.store(tx, {old: PackedMemory(b"\x00old", b"\x00old")})
        await _copy(tx, other, from_id=max(await servants.enrolled_ids(tx)))


async def _copy(tx: Transaction, servant_id: int, from_id: int) -> None:
    rows = await memories.of(tx, [from_id])
    await memories.store(tx, {servant_id: rows[from_id]})


def test_all_memories_are_as_the_answers_made_them(integra: Integra, database_url: str, library: Library) -> None:
    in_database(database_url, lambda database: live(database, library, date(2026, 11, 2), 8, HABITS))
    before = in_database(database_url, stored)
    in_database(database_url, spoil)
    assert in_database(database_url, stored) != before
    result = integra("memories", "rebuild")
    assert result == (0, "4 memories rebuilt from the answers.\n", "")
    assert in_database(database_url, stored) == before
    assert integra("memories", "rebuild").code == 0
    assert in_database(database_url, stored) == before


def test_without_servants_there_is_nothing_to_do(integra: Integra) -> None:
    assert integra("memories", "rebuild") == (0, "0 memories rebuilt from the answers.\n", "")


def test_a_database_that_is_away_is_one_line(integra: Integra, tmp_path: Path) -> None:
    result = integra("memories", "rebuild", DATABASE_URL="postgresql+asyncpg://nowhere@127.0.0.1:1/none")
    assert (result.code, result.out) == (1, "")
    assert len(result.err.splitlines()) == 1
