"""Memories: the same however they are built, what answers and days do to recall, and when a rule is held."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.learning.memories import Review, after_answers, replay, rules, with_confidence
from tests.content.learning import reference
from tests.content.learning.course import COMPETENCIES, EXAMPLES, LIBRARY, TODAY, texts_of

RULE = COMPETENCIES[0]
FIRST, SECOND, THIRD, _ = texts_of(RULE)
CONFIDENCES = st.sampled_from(("", "sure", "think", "guess"))
PAIRS = st.sampled_from([(rule, text) for rule in COMPETENCIES[:3] for text in texts_of(rule)])


@st.composite
def histories(draw: st.DrawFn) -> list[Review]:
    """Up to twelve answers to three rules; now and then a day goes backwards."""
    day, found = TODAY, []
    for gap in draw(st.lists(st.one_of(st.integers(0, 40), st.integers(-400, 400)), max_size=12)):
        day += timedelta(days=gap)
        found.append(Review(day, *draw(PAIRS), draw(st.booleans()), draw(CONFIDENCES)))
    return found


def remember(*reviews: Review) -> bytes:
    return replay([reviews])[0]


def recall(reviews: Sequence[Review], day: date, competency: str = RULE) -> float:
    return rules(remember(*reviews), LIBRARY, day)[competency].recall


def answered(day: int, is_right: bool, confidence: str = "", text: str = FIRST) -> Review:
    return Review(TODAY + timedelta(days=day), RULE, text, is_right, confidence)


# ---------------------------------------------------------------- one value, however it is built


@EXAMPLES
@given(st.lists(histories(), max_size=5))
def test_a_replay_gives_the_same_bytes_as_answer_by_answer(group: list[list[Review]]) -> None:
    values = [b""] * len(group)
    for number in range(max(map(len, group), default=0)):
        people = [person for person, history in enumerate(group) if number < len(history)]
        changed = after_answers([values[one] for one in people], [group[one][number] for one in people])
        for person, value in zip(people, changed, strict=True):
            values[person] = value
    assert replay(group) == [
        value if history else replay([[]])[0] for value, history in zip(values, group, strict=True)
    ]


@EXAMPLES
@given(histories(), histories())
def test_a_memory_does_not_depend_on_whom_it_is_computed_with(one: list[Review], other: list[Review]) -> None:
    assert replay([one, other]) == [*replay([one]), *replay([other])]


@EXAMPLES
@given(histories().filter(bool), CONFIDENCES)
def test_a_confidence_given_afterwards_counts_as_if_given_at_once(history: list[Review], confidence: str) -> None:
    *earlier, last = history
    corrected = replace(last, confidence=confidence)
    assert with_confidence(remember(*history), corrected) == remember(*earlier, corrected)


@pytest.mark.parametrize(
    "other",
    [
        answered(1, True),
        answered(0, False),
        answered(0, True, text=SECOND),
        Review(TODAY, COMPETENCIES[1], FIRST, True),
    ],
)
def test_the_confidence_of_another_answer_is_not_set(other: Review) -> None:
    assert with_confidence(remember(answered(0, True)), replace(other, confidence="sure")) is None
    assert with_confidence(b"", other) is None


def test_the_confidence_of_an_answer_before_the_last_is_not_set() -> None:
    assert with_confidence(remember(answered(0, True), answered(3, False)), answered(0, True, "sure")) is None


def test_records_of_a_removed_rule_are_kept_and_ignored() -> None:
    old = Review(TODAY, "regla-de-antes", "texto-de-antes", True)
    value = remember(old, answered(1, True))
    assert list(rules(value, LIBRARY, TODAY)) == [RULE]
    later = after_answers([value], [replace(old, day=TODAY + timedelta(days=9))])[0]
    assert len(later) == len(value)
    before, after = (rules(one, LIBRARY, TODAY + timedelta(days=20))[RULE] for one in (value, later))
    assert after.recall == pytest.approx(before.recall, abs=0.1), "the person's pace is known better"


# ---------------------------------------------------------------- the model's numbers


@EXAMPLES
@given(histories().filter(bool), st.integers(0, 400))
def test_memories_are_those_of_the_model_in_plain_numbers(history: list[Review], after: int) -> None:
    """Bayes' rule for who knew a rule before and for the pace, and the stability after each kind of answer."""
    person = reference.Person()
    for review in history:
        person.answer(review.competency, review.day.toordinal(), review.is_right, review.confidence)
    day = TODAY + timedelta(days=after)
    found = rules(remember(*history), LIBRARY, day)
    assert {name: one.recall for name, one in found.items()} == {
        name: pytest.approx(person.recall(name, day.toordinal()), abs=1e-4) for name in person.rules
    }


# ---------------------------------------------------------------- what answers do


def test_without_answers_no_rule_is_known() -> None:
    assert rules(b"", LIBRARY, TODAY) == {}
    assert rules(replay([[]])[0], LIBRARY, TODAY) == {}


@EXAMPLES
@given(histories(), st.integers(0, 400), st.integers(1, 400))
def test_recall_falls_with_the_days_and_is_never_above_that_of_the_answer(
    history: list[Review], after: int, more: int
) -> None:
    day = TODAY + timedelta(days=after)
    now, later = (rules(remember(*history), LIBRARY, one) for one in (day, day + timedelta(days=more)))
    for competency, rule in now.items():
        at_answer = rules(remember(*history), LIBRARY, rule.answered_on)[competency].recall
        assert 0 <= later[competency].recall <= rule.recall <= at_answer <= 1
        assert rules(remember(*history), LIBRARY, date(1990, 1, 1))[competency].recall == at_answer


@EXAMPLES
@given(histories(), st.integers(1, 60))
def test_a_guess_is_worth_less_than_a_thought_and_that_less_than_certainty(history: list[Review], gap: int) -> None:
    day = max([TODAY, *(review.day for review in history)]) + timedelta(days=gap)
    later = day + timedelta(days=30)
    guess, think, sure, none = (
        recall([*history, Review(day, RULE, FIRST, True, confidence)], later)
        for confidence in ("guess", "think", "sure", "")
    )
    assert guess <= think <= sure
    assert none == think


@EXAMPLES
@given(histories(), st.integers(1, 60))
def test_a_wrong_answer_leaves_less_than_a_right_one(history: list[Review], gap: int) -> None:
    day = max([TODAY, *(review.day for review in history)]) + timedelta(days=gap)
    wrong, right = (
        recall([*history, Review(day, RULE, FIRST, one)], day + timedelta(days=30)) for one in (False, True)
    )
    assert wrong < right


def test_spaced_answers_last_longer_than_crammed_ones() -> None:
    crammed = [answered(number, True) for number in range(4)]
    spaced = [answered(number, True) for number in (0, 3, 12, 40)]
    assert recall(crammed, TODAY + timedelta(days=93)) + 0.1 < recall(spaced, TODAY + timedelta(days=130))


def test_two_answers_on_one_day_are_no_meetings_apart() -> None:
    """Whatever the hours between them: only days are passed."""
    once, twice = [answered(0, True)], [answered(0, True), answered(0, True, text=SECOND)]
    later = TODAY + timedelta(days=10)
    assert recall(twice, later) - recall(once, later) < 0.06  # more sure that it was known before, not held for longer
    assert recall([answered(0, True), answered(0, False)], later) < recall(once, later)


def test_what_was_known_before_the_course_is_not_forgotten_below_the_floor() -> None:
    """A person who knows one rule after another at once is taken to have known the others, too."""
    expert = [Review(TODAY, rule, texts_of(rule)[0], True, "sure") for rule in COMPETENCIES[:12]]
    novice = [replace(review, is_right=review.competency == RULE) for review in expert]
    later = TODAY + timedelta(days=700)
    assert recall(expert, later, COMPETENCIES[11]) > 0.45
    assert recall(novice, later, COMPETENCIES[11]) < 0.2


def test_a_fast_learner_is_recognized() -> None:
    """After the same answers to a rule, those who remembered others for long are expected to remember it, too."""
    others = [Review(TODAY + timedelta(days=day), COMPETENCIES[1], "text", True) for day in (0, 40, 130, 300)]
    forgot = [replace(review, is_right=False) for review in others]
    last = answered(301, False)
    later = TODAY + timedelta(days=310)
    assert recall([*forgot, last], later) < recall([*others, last], later)


# ---------------------------------------------------------------- held


def test_variants_answered_right_are_counted_once_each() -> None:
    history = [answered(0, True), answered(5, True), answered(9, False, text=SECOND), answered(30, True, text=THIRD)]
    assert rules(remember(*history), LIBRARY, TODAY)[RULE].variants_right == 2
    assert rules(remember(*history), LIBRARY, TODAY)[RULE].answered_on == TODAY + timedelta(days=30)
    assert rules(remember(*history, answered(31, False)), LIBRARY, TODAY)[RULE].variants_right == 2, "it was right once"
