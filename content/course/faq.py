"""Questions that servants ask ("¿puedo...?") and their answers with the article; found by what people type."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import PurePath
from string import Formatter
from typing import Annotated, Self

from pydantic import Field, model_validator

from content import limits
from content.course.law import Citation
from content.course.search import Index, Passage, Vocabulary, is_question
from content.phrases import Phrases
from content.problems import Problem
from content.text import LANGUAGES, ContentModel, Identifier, NonEmptyStr, Text

WORDS = (25, 70)
"""Words of an answer."""
SHOWN = "faq.two"
"""The phrase that shows two entries in one message."""
LINE = "§ : \n"
"""What handlers put around the label and the title of a citation."""
Ways = Annotated[tuple[NonEmptyStr, ...], Field(min_length=2, max_length=4)]


class Asked(ContentModel):
    """Other ways in which people type the question."""

    es: Ways
    en: Ways

    def in_language(self, language: str) -> tuple[str, ...]:
        return self.en if language == "en" else self.es


class FaqEntry(ContentModel):
    """One question, how else it is asked, and what can be said with the law at hand."""

    id: Identifier
    question: Text
    asked: Asked
    answer: Text
    articles: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _is_brief(self) -> Self:
        low, high = WORDS
        counts = {language: len(self.answer.in_language(language).split()) for language in LANGUAGES}
        faults = [
            f"answer.{one}: {low} to {high} words (seen: {n})" for one, n in counts.items() if not low <= n <= high
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Chapter(ContentModel):
    """The entries of one topic: content/faq/<topic>.toml."""

    topic: Identifier
    entries: Annotated[tuple[FaqEntry, ...], Field(min_length=1)]


class Faq:
    """All entries by id, and the search over them in each language."""

    def __init__(self, entries: Mapping[str, FaqEntry], vocabularies: Mapping[str, Vocabulary]) -> None:
        self.entries = entries
        self._vocabularies = vocabularies

    def is_question(self, text: str) -> bool:
        """Whether a short text looks like a question, in either language."""
        return is_question(text, tuple(self._vocabularies.values()))

    def find(self, text: str, language: str, most: int = 2) -> tuple[FaqEntry, ...]:
        """The entries that best answer, best first; `language` is the reader's, and decides where the words do not."""
        typed = max(LANGUAGES, key=lambda one: (self._indexes[one].small_words(text), one == language))
        return tuple(self.entries[one] for one in self._indexes[typed].find(text, most))

    @cached_property
    def _indexes(self) -> Mapping[str, Index]:
        return {language: self._index(language) for language in LANGUAGES}

    def _index(self, language: str) -> Index:
        passages = {
            entry.id: Passage(
                (entry.question.in_language(language), *entry.asked.in_language(language)),
                entry.answer.in_language(language),
            )
            for entry in self.entries.values()
        }
        none = Vocabulary(language="en" if language == "en" else "es")
        return Index(passages, self._vocabularies.get(language, none))


def build_faq(chapters: Mapping[str, Chapter], vocabularies: Mapping[str, Vocabulary]) -> Faq:
    """The questions of files that were read and checked; keys are file names."""
    return Faq(
        {entry.id: entry for chapter in chapters.values() for entry in chapter.entries},
        {vocabulary.language: vocabulary for vocabulary in vocabularies.values()},
    )


# ---------------------------------------------------------------- what only shows when all files are side by side


def misnamed_files(chapters: Mapping[str, Chapter], vocabularies: Mapping[str, Vocabulary]) -> list[Problem]:
    """Files that are not called after what is in them."""
    named = [(file, "topic", chapter.topic) for file, chapter in chapters.items()]
    named += [(file, "language", vocabulary.language) for file, vocabulary in vocabularies.items()]
    return [
        Problem(file, field, f"the file is named after its {field} (seen: {name!r})")
        for file, field, name in named
        if PurePath(file).stem != name
    ]


def oversized_entries(
    chapters: Mapping[str, Chapter], articles: Mapping[str, Citation], phrases: Phrases
) -> list[Problem]:
    """The longest two entries together, with the words around them, must fit one message with buttons."""
    problems: list[Problem] = []
    for language in LANGUAGES if chapters and SHOWN in phrases.keys else ():
        around = sum(len(text) for text, *_ in Formatter().parse(phrases.template(language, SHOWN)))
        room = limits.TEXT_WITH_BUTTONS - around
        sizes = sorted(
            (_size(entry, articles, language), file, f"entries.{place}")
            for file, chapter in chapters.items()
            for place, entry in enumerate(chapter.entries)
        )
        if sum(size for size, *_ in sizes[-2:]) > room:
            says = f"question, answer and articles ({language}): at most {room // 2} characters"
            problems += [
                Problem(file, field, f"{says} (seen: {size})") for size, file, field in sizes if size > room // 2
            ]
    return problems


def _size(entry: FaqEntry, articles: Mapping[str, Citation], language: str) -> int:
    """Characters of an entry as it is shown; articles that nobody knows are told elsewhere."""
    cited = [articles[one] for one in entry.articles if one in articles]
    lines = sum(len(one.label(language)) + len(one.article.title.in_language(language)) + len(LINE) for one in cited)
    return len(entry.question.in_language(language)) + len(entry.answer.in_language(language)) + lines
