"""Change the product in many places, one at a time, and report which changes no test sees.

Run: python -m bench.mutants [--seed 1] [--count 250] [--minutes 30] [--in storage/queue] [--fresh]
Results of a seed are kept in build/mutants and continued; survivors are listed with file, line and both versions.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

from bench.mutants import points
from bench.mutants.points import Point
from bench.mutants.scratch import ROOT, Verdict, copy_of_tree, judge
from bench.mutants.selection import CallMap

KEPT = ROOT / "build" / "mutants"
MAP = KEPT / "map"
EQUIVALENTS = Path(__file__).with_name("equivalents.toml")
PROCESSES = 2
TEST_SECONDS = 30.0  # of tests for one change, by their time while calls are recorded: two to three times the usual
TIMEOUT = 120.0  # seconds for one change


def main() -> None:
    """Read the arguments, make the map of calls if there is none, judge a sample, print the report."""
    given = _arguments()
    MAP.mkdir(parents=True, exist_ok=True)
    if given.map_only or not any(MAP.glob("*.json")):
        _make_map(given.map_only or ["tests"])
    if given.map_only:
        return
    sample = _sample(given.seed, given.count, given.within)
    file = KEPT / f"seed-{given.seed}{'-' + given.within.replace('/', '-') if given.within else ''}.jsonl"
    if given.fresh:
        file.unlink(missing_ok=True)
    judged = _read(file)
    waiting = [point for point in sample if point not in judged]
    _judge_all(waiting, file, time.monotonic() + given.minutes * 60, given.processes)
    judged = _read(file)
    print(report([(point, judged[point]) for point in sample if point in judged], len(sample)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=250)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--in", dest="within", default="", help="only files whose path begins like this")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results of this seed")
    parser.add_argument("--map-only", nargs="*", help="record which tests call what, of these folders, and stop")
    return parser.parse_args()


def _make_map(folders: Sequence[str]) -> None:
    """Run the tests once and record what they call."""
    options = ("-q", "--no-header", "-p", "no:cacheprovider", "-p", "bench.mutants.calls", "-p", "no:faulthandler")
    command = [sys.executable, "-m", "pytest", *options, "-n", str(PROCESSES), *folders]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"MUTANTS_MAP": str(MAP)}, check=False)


def _sample(seed: int, count: int, within: str) -> list[Point]:
    """So many random points in a random order, without the named equivalents."""
    known = equivalents()
    found = [point for point in points.all_points(ROOT) if point.path.startswith(within)]
    random.Random(seed).shuffle(found)
    sources = {point.path: (ROOT / point.path).read_text("utf-8") for point in found}
    chosen: list[Point] = []
    for point in found:
        if len(chosen) == count:
            break
        if (point.path, *point.lines(sources[point.path])) not in known:
            chosen.append(point)
    return chosen


def equivalents() -> dict[tuple[str, str, str], str]:
    """Why no test can see a change, by file, line before and line after."""
    listed = tomllib.loads(EQUIVALENTS.read_text("utf-8")).get("equivalent", [])
    return {(one["path"], one["before"], one["after"]): one["why"] for one in listed}


def _judge_all(waiting: Sequence[Point], file: Path, end: float, processes: int) -> None:
    """Judge points in their order, so many at a time, until the time is over; append each verdict to the file."""
    calls, files = CallMap.read(MAP), _test_files()
    queue: SimpleQueue[Point] = SimpleQueue()
    for point in waiting:
        queue.put(point)

    def work(_: int) -> None:
        with copy_of_tree() as tree:
            if (control := _control(tree, calls)) is not Verdict.SURVIVED:
                raise SystemExit(f"without any change the tests are {control}: run them, and make a new map of calls")
            while not queue.empty() and time.monotonic() < end:
                point = queue.get()
                verdict = judge(tree, point, calls.tests_for(point, files, TEST_SECONDS), TIMEOUT)
                with file.open("a") as out:
                    out.write(json.dumps(asdict(point) | {"verdict": verdict}) + "\n")
                print("." if verdict in (Verdict.DETECTED, Verdict.TIMED_OUT) else "S", end="", flush=True)

    with ThreadPoolExecutor(processes) as threads:
        list(threads.map(work, range(processes)))
    print()


def _control(tree: Path, calls: CallMap) -> Verdict:
    """The verdict on no change at all, with the tests of a file that all channels use."""
    nothing = Point("bot/channels/text.py", 1, 0, 0, "", "")
    return judge(tree, nothing, calls.tests_for(nothing, _test_files(), TEST_SECONDS), TIMEOUT)


def _test_files() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]


def _read(file: Path) -> dict[Point, Verdict]:
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    return {Point(**line): Verdict(verdict) for line in lines for verdict in [line.pop("verdict")]}


def report(judged: Sequence[tuple[Point, Verdict]], sampled: int) -> str:
    """The survivors, and the detected share of each package and of all."""
    lines = []
    for point, verdict in sorted(judged, key=lambda one: (one[0].path, one[0].start)):
        if verdict in (Verdict.SURVIVED, Verdict.UNTESTED):
            before, after = point.lines((ROOT / point.path).read_text("utf-8"))
            lines += [f"{point.path}:{point.line} ({verdict})", f"  - {before}", f"  + {after}"]
    groups = sorted({"/".join(point.path.split("/")[:-1]) for point, _ in judged})
    for name in [*groups, ""]:
        of_group = [verdict for point, verdict in judged if not name or point.path.rpartition("/")[0] == name]
        seen = sum(verdict in (Verdict.DETECTED, Verdict.TIMED_OUT) for verdict in of_group)
        if of_group:
            lines.append(f"{name or 'all':<28}{seen:>4} of {len(of_group):<4}{seen / len(of_group):>6.0%}")
    return "\n".join([*lines, f"{len(judged)} of {sampled} sampled changes judged."])


if __name__ == "__main__":
    main()
