"""Kill -9 while everybody talks: 0 lost, 0 answers doubled; what left twice, the platform had said yes to and nobody
had noted it (see tests/kills/simulation.py).

Run: python -m bench.kills [--quick]
"""

import argparse
import asyncio
import time

from bench import seed
from bench.databases import NAMES, POSTGRES, SQLITE, Ground, ground
from bench.report import Figure, Row
from bot.delivery.channel_sender import ON_THE_WAY
from tests.fakes.counter import TELEGRAM, WHATSAPP
from tests.kills import simulation
from tests.kills.audit import Found

QUICK, WHOLE = (1_000, 10), (10_000, 500)  # messages and kills on each of the two databases


async def rows(quick: bool) -> list[Row]:
    """Both databases side by side: whoever starts anew waits more than it works."""
    messages, kills = QUICK if quick else WHOLE
    with ground() as land:
        both = await asyncio.gather(*(_on(land, kind, messages, kills) for kind in (SQLITE, POSTGRES)))
    return [row for several in both for row in several]


async def _on(land: Ground, kind: str, messages: int, kills: int) -> list[Row]:
    url = await (await land.seeded(kind, seed.nothing)).copy()
    begun = time.monotonic()
    found = await simulation.run(url, land.data(), seed.library(), messages, kills)
    return _rows(f"{NAMES[kind]} ({time.monotonic() - begun:.0f} s)", found)


async def main(quick: bool) -> None:
    for row in await rows(quick):
        print(row.line(), flush=True)


def _rows(name: str, found: Found) -> list[Row]:
    what = f"{found.kills:,} kills -9 in {found.messages:,} messages, {name}"
    return [
        _row(f"{what}: lost", found.missing, "0", found.missing == 0),
        _row(
            f"{what}: answers of {found.presses:,} presses that were lost or doubled",
            found.unanswered + found.answered_twice,
            "0",
            found.unanswered + found.answered_twice == 0,
        ),
        _row(
            f"{what}: doubled on Telegram",
            found.doubled(TELEGRAM),
            f"only what was taken and not noted, one a kill and connection ({ON_THE_WAY})",
            found.unexplained == 0 and found.most_doubts[TELEGRAM] <= ON_THE_WAY,
            found.summary(),
        ),
        _row(
            f"{what}: doubled on WhatsApp",
            found.doubled(WHATSAPP),
            "0: a receipt proves it",
            not found.doubled(WHATSAPP),
        ),
    ]


def _row(what: str, count: int, target: str, is_met: bool, beside: str = "") -> Row:
    return Row(what, Figure([count], ""), peer_name=beside, target=target, is_met=is_met)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    asyncio.run(main(parser.parse_args().quick))
