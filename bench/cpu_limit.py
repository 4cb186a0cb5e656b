"""Lets processes run for a part of the time only, each in its turn: as many slow machines as this one has no cores for.

Run: python -m bench.brake --share 0.2 PID [PID ...]
"""

import argparse
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from bench.processes import House, started

ROUND = 0.02  # seconds in which each has its turn


@asynccontextmanager
async def braked(running: Sequence[House], share: float) -> AsyncIterator[None]:
    """Each of them runs for `share` of the time; afterwards all run freely."""
    brake = await started(
        "-m", "bench.brake", "--share", str(share), *(str(one.process.pid) for one in running), env={}
    )
    try:
        assert brake.stdout is not None
        await brake.stdout.readline()
        yield
    finally:
        brake.terminate()
        await brake.wait()
        for one in running:
            one.process.send_signal(signal.SIGCONT)


def main(pids: Sequence[int], share: float) -> None:
    """Their turns begin evenly spread over the round. Until it is told to end, or they are gone."""
    turns = []
    for place, pid in enumerate(pids):
        begins = place / len(pids)
        turns += [(begins, signal.SIGCONT, pid), ((begins + share) % 1, signal.SIGSTOP, pid)]
    turns.sort()
    print("held", flush=True)
    start = time.monotonic()
    with suppress(ProcessLookupError):
        while True:
            for moment, what, pid in turns:
                time.sleep(max(0.0, start + moment * ROUND - time.monotonic()))
                os.kill(pid, what)
            start = max(start + ROUND, time.monotonic() - ROUND)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, required=True)
    parser.add_argument("pids", type=int, nargs="+")
    given = parser.parse_args()
    main(given.pids, given.share)
