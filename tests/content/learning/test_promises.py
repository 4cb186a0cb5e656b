"""What the choice promises, kept over a simulated year for people of every accuracy and response rate."""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import pytest

from content.learning.memories import Review
from content.learning.selection import Prompted, Reason
from tests.content.learning.course import LIBRARY
from tests.content.learning.year import ACCURACIES, RESPONSES, START, WORKDAYS, Person, live, people, workdays

EACH = 6
"""People of each accuracy and response rate."""
GIFTS = {one.id for one in LIBRARY.competencies.values() if "regalos" in one.seasons}
WEEK = timedelta(days=7)
KINDS = pytest.mark.parametrize(("accuracy", "response"), list(itertools.product(ACCURACIES, RESPONSES)))


@pytest.fixture(scope="module")
def year() -> Sequence[Person]:
    group = people(EACH)
    live(LIBRARY, group, workdays(START, WORKDAYS))
    return group


def of_kind(year: Sequence[Person], accuracy: float, response: float) -> list[Person]:
    return [person for person in year if (person.accuracy, person.response) == (accuracy, response)]


def topic(review: Review) -> str:
    return LIBRARY.topic_of[review.competency].id


@KINDS
def test_all_topics_come_within_the_first_six_answers(year: Sequence[Person], accuracy: float, response: float) -> None:
    for person in of_kind(year, accuracy, response):
        assert len({topic(review) for review in person.reviews[:6]}) == len(LIBRARY.topics) == 6


@KINDS
def test_the_rules_are_met_in_time(year: Sequence[Person], accuracy: float, response: float) -> None:
    """Of 12 answers, 5 are to new rules, until all 24 are met within 58."""
    for person in of_kind(year, accuracy, response):
        met = set()
        for answered, review in enumerate(person.reviews, 1):
            met.add(review.competency)
            assert len(met) >= min(24, math.ceil(5 * answered / 12))
        assert len(met) == 24


def repeats(person: Person) -> Iterator[tuple[Prompted, date, dict[str, date]]]:
    """Prompts with a text that was answered within 60 days before, that day, and the last answers to all texts."""
    answered: dict[str, date] = {}
    for prompt in person.prompts:
        last = answered.get(prompt.scenario)
        if last is not None and (prompt.day - last).days < 60:
            yield prompt, last, dict(answered)
        if prompt.answered_on:
            answered[prompt.scenario] = prompt.day


@KINDS
def test_an_answered_text_waits_until_the_others_of_its_rule_had_their_turn(
    year: Sequence[Person], accuracy: float, response: float
) -> None:
    """But one that was sent three times in a row without an answer does not count."""
    for person in of_kind(year, accuracy, response):
        for prompt, last, answered in repeats(person):
            others = {one.id for one in LIBRARY.askable[prompt.competency]} - {prompt.scenario}
            earlier = [one.scenario for one in person.prompts if one.day < prompt.day]
            earlier = [one for one in earlier if one in others | {prompt.scenario}]
            tired = set(earlier[-3:]) if len(set(earlier[-3:])) == 1 else set()
            assert all(answered.get(other, date.min) >= last for other in others - tired)


@KINDS
def test_few_prompts_repeat_a_text_within_60_days(year: Sequence[Person], accuracy: float, response: float) -> None:
    """Under 7 % with four texts a rule, in a world in which a quarter of the answers is given as sure."""
    group = of_kind(year, accuracy, response)
    assert sum(1 for person in group for _ in repeats(person)) < 0.07 * sum(len(person.prompts) for person in group)


@KINDS
def test_no_text_is_answered_more_than_five_times(year: Sequence[Person], accuracy: float, response: float) -> None:
    for person in of_kind(year, accuracy, response):
        assert max(Counter(review.scenario for review in person.reviews).values()) <= 5


@KINDS
def test_no_rule_comes_twice_in_a_row_but_after_a_confident_error(
    year: Sequence[Person], accuracy: float, response: float
) -> None:
    for person in of_kind(year, accuracy, response):
        for prompt, following in itertools.pairwise(person.prompts):
            if prompt.competency == following.competency:
                assert prompt.answered_on
                assert following.reason == Reason.CONFIDENT_ERROR


def confident_errors(person: Person) -> list[Review]:
    """Those after which a week of prompts is left."""
    end = person.prompts[-1].day - WEEK
    found = [one for one in person.reviews if one.confidence == "sure" and not one.is_right]
    return [review for review in found if review.day <= end]


@pytest.mark.parametrize(("response", "least"), [(0.4, 0.85), (0.65, 0.95), (1.0, 0.95)])
def test_confident_errors_come_back_within_a_week_on_another_text(
    year: Sequence[Person], response: float, least: float
) -> None:
    """Of people who answer; those who leave most prompts unanswered have new rules to meet first, for weeks."""
    came, all_of_them = 0, 0
    for person in year:
        for error in confident_errors(person) if person.response == response else ():
            later = [one for one in person.prompts if one.competency == error.competency and one.day > error.day]
            came += bool(later) and later[0].day <= error.day + WEEK and later[0].scenario != error.scenario
            all_of_them += 1
    assert all_of_them > 100
    assert came >= least * all_of_them


@KINDS
def test_gift_rules_have_three_times_their_share_in_december(
    year: Sequence[Person], accuracy: float, response: float
) -> None:
    group = of_kind(year, accuracy, response)
    december = [prompt for person in group for prompt in person.prompts if prompt.day.month == 12]
    gifts = [prompt for prompt in december if prompt.competency in GIFTS]
    assert len(gifts) / len(december) >= 3 * len(GIFTS) / len(LIBRARY.competencies)


@KINDS
def test_a_text_comes_at_most_three_times_in_a_row_without_an_answer(
    year: Sequence[Person], accuracy: float, response: float
) -> None:
    """In a row: among the prompts of its rule."""
    for person in of_kind(year, accuracy, response):
        by_rule = defaultdict(list)
        for prompt in person.prompts:
            by_rule[prompt.competency].append(prompt)
        for prompts in by_rule.values():
            for four in zip(prompts, prompts[1:], prompts[2:], prompts[3:], strict=False):
                assert len({one.scenario for one in four}) > 1 or any(one.answered_on for one in four)


def test_an_unanswered_prompt_is_no_meeting(year: Sequence[Person]) -> None:
    """A rule stays new, whose own reason says so, until it is answered."""
    for person in year:
        met: set[str] = set()
        for prompt in person.prompts:
            if prompt.reason in (Reason.MISTAKE, Reason.REVIEW, Reason.CONFIDENT_ERROR):
                assert prompt.competency in met
            if prompt.reason == Reason.NEW:
                assert prompt.competency not in met
            if prompt.answered_on:
                met.add(prompt.competency)
