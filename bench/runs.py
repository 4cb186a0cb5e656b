"""Whole runs in processes of their own: started, read, and their processor time taken."""

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.processes import House, Platform, started

PATIENCE = 30.0  # seconds without anything new at the platform, after which a run is over


@dataclass(frozen=True, slots=True)
class Run:
    """`count` pieces of work in `seconds`, with `cpu` seconds of the processor."""

    count: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    @property
    def cost(self) -> float:
        """CPU seconds per 1,000."""
        return self.cpu / self.count * 1000


async def told(module: str, *arguments: str) -> Any:
    """What a process of ours says on its one line, as JSON. Raises RuntimeError when it fails."""
    process = await started("-m", module, *arguments, env={}, stderr=asyncio.subprocess.PIPE)
    out, complaint = await process.communicate()
    if process.returncode:
        last = complaint.decode().strip().rpartition("\n")[2]
        raise RuntimeError(f"{module} ended with {process.returncode}: {last}")
    return json.loads(out)


@asynccontextmanager
async def server(module: str, *arguments: str) -> AsyncIterator[House]:
    """A peer that serves: it says its port on the first line once it is ready."""
    process = await started("-m", module, *arguments, env={})
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"{module} ended before it was ready")
        yield House(f"http://127.0.0.1:{int(line)}", process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(platform: Platform, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the platform has seen once it is enough, or once nothing new has come for a long while."""
    found = await platform.stats()
    last, since = found, time.monotonic()
    while not enough(found) and time.monotonic() - since < PATIENCE:
        await asyncio.sleep(0.1)
        found = await platform.stats()
        if found != last:
            last, since = found, time.monotonic()
    return found


async def timed(work: Awaitable[int]) -> str:
    """For the process that works: how many pieces, wall and processor seconds, as `told` reads it."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    count = await work
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.dumps({"count": count, "seconds": seconds, "cpu": cpu})


def cpu_of_all(houses: Sequence[House]) -> float:
    """CPU seconds that these processes have used."""
    return sum(one.cpu() for one in houses)
