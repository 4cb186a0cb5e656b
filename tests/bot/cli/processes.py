"""Runs `integra` as a process: until it ends, or until it is ready and then until the end of a block.

`forkserver.py` starts it; where the start of the interpreter or its imports are the story, a test uses `environment`.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.bot.cli.forkserver import ROOT, ForkedProcess, ForkServer, Request
from tests.cast import ADDRESSES
from tests.terminal import CommandResult

TIMEOUT = 60  # seconds after which a process that does not end fails the test
LAST_LINE = "Ctrl-C stops it"  # of what a process prints once it is ready


def environment(folder: Path, **given: str) -> dict[str, str]:
    """A minimal environment with the settings `given`; warnings of our own code are errors there too."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    own = {"DATA_DIR": str(folder), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return inherited | {name.upper(): value for name, value in ADDRESSES.items()} | own | given


@cache
def fork_server() -> ForkServer:
    """The server of this worker of pytest, which starts with the first process."""
    return ForkServer(environment(ROOT))


def integra(folder: Path, *arguments: str, **given: str) -> CommandResult:
    """Run a command in `folder` until it ends, with DATA_DIR there unless another is given."""
    return Command(folder, *arguments, **given).result()


class Command:
    """A command that was started in `folder`, as `integra` does, without waiting for its end."""

    def __init__(self, folder: Path, *arguments: str, **given: str) -> None:
        self._out, self._err = os.memfd_create("out"), os.memfd_create("err")
        self.process = _started(folder, arguments, given, self._out, self._err)

    def result(self) -> CommandResult:
        """Wait for the end."""
        with os.fdopen(self._out) as out, os.fdopen(self._err) as err:
            try:
                code = self.process.wait(TIMEOUT)
            except TimeoutError:
                self.process.send_signal(signal.SIGKILL)
                raise
            for file in (out, err):
                file.seek(0)
            return CommandResult(code, out.read(), err.read())


def _started(folder: Path, arguments: tuple[str, ...], given: dict[str, str], out: int, err: int) -> ForkedProcess:
    return fork_server().start(Request(list(arguments), str(folder), environment(folder, **given)), out, err)


@contextmanager
def running(folder: Path, *arguments: str, **given: str) -> Iterator[list[str]]:
    """Start a process in `folder`; yield the lines that it printed until it was ready. It is stopped by SIGTERM."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as output:
        with os.fdopen(writing, "w"), (folder / "errors.log").open("w") as errors:
            process = _started(folder, arguments, given, writing, errors.fileno())
        lines = []
        try:
            for line in output:  # ends, too, when the process does
                lines.append(line.rstrip())
                if line.startswith(LAST_LINE):
                    break
            else:
                raise AssertionError((folder / "errors.log").read_text())
            yield lines
        finally:
            process.send_signal(signal.SIGTERM)
            output.read()
            process.wait(TIMEOUT)
