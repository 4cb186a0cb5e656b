"""Runs `integra` as a real process: until it ends, or until it is ready and then until the end of a block."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.terminal import CommandResult

ROOT = Path(__file__).parents[3]
TIMEOUT = 60  # seconds after which a process that does not end fails the test
LAST_LINE = "Ctrl-C stops it"  # of what a process prints once it is ready


def environment(folder: Path, **given: str) -> dict[str, str]:
    """A minimal environment with the settings `given`; warnings of our own code are errors there too."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | {"DATA_DIR": str(folder), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"} | given


def integra(folder: Path, *arguments: str, **given: str) -> CommandResult:
    """Run a command in `folder` until it ends, with DATA_DIR there unless another is given."""
    return result_of(started(folder, *arguments, **given))


def started(folder: Path, *arguments: str, **given: str) -> subprocess.Popen[str]:
    """Start a command in `folder`, as `integra` does, without waiting for its end."""
    return subprocess.Popen(
        [sys.executable, "-m", "bot", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(folder, **given),
    )


def result_of(process: subprocess.Popen[str]) -> CommandResult:
    """Wait for the end of a command."""
    with process:
        try:
            out, err = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return CommandResult(process.returncode, out, err)


@contextmanager
def running(folder: Path, *arguments: str, **given: str) -> Iterator[list[str]]:
    """Start a process in `folder`; yield the lines that it printed until it was ready. It is stopped by SIGTERM."""
    with (folder / "errors.log").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env=environment(folder, **given),
        )
    assert process.stdout is not None
    lines = []
    try:
        for line in process.stdout:  # ends, too, when the process does
            lines.append(line.rstrip())
            if line.startswith(LAST_LINE):
                break
        else:
            raise AssertionError((folder / "errors.log").read_text())
        yield lines
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
