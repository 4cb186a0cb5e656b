"""Every field of a scenario file: missing, of the wrong type, blank or too long, it is reported with its value."""

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from content.course.scenario import Scenario
from content.problems import Problem, read
from content.text import LANGUAGES
from tests.content.quality import bank

TOP = ("id", "competency", "variant", "roles", "state", "author", "reviewer", "reviewed_on", "situation", "options")
OF_OPTIONS = ("right", "articles", "text", "why")
WORDS = tuple(
    f"{field}.{language}"
    for field in ("situation", "todo", "options.0.text", "options.2.why")
    for language in LANGUAGES
)
FIELDS = (*TOP, "todo", *(f"options.{place}.{field}" for place in range(3) for field in OF_OPTIONS), *WORDS)
ROLES = ("author", "reviewer")
"""Accept any text: they are shown only to officers."""
NO_WORDS = ("variant", "reviewed_on", "situation", "options", "todo", "roles")


def toml(table: dict[str, Any]) -> str:
    """A table as TOML, one line per field."""
    return "\n".join(f"{name} = {_value(value)}" for name, value in table.items())


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_value(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


def table() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(toml(bank.scenario("excusa-por-escrito", 0, 1).model_dump()))
    return found


def changed(field: str, *value: object) -> dict[str, Any]:
    """The fields with one value replaced or, without `value`, removed."""
    whole = table()
    *path, last = field.split(".")
    inner: Any = whole
    for step in path:
        inner = inner[int(step)] if step.isdigit() else inner[step]
    del inner[last]
    if value:
        (inner[last],) = value
    return whole


def problem_lines(folder: Path, fields: dict[str, Any]) -> list[str]:
    """The problems of a file with these fields."""
    problems: list[Problem] = []
    (folder / "uno.toml").write_text(toml(fields), encoding="utf-8")
    scenario = read(folder / "uno.toml", folder, Scenario, problems)
    assert (scenario is None) == bool(problems)
    return list(map(str, problems))


def test_the_base_file_is_valid(tmp_path: Path) -> None:
    assert problem_lines(tmp_path, table()) == []


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_may_be_missing(tmp_path: Path, field: str) -> None:
    assert problem_lines(tmp_path, changed(field)) == [f"uno.toml: {field}: Field required"]


@pytest.mark.parametrize("field", [one for one in FIELDS if one != "variant"])
def test_no_field_accepts_a_number(tmp_path: Path, field: str) -> None:
    (line,) = problem_lines(tmp_path, changed(field, 7))
    assert line.startswith(f"uno.toml: {field}: ")
    assert line.endswith("(seen: '7')")


@pytest.mark.parametrize("field", [one for one in FIELDS if one != "reviewer"])
def test_no_field_accepts_blanks(tmp_path: Path, field: str) -> None:
    lines = problem_lines(tmp_path, changed(field, "  "))
    assert len(lines) == 1
    assert lines[0].startswith(f"uno.toml: {field}: ")
    assert "(seen: '" in lines[0]


@pytest.mark.parametrize("field", [one for one in FIELDS if one not in NO_WORDS and one not in ROLES])
def test_no_field_accepts_an_endless_text(tmp_path: Path, field: str) -> None:
    lines = problem_lines(tmp_path, changed(field, "palabra " * 400))
    assert any(field in line and "seen: " in line for line in lines), lines
    assert all(len(line) < 600 for line in lines), "values are cut off in messages"


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_accepts_a_list_of_invalid_items(tmp_path: Path, field: str) -> None:
    lines = problem_lines(tmp_path, changed(field, ["Ñ", "Ñ"]))
    assert lines
    assert all(line.startswith(f"uno.toml: {field}") for line in lines)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_missing_option_is_reported(tmp_path: Path, place: int) -> None:
    fields = table()
    del fields["options"][place]
    (line,) = problem_lines(tmp_path, fields)
    assert line.startswith("uno.toml: options: ")
    assert "at least 3 items" in line


def test_a_fifth_option_is_refused(tmp_path: Path) -> None:
    fields = table()
    fields["options"] += [fields["options"][-1]] * 2
    (line,) = problem_lines(tmp_path, fields)
    assert "uno.toml: options: " in line
    assert "at most 4 items" in line


@pytest.mark.parametrize("right", [(False, False, False), (True, True, False), (True, True, True)])
def test_exactly_one_option_is_right(tmp_path: Path, right: tuple[bool, ...]) -> None:
    fields = table()
    for option, value in zip(fields["options"], right, strict=True):
        option["right"] = value
    (line,) = problem_lines(tmp_path, fields)
    assert f"exactly one option has right = true (seen: {sum(right)})" in line


@pytest.mark.parametrize("field", ["variant", "situation", "state"])
def test_a_duplicate_field_is_reported_with_its_second_line(tmp_path: Path, field: str) -> None:
    again = toml({field: table()[field]})
    path = tmp_path / "uno.toml"
    path.write_text(toml(table()) + "\n" + again, encoding="utf-8")
    problems: list[Problem] = []
    assert read(path, tmp_path, Scenario, problems) is None
    (line,) = map(str, problems)
    assert "a field is defined twice" in line
    assert repr(again[:40])[:-1] in line
