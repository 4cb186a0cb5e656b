"""Limits processes to a share of CPU time, each in its own time slice, to simulate more slow cores than there are.

Run: python -m bench.cpu_limit --share 0.2 PID [PID ...]
"""

import argparse
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from bench.processes import ServerProcess, start_process

PERIOD = 0.02  # seconds in which each process gets its slice once


@asynccontextmanager
async def limited_cpu(running: Sequence[ServerProcess], share: float) -> AsyncIterator[None]:
    """Let each process run for `share` of the time; afterwards all run freely."""
    pids = [str(server.process.pid) for server in running]
    limiter = await start_process("-m", "bench.cpu_limit", "--share", str(share), *pids, env={})
    try:
        assert limiter.stdout is not None
        await limiter.stdout.readline()
        yield
    finally:
        limiter.terminate()
        await limiter.wait()
        for server in running:
            server.process.send_signal(signal.SIGCONT)


def main(pids: Sequence[int], share: float) -> None:
    """Stop and continue the processes until terminated or until one of them has exited.

    Their slices begin evenly spread over the period.
    """
    steps = []
    for index, pid in enumerate(pids):
        begin = index / len(pids)
        steps += [(begin, signal.SIGCONT, pid), ((begin + share) % 1, signal.SIGSTOP, pid)]
    steps.sort()
    print("limiting", flush=True)
    start = time.monotonic()
    with suppress(ProcessLookupError):
        while True:
            for moment, action, pid in steps:
                time.sleep(max(0.0, start + moment * PERIOD - time.monotonic()))
                os.kill(pid, action)
            start = max(start + PERIOD, time.monotonic() - PERIOD)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, required=True)
    parser.add_argument("pids", type=int, nargs="+")
    options = parser.parse_args()
    main(options.pids, options.share)
