"""Quality checks of the scenario bank: readability, wording, enough variants, and no clues to the right answer.

The loader rejects content that cannot be used; these checks find content that can be used but teaches badly. They run
in `integra check` and in a test, not when the product starts.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from content.course.scenario import LETTERS, Option, Scenario
from content.library import Library
from content.problems import Problem
from content.quality import intent_checks, readability
from content.quality.style_rules import Wording, shipped_wording
from content.text import LANGUAGES, fold

SIGNIFICANCE = 0.05
"""Significance level: a bias is reported if its probability by chance is below."""
MIN_SAMPLE = 15
"""Fewest published scenarios for which positions and lengths are tested: five per position."""
MIN_VARIANTS = 4
MIN_READING_EASE = 60.0
MAX_SENTENCE_WORDS = 25
MAX_SITUATION_SIMILARITY = 0.8
SAME_ACTION_SIMILARITY = 0.7
"""Least similarity of two options that are the same action: variants of one are above 0.8, others below 0.67."""

SIMILARITY_MARGIN = 0.1
"""How far below the best match a similarity may be to count as well; needed where actions differ in one noun."""


def faults(library: Library, wording: Wording | None = None) -> list[Problem]:
    """Run all checks and return the problems found, sorted by file and field.

    Raises BrokenContent when the shipped list of words cannot be read.
    """
    wording = shipped_wording() if wording is None else wording
    bank = [scenario for scenario in library.scenarios.values() if scenario.state == "published"]
    found = [*_positions(bank), *_lengths(bank), *_variant_counts(library), *intent_checks.faults(library.intents)]
    for scenario in library.scenarios.values():
        if scenario.state != "retired":
            found += [*_readability(library, scenario), *_wording(library, scenario, wording)]
    for group in _by_competency(bank).values():
        found += [*_similar_situations(library, group), *_revealing_options(library, group)]
    return sorted(set(found))


def file_of(library: Library, scenario: Scenario) -> str:
    """The scenario's file, or the path it would have if it was not read from a file."""
    return library.files.get(scenario.id, f"scenarios/{library.topic_of[scenario.competency].id}/{scenario.id}.toml")


# ---------------------------------------------------------------- the bank as a whole


def _positions(bank: Sequence[Scenario]) -> Iterator[Problem]:
    """Test that the right option is equally often at each letter: chi-square over the published scenarios."""
    if len(bank) < MIN_SAMPLE:
        return
    letters = LETTERS[: max(len(scenario.options) for scenario in bank)]
    seen = {letter: sum(scenario.right_letter == letter for scenario in bank) for letter in letters}
    expected = {
        letter: sum(1 / len(scenario.options) for scenario in bank if index < len(scenario.options))
        for index, letter in enumerate(letters)
    }
    statistic = sum((seen[letter] - expected[letter]) ** 2 / expected[letter] for letter in letters)
    chance = chi_square_tail(statistic, len(letters) - 1)
    if chance < SIGNIFICANCE:
        counts = ", ".join(f"{letter.upper()} {seen[letter]}" for letter in letters)
        wanted = ", ".join(f"{letter.upper()} {expected[letter]:.0f}" for letter in letters)
        yield Problem(
            "scenarios",
            "options",
            f"the right option is unevenly placed (seen: {counts}; p = {chance:.3f}); expected about {wanted}",
        )


def _lengths(bank: Sequence[Scenario]) -> Iterator[Problem]:
    """Test that the right option is neither the longest nor the shortest more often than by chance."""
    if len(bank) < MIN_SAMPLE:
        return
    chances = [1 / len(scenario.options) for scenario in bank]
    for language, (name, sign) in itertools.product(LANGUAGES, (("longest", 1), ("shortest", -1))):
        seen = sum(_is_extreme(scenario, language, sign) for scenario in bank)
        if tail_probability(seen, chances) < SIGNIFICANCE:
            most = next(count for count in range(len(bank) + 1) if tail_probability(count + 1, chances) < SIGNIFICANCE)
            yield Problem(
                "scenarios",
                f"options.text.{language}",
                f"the right option is the {name} too often (seen: {seen} of {len(bank)}); expected at most {most}",
            )


def _is_extreme(scenario: Scenario, language: str, sign: int) -> bool:
    """Whether the right option alone is the longest (sign 1) or the shortest (-1)."""
    sizes = [(sign * len(option.text.in_language(language)), option.right) for option in scenario.options]
    (right,) = [length for length, is_right in sizes if is_right]
    return all(length < right for length, is_right in sizes if not is_right)


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
    """The probability that `count` or more of independent events occur, each with its own probability.

    Upper tail of the Poisson binomial distribution; of the binomial with equal probabilities.
    """
    distribution = [1.0]  # probability of each number of events so far
    for chance in chances:
        without = [probability * (1 - chance) for probability in distribution] + [0.0]
        with_event = [0.0] + [probability * chance for probability in distribution]
        distribution = [left + right for left, right in zip(without, with_event, strict=True)]
    return sum(distribution[count:])


def _variant_counts(library: Library) -> Iterator[Problem]:
    published = _by_competency([scenario for scenario in library.scenarios.values() if scenario.state == "published"])
    for topic in library.topics.values():
        for index, competency in enumerate(topic.competencies):
            count = len(published.get(competency.id, ()))
            if count < MIN_VARIANTS:
                yield Problem(
                    f"topics/{topic.id}.toml",
                    f"competencies.{index}",
                    f"{competency.id} has too few published scenarios (seen: {count}); "
                    f"expected at least {MIN_VARIANTS}",
                )
            if count and competency.id not in library.askable:
                yield Problem(
                    f"topics/{topic.id}.toml",
                    f"competencies.{index}",
                    f"{competency.id} is not asked any more (seen: all {count} published scenarios in quarantine); "
                    "expected at least one that was reviewed since the law changed",
                )


def _by_competency(bank: Sequence[Scenario]) -> dict[str, list[Scenario]]:
    groups: dict[str, list[Scenario]] = {}
    for scenario in sorted(bank, key=lambda scenario: (scenario.competency, scenario.variant)):
        groups.setdefault(scenario.competency, []).append(scenario)
    return groups


# ---------------------------------------------------------------- one scenario


def _readability(library: Library, scenario: Scenario) -> Iterator[Problem]:
    """Check sentence lengths in both languages, and the reading ease of the Spanish situation."""
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
                        f"a sentence is too long (seen: {count} words, {start!r}…); "
                        f"expected at most {MAX_SENTENCE_WORDS}",
                    )


def _wording(library: Library, scenario: Scenario, wording: Wording) -> Iterator[Problem]:
    """Check that no wording assumes the gender of the reader, and that no real organization is named."""
    for field, text in _texts(scenario, "es"):
        for seen, instead in wording.violations(text):
            yield Problem(
                file_of(library, scenario), field, f"wording not allowed (seen: {seen!r}); expected {instead}"
            )
    for field, text in _texts(scenario, "en"):
        for seen, instead in wording.name_violations(text):
            yield Problem(file_of(library, scenario), field, f"name not allowed (seen: {seen!r}); expected {instead}")


def _texts(scenario: Scenario, language: str) -> Iterator[tuple[str, str]]:
    """Field path and content of every text shown to users."""
    yield f"situation.{language}", scenario.situation.in_language(language)
    for index, option in enumerate(scenario.options):
        yield f"options.{index}.text.{language}", option.text.in_language(language)
        yield f"options.{index}.why.{language}", option.why.in_language(language)
    yield f"todo.{language}", scenario.todo.in_language(language)


# ---------------------------------------------------------------- the variants of one competency


def _similar_situations(library: Library, group: Sequence[Scenario]) -> Iterator[Problem]:
    """Check that no two situations of a competency are nearly the same."""
    for first, second in itertools.combinations(group, 2):
        for language in LANGUAGES:
            texts = first.situation.in_language(language), second.situation.in_language(language)
            if not may_be_similar(*texts, MAX_SITUATION_SIMILARITY):
                continue
            found = similarity(*texts)
            if found >= MAX_SITUATION_SIMILARITY:
                yield Problem(
                    file_of(library, second),
                    f"situation.{language}",
                    f"nearly the same as {first.id} (seen: {found:.2f}); "
                    f"expected a similarity below {MAX_SITUATION_SIMILARITY}",
                )


def _revealing_options(library: Library, group: Sequence[Scenario]) -> Iterator[Problem]:
    """Check that each action right in one variant is wrong in another and vice versa, so that options give no clue."""
    for scenario, language in itertools.product(group, LANGUAGES):
        for index, option in enumerate(scenario.options):
            opposite = [
                similarity_found
                for other in group
                if other.id != scenario.id
                for match, similarity_found in matching_options(option, other, language)
                if match.right != option.right
            ]
            if max(opposite, default=0.0) < SAME_ACTION_SIMILARITY:
                file, field = file_of(library, scenario), f"options.{index}.text.{language}"
                yield _revealing_option(file, field, option, max(opposite, default=0.0))


def _revealing_option(file: str, field: str, option: Option, best: float) -> Problem:
    here, nowhere = ("right", "wrong") if option.right else ("wrong", "right")
    return Problem(
        file,
        field,
        f"{here} here and {nowhere} in no other variant, so the options alone reveal the answer (seen: similarity "
        f"{best:.2f}); expected {SAME_ACTION_SIMILARITY} or more to the same action, {nowhere} elsewhere",
    )


def matching_options(option: Option, other: Scenario, language: str) -> list[tuple[Option, float]]:
    """The options of another variant whose texts are most similar to `option`, with their similarities."""
    text = option.text.in_language(language)
    found = [(candidate, similarity(text, candidate.text.in_language(language))) for candidate in other.options]
    best = max(score for _, score in found)
    return [(candidate, score) for candidate, score in found if score >= best - SIMILARITY_MARGIN]


@lru_cache(maxsize=20_000)
def similarity(text: str, other: str) -> float:
    """Similarity of two texts after folding, 0 to 1; symmetric."""
    first, second = sorted((fold(text), fold(other)))
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def may_be_similar(text: str, other: str, least: float) -> bool:
    """Whether the similarity of two texts can be `least` or more, a hundred times faster than `similarity`.

    What two texts share in the order of both is at most their longest common subsequence.
    """
    first, second = fold(text), fold(other)
    both = len(first) + len(second)
    return not both or 2 * common_length(first, second) / both >= least  # rounded as `similarity` is


def common_length(text: str, other: str) -> int:
    """Length of the longest common subsequence, for all of `text` at once in the bits of a number.

    Source: H. Hyyrö, "Bit-parallel LCS-length computation revisited" (2004).
    """
    places: dict[str, int] = {}
    for index, sign in enumerate(text):
        places[sign] = places.get(sign, 0) | 1 << index
    every = rest = (1 << len(text)) - 1
    for sign in other:
        met = rest & places.get(sign, 0)
        rest = ((rest + met) | (rest - met)) & every
    return len(text) - rest.bit_count()
