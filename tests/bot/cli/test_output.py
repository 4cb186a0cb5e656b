"""Standard output that cannot be written: a full disk behind it, a reader that has left."""

import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from tests.bot.cli.processes import environment

FULL = Path("/dev/full")
COMMANDS = (("check",), ("export", "scenarios", "--format", "csv"))


def run(folder: Path, command: tuple[str, ...], stdout: IO[bytes] | int) -> tuple[int, str]:
    """Exit code and standard error of a command."""
    process = subprocess.run(
        [sys.executable, "-m", "bot", *command],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(folder),
        timeout=60,
        check=False,
    )
    return process.returncode, process.stderr


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        code, errors = run(tmp_path, command, full)
    assert (code, errors) == (1, "standard output: cannot be written (No space left on device)\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_left_ends_the_command_without_a_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        reader.wait()
        assert reader.stdin is not None
        assert run(tmp_path, command, reader.stdin) == (1, "")
