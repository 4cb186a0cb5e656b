"""A scenario: a realistic situation, plausible options, and the reason why each is right or wrong."""

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
    """One way to act, and why it is right or wrong."""

    right: bool
    articles: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    text: Text
    why: Text


class Scenario(ContentModel):
    """One situation that trains one competency. Options are lettered a to d in the order of the file."""

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
        """The option with this letter, or None."""
        index = LETTERS.find(letter) if len(letter) == 1 else -1
        return self.options[index] if 0 <= index < len(self.options) else None

    @property
    def cited(self) -> tuple[str, ...]:
        """Ids of the articles that the options cite, each once, in order."""
        return tuple(dict.fromkeys(article for option in self.options for article in option.articles))

    @property
    def right_letter(self) -> str:
        return next(letter for letter, option in zip(LETTERS, self.options, strict=False) if option.right)

    @model_validator(mode="after")
    def _check_right_option(self) -> Self:
        right = sum(option.right for option in self.options)
        if right != 1:
            raise ValueError(f"exactly one option has right = true (seen: {right})")
        return self

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        options = [(option.text, option.why) for option in self.options]
        violations = limit_violations(self.situation, options, self.todo)
        if violations:
            raise ValueError("; ".join(f"{field}: {message}" for field, message in violations))
        return self


def limit_violations(situation: Text, options: Sequence[tuple[Text, Text]], todo: Text) -> list[tuple[str, str]]:
    """Field and message for each text outside content/limits.py; `options` are pairs of text and why."""
    return [violation for language in LANGUAGES for violation in _limit_violations(situation, options, todo, language)]


def _limit_violations(
    situation: Text, options: Sequence[tuple[Text, Text]], todo: Text, language: str
) -> Iterator[tuple[str, str]]:
    text = situation.in_language(language)
    yield from _word_count(f"situation.{language}", text, limits.SITUATION_WORDS)
    for index, (option, why) in enumerate(options):
        yield from _length(f"options.{index}.text.{language}", option.in_language(language), limits.OPTION)
        yield from _word_count(f"options.{index}.why.{language}", why.in_language(language), limits.WHY_WORDS)
    total = len(text) + sum(len(option.in_language(language)) for option, _ in options)
    if total > limits.SCENARIO:
        yield f"situation.{language}", f"with its options: at most {limits.SCENARIO} characters (seen: {total})"
    yield from _length(f"todo.{language}", todo.in_language(language), limits.TO_DO)


def _word_count(field: str, text: str, bounds: tuple[int, int]) -> Iterator[tuple[str, str]]:
    low, high = bounds
    if not low <= (count := len(text.split())) <= high:
        yield field, f"{low} to {high} words (seen: {count})"


def _length(field: str, text: str, maximum: int) -> Iterator[tuple[str, str]]:
    if len(text) > maximum:
        yield field, f"at most {maximum} characters (seen: {len(text)})"
