"""Finding a text by a question typed in a hurry: stems, synonyms, a look at typos; nothing of the question is kept."""

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
ANSWERED = 0.4
"""What a word counts that stands only in the answer of a text, against one of its question."""
UNGROUPED = 0.8
"""What a word counts that is in no group of synonyms: it has less to do with what people ask here."""
UNKNOWN = 1.6
"""What a word weighs that no question holds: enough to tell a stray question, not enough to drown a wordy one."""
COVERED, NEARLY_ALL = 0.3, 0.8
"""Share of a question that a passage must speak of to be given, by several words in common or by a single one."""
RANKED = 8
"""How many points of rank (bm25, turned positive) are worth one of weight."""
CANDIDATES = 40
BESIDE = 0.75
"""A further text is given while it is worth at least this share of the first one."""
LIKENESS = 0.85
"""How alike an unknown word and a known one must be to count as a slip of the finger (difflib's ratio)."""
GUESSED = 0.6
"""What each guess at a slip adds to what must be met: a guess alone is not enough."""


class SynonymGroup(ContentModel):
    """Words and phrases that mean much the same to whoever asks; their order says nothing."""

    id: Identifier
    words: Annotated[tuple[NonEmptyStr, ...], Field(min_length=2)]


class Vocabulary(ContentModel):
    """How people ask in one language: content/synonyms/<language>.toml."""

    language: Literal["es", "en"]
    stop: tuple[NonEmptyStr, ...] = ()  # words that tell nothing of what is asked
    greetings: tuple[NonEmptyStr, ...] = ()  # what may stand before a question, and is none by itself
    openings: tuple[NonEmptyStr, ...] = ()  # how a question begins
    turns: tuple[NonEmptyStr, ...] = ()  # what makes a question of a sentence wherever it stands
    groups: tuple[SynonymGroup, ...] = ()


def words(text: str) -> list[str]:
    """The words of a text in lower case, with their accents."""
    return [word for word in re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text.casefold())) if _bare(word)]


def plain(text: str) -> list[str]:
    """The words of a text in lower case, without accents: `¿Qué HAGO, año?` is que, hago, ano."""
    return [_bare(word) for word in words(text)]


def _bare(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", word))


def is_question(text: str, vocabularies: Sequence[Vocabulary]) -> bool:
    """Whether a short text asks something, also without signs and accents; a greeting or a single word does not."""
    said = _without_greeting(plain(text), [plain(one) for each in vocabularies for one in each.greetings])
    if len(said) < 2:
        return False
    if "?" in text or "¿" in text:
        return bool(vocabularies)
    sentence = f" {' '.join(said)} "
    opens = (one for each in vocabularies for one in each.openings if sentence.startswith(_whole(one)))
    turns = (one for each in vocabularies for one in each.turns if _whole(one) in sentence)
    return len(said) > 2 and (any(opens) or any(turns))


def _whole(phrase: str) -> str:
    return f" {' '.join(plain(phrase))} "


def _without_greeting(said: list[str], greetings: Sequence[list[str]]) -> list[str]:
    longest_first = sorted(greetings, key=len, reverse=True)
    while found := next((one for one in longest_first if one and said[: len(one)] == one), None):
        said = said[len(found) :]
    return said


@dataclass(frozen=True, slots=True)
class _Unit:
    """One thing a text speaks of: a word's stem (empty for a phrase) and the groups it belongs to."""

    stem: str
    groups: tuple[str, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        return (self.stem, *self.groups) if self.stem else self.groups


@dataclass(frozen=True, slots=True)
class Passage:
    """What can be found: the ways in which it is asked, and its answer."""

    ways: tuple[str, ...]
    answer: str


class Index:
    """The passages of one language, each found by the ways in which it is asked and, weaker, by what it answers.

    Kept in memory by one SQLite connection that only reads once it is filled; meant for one thread at a time.
    """

    def __init__(self, passages: Mapping[str, Passage], vocabulary: Vocabulary) -> None:
        """`passages` by id."""
        self._vocabulary = vocabulary
        self._stemmer = Stemmer.Stemmer(STEMMERS[vocabulary.language])
        self._stemmer.maxCacheSize = 0  # it would keep the words that people type
        self._stop = {word for phrase in vocabulary.stop for word in plain(phrase)}
        ways = {one: [self._terms(way) for way in passage.ways] for one, passage in passages.items()}
        answers = {one: self._terms(passage.answer) for one, passage in passages.items()}
        self._ways = {one: [frozenset(terms) for terms in listed] for one, listed in ways.items()}
        self._asked = {one: frozenset[str]().union(*listed) for one, listed in self._ways.items()}
        self._answered = {one: frozenset(terms) for one, terms in answers.items()}
        texts = [text for passage in passages.values() for text in (*passage.ways, passage.answer)]
        texts += [phrase for group in vocabulary.groups for phrase in group.words]
        self._stems = {self._stem(word) for text in texts for word in words(text)}
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._database.close)
        rows = [(one, " ".join(chain.from_iterable(ways[one])), " ".join(answers[one])) for one in passages]
        self._fill(rows, sorted({word for text in texts for word in plain(text)}))

    def _fill(self, rows: Sequence[tuple[str, str, str]], known: Sequence[str]) -> None:
        tokens = "tokenize = 'unicode61 remove_diacritics 0'"
        self._database.execute(f"create virtual table texts using fts5(id unindexed, asked, answered, {tokens})")
        self._database.execute("create virtual table words using fts5(word, tokenize = 'trigram')")
        self._database.executemany("insert into texts values (?, ?, ?)", rows)
        self._database.executemany("insert into words values (?)", [(word,) for word in known])
        self._database.commit()
        self._database.execute("pragma query_only = on")

    def small_words(self, text: str) -> int:
        """How many words of a text tell nothing in this language: most of them in the language that it is in."""
        return sum(word in self._stop for word in plain(text))

    def find(self, question: str, most: int = 2) -> tuple[str, ...]:
        """Ids of the texts that best answer, best first; none when nothing comes near enough."""
        typed = words(question)
        meant = [self._mended(word) for word in typed]
        units = set(self._units(meant))
        guesses = sum(one != other for one, other in zip(typed, meant, strict=True))
        whole = sum(self._weight(unit) for unit in units) + guesses * GUESSED
        found: dict[str, float] = {}
        for one, rank in self._candidates(units):
            worth = sum(self._worth(unit, self._asked[one], self._answered[one]) for unit in units)
            if self._is_near(one, units, worth / whole):
                best_way = max(sum(self._worth(unit, way) for unit in units) for way in self._ways[one])
                found[one] = worth + best_way + rank / RANKED
        best = sorted(found, key=lambda one: (-found[one], one))[:most]
        return tuple(one for one in best if found[one] >= BESIDE * found[best[0]])

    def _is_near(self, one: str, units: Collection[_Unit], share: float) -> bool:
        """Two things asked in common will do; a single one must be the very word and nearly all that was asked."""
        common = [unit for unit in units if not self._asked[one].isdisjoint(unit.terms)]
        if len(common) > 1:
            return share >= COVERED
        return share >= NEARLY_ALL and any(unit.stem in self._asked[one] for unit in common)

    def _candidates(self, units: Collection[_Unit]) -> list[tuple[str, float]]:
        """Texts that hold any of the terms, with their rank."""
        terms = sorted({f'"{term}"' for unit in units for term in unit.terms})
        if not terms:
            return []
        return self._database.execute(
            "select id, -bm25(texts, 0.0, 4.0, 1.0) from texts where texts match ? order by 2 desc, id limit ?",
            (" OR ".join(terms), CANDIDATES),
        ).fetchall()

    # ------------------------------------------------------------ how much of a question a text speaks of

    def _worth(self, unit: _Unit, asked: frozenset[str], answered: frozenset[str] = frozenset()) -> float:
        """What a unit counts where these terms stand: the rarer in questions, the more."""
        return max(
            (
                self._rarity(unit, term) * (1.0 if term in asked else ANSWERED)
                for term in unit.terms
                if term in asked or term in answered
            ),
            default=0.0,
        )

    def _weight(self, unit: _Unit) -> float:
        """The most that a unit can count."""
        known = [term for term in unit.terms if term in self._spread]
        return max((self._rarity(unit, term) for term in known), default=UNKNOWN)

    def _rarity(self, unit: _Unit, term: str) -> float:
        if term not in self._spread:
            return UNKNOWN
        return sqrt(log(1 + len(self._asked) / self._spread[term])) * (1.0 if unit.groups else UNGROUPED)

    @cached_property
    def _spread(self) -> Mapping[str, int]:
        """In how many questions a term stands."""
        return Counter(term for terms in self._asked.values() for term in terms)

    # ------------------------------------------------------------ words, stems, groups

    def _stem(self, word: str) -> str:
        """Accents go after stemming, as does a last vowel: `recibió` and `recibio` are the same."""
        stem = _bare(self._stemmer.stemWord(word))
        short = stem.rstrip("aeiou")
        return short if len(short) > 2 else stem

    @cached_property
    def _phrases(self) -> Mapping[tuple[str, ...], tuple[str, ...]]:
        """The groups of each phrase, by its stems; a group is a term that no word can be."""
        phrases: dict[tuple[str, ...], tuple[str, ...]] = {}
        for place, group in enumerate(self._vocabulary.groups):
            for phrase in group.words:
                stems = tuple(self._stem(word) for word in words(phrase))
                phrases[stems] = tuple(sorted({*phrases.get(stems, ()), f"0group{place}"}))
        return phrases

    def _units(self, said: Sequence[str]) -> list[_Unit]:
        """What is spoken of, as often as it is: each word that tells something, and each known phrase."""
        stems = [self._stem(word) for word in said]
        units = [
            _Unit(stem, self._phrases.get((stem,), ()))
            for word, stem in zip(said, stems, strict=True)
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

    # ------------------------------------------------------------ slips of the finger

    def _mended(self, word: str) -> str:
        """The word as typed, unless nothing knows it and it nearly is a known one."""
        if len(word) < 5 or _bare(word) in self._stop or self._stem(word) in self._stems:
            return word
        parts = " OR ".join(f'"{_bare(word)[place : place + 3]}"' for place in range(len(_bare(word)) - 2))
        near = self._database.execute(
            "select word from words where words match ? order by bm25(words), word limit 40", (parts,)
        ).fetchall()
        likeness = {
            known: SequenceMatcher(None, _bare(word), known).ratio() for (known,) in near if known[0] == _bare(word)[0]
        }
        best = max(likeness, key=lambda known: (likeness[known], known), default=word)
        return best if likeness.get(best, 0.0) >= LIKENESS else word
