"""What a person remembers of each rule, as one packed value: recorded from answers, read for prompts and reports.

A rule is a competency of the course, a text one of its scenarios. Days are local calendar days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from content.learning.cohort import PRIOR, Cohort
from content.library import Library

HELD_RECALL = 0.8
HELD_VARIANTS = 2


class MemoryFormatError(ValueError):
    """A packed value cannot be read; `position` is its place among those that were passed together."""

    def __init__(self, reason: str, position: int = 0) -> None:
        super().__init__(f"{reason}; `integra memories rebuild` writes all memories again from the recorded answers")
        self.position = position


@dataclass(frozen=True, slots=True)
class Review:
    """One answer to a scenario; `day` is the local day of the answer, `confidence` sure, think, guess or empty."""

    day: date
    competency: str
    scenario: str
    is_right: bool
    confidence: str = ""


@dataclass(frozen=True, slots=True)
class RuleMemory:
    """How well a person knows a rule.

    `recall` is the predicted probability of knowing it, without lucky guesses; `answered_on` the day of the last
    answer; `variants_right` the number of its current scenarios that were answered right at least once.
    """

    recall: float
    answered_on: date
    variants_right: int


def after_answers(packed: Sequence[bytes], reviews: Sequence[Review], cohort: Cohort = PRIOR) -> list[bytes]:
    """Each person's memory after one more answer; empty bytes are the memory of a person without answers.

    `reviews` has one review for each person, in the same order. Raises MemoryFormatError.
    """
    raise NotImplementedError


def replay(histories: Sequence[Sequence[Review]], cohort: Cohort = PRIOR) -> list[bytes]:
    """Each person's memory after all their answers, in the order given: the same bytes as answer by answer."""
    raise NotImplementedError


def with_confidence(packed: bytes, review: Review, cohort: Cohort = PRIOR) -> bytes | None:
    """The memory after the confidence of the person's last answer became known.

    None when `review` is, but for its confidence, not the last answer: the caller replays the history then.
    Raises MemoryFormatError.
    """
    raise NotImplementedError


def rules(packed: bytes, library: Library, today: date) -> dict[str, RuleMemory]:
    """How well a person knows each rule of the course that they have answered, by competency id.

    Raises MemoryFormatError.
    """
    raise NotImplementedError


def is_held(rule: RuleMemory, today: date) -> bool:
    """Whether a rule is held: two variants answered right, recall of 0.8 or more, and not answered today."""
    return rule.variants_right >= HELD_VARIANTS and rule.recall >= HELD_RECALL and rule.answered_on != today
