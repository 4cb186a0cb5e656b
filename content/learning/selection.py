"""Which scenario is worth asking a servant today; pure, and the same inputs give the same answer."""

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
"""Months in which a risk is near."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A scenario and why it was chosen: due (time to repeat), new, or soonest (nothing is due)."""

    scenario: Scenario
    reason: str


def pick(
    library: Library, held: Mapping[str, MemoryState], seen: Mapping[str, date], today: date, seed: int
) -> Selection | None:
    """The scenario for today; None when the course has none to ask.

    `held` is by competency, `seen` gives the last day on which a scenario was asked. What is due comes first, the
    weakest memory before the others; then something new, what was not left unanswered before first, then what is in
    season, and topics in turn; else whatever is due soonest. `seed` tells people apart, so that colleagues are not
    all asked the same.
    """
    askable = library.askable
    due = [one for one in held if one in askable and held[one].due_on <= today]
    if due:
        weakest = min(due, key=lambda one: (held[one].retrievability(today), one))
        return Selection(_variant(askable[weakest], seen, seed), "due")
    fresh = [one for one in askable if one not in held]
    if fresh:
        return Selection(_variant(askable[_first_new(library, fresh, held, seen, today, seed)], seen, seed), "new")
    rest = [one for one in held if one in askable]
    if not rest:
        return None
    soonest = min(rest, key=lambda one: (held[one].due_on, one))
    return Selection(_variant(askable[soonest], seen, seed), "soonest")


def _first_new(
    library: Library,
    fresh: list[str],
    held: Mapping[str, MemoryState],
    seen: Mapping[str, date],
    today: date,
    seed: int,
) -> str:
    met: dict[str, int] = dict.fromkeys(library.topics, 0)
    for competency in held:
        if competency in library.topic_of:
            met[library.topic_of[competency].id] += 1
    order = random.Random(seed).sample(sorted(library.competencies), len(library.competencies))

    def rank(competency: str) -> tuple[int, bool, int, int]:
        ignored = sum(scenario.id in seen for scenario in library.askable[competency])  # asked, and not answered
        in_season = any(today.month in SEASONS[season] for season in library.competencies[competency].seasons)
        return (ignored, not in_season, met[library.topic_of[competency].id], order.index(competency))

    return min(fresh, key=rank)


def _variant(variants: tuple[Scenario, ...], seen: Mapping[str, date], seed: int) -> Scenario:
    """One that the person has not seen, or saw longest ago."""
    order = random.Random(seed).sample(range(len(variants)), len(variants))
    place = min(order, key=lambda one: seen.get(variants[one].id, date.min))
    return variants[place]
