"""Patterns of typed words, as authors write them: `(ya) no quiero recibir (mas) {mensajes}`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from content.course.spelling import sound

KEY_LETTERS = 3
"""Letters of a word by which patterns are looked up."""
SHORT_WORD_COST = 20
"""How many words one of up to KEY_LETTERS letters counts for when keys are chosen: such are in nearly every text."""
MAX_BETWEEN = 6
"""Words that `...` stands for at most."""
SYNTAX = re.compile(r"\([^()]+\)|\[[^\[\]]+\]|[^\s()\[\]]+")


class WrongPattern(ValueError):
    """A pattern cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class TypedPattern:
    """A compiled pattern, and the keys of the words of which a text must have one for the pattern to match."""

    source: str
    keys: frozenset[str]
    regex: re.Pattern[str]

    def is_in(self, sentence: str) -> bool:
        """Whether the pattern is anywhere in a sentence, which has a space before and after each word."""
        return self.regex.search(sentence) is not None

    def is_all_of(self, sentence: str) -> bool:
        """Whether the pattern is the whole sentence."""
        return self.regex.fullmatch(sentence) is not None


def compile_pattern(source: str, lists: Mapping[str, Sequence[str]], language: str) -> TypedPattern:
    """Compile a pattern of a language; `lists` are the word lists that it may name in braces.

    Raises WrongPattern.
    """
    if SYNTAX.sub("", source).strip():
        raise WrongPattern("a bracket or a parenthesis is not closed")
    steps = [_Step.read(part, lists, language) for part in SYNTAX.findall(source)]
    required = [step for step in steps if step.choices and not step.is_optional]
    if not required:
        raise WrongPattern("expected a word that must be there")
    anchor = min(required, key=lambda step: sum(map(_cost, step.anchors)))
    return TypedPattern(
        source, frozenset(map(key_of, anchor.anchors)), re.compile(" " + "".join(step.regex for step in steps))
    )


def key_of(word: str) -> str:
    """The key of a word that is spelled by its sound."""
    return word[:KEY_LETTERS]


@dataclass(frozen=True, slots=True)
class _Step:
    """One part of a pattern: the phrases of which one is expected, or, without any, some words in between."""

    choices: tuple[tuple[str, ...], ...]
    is_optional: bool = False

    @classmethod
    def read(cls, part: str, lists: Mapping[str, Sequence[str]], language: str) -> "_Step":
        if part == "...":
            return cls(())
        is_optional = part.startswith("(")
        inner = part[1:-1] if part[0] in "([" else part
        return cls(tuple(_phrase(text, language) for text in _choices(inner, lists)), is_optional)

    @property
    def anchors(self) -> frozenset[str]:
        """The longest word of each phrase."""
        return frozenset(max(phrase, key=len).removesuffix("*") for phrase in self.choices)

    @property
    def regex(self) -> str:
        if not self.choices:
            return rf"(?:[a-z0-9]+ ){{0,{MAX_BETWEEN}}}"
        longest_first = sorted(self.choices, key=len, reverse=True)
        joined = "|".join("".join(_word_regex(word) for word in phrase) for phrase in longest_first)
        return f"(?:{joined}){'?' if self.is_optional else ''}"


def _cost(word: str) -> int:
    return SHORT_WORD_COST if len(word) <= KEY_LETTERS else 1


def _choices(inner: str, lists: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The phrases that one part names: words between bars, or all of a list in braces."""
    for choice in inner.split("|"):
        if not choice.startswith("{"):
            yield choice
        elif choice[1:-1] in lists and choice.endswith("}"):
            yield from lists[choice[1:-1]]
        else:
            raise WrongPattern(f"no such list (seen: {choice!r})")


def _phrase(text: str, language: str) -> tuple[str, ...]:
    """The words of a phrase, spelled by their sound; `*` after a word stands for any ending."""
    words = []
    for word in text.split():
        spelled = sound(word.removesuffix("*"), language)
        if len(spelled) != 1:
            raise WrongPattern(f"expected a word (seen: {word!r})")
        if word.endswith("*") and len(spelled[0]) < KEY_LETTERS:
            raise WrongPattern(f"expected at least {KEY_LETTERS} letters before * (seen: {word!r})")
        words.append(spelled[0] + ("*" if word.endswith("*") else ""))
    if not words:
        raise WrongPattern("expected a word between the bars")
    return tuple(words)


def _word_regex(word: str) -> str:
    return f"{word[:-1]}[a-z0-9]* " if word.endswith("*") else f"{word} "
