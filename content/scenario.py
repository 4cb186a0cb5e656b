"""A scenario: a believable situation, options that tempt, and why each is right or not."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from content import limits
from content.text import LANGUAGES, Identifier, Part, Text, Words
from content.topic import Role

LETTERS = "abcd"


class Option(Part):
    """One way to act, with its reason."""

    right: bool
    articles: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    text: Text
    why: Text


class Scenario(Part):
    """One situation of one competency; its options keep the order of the file and are called a, b, c, d."""

    id: Identifier
    competency: Identifier
    variant: Annotated[int, Field(ge=1, le=99)]
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    state: Literal["draft", "reviewed", "published", "retired"]
    author: Words
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
        faults = [fault for language in LANGUAGES for fault in self._too_long(language)]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _one_line_to_do(self) -> Self:
        for language in LANGUAGES:
            length = len(self.todo.in_language(language))
            if length > limits.TODO:
                raise ValueError(f"todo.{language}: at most {limits.TODO} characters (seen: {length})")
        return self

    def _too_long(self, language: str) -> list[str]:
        situation = self.situation.in_language(language)
        faults = []
        low, high = limits.SITUATION_WORDS
        if not low <= len(situation.split()) <= high:
            faults.append(f"situation.{language}: {low} to {high} words (seen: {len(situation.split())})")
        for place, option in enumerate(self.options):
            text, why = option.text.in_language(language), option.why.in_language(language)
            if len(text) > limits.OPTION:
                faults.append(
                    f"options.{place}.text.{language}: at most {limits.OPTION} characters (seen: {len(text)})"
                )
            low, high = limits.WHY_WORDS
            if not low <= len(why.split()) <= high:
                faults.append(f"options.{place}.why.{language}: {low} to {high} words (seen: {len(why.split())})")
        whole = len(situation) + sum(len(option.text.in_language(language)) for option in self.options)
        if whole > limits.SCENARIO:
            faults.append(f"situation and options ({language}): at most {limits.SCENARIO} characters (seen: {whole})")
        return faults
