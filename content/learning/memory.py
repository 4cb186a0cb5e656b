"""Spaced repetition: stability, difficulty, retrievability and due date of a competency, by FSRS-6 on calendar days.

Pure functions. FSRS truncates elapsed time to whole days of 24 hours, so each review is passed as noon of its local
date: two answers on one calendar day are equally far from the previous review, however many minutes lie between them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from fsrs import Card, Rating, Scheduler

DESIRED_RETENTION = 0.9
"""Retrievability at which a competency is due for review."""
MAX_INTERVAL_DAYS = 180
CONFIDENT_ERROR_INTERVAL = timedelta(days=7)
"""Longest interval after a wrong answer that was given as "sure"."""

_scheduler = Scheduler(
    desired_retention=DESIRED_RETENTION,
    learning_steps=(),
    relearning_steps=(),
    enable_fuzzing=False,
    maximum_interval=MAX_INTERVAL_DAYS,
)


@dataclass(frozen=True, slots=True)
class Review:
    """One answer to a scenario of a competency, on a local date; `confidence` is sure, think, guess or empty."""

    day: date
    is_right: bool
    confidence: str = ""


@dataclass(frozen=True, slots=True)
class MemoryState:
    """FSRS state of one competency after all its reviews: stability in days, difficulty from 1 to 10."""

    stability: float
    difficulty: float
    reviewed_on: date
    due_on: date
    repetitions: int

    def retrievability(self, day: date) -> float:
        """Predicted probability of a right answer on `day`, 0 to 1; before the last review, that of its day."""
        card = Card(
            card_id=1, stability=self.stability, difficulty=self.difficulty, last_review=_noon(self.reviewed_on)
        )
        return float(_scheduler.get_card_retrievability(card, _noon(max(day, self.reviewed_on))))


def memory_state(reviews: Iterable[Review]) -> MemoryState:
    """Replay a review history, oldest first, and return the resulting state.

    Raises ValueError when there are no reviews.
    """
    card = Card(card_id=1)
    count = 0
    last: Review | None = None
    for last in reviews:
        count += 1
        card, _ = _scheduler.review_card(card, _rating(last), _noon(last.day))
    if last is None or card.stability is None or card.difficulty is None:
        raise ValueError("a memory state needs at least one review")
    due_on = card.due.date()
    if last.confidence == "sure" and not last.is_right:
        due_on = min(due_on, last.day + CONFIDENT_ERROR_INTERVAL)
    return MemoryState(card.stability, card.difficulty, last.day, due_on, count)


def _rating(review: Review) -> Rating:
    if not review.is_right:
        return Rating.Again
    return Rating.Hard if review.confidence == "guess" else Rating.Good


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
