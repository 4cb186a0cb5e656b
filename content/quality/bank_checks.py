"""Checks of the bank of scenarios as a whole: that it teaches by its rules, and does not give its answers away.

The loader refuses files that cannot be used; what is found here makes a bank that can be used a bad one.
`integra check` and a test tell it, and a start does not ask.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from content.course.scenario import LETTERS, Option, Scenario
from content.library import Library
from content.problems import Problem
from content.quality import readability
from content.quality.style_rules import Wording, shipped_wording
from content.text import LANGUAGES, fold

SIGNIFICANCE = 0.05
"""A bank is told when what is seen in it would be rarer than this by chance."""
MIN_SAMPLE = 15
"""Published scenarios from which on positions and lengths are reckoned: five a position."""
MIN_VARIANTS = 4
MIN_READING_EASE = 60.0
MAX_SENTENCE_WORDS = 25
MAX_SITUATION_SIMILARITY = 0.8
SAME_ACTION_SIMILARITY = 0.7
"""Two options from here on are one action: variants of a family are above 0.8, unrelated options below 0.67."""

SIMILARITY_MARGIN = 0.1
"""By so much may a similarity fall short of the highest one: families whose actions differ in one noun need it."""


def faults(library: Library, wording: Wording | None = None) -> list[Problem]:
    """All that is wrong with the bank, sorted, with file and field; empty for a good one.

    Raises BrokenContent when the shipped list of words cannot be read.
    """
    wording = shipped_wording() if wording is None else wording
    bank = [one for one in library.scenarios.values() if one.state == "published"]
    found = [*_positions(bank), *_lengths(bank), *_variants(library)]
    for scenario in library.scenarios.values():
        if scenario.state != "retired":
            found += [*_plain(library, scenario), *_worded(library, scenario, wording)]
    for group in _by_competency(bank).values():
        found += [*_alike(library, group), *_give_aways(library, group)]
    return sorted(set(found))


def file_of(library: Library, scenario: Scenario) -> str:
    """The scenario's file; where it belongs, for one that was not read from a file."""
    return library.files.get(scenario.id, f"scenarios/{library.topic_of[scenario.competency].id}/{scenario.id}.toml")


# ---------------------------------------------------------------- the bank as a whole


def _positions(bank: Sequence[Scenario]) -> Iterator[Problem]:
    """The right option stands at each letter as often: chi-square over the published scenarios."""
    if len(bank) < MIN_SAMPLE:
        return
    letters = LETTERS[: max(len(one.options) for one in bank)]
    seen = {letter: sum(one.right_letter == letter for one in bank) for letter in letters}
    expected = {
        letter: sum(1 / len(one.options) for one in bank if place < len(one.options))
        for place, letter in enumerate(letters)
    }
    statistic = sum((seen[letter] - expected[letter]) ** 2 / expected[letter] for letter in letters)
    chance = chi_square_tail(statistic, len(letters) - 1)
    if chance < SIGNIFICANCE:
        counts = ", ".join(f"{letter.upper()} {seen[letter]}" for letter in letters)
        wanted = ", ".join(f"{letter.upper()} {expected[letter]:.0f}" for letter in letters)
        yield Problem(
            "scenarios",
            "options",
            f"the right option stands unevenly (seen: {counts}; p = {chance:.3f}); expected about {wanted}",
        )


def _lengths(bank: Sequence[Scenario]) -> Iterator[Problem]:
    """The right option is neither the longest nor the shortest of its scenario more often than chance makes it."""
    if len(bank) < MIN_SAMPLE:
        return
    chances = [1 / len(one.options) for one in bank]
    for language, (name, sign) in itertools.product(LANGUAGES, (("longest", 1), ("shortest", -1))):
        seen = sum(_stands_out(one, language, sign) for one in bank)
        if tail_probability(seen, chances) < SIGNIFICANCE:
            most = next(count for count in range(len(bank) + 1) if tail_probability(count + 1, chances) < SIGNIFICANCE)
            yield Problem(
                "scenarios",
                f"options.text.{language}",
                f"the right option is the {name} too often (seen: {seen} of {len(bank)}); expected at most {most}",
            )


def _stands_out(scenario: Scenario, language: str, sign: int) -> bool:
    """Whether the right option alone is the longest (sign 1) or the shortest (-1)."""
    size = [(sign * len(option.text.in_language(language)), option.right) for option in scenario.options]
    (right,) = [length for length, is_right in size if is_right]
    return all(length < right for length, is_right in size if not is_right)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """The probability of a chi-square of `freedom` >= 1 degrees at or above `statistic` >= 0.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.4.4 and 26.4.5 (finite sums of the tail).
    """
    half = statistic / 2
    tail, power = (math.erfc(math.sqrt(half)), 0.5) if freedom % 2 else (math.exp(-half), 1.0)
    while power < freedom / 2:
        tail += half**power * math.exp(-half) / math.gamma(power + 1)
        power += 1
    return tail


def tail_probability(count: int, chances: Sequence[float]) -> float:
    """The probability that `count` or more of independent events happen, each with its own chance.

    With equal chances this is the binomial's upper tail.
    """
    so_many = [1.0]
    for chance in chances:
        missed = [one * (1 - chance) for one in so_many] + [0.0]
        met = [0.0] + [one * chance for one in so_many]
        so_many = [one + other for one, other in zip(missed, met, strict=True)]
    return sum(so_many[count:])


def _variants(library: Library) -> Iterator[Problem]:
    published = _by_competency([one for one in library.scenarios.values() if one.state == "published"])
    for topic in library.topics.values():
        for place, competency in enumerate(topic.competencies):
            count = len(published.get(competency.id, ()))
            if count < MIN_VARIANTS:
                yield Problem(
                    f"topics/{topic.id}.toml",
                    f"competencies.{place}",
                    f"{competency.id} has too few published scenarios (seen: {count}); expected at least {MIN_VARIANTS}",
                )
            if count and competency.id not in library.askable:
                yield Problem(
                    f"topics/{topic.id}.toml",
                    f"competencies.{place}",
                    f"{competency.id} is not asked any more (seen: all {count} published scenarios in quarantine); "
                    "expected one at least that was read again since the law changed",
                )


def _by_competency(bank: Sequence[Scenario]) -> dict[str, list[Scenario]]:
    groups: dict[str, list[Scenario]] = {}
    for scenario in sorted(bank, key=lambda one: (one.competency, one.variant)):
        groups.setdefault(scenario.competency, []).append(scenario)
    return groups


# ---------------------------------------------------------------- one scenario


def _plain(library: Library, scenario: Scenario) -> Iterator[Problem]:
    """Short sentences in both languages, and a situation that is easily read in Spanish."""
    file = file_of(library, scenario)
    ease = readability.ease(scenario.situation.es)
    if ease < MIN_READING_EASE:
        yield Problem(
            file,
            "situation.es",
            f"hard to read (seen: {ease:.1f}); expected a Fernández-Huerta of {MIN_READING_EASE:.0f} or more",
        )
    for language in LANGUAGES:
        for field, text in _texts(scenario, language):
            for sentence in readability.sentences(text):
                count = len(sentence.split())
                if count > MAX_SENTENCE_WORDS:
                    start = " ".join(sentence.split()[:6])
                    yield Problem(
                        file,
                        field,
                        f"a sentence too long (seen: {count} words, {start!r}…); expected {MAX_SENTENCE_WORDS} at most",
                    )


def _worded(library: Library, scenario: Scenario, wording: Wording) -> Iterator[Problem]:
    """Nothing that makes whoever reads a man or a woman, and nobody's real name."""
    for field, text in _texts(scenario, "es"):
        for seen, instead in wording.violations(text):
            yield Problem(file_of(library, scenario), field, f"not said here (seen: {seen!r}); expected {instead}")
    for field, text in _texts(scenario, "en"):
        for seen, instead in wording.name_violations(text):
            yield Problem(file_of(library, scenario), field, f"not named here (seen: {seen!r}); expected {instead}")


def _texts(scenario: Scenario, language: str) -> Iterator[tuple[str, str]]:
    """Field and words of everything that a person reads."""
    yield f"situation.{language}", scenario.situation.in_language(language)
    for place, option in enumerate(scenario.options):
        yield f"options.{place}.text.{language}", option.text.in_language(language)
        yield f"options.{place}.why.{language}", option.why.in_language(language)
    yield f"todo.{language}", scenario.todo.in_language(language)


# ---------------------------------------------------------------- the variants of one competency


def _alike(library: Library, group: Sequence[Scenario]) -> Iterator[Problem]:
    """No two situations of a competency are nearly the same."""
    for one, other in itertools.combinations(group, 2):
        for language in LANGUAGES:
            likeness = similarity(one.situation.in_language(language), other.situation.in_language(language))
            if likeness >= MAX_SITUATION_SIMILARITY:
                yield Problem(
                    file_of(library, other),
                    f"situation.{language}",
                    f"nearly that of {one.id} (seen: {likeness:.2f}); expected a similarity below {MAX_SITUATION_SIMILARITY}",
                )


def _give_aways(library: Library, group: Sequence[Scenario]) -> Iterator[Problem]:
    """What is right in one variant is wrong in another and the other way round: options alone do not tell the key."""
    for scenario, language in itertools.product(group, LANGUAGES):
        for place, option in enumerate(scenario.options):
            against = [
                likeness
                for other in group
                if other.id != scenario.id
                for twin, likeness in matching_options(option, other, language)
                if twin.right != option.right
            ]
            if max(against, default=0.0) < SAME_ACTION_SIMILARITY:
                yield _one_sided(file_of(library, scenario), f"options.{place}.text.{language}", option, against)


def _one_sided(file: str, field: str, option: Option, against: Sequence[float]) -> Problem:
    here, nowhere = ("right", "wrong") if option.right else ("wrong", "right")
    return Problem(
        file,
        field,
        f"{here} here and {nowhere} in no other variant, so the options alone give the answer away (seen: similarity "
        f"{max(against, default=0.0):.2f}); expected {SAME_ACTION_SIMILARITY} or more to the same action, {nowhere} elsewhere",
    )


def matching_options(option: Option, other: Scenario, language: str) -> list[tuple[Option, float]]:
    """The options of another variant that may say the same action, as far as words tell, with their similarity."""
    text = option.text.in_language(language)
    found = [(one, similarity(text, one.text.in_language(language))) for one in other.options]
    best = max(likeness for _, likeness in found)
    return [(one, likeness) for one, likeness in found if likeness >= best - SIMILARITY_MARGIN]


@lru_cache(maxsize=20_000)
def similarity(one: str, other: str) -> float:
    """How alike two texts are once folded, 0 to 1; the same in both directions."""
    first, second = sorted((fold(one), fold(other)))
    return SequenceMatcher(None, first, second, autojunk=False).ratio()
