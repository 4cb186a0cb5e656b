"""Processes killed with SIGKILL under load: no message lost, no answer lost or duplicated; only messages that the
platform had accepted and no process had recorded may be sent twice (see tests/kills/simulation.py).

Run: python -m bench.kills [--quick]
"""

import argparse
import asyncio
import time

from bench import seed
from bench.databases import NAMES, POSTGRES, SQLITE, Databases, open_databases
from bench.report import Figure, Row
from storage.queue import tuning
from tests.fakes.counting_platform import TELEGRAM, WHATSAPP
from tests.kills import simulation
from tests.kills.audit import KillResult

QUICK, FULL = (1_000, 10), (10_000, 500)  # messages and kills on each of the two databases


async def rows(quick: bool) -> list[Row]:
    """Both databases concurrently, as restarting processes mostly wait."""
    messages, kills = QUICK if quick else FULL
    with open_databases() as databases:
        both = await asyncio.gather(*(_rows_on(databases, kind, messages, kills) for kind in (SQLITE, POSTGRES)))
    return [row for database_rows in both for row in database_rows]


async def _rows_on(databases: Databases, kind: str, messages: int, kills: int) -> list[Row]:
    url = await (await databases.create(kind, seed.leave_empty)).copy()
    start = time.monotonic()
    result = await simulation.run(url, databases.data_dir(), seed.library(), messages, kills)
    return _rows(f"{NAMES[kind]} ({time.monotonic() - start:.0f} s)", result)


async def main(quick: bool) -> None:
    for row in await rows(quick):
        print(row.line(), flush=True)


def _rows(name: str, result: KillResult) -> list[Row]:
    what = f"{result.kills:,} SIGKILLs in {result.messages:,} messages, {name}"
    return [
        _row(f"{what}: lost", result.missing, "0", result.missing == 0),
        _row(
            f"{what}: answers of {result.presses:,} presses that were lost or duplicated",
            result.unanswered + result.answered_twice,
            "0",
            result.unanswered + result.answered_twice == 0,
        ),
        _row(
            f"{what}: duplicated on Telegram",
            result.duplicates(TELEGRAM),
            f"only if accepted and not recorded: at most one per kill and connection ({tuning.MAX_IN_FLIGHT})",
            result.unexplained_duplicates == 0 and result.most_unrecorded[TELEGRAM] <= tuning.MAX_IN_FLIGHT,
            result.summary(),
        ),
        _row(
            f"{what}: duplicated on WhatsApp",
            result.duplicates(WHATSAPP),
            "0: receipts prevent it",
            not result.duplicates(WHATSAPP),
        ),
    ]


def _row(what: str, count: int, target: str, is_met: bool, summary: str = "") -> Row:
    return Row(what, Figure([count], ""), peer_name=summary, target=target, is_met=is_met)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    asyncio.run(main(parser.parse_args().quick))
