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
    """Some answers, oldest first."""
    day = MONDAY
    reviews = []
    for gap in draw(st.lists(GAPS, min_size=1, max_size=8)):
        day += timedelta(days=gap)
        reviews.append(Review(day, draw(st.booleans()), draw(CONFIDENCES)))
    return reviews


def test_twenty_minutes_on_one_calendar_day_make_no_difference() -> None:
    """An answer 23 h 50 min after the last one and one 24 h 10 min after it count the same."""
    first = Review(MONDAY, True)
    moments = [MONDAY_NINE + timedelta(hours=23, minutes=50), MONDAY_NINE + timedelta(hours=24, minutes=10)]
    early, late = (memory_state([first, Review(moment.date(), True)]) for moment in moments)
    assert early.stability == pytest.approx(late.stability, rel=0.01)
    assert early.due_on == late.due_on


def test_a_day_later_is_a_whole_day_later() -> None:
    """What the scheduler's truncation of hours would lose: the second answer strengthens the memory."""
    once = memory_state([Review(MONDAY, True)])
    twice = memory_state([Review(MONDAY, True), Review(MONDAY + timedelta(days=1), True)])
    assert twice.stability > once.stability * 1.5


def test_a_memory_without_an_answer_is_none() -> None:
    with pytest.raises(ValueError, match="at least one review"):
        memory_state([])


@given(histories())
def test_sure_and_wrong_is_asked_again_within_a_week(history: list[Review]) -> None:
    last = history[-1].day + timedelta(days=10)
    held = memory_state([*history, Review(last, False, "sure")])
    assert last < held.due_on <= last + timedelta(days=7)


def test_sure_and_wrong_comes_back_in_a_week_however_well_it_was_held() -> None:
    reviews = [Review(MONDAY, True)]
    while len(reviews) < 7:
        reviews.append(Review(memory_state(reviews).due_on, True))
    last = memory_state(reviews).due_on
    unsure, sure = (memory_state([*reviews, Review(last, False, word)]) for word in ("think", "sure"))
    assert (unsure.due_on - last).days > 7
    assert (sure.due_on - last).days == 7


@given(histories(), st.integers(1, 30))
def test_a_lucky_guess_is_held_less_well_than_a_right_answer(history: list[Review], gap: int) -> None:
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
def test_it_is_due_later_than_today_and_never_after_the_longest_interval(history: list[Review]) -> None:
    held = memory_state(history)
    assert 1 <= (held.due_on - held.reviewed_on).days <= MAX_INTERVAL_DAYS
    assert held.repetitions == len(history)
    assert 1 <= held.difficulty <= 10


@given(histories(), st.integers(0, 100), st.integers(1, 100))
def test_what_is_not_repeated_fades(history: list[Review], after: int, later: int) -> None:
    held = memory_state(history)
    day = held.reviewed_on + timedelta(days=after)
    assert 0 < held.retrievability(day + timedelta(days=later)) < held.retrievability(day) <= 1


def test_right_answers_on_the_due_day_push_the_next_one_further_away() -> None:
    reviews = [Review(MONDAY, True)]
    gaps = []
    for _ in range(5):
        held = memory_state(reviews)
        gaps.append((held.due_on - held.reviewed_on).days)
        reviews.append(Review(held.due_on, True))
    assert gaps == sorted(set(gaps)) or gaps[-1] == MAX_INTERVAL_DAYS
    assert gaps[0] <= 3


def test_at_the_due_day_the_recall_is_what_was_aimed_for() -> None:
    held = memory_state([Review(MONDAY, True), Review(MONDAY + timedelta(days=3), True)])
    assert held.retrievability(held.due_on) == pytest.approx(memory.DESIRED_RETENTION, abs=0.03)


def test_recall_before_the_last_answer_is_that_of_its_day() -> None:
    held = memory_state([Review(MONDAY, True)])
    assert held.retrievability(MONDAY - timedelta(days=3)) == held.retrievability(MONDAY) == 1
