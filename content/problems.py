"""Read content files as TOML and collect every validation problem with file and field."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

SHOWN_CHARACTERS = 60
"""Length at which an invalid value is cut off in messages."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One error. `field` is a path such as `options.1.why.es`; empty for the file as a whole."""

    file: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.field + ': ' if self.field else ''}{self.message}"


class BrokenContent(Exception):
    """The content cannot be loaded; `problems` lists every error found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


Model = TypeVar("Model", bound=BaseModel)


def read(path: Path, root: Path, model: type[Model], problems: list[Problem]) -> Model | None:
    """Parse one file into `model`; on errors add them to `problems` and return None."""
    file = path.relative_to(root).as_posix()
    table = read_table(path, file, problems)
    if table is None:
        return None
    try:
        return model.model_validate(table)
    except ValidationError as fault:
        errors = fault.errors(include_url=False)
        problems += [_problem(file, error) for error in errors if not _is_consequence(error, errors)]
        return None


def read_table(path: Path, file: str, problems: list[Problem]) -> dict[str, Any] | None:
    """Parse one TOML file into a table; on errors add a problem under the name `file` and return None."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        problems.append(Problem(file, "", f"not readable as TOML in UTF-8: {fault}{_line_of(text, fault)}"))
        return None


def _is_consequence(error: Any, errors: Sequence[Any]) -> bool:
    """Whether a list counts as too short only because one of its items is invalid."""
    path = error["loc"]
    inner_paths = (other["loc"] for other in errors if len(other["loc"]) > len(path))
    return bool(error["type"] == "too_short" and any(inner[: len(path)] == path for inner in inner_paths))


def _line_of(text: str, fault: Exception) -> str:
    """The text of the line that failed to parse, and "defined twice" where the parser does not say so clearly."""
    found = re.search(r"at line (\d+)", str(fault))
    lines = text.rstrip().splitlines()
    number = int(found[1]) if found else len(lines)
    if not 0 < number <= len(lines):
        return ""
    twice = "; a field is defined twice" if "overwrite" in str(fault) or "twice" in str(fault) else ""
    return f"{twice} (seen: {lines[number - 1].strip()[:SHOWN_CHARACTERS]!r})"


def _problem(file: str, error: Any) -> Problem:
    field = ".".join(str(step) for step in error["loc"])
    seen = error["input"]
    value = "" if isinstance(seen, dict | list) else f" (seen: {str(seen)[:SHOWN_CHARACTERS]!r})"
    return Problem(file, field, f"{error['msg']}{value}")
