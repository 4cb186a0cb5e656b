"""Style rules for course texts: patterns to avoid, read from a file, with suggested replacements."""

import re
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from content.problems import BrokenContent, Problem, read
from content.text import ContentModel, NonEmptyStr

FILE = "wording/es.toml"
ROOT = Path(__file__).parents[1]


class Adjective(ContentModel):
    """Gendered adjectives: whole words, endings of others, and exceptions (`never`) that only look like one."""

    endings: tuple[NonEmptyStr, ...]
    words: tuple[NonEmptyStr, ...]
    never: tuple[NonEmptyStr, ...] = ()

    @property
    def expression(self) -> str:
        """A regular expression that matches these words."""
        never = f"(?!(?:{'|'.join(map(re.escape, self.never))})\\b)" if self.never else ""
        endings = "|".join(map(re.escape, self.endings))
        return rf"{never}(?:{'|'.join(map(re.escape, self.words))}|\w+(?:{endings}))"


class Pattern(ContentModel):
    """A regular expression and the suggested replacement."""

    find: NonEmptyStr
    instead: NonEmptyStr


class Wording(ContentModel):
    """All rules; `{adjective}` in a pattern matches any gendered adjective."""

    adjective: Adjective
    patterns: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    names: tuple[Pattern, ...] = ()

    @model_validator(mode="after")
    def _check_patterns(self) -> Self:
        for pattern in (*self.patterns, *self.names):
            try:
                re.compile(self._expression(pattern))
            except re.error as fault:
                raise ValueError(f"not a regular expression: {fault} (seen: {pattern.find!r})") from None
        return self

    def violations(self, text: str) -> Iterator[tuple[str, str]]:
        """Matches of all rules in a Spanish text, with their suggested replacements."""
        for expression, instead in self._compiled:
            for found in expression.finditer(text):
                yield found[0], instead
        yield from self.name_violations(text)

    def name_violations(self, text: str) -> Iterator[tuple[str, str]]:
        """Forbidden names in a text of either language, with their suggested replacements."""
        for pattern in self.names:
            for found in re.finditer(pattern.find, text):
                yield found[0], pattern.instead

    @cached_property
    def _compiled(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        return tuple(
            (re.compile(self._expression(pattern), re.IGNORECASE), pattern.instead) for pattern in self.patterns
        )

    def _expression(self, pattern: Pattern) -> str:
        return pattern.find.replace("{adjective}", f"(?:{self.adjective.expression})")


@cache
def shipped_wording() -> Wording:
    """The rules shipped with the course. Raises BrokenContent."""
    problems: list[Problem] = []
    wording = read(ROOT / FILE, ROOT, Wording, problems)
    if wording is None:
        raise BrokenContent(problems)
    return wording
