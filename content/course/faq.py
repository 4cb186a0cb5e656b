"""FAQ: questions that servants ask ("¿puedo...?"), answers with cited articles, and the search over them."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import PurePath
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from content import limits
from content.course.intents import DISTRESS, Intents, Typed
from content.course.law import Citation
from content.course.search import Index, Passage, Vocabulary, is_question
from content.phrases import Phrases
from content.problems import Problem
from content.text import LANGUAGES, ContentModel, Identifier, NonEmptyStr, Text

ANSWER_WORDS = (25, 70)
"""Minimum and maximum number of words of an answer."""
TWO_ENTRIES_KEY = "faq.two"
"""Key of the phrase that shows two entries in one message."""
CITATION_MARKUP = "§ : \n"
"""Characters that handlers add around the label and title of a citation."""
Phrasings = Annotated[tuple[NonEmptyStr, ...], Field(min_length=2, max_length=4)]


class Asked(ContentModel):
    """Other phrasings of the question, by language."""

    es: Phrasings
    en: Phrasings

    def in_language(self, language: str) -> tuple[str, ...]:
        return self.en if language == "en" else self.es


class FaqEntry(ContentModel):
    """One question, its other phrasings, and the answer with the articles it rests on.

    An entry with a path is shown alone, with the doors, and never leads to the self-assessment. "harassment": found by
    texts with the intent `distress`, and by no others. "support" (reprisals): found by those, and like any other entry.
    """

    id: Identifier
    path: Literal["harassment", "support"] | None = None
    question: Text
    asked: Asked
    answer: Text
    articles: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _check_answer_length(self) -> Self:
        low, high = ANSWER_WORDS
        counts = {language: len(self.answer.in_language(language).split()) for language in LANGUAGES}
        errors = [
            f"answer.{language}: {low} to {high} words (seen: {count})"
            for language, count in counts.items()
            if not low <= count <= high
        ]
        if errors:
            raise ValueError("; ".join(errors))
        return self


class Chapter(ContentModel):
    """The entries of one topic: content/faq/<topic>.toml."""

    topic: Identifier
    entries: Annotated[tuple[FaqEntry, ...], Field(min_length=1)]


def without_path(chapters: Iterable[Chapter]) -> list[Typed]:
    """The questions of all entries that lead to no path: texts without an intent."""
    return [
        Typed(es=(entry.question.es, *entry.asked.es), en=(entry.question.en, *entry.asked.en))
        for chapter in chapters
        for entry in chapter.entries
        if entry.path is None
    ]


class Faq:
    """All entries by id, and the search over them in each language."""

    def __init__(
        self, entries: Mapping[str, FaqEntry], vocabularies: Mapping[str, Vocabulary], intents: Intents
    ) -> None:
        self.entries = entries
        self._vocabularies = vocabularies
        self._intents = intents

    def is_question(self, text: str) -> bool:
        """Whether a short text looks like a question, in either language."""
        return is_question(text, tuple(self._vocabularies.values()))

    def find(self, text: str, language: str, limit: int = 2) -> tuple[FaqEntry, ...]:
        """Return up to `limit` best matching entries, best first.

        The language of `text` is detected by its stop words; `language`, the user's, decides when they do not. A text
        of distress finds entries with a path: at least one.
        """
        intents = self._intents.find(text)
        if DISTRESS in intents:
            return self.find_support(text, language, intents[DISTRESS], limit)
        return self._found(self._indexes[self._likely_language(text, language)].find(text, limit))

    def find_support(self, text: str, language: str, answer: str | None, limit: int = 1) -> tuple[FaqEntry, ...]:
        """The entry `answer`, or without one those with a path that match a text of distress best.

        A text in which no word points to an entry gets the first of the path: it speaks of all violence at work.
        """
        if answer:
            return self._found((answer,))
        likely = self._likely_language(text, language)
        indexes = sorted(self._support_indexes.items(), key=lambda item: item[0] != likely)
        found = next((ids for _, index in indexes if (ids := index.find(text, limit))), ())
        return self._found(found or tuple(self._on_harassment)[:1])

    def _found(self, ids: Iterable[str]) -> tuple[FaqEntry, ...]:
        return tuple(self.entries[id] for id in ids)

    def _likely_language(self, text: str, language: str) -> str:
        return max(LANGUAGES, key=lambda code: (self._indexes[code].count_stop_words(text), code == language))

    @cached_property
    def _on_harassment(self) -> Mapping[str, FaqEntry]:
        return {id: entry for id, entry in self.entries.items() if entry.path == "harassment"}

    @cached_property
    def _indexes(self) -> Mapping[str, Index]:
        others = {id: entry for id, entry in self.entries.items() if id not in self._on_harassment}
        return {language: self._index(others, language) for language in LANGUAGES}

    @cached_property
    def _support_indexes(self) -> Mapping[str, Index]:
        with_path = {id: entry for id, entry in self.entries.items() if entry.path}
        return {language: self._index(with_path, language) for language in LANGUAGES}

    def _index(self, entries: Mapping[str, FaqEntry], language: str) -> Index:
        passages = {
            entry.id: Passage(
                (entry.question.in_language(language), *entry.asked.in_language(language)),
                entry.answer.in_language(language),
            )
            for entry in entries.values()
        }
        empty = Vocabulary(language="en" if language == "en" else "es")
        return Index(passages, self._vocabularies.get(language, empty))


def build_faq(chapters: Mapping[str, Chapter], vocabularies: Mapping[str, Vocabulary], intents: Intents) -> Faq:
    """Build the FAQ from parsed files; the mappings are keyed by file name."""
    return Faq(
        {entry.id: entry for chapter in chapters.values() for entry in chapter.entries},
        {vocabulary.language: vocabulary for vocabulary in vocabularies.values()},
        intents,
    )


# ---------------------------------------------------------------- checks across files


def misnamed_files(chapters: Mapping[str, Chapter], vocabularies: Mapping[str, Vocabulary]) -> list[Problem]:
    """Files that are not named after their topic or language."""
    named = [(file, "topic", chapter.topic) for file, chapter in chapters.items()]
    named += [(file, "language", vocabulary.language) for file, vocabulary in vocabularies.items()]
    return [
        Problem(file, field, f"the file must be named after its {field} (seen: {name!r})")
        for file, field, name in named
        if PurePath(file).stem != name
    ]


def oversized_entries(
    chapters: Mapping[str, Chapter], articles: Mapping[str, Citation], phrases: Phrases
) -> list[Problem]:
    """Entries of which the longest two, with the surrounding phrase, do not fit one message with buttons.

    Entries with a path are shown alone in a message without buttons, which has room for any.
    """
    problems: list[Problem] = []
    for language in LANGUAGES if chapters and TWO_ENTRIES_KEY in phrases.keys else ():
        surrounding = sum(len(text) for text, *_ in Formatter().parse(phrases.template(language, TWO_ENTRIES_KEY)))
        available = limits.TEXT_WITH_BUTTONS - surrounding
        sizes = sorted(
            (_size(entry, articles, language), file, f"entries.{index}")
            for file, chapter in chapters.items()
            for index, entry in enumerate(chapter.entries)
            if entry.path is None
        )
        if sum(size for size, *_ in sizes[-2:]) > available:
            message = f"question, answer and articles ({language}): at most {available // 2} characters"
            problems += [
                Problem(file, field, f"{message} (seen: {size})")
                for size, file, field in sizes
                if size > available // 2
            ]
    return problems


def _size(entry: FaqEntry, articles: Mapping[str, Citation], language: str) -> int:
    """Characters of an entry as shown; unknown articles are skipped, as validation.questions reports them."""
    cited = [articles[id] for id in entry.articles if id in articles]
    lines = sum(
        len(citation.label(language)) + len(citation.article.title.in_language(language)) + len(CITATION_MARKUP)
        for citation in cited
    )
    return len(entry.question.in_language(language)) + len(entry.answer.in_language(language)) + lines
