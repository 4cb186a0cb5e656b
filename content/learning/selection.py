"""Choose the scenario to ask a servant today. Pure: the same inputs give the same selection."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from content.course.scenario import Scenario
from content.learning.cohort import PRIOR, Cohort
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


class Reason(StrEnum):
    """Why a prompt was chosen; at most 20 characters."""

    NEW = "new"  # the rule was never answered
    CONFIDENT_ERROR = "confident-error"  # the last answer to the rule was wrong and given as sure
    MISTAKE = "mistake"  # time to review, and the last answer to the rule was wrong
    REVIEW = "review"  # time to review: asking now keeps the rule known for longest
    SEASON = "season"  # its risk is high in this month; without the season another rule would have come
    UNANSWERED = "unanswered"  # the last prompt about the rule was not answered


@dataclass(frozen=True, slots=True)
class Learner:
    """A person to choose for: `seed` (the servant id) differs between people, `memory` comes from `memories`.

    `sent` is the value of the last choice that was stored as a prompt, or of `replay_sent`; empty before the first.
    """

    seed: int
    memory: bytes
    sent: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """The scenario to ask, why, and the value of `sent` to store together with the prompt."""

    scenario: Scenario
    reason: str
    sent: bytes


@dataclass(frozen=True, slots=True)
class Prompted:
    """A past prompt: its day, and the day on which it was answered, if it was."""

    day: date
    competency: str
    scenario: str
    answered_on: date | None
    reason: str = ""


def choose(library: Library, learners: Sequence[Learner], today: date, cohort: Cohort = PRIOR) -> list[Choice | None]:
    """The prompt of today for each learner; None when the course has nothing to ask.

    Raises MemoryFormatError; its `position` tells whose value it is.
    """
    raise NotImplementedError


def replay_sent(prompts: Sequence[Prompted]) -> bytes:
    """The value of `Learner.sent` after these prompts of one person, oldest first."""
    raise NotImplementedError


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
