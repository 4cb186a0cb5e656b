"""A scenario: a believable situation, options that tempt, and why each is right or not."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from content import limits
from content.course.topic import Role
from content.text import LANGUAGES, ContentModel, Identifier, NonEmptyStr, Text

LETTERS = "abcd"
State = Literal["draft", "reviewed", "published", "retired"]


class Option(ContentModel):
    """One way to act, with its reason."""

    right: bool
    articles: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    text: Text
    why: Text


class Scenario(ContentModel):
    """One situation of one competency; its options keep the order of the file and are called a, b, c, d."""

    id: Identifier
    competency: Identifier
    variant: Annotated[int, Field(ge=1, le=99)]
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    state: State
    author: NonEmptyStr
    reviewer: str
    reviewed_on: date
    situation: Text
    options: Annotated[tuple[Option, ...], Field(min_length=3, max_length=4)]
    todo: Text

    def option(self, letter: str) -> Option | None:
        place = LETTERS.find(letter) if len(letter) == 1 else -1
        return self.options[place] if 0 <= place < len(self.options) else None

    @property
    def cited(self) -> tuple[str, ...]:
        """Ids of the articles that its options rest on, each once, in order."""
        return tuple(dict.fromkeys(article for option in self.options for article in option.articles))

    @property
    def right_letter(self) -> str:
        return next(letter for letter, option in zip(LETTERS, self.options, strict=False) if option.right)

    @model_validator(mode="after")
    def _one_right(self) -> Self:
        right = sum(option.right for option in self.options)
        if right != 1:
            raise ValueError(f"exactly one option has right = true (seen: {right})")
        return self

    @model_validator(mode="after")
    def _fits_every_channel(self) -> Self:
        options = [(option.text, option.why) for option in self.options]
        faults = limit_violations(self.situation, options, self.todo)
        if faults:
            raise ValueError("; ".join(f"{field}: {says}" for field, says in faults))
        return self


def limit_violations(situation: Text, options: Sequence[tuple[Text, Text]], todo: Text) -> list[tuple[str, str]]:
    """Field and fault of all that is too long or too short for a message or a reader; options are text and why."""
    return [fault for language in LANGUAGES for fault in _misfits(situation, options, todo, language)]


def _misfits(
    situation: Text, options: Sequence[tuple[Text, Text]], todo: Text, language: str
) -> Iterator[tuple[str, str]]:
    words = situation.in_language(language)
    yield from _words(f"situation.{language}", words, limits.SITUATION_WORDS)
    for place, (text, why) in enumerate(options):
        yield from _signs(f"options.{place}.text.{language}", text.in_language(language), limits.OPTION)
        yield from _words(f"options.{place}.why.{language}", why.in_language(language), limits.WHY_WORDS)
    whole = len(words) + sum(len(text.in_language(language)) for text, _ in options)
    if whole > limits.SCENARIO:
        yield f"situation.{language}", f"with its options: at most {limits.SCENARIO} characters (seen: {whole})"
    yield from _signs(f"todo.{language}", todo.in_language(language), limits.TO_DO)


def _words(field: str, text: str, bounds: tuple[int, int]) -> Iterator[tuple[str, str]]:
    low, high = bounds
    if not low <= (count := len(text.split())) <= high:
        yield field, f"{low} to {high} words (seen: {count})"


def _signs(field: str, text: str, most: int) -> Iterator[tuple[str, str]]:
    if len(text) > most:
        yield field, f"at most {most} characters (seen: {len(text)})"
