"""What the Spanish of the course does not say: patterns from a file, with what to say instead."""

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
    """Words that have a gender: whole ones, endings of others, and what only looks like one."""

    endings: tuple[NonEmptyStr, ...]
    words: tuple[NonEmptyStr, ...]
    never: tuple[NonEmptyStr, ...] = ()

    @property
    def expression(self) -> str:
        never = f"(?!(?:{'|'.join(map(re.escape, self.never))})\\b)" if self.never else ""
        endings = "|".join(map(re.escape, self.endings))
        return rf"{never}(?:{'|'.join(map(re.escape, self.words))}|\w+(?:{endings}))"


class Pattern(ContentModel):
    """A regular expression and what to say instead."""

    find: NonEmptyStr
    instead: NonEmptyStr


class Wording(ContentModel):
    """All patterns; `{adjective}` in one stands for a word that has a gender."""

    adjective: Adjective
    patterns: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    names: tuple[Pattern, ...] = ()

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        for pattern in (*self.patterns, *self.names):
            try:
                re.compile(self._filled(pattern))
            except re.error as fault:
                raise ValueError(f"no regular expression: {fault} (seen: {pattern.find!r})") from None
        return self

    def violations(self, text: str) -> Iterator[tuple[str, str]]:
        """What a Spanish text says and should not, with what to say instead."""
        for expression, instead in self._compiled:
            for found in expression.finditer(text):
                yield found[0], instead
        yield from self.name_violations(text)

    def name_violations(self, text: str) -> Iterator[tuple[str, str]]:
        """Names in a text of either language, with what to write instead."""
        for pattern in self.names:
            for found in re.finditer(pattern.find, text):
                yield found[0], pattern.instead

    @cached_property
    def _compiled(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        return tuple((re.compile(self._filled(one), re.IGNORECASE), one.instead) for one in self.patterns)

    def _filled(self, pattern: Pattern) -> str:
        return pattern.find.replace("{adjective}", f"(?:{self.adjective.expression})")


@cache
def shipped_wording() -> Wording:
    """The list that comes with the course. Raises BrokenContent."""
    problems: list[Problem] = []
    wording = read(ROOT / FILE, ROOT, Wording, problems)
    if wording is None:
        raise BrokenContent(problems)
    return wording
