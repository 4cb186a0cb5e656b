"""What is wrong with a content file: all of it at once, with file and field."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

SHOWN = 60
"""Characters of a wrong value that are repeated to the author."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. `field` is a path such as `options.1.why.es`; empty when the whole file is meant."""

    file: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.field + ': ' if self.field else ''}{self.message}"


class BrokenContent(Exception):
    """The content cannot be used; `problems` names every mistake that was found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


Model = TypeVar("Model", bound=BaseModel)


def read(path: Path, root: Path, model: type[Model], problems: list[Problem]) -> Model | None:
    """One file as `model`, or None with what is wrong added to `problems`."""
    file = path.relative_to(root).as_posix()
    table = read_table(path, file, problems)
    if table is None:
        return None
    try:
        return model.model_validate(table)
    except ValidationError as fault:
        errors = fault.errors(include_url=False)
        problems += [_of(file, error) for error in errors if not _follows(error, errors)]
        return None


def read_table(path: Path, file: str, problems: list[Problem]) -> dict[str, Any] | None:
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        problems.append(Problem(file, "", f"not readable as TOML in UTF-8: {fault}{_line_of(text, fault)}"))
        return None


def _follows(error: Any, errors: Sequence[Any]) -> bool:
    """Whether a list only seems too short because something in it is wrong."""
    place = error["loc"]
    inside = (one["loc"] for one in errors if len(one["loc"]) > len(place))
    return bool(error["type"] == "too_short" and any(one[: len(place)] == place for one in inside))


def _line_of(text: str, fault: Exception) -> str:
    """The line that could not be read, and what is wrong with it where the parser's words do not say it."""
    found = re.search(r"at line (\d+)", str(fault))
    lines = text.rstrip().splitlines()
    number = int(found[1]) if found else len(lines)
    if not 0 < number <= len(lines):
        return ""
    twice = "; a field stands twice" if "overwrite" in str(fault) or "twice" in str(fault) else ""
    return f"{twice} (seen: {lines[number - 1].strip()[:SHOWN]!r})"


def _of(file: str, error: Any) -> Problem:
    field = ".".join(str(step) for step in error["loc"])
    seen = error["input"]
    value = "" if isinstance(seen, dict | list) else f" (seen: {str(seen)[:SHOWN]!r})"
    return Problem(file, field, f"{error['msg']}{value}")
