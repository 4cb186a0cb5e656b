"""The tool that changes the product (bench/mutants): its changes, the tests that it picks, its named equivalents."""

import ast
from pathlib import Path

import pytest

from bench.mutants import __main__ as tool
from bench.mutants.points import Point, all_points, points_of
from bench.mutants.scratch import Verdict
from bench.mutants.selection import CallMap
from tests.imports import ROOT

CHANGES = {
    "x = a == b": ["x = a != b"],
    "x = ñ < (1)": ["x = ñ <= (1)", "x = ñ < (2)"],
    "x = a not in b": ["x = a in b"],
    "x = a and not b": ["x = (not b)", "x = (a)", "x = a and bool(b)"],
    "x = True": ["x = False"],
    "x = a if ready() else b": ["x = a if (not (ready())) else b"],
    "x = a + 'b'": [],
    "x = a + b": ["x = a - b"],
    "x = max(a)": ["x = min(a)"],
    "x = say(a, to=b)": ["x = say(a)"],
    "x = Say(a, to=b)": [],
    "x = zip(a, b, strict=True)": [],
    "x = zip(a, b > c, strict=True)": ["x = zip(a, b >= c, strict=True)"],
    "x = zip(a, b, strict=False)": ["x = zip(a, b)", "x = zip(a, b, strict=True)"],
    "x = say(a, strict=True)": ["x = say(a)", "x = say(a, strict=False)"],
    "x = rows.where(a, b).limit(c)": [
        "x = rows.where(a).limit(c)",
        "x = rows.where(b).limit(c)",
        "x = rows.where(a, b)",
    ],
    "await store(a)": ["pass"],
    "raise Fault(a)": ["pass"],
    "for x in y:\n    continue": ["break"],
    "log.info('a', b=True)": [],
    "assert a == b": [],
    "def f(a: int = 1) -> 'x == y': ...": ["def f(a: int = 2) -> 'x == y': ..."],
    "@dataclass(frozen=True)\nclass A: ...": [],
}


@pytest.mark.parametrize("source", CHANGES)
def test_a_line_is_changed_in_each_way_that_a_test_should_see(tmp_path: Path, source: str) -> None:
    (tmp_path / "a.py").write_text(source, "utf-8")
    assert sorted(point.lines(source)[1] for point in points_of(tmp_path, "a.py")) == sorted(CHANGES[source])


def test_every_change_of_the_product_is_another_program() -> None:
    found = all_points(ROOT)
    assert {point.path.partition("/")[0] for point in found} == {"bot", "handlers", "content", "storage"}
    for point in found[:: len(found) // 40]:
        source = (ROOT / point.path).read_text("utf-8")
        assert ast.dump(ast.parse(point.changed(source))) != ast.dump(ast.parse(source)), point


def test_the_nearest_tests_that_call_a_function_come_first() -> None:
    own = "tests/storage/queue/test_outbox.py"
    near, folder, far, whole = (
        f"tests/{name}.py::test" for name in ("storage/a", "storage/queue/b", "bot/c", "journeys/d")
    )
    known = dict.fromkeys((f"{own}::test", near, folder, far, whole), 1.0)
    calls = CallMap(known, {"storage/queue/outbox.py:add": {*known}, "storage/queue/outbox.py:Box.take": {far}})

    def chosen(function: str, limit: float = 100, path: str = "storage/queue/outbox.py") -> list[str]:
        return calls.tests_for(Point(path, 8, 0, 0, "", function), [own, folder.partition("::")[0]], limit)

    assert chosen("add") == [own, folder, far, near, whole]
    assert chosen("add", 2.1) == [own, folder, far]
    assert chosen("Box.take") == [own, far, folder, near, whole], "what others call of the file may use it, kept"
    assert chosen("Box.take", 1.1) == [own, far]
    assert chosen("new") == [own, "tests/storage/queue/b.py"], "nothing is known to call it"
    assert set(chosen("")) == {own, folder, far, near, whole}
    assert chosen("new", path="storage/queue/inner/a.py") == [own, "tests/storage/queue/b.py"][::-1], "the folder above"
    assert chosen("new", path="content/text.py") == []


def test_the_report_names_survivors_and_shares() -> None:
    source = (ROOT / "content/text.py").read_text("utf-8")
    first, second = points_of(ROOT, "content/text.py")[:2]
    lines = tool.report([(first, Verdict.SURVIVED), (second, Verdict.TIMED_OUT)], 9).splitlines()
    before, after = first.lines(source)
    assert lines[:3] == [f"content/text.py:{first.line} (survived)", f"  - {before}", f"  + {after}"]
    assert [line.split() for line in lines[3:5]] == [["content", "1", "of", "2", "50%"], ["all", "1", "of", "2", "50%"]]
    assert lines[5] == "2 of 9 sampled changes judged."


def test_every_named_equivalent_is_still_a_change_and_has_a_reason() -> None:
    for (path, before, after), why in tool.equivalents().items():
        source = (ROOT / path).read_text("utf-8")
        assert (before, after) in {point.lines(source) for point in points_of(ROOT, path)}, (path, before)
        assert why.endswith(".")
