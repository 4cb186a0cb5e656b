"""All benchmarks by one command: a line for each target, with the peer beside it.

Run: python -m bench [--quick] [--only inbound,outbound] [--write]
"""

import argparse
import asyncio
import importlib
import importlib.util
import os
import platform as machine
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import whatsapp
from bench.platform_speed import TIMES, gauge
from bench.report import HEAD, Row, number

MODULES = (
    "daily_run", "outbound", "inbound", "acknowledged", "reply_way", "reply_wait", "growth", "dashboards", "memory",
    "start", "kills",
)  # fmt: skip
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
QUICK, WHOLE = 5_000, 30_000  # messages to the fake platform, to see how fast it is


async def main(names: Sequence[str], quick: bool, write: bool) -> None:
    start = time.monotonic()
    speed = await _speed(quick)
    print(f"{speed}\n\n{HEAD}", flush=True)
    lines = []
    for name in names:
        if name in MODULES and importlib.util.find_spec(f"bench.{name}") is not None:
            for line in await _lines(name, quick):
                lines.append(line)
                print(line, flush=True)
    tables = await _tables(quick) if whatsapp.__name__.rpartition(".")[2] in names else ""
    print(f"\n{tables}\n\n{time.monotonic() - start:.0f} s")
    if write:
        PAGE.write_text(_page(speed, lines, tables, quick), encoding="utf-8")


async def _speed(quick: bool) -> str:
    found = await gauge(QUICK if quick else WHOLE)
    return (
        f"The fake platform takes {number(found.own)} calls for each second of its own processor time "
        f"({number(found.taken)}/s as our driver brings them): {TIMES} times as much as whatever makes up to "
        f"{number(found.own / TIMES)} calls a second."
    )


async def _lines(name: str, quick: bool) -> list[str]:
    """A part that fails says so, and the others go on."""
    start = time.monotonic()
    try:
        rows: list[Any] = await importlib.import_module(f"bench.{name}").rows(quick)
    except Exception as fault:  # whatever it was, it is told
        rows = [Row(name, fault=_told(fault))]
    print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    return [row.line() if isinstance(row, Row) else str(row) for row in rows]


async def _tables(quick: bool) -> str:
    try:
        return await whatsapp.tables(quick)
    except Exception as fault:
        return f"Failed: {_told(fault)}"


def _told(fault: Exception) -> str:
    """On one line, and without this machine's paths."""
    return f"{type(fault).__name__}: {re.sub(r'/[^ ]+/', '', ' '.join(str(fault).split()))}"


def _page(speed: str, lines: Sequence[str], tables: str, quick: bool) -> str:
    command = "make bench-quick" if quick else "make bench"
    kind = f"{os.cpu_count()} cores, Python {machine.python_version()}, {machine.system()} ({machine.machine()})"
    runs = "one run each" if quick else "medians of three runs, the least and the most in brackets"
    return f"""# Benchmarks

How fast this is, and how much of the machine it takes, beside programs that do the same with other libraries.
Written by `{command}` (`python -m bench --write`), on {kind}; {runs}.

Every run is a process of its own; ours and the peer's take turns, and the ratio is the median over those pairs. CPU is
the processor time of the measured processes, without PostgreSQL's own. Ratios travel from machine to machine, absolute
figures do not. There is no TLS on either side. PostgreSQL and SQLite write every commit to the disk.
{speed} Peers are in `bench/peers/`.

{HEAD}
{chr(10).join(lines)}

## WhatsApp

{tables}
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="less of everything, one run each")
    parser.add_argument("--only", default="", help="these parts alone, by comma")
    parser.add_argument("--write", action="store_true", help=f"also into {PAGE.name}")
    given = parser.parse_args()
    chosen = given.only.split(",") if given.only else [*MODULES, "whatsapp"]
    asyncio.run(main(chosen, given.quick, given.write))
