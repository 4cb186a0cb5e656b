"""Starts processes of the product quickly: imports everything, loads the course and wires the product once, then forks
a process for each line on standard input.

A line holds the arguments of `integra`; "started <pid>" is printed and, when the process has exited, "exited <pid>
<status>". Each process claims deliveries under the name of its pid, so that a test can tell which of them a killed
process held. At the end of the input all running processes are killed.
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
from bot.cli import run as _imported_once  # noqa: F401 - not again in every process
from bot.delivery import dispatcher
from content import library as course
from content.library import Library

STDIN = 0


def main() -> None:
    library = course.load()
    course.load = lambda *_, **__: library
    asyncio.run(_warm_up(library))
    gc.collect()
    gc.freeze()  # otherwise the collector of each child walks through all of this again
    selector = selectors.DefaultSelector()
    selector.register(STDIN, selectors.EVENT_READ)
    unread = b""
    while True:
        for key, _ in selector.select():
            if key.fd != STDIN:
                selector.unregister(key.fd)
                _reap(key.fd, key.data)
            elif data := os.read(STDIN, 4096):
                *lines, unread = (unread + data).split(b"\n")
                for line in lines:
                    pid = _fork(line.decode().split())
                    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
            else:
                for other in selector.get_map().values():
                    if other.fd != STDIN:
                        os.kill(other.data, signal.SIGKILL)
                return


async def _warm_up(library: Library) -> None:
    """Do what a process does once, for all children: compile templates and import modules that are imported late."""
    async with wiring.build(config.load(), library=library):
        pass


def _fork(arguments: list[str]) -> int:
    pid = os.fork()
    if pid == 0:
        _run_command(arguments)
    print(f"started {pid}", flush=True)
    return pid


def _reap(pidfd: int, pid: int) -> None:
    os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    print(f"exited {pid} {os.waitstatus_to_exitcode(status)}", flush=True)


def _run_command(arguments: list[str]) -> None:
    """Become the product in this child; its output is discarded."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    assert hasattr(dispatcher, "new_worker_id"), "the name that is replaced here has changed"
    vars(dispatcher)["new_worker_id"] = lambda: worker_name(os.getpid())
    sys.argv = ["integra", *arguments]
    try:
        command.main()
    except SystemExit as exit_:
        os._exit(exit_.code if isinstance(exit_.code, int) else 0)
    os._exit(0)


def worker_name(pid: int) -> str:
    """The name under which a process claims deliveries."""
    return f"process {pid}"


class ForkServer:
    """The fork server's process, as a test controls it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._started: asyncio.Queue[int] = asyncio.Queue()
        self._exited: defaultdict[int, asyncio.Future[int]] = defaultdict(asyncio.get_running_loop().create_future)
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, settings: Mapping[str, str]) -> "ForkServer":
        pipe, file = asyncio.subprocess.PIPE, Path(__file__)
        env = os.environ | settings | {"PYTHONPATH": str(file.parents[2])}
        return cls(await asyncio.create_subprocess_exec(sys.executable, str(file), env=env, stdin=pipe, stdout=pipe))

    async def start(self, *arguments: str) -> int:
        """Start `integra` with these arguments; return its pid."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(arguments).encode() + b"\n")
        return await self._started.get()

    async def stop(self, pid: int, by: signal.Signals) -> int:
        """Send the signal and return the exit code."""
        os.kill(pid, by)
        return await self._exited[pid]

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            match line.decode().split():
                case ["started", pid]:
                    self._started.put_nowait(int(pid))
                case ["exited", pid, status]:
                    self._exited[int(pid)].set_result(int(status))


if __name__ == "__main__":
    main()
