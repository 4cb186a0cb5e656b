"""A thief of thirty daily copies, without `secrets/`, does not learn who asked the confidential queries.

An invented month is lived by the real product: people on three channels answer, look and type, some assess themselves
and ask, officers open and answer. The thief names one servant for each case, by all that rows show and by what changes
from copy to copy (tests/attack/guessing/signals.py). Naming any active servant is right once in so many as there are;
the thief must not be right more than 1.5 times as often. One month has some thirty cases, so that only what is no luck
counts (three standard errors); `GUESSING_MONTHS=12 pytest -s tests/attack/test_guessing.py` lives more months on both
databases, prints the figures and so leaves less to luck. `GUESSING_SEED` begins with another month.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from content.library import Library
from storage.database import open_database
from tests.attack.guessing import attacker, controls
from tests.attack.guessing.attacker import Score
from tests.attack.guessing.month import Month, Size
from tests.attack.guessing.series import Series
from tests.attack.guessing.world import lived
from tests.conftest import clear_tables

pytestmark = [pytest.mark.attack, pytest.mark.long]

MONTHS = int(os.environ.get("GUESSING_MONTHS", "1"))
SEED = int(os.environ.get("GUESSING_SEED", "1"))
MOST = 1.5
"""Times chance."""
NEARLY_ALL = 0.75
"""Of the cases: two that were asked on one day and answered on one day cannot always be distinguished."""


ABLE = (
    "runs_of_updates",
    "runs_of_replies",
    "phones_in_references",
    "rows_that_name_a_person",
    "last_heard",
    "revisions_of_transcripts",
    "channel_of_a_run",
    "notices_after_letters",
    "notices_in_the_ledgers_order",
)
"""Signals that alone are better than is allowed where the first version wrote; the others only help."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def months(migrated_file: Path, library: Library, tmp_path_factory: pytest.TempPathFactory) -> list[Month]:
    """Months on SQLite."""
    found = []
    for seed in range(SEED, SEED + MONTHS):
        folder = tmp_path_factory.mktemp("month")
        shutil.copy(migrated_file, folder / "integra.db")
        found.append(await lived(f"sqlite+aiosqlite:///{folder}/integra.db", folder, library, seed, Size()))
    return found


def scores(months: Iterable[Month], what: str) -> Mapping[str, Score]:
    """How well the cases of all months are guessed, printed as well."""
    found: dict[str, Score] = {}
    for month in months:
        for name, one in attacker.by_signal(Series(month.copies), month.asker_of).items():
            found[name] = found[name] + one if name in found else one
    print("\n".join((f"\n{what}", *(f"{name:30} {one}" for name, one in found.items()))))
    return found


def better_than_allowed(found: Mapping[str, Score]) -> dict[str, str]:
    return {name: str(one) for name, one in found.items() if one.surely_times_chance > MOST}


def test_a_thief_of_daily_copies_names_askers_hardly_better_than_by_chance(months: list[Month]) -> None:
    assert not better_than_allowed(scores(months, "on SQLite"))


@pytest.mark.skipif(MONTHS == 1, reason="takes longer: set GUESSING_MONTHS")
async def test_nor_one_of_copies_of_postgresql(postgres_shared_url: str, library: Library, tmp_path: Path) -> None:
    found = []
    for seed in range(SEED, SEED + MONTHS):
        database = open_database(postgres_shared_url)
        await clear_tables(database)
        await database.close()
        folder = tmp_path / str(seed)
        found.append(await lived(postgres_shared_url, folder, library, seed, Size()))
    assert not better_than_allowed(scores(found, "on PostgreSQL"))


def test_where_the_first_version_wrote_the_same_thief_names_nearly_all(months: list[Month]) -> None:
    found = scores(map(controls.first_version, months), "as the first version wrote")
    assert found["all"].share > NEARLY_ALL
    assert not {name: str(found[name]) for name in ABLE if found[name].times_chance <= MOST}
