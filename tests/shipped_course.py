"""Reads and checks the course that is shipped once for all tests of a process, as no test changes what was read.

Each command reads it, which takes a quarter of a second, and `check` looks at each sentence, which takes longer.
"""

from functools import cache
from pathlib import Path

from content import library as course
from content.library import SHIPPED, Library
from content.problems import Problem
from content.quality import bank_checks
from content.quality.style_rules import Wording

_read, _check = course.load, bank_checks.faults
_read_once = cache(_read)


@cache
def _check_once() -> tuple[Problem, ...]:
    return tuple(_check(_read_once()))


def share() -> None:
    """From now on, what `load` and `faults` return for nothing but the shipped files is found once."""
    vars(course)["load"], vars(bank_checks)["faults"] = _load, _faults


def _load(root: Path = SHIPPED, overlay: Path | None = None) -> Library:
    if root == SHIPPED and (overlay is None or not overlay.exists()):
        return _read_once()
    return _read(root, overlay)


def _faults(library: Library, wording: Wording | None = None) -> list[Problem]:
    if wording is None and library is _read_once():
        return list(_check_once())
    return _check(library, wording)
