"""Makes processes of the product quickly: imports all, reads the course and wires it once, then forks one for each line
it reads.

A line on standard input holds the arguments of `integra`; "born <pid>" and, once it is dead, "dead <pid> <status>" are
printed. Each holds deliveries under the name of its pid, so that whoever kills it can tell what it held. When the input
ends, whoever still lives is killed.
"""

import asyncio
import gc
import os
import selectors
import signal
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from bot import app as wiring
from bot import config
from bot.cli import main as command
from bot.delivery import dispatcher
from content import library as course
from content.library import Library

STDIN = 0


def main() -> None:
    library = course.load()
    course.load = lambda *_, **__: library
    asyncio.run(_rehearse(library))
    gc.collect()
    gc.freeze()  # or each walks through all of this once more when it starts
    watch = selectors.DefaultSelector()
    watch.register(STDIN, selectors.EVENT_READ)
    unread = b""
    while True:
        for key, _ in watch.select():
            if key.fd != STDIN:
                watch.unregister(key.fd)
                _bury(key.fd, key.data)
            elif heard := os.read(STDIN, 4096):
                *lines, unread = (unread + heard).split(b"\n")
                for line in lines:
                    pid = _bear(line.decode().split())
                    watch.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
            else:
                for other in watch.get_map().values():
                    if other.fd != STDIN:
                        os.kill(other.data, signal.SIGKILL)
                return


async def _rehearse(library: Library) -> None:
    """What a first life only finds out, each of the others knows: compiled templates, modules imported late."""
    async with wiring.build(config.load(), library=library):
        pass


def _bear(arguments: list[str]) -> int:
    pid = os.fork()
    if pid == 0:
        _live(arguments)
    print(f"born {pid}", flush=True)
    return pid


def _bury(handle: int, pid: int) -> None:
    os.close(handle)
    _, status = os.waitpid(pid, 0)
    print(f"dead {pid} {os.waitstatus_to_exitcode(status)}", flush=True)


def _live(arguments: list[str]) -> None:
    """Become the product; its own words go nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    vars(dispatcher)["new_worker"] = lambda: worker(os.getpid())
    sys.argv = ["integra", *arguments]
    try:
        command.main()
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 0)
    os._exit(0)


def worker(pid: int) -> str:
    """By what name a process holds deliveries."""
    return f"process {pid}"


class Nursery:
    """The nursery's process, as a test holds it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._born: asyncio.Queue[int] = asyncio.Queue()
        self._dead: defaultdict[int, asyncio.Future[int]] = defaultdict(asyncio.get_running_loop().create_future)
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, settings: Mapping[str, str]) -> "Nursery":
        pipe, place = asyncio.subprocess.PIPE, Path(__file__)
        env = os.environ | settings | {"PYTHONPATH": str(place.parents[2])}
        return cls(await asyncio.create_subprocess_exec(sys.executable, str(place), env=env, stdin=pipe, stdout=pipe))

    async def bear(self, *arguments: str) -> int:
        """Start `integra` with these arguments; give its pid."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(arguments).encode() + b"\n")
        return await self._born.get()

    async def end(self, pid: int, by: signal.Signals) -> int:
        """Send the signal, and give the exit code."""
        os.kill(pid, by)
        return await self._dead[pid]

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            match line.decode().split():
                case ["born", pid]:
                    self._born.put_nowait(int(pid))
                case ["dead", pid, status]:
                    self._dead[int(pid)].set_result(int(status))


if __name__ == "__main__":
    main()
