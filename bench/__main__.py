"""Run all benchmarks: one table row per target, with the peer's figure beside ours.

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
from bench.platform_speed import HEADROOM, measure_platform
from bench.report import HEAD, Row, number

MODULES = (
    "daily_run", "outbound", "inbound", "acknowledgement", "reply_latency", "reply_under_load", "growth", "dashboards",
    "memory", "start", "kills", "takeover", "teaching", "signin_flood", "slow_connections",
)  # fmt: skip
WHATSAPP = "whatsapp"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
QUICK, FULL = 5_000, 30_000  # messages sent to the fake platform to measure its own speed


async def main(names: Sequence[str], quick: bool, write: bool) -> None:
    start = time.monotonic()
    speed = await _platform_speed(quick)
    print(f"{speed}\n\n{HEAD}", flush=True)
    lines = []
    for name in names:
        if name == WHATSAPP:
            continue  # its tables stand below the others
        for line in await _lines(name, quick):
            lines.append(line)
            print(line, flush=True)
    tables = await _tables(quick) if WHATSAPP in names else ""
    print(f"\n{tables}\n\n{time.monotonic() - start:.0f} s")
    if write:
        PAGE.write_text(_page(speed, lines, tables, quick), encoding="utf-8")


async def _platform_speed(quick: bool) -> str:
    speed = await measure_platform(QUICK if quick else FULL)
    return (
        f"The fake platform serves {number(speed.own_capacity)} calls per second of its own CPU time "
        f"({number(speed.accepted)}/s as our driver sends them): {HEADROOM} times the load of any client that makes up "
        f"to {number(speed.own_capacity / HEADROOM)} calls a second."
    )


async def _lines(name: str, quick: bool) -> list[str]:
    """Run one benchmark; an error becomes its row, so that the other benchmarks still run."""
    start = time.monotonic()
    try:
        rows: list[Any] = await importlib.import_module(f"bench.{name}").rows(quick)
    except Exception as error:  # any error is reported in the table
        rows = [Row(name, error=_one_line(error))]
    print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    return [row.line() if isinstance(row, Row) else str(row) for row in rows]


async def _tables(quick: bool) -> str:
    try:
        return await whatsapp.tables(quick)
    except Exception as error:
        return f"Failed: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    """The error on one line, without paths of this machine."""
    return f"{type(error).__name__}: {re.sub(r'/[^ ]+/', '', ' '.join(str(error).split()))}"


def _page(speed: str, lines: Sequence[str], tables: str, quick: bool) -> str:
    command = "make bench-quick" if quick else "make bench"
    machine_name = (
        f"{os.cpu_count()} cores, Python {machine.python_version()}, {machine.system()} ({machine.machine()})"
    )
    runs = "one run each" if quick else "medians of three runs, minimum and maximum in brackets"
    return f"""# Benchmarks

Throughput, latency and CPU cost, compared with programs that do the same work with other libraries.
Written by `{command}` (`python -m bench --write`), on {machine_name}; {runs}.

Every run is a separate process; ours and the peer's alternate, and the ratio is the median over those pairs. CPU is
the processor time of the measured processes, without PostgreSQL's own. Ratios are comparable between machines, absolute
figures are not. There is no TLS on either side. PostgreSQL and SQLite write every commit to disk.
{speed} Peers are in `bench/peers/`.

{HEAD}
{chr(10).join(lines)}

## WhatsApp

{tables}
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="smaller workloads, one run each")
    parser.add_argument("--only", default="", help="comma-separated benchmarks to run, instead of all")
    parser.add_argument("--write", action="store_true", help=f"also write the results to {PAGE.name}")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else [*MODULES, WHATSAPP]
    if unknown := [name for name in chosen if name not in (*MODULES, WHATSAPP)]:
        parser.error(f"--only: no such benchmark: {', '.join(unknown)}; expected {', '.join((*MODULES, WHATSAPP))}")
    asyncio.run(main(chosen, options.quick, options.write))
