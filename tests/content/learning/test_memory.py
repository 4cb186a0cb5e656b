"""Properties of the memory model: due dates, retrievability, and the treatment of guesses and confident errors."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.learning import memory
from content.learning.memory import MAX_INTERVAL_DAYS, Review, memory_state
from tests.cast import MONDAY_NINE

MONDAY = date(2026, 11, 23)
CONFIDENCES = st.sampled_from(("", "sure", "think", "guess"))
GAPS = st.integers(0, 60)


@st.composite
def histories(draw: st.DrawFn) -> list[Review]:
    """A review history of up to eight answers, oldest first."""
    day = MONDAY
    reviews = []
    for gap in draw(st.lists(GAPS, min_size=1, max_size=8)):
        day += timedelta(days=gap)
        reviews.append(Review(day, draw(st.booleans()), draw(CONFIDENCES)))
    return reviews


def test_the_time_of_day_of_a_review_makes_no_difference() -> None:
    """Reviews 23 h 50 min and 24 h 10 min after the previous one have the same effect."""
    first = Review(MONDAY, True)
    moments = [MONDAY_NINE + timedelta(hours=23, minutes=50), MONDAY_NINE + timedelta(hours=24, minutes=10)]
    early, late = (memory_state([first, Review(moment.date(), True)]) for moment in moments)
    assert early.stability == pytest.approx(late.stability, rel=0.01)
    assert early.due_on == late.due_on


def test_the_next_calendar_day_counts_as_a_whole_day() -> None:
    """The scheduler truncates to whole days; a review on the next calendar day still increases stability."""
    once = memory_state([Review(MONDAY, True)])
    twice = memory_state([Review(MONDAY, True), Review(MONDAY + timedelta(days=1), True)])
    assert twice.stability > once.stability * 1.5


def test_an_empty_history_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one review"):
        memory_state([])


@given(histories())
def test_a_confident_error_is_due_within_a_week(history: list[Review]) -> None:
    last = history[-1].day + timedelta(days=10)
    state = memory_state([*history, Review(last, False, "sure")])
    assert last < state.due_on <= last + timedelta(days=7)


def test_a_confident_error_is_due_in_a_week_even_at_high_stability() -> None:
    reviews = [Review(MONDAY, True)]
    while len(reviews) < 7:
        reviews.append(Review(memory_state(reviews).due_on, True))
    last = memory_state(reviews).due_on
    unsure, sure = (memory_state([*reviews, Review(last, False, word)]) for word in ("think", "sure"))
    assert (unsure.due_on - last).days > 7
    assert (sure.due_on - last).days == 7


@given(histories(), st.integers(1, 30))
def test_a_right_guess_gives_less_stability_than_a_right_answer(history: list[Review], gap: int) -> None:
    day = history[-1].day + timedelta(days=gap)
    guessed, known = (memory_state([*history, Review(day, True, word)]) for word in ("guess", "think"))
    assert guessed.stability < known.stability
    assert guessed.due_on <= known.due_on


@given(histories(), st.integers(1, 30))
def test_a_wrong_answer_is_due_no_later_than_a_right_one(history: list[Review], gap: int) -> None:
    day = history[-1].day + timedelta(days=gap)
    wrong, right = (memory_state([*history, Review(day, is_right)]) for is_right in (False, True))
    assert wrong.due_on <= right.due_on
    assert wrong.stability < right.stability


@given(histories())
def test_the_interval_is_between_one_day_and_the_maximum(history: list[Review]) -> None:
    state = memory_state(history)
    assert 1 <= (state.due_on - state.reviewed_on).days <= MAX_INTERVAL_DAYS
    assert state.repetitions == len(history)
    assert 1 <= state.difficulty <= 10


@given(histories(), st.integers(0, 100), st.integers(1, 100))
def test_retrievability_decays_without_review(history: list[Review], after: int, later: int) -> None:
    state = memory_state(history)
    day = state.reviewed_on + timedelta(days=after)
    assert 0 < state.retrievability(day + timedelta(days=later)) < state.retrievability(day) <= 1


def test_right_answers_on_the_due_day_lengthen_the_interval() -> None:
    reviews = [Review(MONDAY, True)]
    intervals = []
    for _ in range(5):
        state = memory_state(reviews)
        intervals.append((state.due_on - state.reviewed_on).days)
        reviews.append(Review(state.due_on, True))
    assert intervals == sorted(set(intervals)) or intervals[-1] == MAX_INTERVAL_DAYS
    assert intervals[0] <= 3


def test_retrievability_on_the_due_day_is_the_desired_retention() -> None:
    state = memory_state([Review(MONDAY, True), Review(MONDAY + timedelta(days=3), True)])
    assert state.retrievability(state.due_on) == pytest.approx(memory.DESIRED_RETENTION, abs=0.03)


def test_retrievability_before_the_last_review_is_that_of_its_day() -> None:
    state = memory_state([Review(MONDAY, True)])
    assert state.retrievability(MONDAY - timedelta(days=3)) == state.retrievability(MONDAY) == 1
