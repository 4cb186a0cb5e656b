"""Judges one change: applies it in a scratch copy of the tree and runs tests there in a process of its own.

In a process of its own, since threads and connections of an earlier run do not survive a fork: tests that wait for them
would be counted as timeouts.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from bench.mutants.points import Point

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "build", "*.egg-info")
MEMORY = Path("/dev/shm")
PASSED, WRONG_CALL, NO_TESTS = 0, 4, 5  # pytest's exit codes
NOT_FOUND = re.compile(r"^ERROR: not found: .*?/tree/(.*)$", re.MULTILINE)


class Verdict(StrEnum):
    """What became of a change."""

    DETECTED = "detected"
    SURVIVED = "survived"
    UNTESTED = "untested"  # no test calls it: it survived, too
    TIMED_OUT = "timed out"  # detected: the tests do not end any more


@contextmanager
def copy_of_tree() -> Iterator[Path]:
    """A copy of the project, deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        specs = ROOT.parent / "shared"
        if specs.is_dir():
            (Path(folder) / "shared").symlink_to(specs.resolve())
        yield tree


def judge(tree: Path, point: Point, tests: Sequence[str], timeout: float) -> Verdict:
    """Run the tests with the change until the first one fails; the tree is as before afterwards."""
    if not tests:
        return Verdict.UNTESTED
    path = tree / point.path
    source = path.read_text("utf-8")
    try:
        path.write_text(point.changed(source), "utf-8")
        code, output = _run(tree, tests, timeout)
        if code == WRONG_CALL and (gone := NOT_FOUND.findall(output)):  # renamed since the map, or by the change
            present = [test for test in tests if test not in gone and test.partition("[")[0] not in gone]
            code, _ = _run(tree, present, timeout)
        return _verdict(code)
    finally:
        path.write_text(source, "utf-8")


def _verdict(code: int | None) -> Verdict:
    if code is None:
        return Verdict.TIMED_OUT
    return Verdict.SURVIVED if code in (PASSED, NO_TESTS) else Verdict.DETECTED


def _run(tree: Path, tests: Sequence[str], timeout: float) -> tuple[int | None, str]:
    """Exit code of pytest and what it printed; None: it did not end in time."""
    listed, printed = tree.parent / "tests.txt", tree.parent / "printed.txt"
    listed.write_text("\n".join(tests), "utf-8")
    options = ("-q", "-x", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "bench.mutants.quick_failures")
    command = [sys.executable, "-m", "pytest", *options, f"@{listed}"]
    environment = os.environ | {"PYTEST_DEBUG_TEMPROOT": str(tree.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    with printed.open("wb") as out:
        process = subprocess.Popen(command, cwd=tree, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # servers and browsers that it started, too
        process.wait()
    return code, printed.read_text("utf-8", "replace")
