"""Which tests may see a change: those that call its function, the nearest first, within some seconds."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Self

from bench.mutants.points import Point

LAST_FOLDERS = ("tests/journeys", "tests/attack", "tests/kills")  # long ways through the whole product


@dataclass(slots=True)
class CallMap:
    """What `calls.py` recorded: seconds of each test, and the tests that call each function (`file:name`)."""

    seconds: dict[str, float] = field(default_factory=dict)
    callers: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Merge all files of a folder."""
        merged = cls()
        for path in sorted(folder.glob("*.json")):
            record = json.loads(path.read_text("utf-8"))
            merged.seconds |= dict(zip(record["tests"], record["seconds"], strict=True))
            for function, numbers in record["functions"].items():
                merged.callers.setdefault(function, set()).update(record["tests"][number] for number in numbers)
        return merged

    def tests_for(self, point: Point, files: Collection[str], limit: float) -> list[str]:
        """Tests that may see the change, the likeliest first, of at most `limit` seconds altogether.

        First the file's own tests, with what is new in them since the map was made; then the tests that call its
        function; then those that call anything of its file, as what is computed once and kept is recorded of the first
        caller alone. Where none calls it, it may run in a process of its own, or in a fixture that tests share: then
        all tests of its folder, or of the nearest above it that has some, whatever they take. `files`: all test files.
        """
        own = [file for file in sorted(files) if _distance(point.path, file) == 0]
        calling, of_file = self._callers(point)
        if not calling:
            return own + [file for file in _of_folder(point.path, files) if file not in own]
        others = [test for test in of_file if test.partition("::")[0] not in own]
        nearest = sorted(others, key=lambda test: (_distance(point.path, test), self.seconds[test], test))
        chosen, total = own, 0.0
        for test in sorted(nearest, key=lambda test: test not in calling):
            total += self.seconds[test] + 0.005
            if total > limit:
                break
            chosen.append(test)
        return chosen

    def _callers(self, point: Point) -> tuple[set[str], set[str]]:
        """The tests that call the function of a change, and those that call anything of its file."""
        here: set[str] = set()
        of_file: set[str] = set()
        for name, tests in self.callers.items():
            path, _, function = name.partition(":")
            if path == point.path:
                of_file |= tests
                if point.function in ("", function):
                    here |= tests
        return here, of_file


def _of_folder(path: str, files: Collection[str]) -> list[str]:
    """The test files that stand where those of a file of the product should, or else in the nearest folder above."""
    place = PurePosixPath("tests") / PurePosixPath(path).parent
    found: list[str] = []
    while not found and place.parts:
        found = sorted(file for file in files if PurePosixPath(file).parent == place)
        place = place.parent
    return found


def _distance(path: str, test: str) -> int:
    """0: the tests of this very file; 1: of its folder; 2: of another; 3: of the whole product."""
    file = PurePosixPath(test.partition("::")[0])
    place = PurePosixPath("tests") / PurePosixPath(path).parent
    if file.parent == place and PurePosixPath(path).stem in file.stem:
        return 0
    if file.is_relative_to(place):
        return 1
    return 3 if str(file).startswith(LAST_FOLDERS) else 2
