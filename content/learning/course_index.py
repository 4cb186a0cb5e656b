"""The course as arrays: rules and texts by the hashes of their ids, topics, seasons. Made once for each library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from content.course.scenario import Scenario
from content.course.topic import Competency
from content.id_hash import hash_of
from content.learning.arrays import Array, np
from content.learning.packing import hashes
from content.library import Library

SEASONS: Mapping[str, tuple[int, ...]] = {
    "regalos": (12, 1),
    "declaraciones": (4, 5),
    "cierre-anual": (11, 12),
    "elecciones": (),  # set per electoral year
    "entrega-recepcion": (9, 10),
}
"""Months (1 to 12) in which the risk of each season is high."""
SEASON_SHARES: Mapping[str, float] = {"regalos": 3.0}
"""How many times its even share of prompts a rule gets in season, at least."""
OTHER_SEASON_SHARE = 2.0  # in December, rules of two seasons come together: with 3 for all, hardly others would
KEPT = 4  # libraries: the running one, and those of tests


@dataclass(frozen=True, slots=True)
class Names:
    """Ids of the whole course by their hashes, whether they are asked or not."""

    rules: Mapping[int, str]
    rule_of_text: Mapping[int, str]


@dataclass(frozen=True, eq=False, slots=True)
class CourseIndex:
    """All that can be asked; rules and texts are sorted by hash and named by their position."""

    rule_hashes: Array
    text_hashes: Array
    scenarios: Sequence[Scenario]
    """The scenario of each text."""
    texts: Array
    """The texts of each rule, by rule and number; -1 where a rule has fewer than others."""
    topics: Array
    """The topic of each rule, as a number from 0."""
    topic_count: int
    season_shares: Array
    """How many times its even share of prompts a rule gets, by rule and month (1 to 12); 0 out of season."""
    variants: int
    """Texts of a typical rule."""


@lru_cache(maxsize=KEPT)
def names(library: Library) -> Names:
    return Names(
        {hash_of(id): id for id in library.competencies},
        {hash_of(scenario.id): scenario.competency for scenario in library.scenarios.values()},
    )


@lru_cache(maxsize=KEPT)
def course_index(library: Library) -> CourseIndex | None:
    """The index of what can be asked; None when that is nothing."""
    askable = {id: library.askable[id] for id in library.competencies if library.askable.get(id)}
    if not askable:
        return None
    rules = sorted(askable, key=hash_of)
    scenarios = sorted((one for variants in askable.values() for one in variants), key=lambda one: hash_of(one.id))
    position = {scenario.id: place for place, scenario in enumerate(scenarios)}
    counts = [len(askable[rule]) for rule in rules]
    texts = np.full((len(rules), max(counts)), -1)
    for row, rule in zip(texts, rules, strict=True):
        row[: len(askable[rule])] = [position[scenario.id] for scenario in askable[rule]]
    topics = {topic: number for number, topic in enumerate(dict.fromkeys(library.topic_of[id].id for id in askable))}
    return CourseIndex(
        rule_hashes=hashes(rules),
        text_hashes=hashes(scenario.id for scenario in scenarios),
        scenarios=scenarios,
        texts=texts,
        topics=np.array([topics[library.topic_of[rule].id] for rule in rules]),
        topic_count=len(topics),
        season_shares=np.array([_season_shares(library.competencies[rule]) for rule in rules]),
        variants=sorted(counts)[len(counts) // 2],
    )


def _season_shares(competency: Competency) -> list[float]:
    shares = [0.0] * 13
    for season in competency.seasons:
        for month in SEASONS[season]:
            shares[month] = max(shares[month], SEASON_SHARES.get(season, OTHER_SEASON_SHARE))
    return shares
