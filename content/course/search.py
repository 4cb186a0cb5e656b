"""Full-text search by questions as users type them: stems, synonyms, typo correction. Questions are not stored."""

import re
import sqlite3
import unicodedata
import weakref
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import chain
from math import log, sqrt
from typing import Annotated, Literal

import Stemmer
from pydantic import Field

from content.text import ContentModel, Identifier, NonEmptyStr

STEMMERS = {"es": "spanish", "en": "english"}
ANSWER_FACTOR = 0.4
"""Score factor of a term that occurs only in a passage's answer, relative to one in its questions (1.0)."""
NO_GROUP_FACTOR = 0.8
"""Weight factor of a word in no synonym group: it is less specific to the questions asked here."""
UNKNOWN_WEIGHT = 1.6
"""Weight of a term in no indexed question: high enough to reject off-topic questions, low enough for wordy ones."""
MIN_COVERAGE, MIN_COVERAGE_SINGLE = 0.3, 0.8
"""Share of a query's weight that a passage must score, with several units in common or with a single one."""
BM25_DIVISOR = 8
"""Points of bm25 rank (sign reversed) that equal one point of weight."""
CANDIDATES = 40
"""Most passages that are scored for one query."""
RUNNER_UP_RATIO = 0.75
"""Further passages are returned while their score is at least this share of the best score."""
TYPO_SIMILARITY = 0.85
"""Least similarity (difflib's ratio) of an unknown word to a known one for the known one to replace it."""
TYPO_PENALTY = 0.6
"""Weight added to a query's total for each corrected word: a correction alone does not make a match."""


class SynonymGroup(ContentModel):
    """Words and phrases treated as synonyms; their order has no meaning."""

    id: Identifier
    words: Annotated[tuple[NonEmptyStr, ...], Field(min_length=2)]


class Vocabulary(ContentModel):
    """Words that steer the search in one language: content/synonyms/<language>.toml."""

    language: Literal["es", "en"]
    stop: tuple[NonEmptyStr, ...] = ()  # stop words
    greetings: tuple[NonEmptyStr, ...] = ()  # may precede a question, are none by themselves
    openings: tuple[NonEmptyStr, ...] = ()  # beginnings of a question
    turns: tuple[NonEmptyStr, ...] = ()  # mark a sentence as a question at any position
    short: Mapping[NonEmptyStr, NonEmptyStr] = Field(default_factory=dict)
    """Words written short, and what they stand for; read by content/course/intents.py only."""
    groups: tuple[SynonymGroup, ...] = ()


def words(text: str) -> list[str]:
    """The words of a text in lower case, with their accents."""
    return [word for word in re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text.casefold())) if _bare(word)]


def plain(text: str) -> list[str]:
    """The words of a text in lower case, without accents: `¿Qué HAGO, año?` is que, hago, ano."""
    return [_bare(word) for word in words(text)]


def _bare(word: str) -> str:
    """A word without accents and other signs."""
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", word))


def is_question(text: str, vocabularies: Sequence[Vocabulary]) -> bool:
    """Whether a short text is a question, also without punctuation and accents.

    A greeting or a single word is none.
    """
    greetings = [plain(phrase) for vocabulary in vocabularies for phrase in vocabulary.greetings]
    typed = _without_greeting(plain(text), greetings)
    if len(typed) < 2:
        return False
    if "?" in text or "¿" in text:
        return bool(vocabularies)
    sentence = f" {' '.join(typed)} "
    openings = (phrase for vocabulary in vocabularies for phrase in vocabulary.openings)
    turns = (phrase for vocabulary in vocabularies for phrase in vocabulary.turns)
    opens = any(sentence.startswith(_as_whole_words(phrase)) for phrase in openings)
    return len(typed) > 2 and (opens or any(_as_whole_words(phrase) in sentence for phrase in turns))


def _as_whole_words(phrase: str) -> str:
    return f" {' '.join(plain(phrase))} "


def _without_greeting(typed: list[str], greetings: Sequence[list[str]]) -> list[str]:
    longest_first = sorted(greetings, key=len, reverse=True)
    while found := next((words for words in longest_first if words and typed[: len(words)] == words), None):
        typed = typed[len(found) :]
    return typed


@dataclass(frozen=True, slots=True)
class _Unit:
    """One unit of meaning: a word's stem (empty for a phrase) and the synonym groups it belongs to."""

    stem: str
    groups: tuple[str, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        return (self.stem, *self.groups) if self.stem else self.groups


@dataclass(frozen=True, slots=True)
class Passage:
    """A searchable passage: the phrasings of its question, and its answer."""

    phrasings: tuple[str, ...]
    answer: str


class Index:
    """In-memory index of the passages of one language, matched by their questions and, with less weight, answers.

    Backed by one SQLite connection (FTS5), read-only once filled; to be used by one thread at a time.
    """

    def __init__(self, passages: Mapping[str, Passage], vocabulary: Vocabulary) -> None:
        """Build the index; `passages` is keyed by id."""
        self._vocabulary = vocabulary
        self._stemmer = Stemmer.Stemmer(STEMMERS[vocabulary.language])
        self._stemmer.maxCacheSize = 0  # its cache would hold words that users typed
        self._stop = {word for phrase in vocabulary.stop for word in plain(phrase)}
        questions = {id: [self._terms(text) for text in passage.phrasings] for id, passage in passages.items()}
        answers = {id: self._terms(passage.answer) for id, passage in passages.items()}
        self._phrasing_terms = {id: [frozenset(terms) for terms in listed] for id, listed in questions.items()}
        self._question_terms = {id: frozenset[str]().union(*sets) for id, sets in self._phrasing_terms.items()}
        self._answer_terms = {id: frozenset(terms) for id, terms in answers.items()}
        texts = [text for passage in passages.values() for text in (*passage.phrasings, passage.answer)]
        texts += [phrase for group in vocabulary.groups for phrase in group.words]
        self._stems = {self._stem(word) for text in texts for word in words(text)}
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._database.close)
        rows = [(id, " ".join(chain.from_iterable(questions[id])), " ".join(answers[id])) for id in passages]
        self._fill(rows, sorted({word for text in texts for word in plain(text)}))

    def _fill(self, rows: Sequence[tuple[str, str, str]], known_words: Sequence[str]) -> None:
        tokens = "tokenize = 'unicode61 remove_diacritics 0'"
        self._database.execute(f"create virtual table texts using fts5(id unindexed, asked, answered, {tokens})")
        self._database.execute("create virtual table words using fts5(word, tokenize = 'trigram')")
        self._database.executemany("insert into texts values (?, ?, ?)", rows)
        self._database.executemany("insert into words values (?)", [(word,) for word in known_words])
        self._database.commit()
        self._database.execute("pragma query_only = on")

    def count_stop_words(self, text: str) -> int:
        """Number of this language's stop words in a text; highest for the language the text is written in."""
        return sum(word in self._stop for word in plain(text))

    def find(self, question: str, limit: int = 2) -> tuple[str, ...]:
        """Ids of up to `limit` best matching passages, best first; empty when none scores high enough."""
        typed = words(question)
        corrected = [self._corrected(word) for word in typed]
        units = set(self._units(corrected))
        corrections = sum(before != after for before, after in zip(typed, corrected, strict=True))
        total = sum(self._weight(unit) for unit in units) + corrections * TYPO_PENALTY
        scores: dict[str, float] = {}
        for id, rank in self._candidates(units):
            score = sum(self._score(unit, self._question_terms[id], self._answer_terms[id]) for unit in units)
            if self._is_match(id, units, score / total):
                phrasings = self._phrasing_terms[id]
                best_phrasing = max(sum(self._score(unit, terms) for unit in units) for terms in phrasings)
                scores[id] = score + best_phrasing + rank / BM25_DIVISOR
        best = sorted(scores, key=lambda id: (-scores[id], id))[:limit]
        return tuple(id for id in best if scores[id] >= RUNNER_UP_RATIO * scores[best[0]])

    def _is_match(self, id: str, units: Collection[_Unit], coverage: float) -> bool:
        """Whether a passage matches: two units in common, or one with the same stem that is nearly the whole query."""
        common = [unit for unit in units if not self._question_terms[id].isdisjoint(unit.terms)]
        if len(common) > 1:
            return coverage >= MIN_COVERAGE
        return coverage >= MIN_COVERAGE_SINGLE and any(unit.stem in self._question_terms[id] for unit in common)

    def _candidates(self, units: Collection[_Unit]) -> list[tuple[str, float]]:
        """Ids of passages that contain any of the terms, with their bm25 rank (sign reversed), best first."""
        terms = sorted({f'"{term}"' for unit in units for term in unit.terms})
        if not terms:
            return []
        return self._database.execute(
            "select id, -bm25(texts, 0.0, 4.0, 1.0) from texts where texts match ? order by 2 desc, id limit ?",
            (" OR ".join(terms), CANDIDATES),
        ).fetchall()

    # ------------------------------------------------------------ scoring

    def _score(self, unit: _Unit, question_terms: frozenset[str], answer_terms: frozenset[str] = frozenset()) -> float:
        """Score of a unit against a passage's terms: the rarer in questions, the higher; 0 without a common term."""
        return max(
            (
                self._rarity(unit, term) * (1.0 if term in question_terms else ANSWER_FACTOR)
                for term in unit.terms
                if term in question_terms or term in answer_terms
            ),
            default=0.0,
        )

    def _weight(self, unit: _Unit) -> float:
        """Highest score that a unit can get."""
        known = [term for term in unit.terms if term in self._document_frequency]
        return max((self._rarity(unit, term) for term in known), default=UNKNOWN_WEIGHT)

    def _rarity(self, unit: _Unit, term: str) -> float:
        if term not in self._document_frequency:
            return UNKNOWN_WEIGHT
        return sqrt(log(1 + len(self._question_terms) / self._document_frequency[term])) * (
            1.0 if unit.groups else NO_GROUP_FACTOR
        )

    @cached_property
    def _document_frequency(self) -> Mapping[str, int]:
        """Number of passages whose questions contain each term."""
        return Counter(term for terms in self._question_terms.values() for term in terms)

    # ------------------------------------------------------------ words, stems, groups

    def _stem(self, word: str) -> str:
        """Stem, then drop accents and final vowels, so that `recibió` and `recibio` have one stem."""
        stem = _bare(self._stemmer.stemWord(word))
        short = stem.rstrip("aeiou")
        return short if len(short) > 2 else stem

    @cached_property
    def _phrases(self) -> Mapping[tuple[str, ...], tuple[str, ...]]:
        """Synonym groups by the stems of each phrase. A group is a term that cannot equal a word's stem."""
        phrases: dict[tuple[str, ...], tuple[str, ...]] = {}
        for number, group in enumerate(self._vocabulary.groups):
            for phrase in group.words:
                stems = tuple(self._stem(word) for word in words(phrase))
                phrases[stems] = tuple(sorted({*phrases.get(stems, ()), f"0group{number}"}))
        return phrases

    def _units(self, typed: Sequence[str]) -> list[_Unit]:
        """The units of a word sequence, repetitions included: each word but stop words, and each known phrase."""
        stems = [self._stem(word) for word in typed]
        units = [
            _Unit(stem, self._phrases.get((stem,), ()))
            for word, stem in zip(typed, stems, strict=True)
            if _bare(word) not in self._stop
        ]
        longest = max((len(phrase) for phrase in self._phrases), default=0)
        for length in range(2, longest + 1):
            for start in range(len(stems) - length + 1):
                groups = self._phrases.get(tuple(stems[start : start + length]))
                units += [_Unit("", groups)] if groups else []
        return units

    def _terms(self, text: str) -> list[str]:
        return [term for unit in self._units(words(text)) for term in unit.terms]

    # ------------------------------------------------------------ typos

    def _corrected(self, word: str) -> str:
        """The known word that an unknown `word` most likely stands for, or `word` itself."""
        bare = _bare(word)
        if len(bare) < 5 or bare in self._stop or self._stem(word) in self._stems:
            return word
        trigrams = " OR ".join(f'"{bare[start : start + 3]}"' for start in range(len(bare) - 2))
        near = self._database.execute(
            "select word from words where words match ? order by bm25(words), word limit 40", (trigrams,)
        ).fetchall()
        similarity = {known: SequenceMatcher(None, bare, known).ratio() for (known,) in near if known[0] == bare[0]}
        best = max(similarity, key=lambda known: (similarity[known], known), default=word)
        return best if similarity.get(best, 0.0) >= TYPO_SIMILARITY else word
