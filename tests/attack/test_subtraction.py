"""Over an invented year, no figures added and subtracted say anything about fewer than ten people."""

import asyncio
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from content.library import Library
from storage.database import Database, Transaction, open_database
from storage.learning import lanes, record
from storage.learning.lanes import Lane
from storage.reports import blocks
from tests.attack import controls, inference, subtraction
from tests.attack.drill import RULES, Drill, live
from tests.attack.invented_year import ENROLLED, WEEKS, Year
from tests.attack.subtraction import Cell, System

pytestmark = [pytest.mark.attack, pytest.mark.slow]


@pytest.fixture(scope="module")
def drill(migrated_file: Path, library: Library, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    path = tmp_path_factory.mktemp("drill") / "integra.db"
    shutil.copy(migrated_file, path)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, live(path, library)).result()


def test_nothing_shown_in_a_year_is_about_few_people(drill: Drill) -> None:
    found = drill.system()
    assert len(drill.attacker.figures) > 1000
    assert {block.lane for block in drill.blocks} == {Lane.REACH, Lane.PLACE, Lane.TOPIC, Lane.MAP}
    assert min(map(len, found.people)) >= 10, "no class is of few people, so no combination can be"
    assert subtraction.breaches(found) == []


def test_every_row_is_in_one_block_at_most_and_no_invented_person_with_a_real_one(drill: Drill) -> None:
    rows = [row for found in drill.rows.values() for row in found]
    assert len(rows) == len(set(rows))
    assert drill.closings == WEEKS + 1, "one a week, and one for the clock that was ahead"
    blocks_of_answers = {answer.prompt_id: answer.block for answer in drill.answers}
    for block in drill.blocks:
        ids = [row for row in drill.rows[block.id] if row > 0]
        assert {blocks_of_answers.get(row, block.id) for row in ids} <= {block.id}, "none is counted again"
        people = {drill.person[row] for row in drill.rows[block.id]}
        assert len(people) >= RULES.least
        assert {person in drill.invented for person in people} == {block.is_fictional}


def test_most_answers_are_counted_at_once_and_none_waits_for_ever(drill: Drill) -> None:
    counted = [answer for answer in drill.answers if answer.block]
    assert len(counted) > 0.8 * sum(answer.lane != Lane.RETENTION for answer in drill.answers)
    assert all(answer.block is None for answer in drill.answers if answer.lane == Lane.RETENTION)
    assert sum(answer.lane == Lane.RETENTION for answer in drill.answers) > 100


# ---------------------------------------------------------------- controls: what must be found


@pytest.mark.parametrize(
    "control",
    [controls.free_dates, controls.second_view, controls.a_third, controls.a_move],
    ids=["free dates", "a second view", "a third of a block", "a move"],
)
def test_the_attacker_finds_what_is_given_away_by(control: Callable[[Drill], System], drill: Drill) -> None:
    found = subtraction.breaches(control(drill))
    assert found
    assert all(len(breach.people) < 10 for breach in found)


@pytest.mark.parametrize("is_discarded", [False, True])
async def test_a_closing_done_again_after_a_restore_is_found(
    sqlite_url: str, library: Library, tmp_path: Path, is_discarded: bool
) -> None:
    """Without `discard_waiting` the lost version of a closing and the new one differ by few people."""
    path, backup, year = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///")), tmp_path / "backup.db", Year(library)
    rows: dict[Cell, list[int]] = {}
    person: dict[int, int] = {}
    database = open_database(sqlite_url)
    async with database.write() as tx:
        await year.begin(tx, {"A": 16, "B": 18})
        await year.live_week(tx, RULES.key)
        await blocks.close(tx, year.today, RULES)
        await year.live_week(tx, RULES.key)
    await database.close()
    shutil.copy(path, backup)
    for version in ("lost", "new"):
        shutil.copy(backup, path)
        database = open_database(sqlite_url)
        async with database.write() as tx:
            if version == "new":
                if is_discarded:
                    assert await blocks.discard_waiting(tx) > 0
                late = await lanes.with_lanes(tx, RULES.key, year.answers([]))
                assert await record.add_answers(tx, late)
            await blocks.close(tx, year.today, RULES)
            await _note_blocks(tx, version, rows, person)
        await database.close()
    assert rows
    assert bool(subtraction.breaches(controls.two_versions(rows, person))) is not is_discarded


async def _note_blocks(tx: Transaction, version: str, rows: dict[Cell, list[int]], person: dict[int, int]) -> None:
    """Add the answers of each block, which the two versions number alike."""
    for prompt_id, servant_id, block in await tx.exec_driver_sql("SELECT prompt_id, servant_id, block FROM answers"):
        if block:
            rows.setdefault((version, block), []).append(prompt_id)
            person[prompt_id] = servant_id


# ---------------------------------------------------------------- inference


def test_a_persons_rightness_is_hardly_better_known_than_by_the_institutions_rate(drill: Drill) -> None:
    """To an attacker with the roster, who knows who answered when, and all answers of three who tell."""
    guessed, plain = inference.errors(drill)
    assert guessed >= 0.9 * plain


def test_a_single_answer_is_hardly_better_guessed_than_by_the_blocks_majority(drill: Drill) -> None:
    guessed, majority = inference.hits(drill)
    assert guessed <= majority + 0.01


async def test_nine_made_accounts_and_one_person_are_no_block(database: Database, library: Library) -> None:
    async with database.write() as tx:
        year = Year(library)
        await year.begin(tx, {"A": 1})
        for _ in range(9):
            await year.enrol(tx, "A", ENROLLED, "webchat")
        for _ in range(6):
            await year.live_week(tx, RULES.key)
            await blocks.close(tx, year.today, RULES)
        assert (await tx.exec_driver_sql("SELECT count(*) FROM blocks")).scalar() == 0
