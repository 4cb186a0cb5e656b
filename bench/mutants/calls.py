"""A pytest plugin that records which functions of the product each test calls, and how long the test takes.

Loaded with `-p bench.mutants.calls`; writes one file per process to the folder MUTANTS_MAP. To trace lines
instead of calls would make the tests many times slower.
"""

import json
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from bench.mutants.points import PACKAGES

ROOT = f"{Path(__file__).parents[2]}{os.sep}"
PREFIXES = tuple(f"{ROOT}{name}{os.sep}" for name in PACKAGES)

_called: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
_seconds: dict[str, float] = {}
_failed: set[str] = set()
_current = ""


def _note_call(frame: FrameType, event: str, _: object) -> None:
    code = frame.f_code
    if code.co_filename.startswith(PREFIXES):
        _called[code.co_filename, code.co_qualname].add(_current)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Attribute to a test what is called from its set-up to its tear-down."""
    global _current
    _current = item.nodeid
    sys.settrace(_note_call)
    threading.settrace(_note_call)
    try:
        return (yield)
    finally:
        sys.settrace(None)
        threading.settrace(None)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Sum up a test's time, without that of fixtures, most of which are shared."""
    if report.when == "call":
        _seconds[report.nodeid] = report.duration
    if report.failed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write what was recorded of the tests that passed."""
    folder = os.environ.get("MUTANTS_MAP")
    if folder is None or not _seconds:
        return
    tests = sorted(_seconds.keys() - _failed)
    numbers = {name: number for number, name in enumerate(tests)}
    functions = {
        f"{file.removeprefix(ROOT)}:{function}": sorted(numbers[name] for name in names if name in numbers)
        for (file, function), names in _called.items()
    }
    record = {"tests": tests, "seconds": [round(_seconds[name], 4) for name in tests], "functions": functions}
    (Path(folder) / f"{os.getpid()}-{len(tests)}.json").write_text(json.dumps(record), "utf-8")
