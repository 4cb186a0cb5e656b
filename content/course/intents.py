"""Intents: what people want when they type a sentence, recognized by patterns of words. Texts are not stored."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from pydantic import Field

from content.course.likeness import Examples, Likeness
from content.course.search import Vocabulary
from content.course.spelling import clauses, sound
from content.course.typed_pattern import TypedPattern, WrongPattern, compile_pattern, key_of
from content.problems import Problem
from content.text import LANGUAGES, ContentModel, Identifier, NonEmptyStr

DISTRESS, STOP = "distress", "stop"
"""Intents that have a handler of their own."""
Parts = Sequence[Sequence[str]]
"""The words of each part of a text between punctuation marks."""


class Typed(ContentModel):
    """Texts or patterns by the language in which they are typed."""

    es: tuple[NonEmptyStr, ...] = ()
    en: tuple[NonEmptyStr, ...] = ()

    def in_language(self, language: str) -> tuple[str, ...]:
        return self.en if language == "en" else self.es


class WordLists(ContentModel):
    """Words and phrases that patterns name in braces, by language and name."""

    es: Mapping[Identifier, tuple[NonEmptyStr, ...]] = Field(default_factory=dict)
    en: Mapping[Identifier, tuple[NonEmptyStr, ...]] = Field(default_factory=dict)

    def in_language(self, language: str) -> Mapping[str, tuple[str, ...]]:
        return self.en if language == "en" else self.es


class PatternGroup(ContentModel):
    """Patterns with much the same meaning.

    `anywhere` patterns count at any place in a text. `alone` patterns count as the whole text, or as its first or last
    part between punctuation marks, with nothing around them but greetings and thanks. `answer` names the entry of the
    FAQ that is shown; without one the search chooses it.
    """

    id: Identifier
    answer: Identifier | None = None
    anywhere: Typed = Typed()
    alone: Typed = Typed()


class Intent(ContentModel):
    """One file of content/intents/: the patterns of one intent, and the texts that prove them.

    A text has the intent by one of its patterns or, if `likeness` is given, by being at least so like its examples,
    unless it has an `unless` pattern. `near_misses` are texts that must not have it.
    """

    intent: Identifier
    likeness: float | None = Field(default=None, gt=0)
    lists: WordLists = WordLists()
    groups: tuple[PatternGroup, ...] = Field(min_length=1)
    unless: Typed = Typed()
    examples: Typed
    near_misses: Typed = Typed()


class RuleKind(StrEnum):
    """Where a pattern counts, or that it excludes the intent."""

    ANYWHERE = "anywhere"
    ALONE = "alone"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled pattern, with the intent that it belongs to and its place in the file."""

    intent: str
    field: str
    pattern: TypedPattern
    kind: RuleKind
    answer: str | None = None


class Intents:
    """Recognizes the intents of a typed text, in both languages."""

    def __init__(
        self, intents: Mapping[str, Intent], vocabularies: Mapping[str, Vocabulary], others: Sequence[Typed] = ()
    ) -> None:
        """Compile all patterns, and weigh the words of examples against those of `others`, texts without an intent.

        Both mappings are keyed by file name. Patterns that cannot be compiled are in `faults`, as file, field and
        message.
        """
        self.intents = intents
        self.faults: list[tuple[str, str, str]] = []
        self._languages = []
        by_language: dict[str, Vocabulary] = {vocabulary.language: vocabulary for vocabulary in vocabularies.values()}
        for language in LANGUAGES:
            vocabulary = by_language.get(language, Vocabulary(language="en" if language == "en" else "es"))
            rules = [rule for file, intent in intents.items() for rule in self._compiled(file, intent, language)]
            without_intent = [text for typed in others for text in typed.in_language(language)]
            self._languages.append(_LanguageRules(rules, vocabulary, intents.values(), without_intent))

    def find(self, text: str) -> Mapping[str, str | None]:
        """The intents of a text, each with the answer of the pattern that matched, or None."""
        found: dict[str, str | None] = {}
        excluded: set[str] = set()
        read = [(rules, parts) for rules in self._languages if (parts := rules.read(text))]
        for rules, parts in read:
            for rule in rules.matches(parts):
                if rule.kind is RuleKind.EXCEPTION:
                    excluded.add(rule.intent)
                else:
                    found.setdefault(rule.intent, rule.answer)
        found |= {intent: None for intent in self._alike(read) if intent not in found}
        return {intent: answer for intent, answer in found.items() if intent not in excluded}

    @staticmethod
    def _alike(read: Iterable[tuple["_LanguageRules", Parts]]) -> list[str]:
        """The intents whose examples a text is like, in the language that knows most of its words."""
        texts = [(rules.likeness, rules.without_greetings(parts)) for rules, parts in read]
        if not texts:
            return []
        likeness, words = max(texts, key=lambda one: one[0].words_known(one[1]))
        return likeness.find(words)

    def matches(self, text: str) -> Iterator[Rule]:
        """All rules whose pattern matches a text."""
        for rules in self._languages:
            yield from rules.matches(rules.read(text))

    def _compiled(self, file: str, intent: Intent, language: str) -> Iterator[Rule]:
        """The rules of one intent in a language; patterns that cannot be compiled are added to `faults`."""
        lists = intent.lists.in_language(language)
        for place, kind, typed, answer in pattern_sources(intent):
            for index, source in enumerate(typed.in_language(language)):
                field = f"{place}.{language}.{index}"
                try:
                    yield Rule(intent.intent, field, compile_pattern(source, lists, language), kind, answer)
                except WrongPattern as fault:
                    self.faults.append((file, field, f"{fault} (pattern: {source!r})"))


def pattern_sources(intent: Intent) -> Iterator[tuple[str, RuleKind, Typed, str | None]]:
    """The patterns of an intent, with their place in the file, what they are for, and the answer they lead to."""
    yield "unless", RuleKind.EXCEPTION, intent.unless, None
    for number, group in enumerate(intent.groups):
        yield f"groups.{number}.anywhere", RuleKind.ANYWHERE, group.anywhere, group.answer
        yield f"groups.{number}.alone", RuleKind.ALONE, group.alone, group.answer


class _LanguageRules:
    """The rules of one language, by the keys of their words, and the likeness to examples."""

    def __init__(
        self, rules: Sequence[Rule], vocabulary: Vocabulary, intents: Iterable[Intent], others: Iterable[str]
    ) -> None:
        self.language = language = vocabulary.language
        self._by_key: dict[str, list[tuple[int, Rule]]] = defaultdict(list)
        for number, rule in enumerate(rules):
            for key in rule.pattern.keys:
                self._by_key[key].append((number, rule))
        self._short = {sound(word, language)[0]: sound(meaning, language) for word, meaning in vocabulary.short.items()}
        greetings = {words for phrase in vocabulary.greetings if (words := sound(phrase, language))}
        longest_first = sorted(greetings, key=lambda words: (-len(words), words))
        self._first = {word: [words for words in longest_first if words[0] == word] for word, *_ in greetings}
        self._last = {word: [words for words in longest_first if words[-1] == word] for *_, word in greetings}

        self.likeness = Likeness(
            [
                Examples(
                    one.intent,
                    one.likeness,
                    [self.without_greetings(self.read(text)) for text in one.examples.in_language(language)],
                    [self.without_greetings(self.read(text)) for text in one.near_misses.in_language(language)],
                )
                for one in intents
                if one.likeness is not None
            ],
            [self.without_greetings(self.read(text)) for text in others],
        )

    def read(self, text: str) -> Parts:
        """The words of each part of a text, with those written short replaced by what they stand for."""
        return [
            [full for word in part for full in self._short.get(word, (word,))] for part in clauses(text, self.language)
        ]

    def matches(self, parts: Parts) -> Iterator[Rule]:
        """The rules whose pattern matches a text of these parts."""
        words = [word for part in parts for word in part]
        candidates = {
            number: rule for key in {key_of(word) for word in words} for number, rule in self._by_key.get(key, ())
        }
        if not candidates:
            return
        sentence = _sentence(words)
        alone: list[str] | None = None
        for _, rule in sorted(candidates.items()):
            if rule.kind is not RuleKind.ALONE:
                if rule.pattern.is_in(sentence):
                    yield rule
                continue
            if alone is None:
                alone = [_sentence(self._bare(part)) for part in (words, parts[0], parts[-1])]
            if any(rule.pattern.is_all_of(part) for part in alone):
                yield rule

    def without_greetings(self, parts: Parts) -> tuple[str, ...]:
        """All words of a text of these parts, without greetings and thanks."""
        return self._bare([word for part in parts for word in part])

    def _bare(self, words: Sequence[str]) -> tuple[str, ...]:
        """Words without greetings, thanks and the bot's name at their beginning and end."""
        left = tuple(words)
        while left:
            first = next((one for one in self._first.get(left[0], ()) if left[: len(one)] == one), ())
            last = next((one for one in self._last.get(left[-1], ()) if left[-len(one) :] == one), ())
            if not first and not last:
                break
            left = left[len(first) :] if first else left[: -len(last)]
        return left


def _sentence(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


# ---------------------------------------------------------------- checks across files


def intent_problems(intents: Mapping[str, Intent], recognizer: Intents) -> list[Problem]:
    """Patterns that cannot be read, and files of another name than their intent."""
    problems = [Problem(*fault) for fault in recognizer.faults]
    for file, intent in intents.items():
        if PurePath(file).stem != intent.intent:
            message = f"the file must be named after its intent (seen: {intent.intent!r})"
            problems.append(Problem(file, "intent", message))
    return problems
