"""Choose the scenario to ask a servant today. Pure: the same inputs give the same selection."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from content.course.scenario import Scenario
from content.learning.memory import MemoryState
from content.library import Library

SEASONS: Mapping[str, tuple[int, ...]] = {
    "regalos": (12, 1),
    "declaraciones": (4, 5),
    "cierre-anual": (11, 12),
    "elecciones": (),  # set per electoral year
    "entrega-recepcion": (9, 10),
}
"""Months (1 to 12) in which the risk of each season is high."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A scenario and why it was chosen: due (time to review), new, or soonest (nothing is due)."""

    scenario: Scenario
    reason: str


def pick(
    library: Library, memories: Mapping[str, MemoryState], last_asked: Mapping[str, date], today: date, seed: int
) -> Selection | None:
    """Return the scenario for today, or None when the course has no scenario to ask.

    `memories` is keyed by competency id, `last_asked` by scenario id. Due competencies come first, lowest
    retrievability first. Then new ones: those with the fewest scenarios asked so far, then those in season, then those
    of the topic with the fewest competencies reviewed. Otherwise the competency that is due soonest. `seed` differs
    between servants, so that colleagues are not all asked in the same order.
    """
    askable = library.askable
    due = [competency for competency in memories if competency in askable and memories[competency].due_on <= today]
    if due:
        weakest = min(due, key=lambda competency: (memories[competency].retrievability(today), competency))
        return Selection(_variant(askable[weakest], last_asked, seed), "due")
    new = [competency for competency in askable if competency not in memories]
    if new:
        first = _first_new(library, new, memories, last_asked, today, seed)
        return Selection(_variant(askable[first], last_asked, seed), "new")
    rest = [competency for competency in memories if competency in askable]
    if not rest:
        return None
    soonest = min(rest, key=lambda competency: (memories[competency].due_on, competency))
    return Selection(_variant(askable[soonest], last_asked, seed), "soonest")


def _first_new(
    library: Library,
    new: list[str],
    memories: Mapping[str, MemoryState],
    last_asked: Mapping[str, date],
    today: date,
    seed: int,
) -> str:
    reviewed_by_topic: dict[str, int] = dict.fromkeys(library.topics, 0)
    for competency in memories:
        if competency in library.topic_of:
            reviewed_by_topic[library.topic_of[competency].id] += 1
    order = random.Random(seed).sample(sorted(library.competencies), len(library.competencies))

    def rank(competency: str) -> tuple[int, bool, int, int]:
        asked_count = sum(scenario.id in last_asked for scenario in library.askable[competency])
        in_season = any(today.month in SEASONS[season] for season in library.competencies[competency].seasons)
        reviewed = reviewed_by_topic[library.topic_of[competency].id]
        return (asked_count, not in_season, reviewed, order.index(competency))

    return min(new, key=rank)


def _variant(variants: tuple[Scenario, ...], last_asked: Mapping[str, date], seed: int) -> Scenario:
    """The variant that was never asked or was asked longest ago; ties are broken by `seed`."""
    order = random.Random(seed).sample(range(len(variants)), len(variants))
    position = min(order, key=lambda number: last_asked.get(variants[number].id, date.min))
    return variants[position]
