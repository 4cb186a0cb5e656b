"""Runs in processes of their own: started, awaited, and measured in wall and CPU time."""

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.peers import interpreter
from bench.processes import PlatformProcess, ServerProcess, start_process

IDLE_TIMEOUT = 30.0  # seconds without any new call at the platform, after which a run is over


@dataclass(frozen=True, slots=True)
class Run:
    """`count` operations in `seconds` of wall time, with `cpu` seconds of CPU time."""

    count: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    @property
    def cost(self) -> float:
        """CPU seconds per 1,000 operations."""
        return self.cpu / self.count * 1000


async def json_output(module: str, *arguments: str) -> Any:
    """Run a module, ours or a peer's, and parse the JSON on its last line. Raises RuntimeError when it fails."""
    process = await start_process(
        "-m", module, *arguments, env={}, stderr=asyncio.subprocess.PIPE, python=interpreter(module)
    )
    out, errors = await process.communicate()
    if process.returncode:
        last = errors.decode().strip().rpartition("\n")[2]
        raise RuntimeError(f"{module} exited with code {process.returncode}: {last}")
    return json.loads(out.splitlines()[-1])  # before it a module may log


@asynccontextmanager
async def peer_server(module: str, *arguments: str) -> AsyncIterator[ServerProcess]:
    """A peer's server, which prints its port on the first line once it is ready."""
    process = await start_process("-m", module, *arguments, env={}, python=interpreter(module))
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"{module} exited before it was ready")
        yield ServerProcess(f"http://127.0.0.1:{int(line)}", process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def wait_for_platform(platform: PlatformProcess, is_enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The platform's statistics once they are enough, or once they have not changed for IDLE_TIMEOUT seconds."""
    stats = await platform.stats()
    last, since = stats, time.monotonic()
    while not is_enough(stats) and time.monotonic() - since < IDLE_TIMEOUT:
        await asyncio.sleep(0.1)
        stats = await platform.stats()
        if stats != last:
            last, since = stats, time.monotonic()
    return stats


async def measured_run(work: Awaitable[int]) -> str:
    """Measure work that returns its number of operations, in this process; the fields of a Run as JSON."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    count = await work
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.dumps({"count": count, "seconds": seconds, "cpu": cpu})


def total_cpu(processes: Sequence[ServerProcess]) -> float:
    """CPU seconds that these processes have used so far."""
    return sum(process.cpu() for process in processes)
