"""What is wrong with a content file: all of it at once, with file and field."""

import tomllib
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
    says: str

    def __str__(self) -> str:
        return f"{self.file}: {self.field + ': ' if self.field else ''}{self.says}"


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
        problems += [_of(file, error) for error in fault.errors(include_url=False)]
        return None


def read_table(path: Path, file: str, problems: list[Problem]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        problems.append(Problem(file, "", f"not readable as TOML in UTF-8: {fault}"))
        return None


def _of(file: str, error: Any) -> Problem:
    field = ".".join(str(step) for step in error["loc"])
    seen = error["input"]
    value = "" if isinstance(seen, dict | list) else f" (seen: {str(seen)[:SHOWN]!r})"
    return Problem(file, field, f"{error['msg']}{value}")
