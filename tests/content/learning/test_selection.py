"""Choosing a prompt: reasons, texts, seasons, courses of any size, clocks that were wrong."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.id_hash import hash_of
from content.learning.cohort import PRIOR
from content.learning.course_index import SEASONS, course_index
from content.learning.memories import Review, after_answers, replay
from content.learning.packing import stored_day
from content.learning.selection import Choice, Learner, Prompted, Reason, choose, replay_sent
from content.learning.standing import standing
from content.library import Library
from tests.content.learning.course import COMPETENCIES, EXAMPLES, LIBRARY, TODAY, course_of, texts_of
from tests.content.learning.year import Person, live, workdays

SEEDS = st.integers(1, 2**63 - 1)
DAYS = st.dates(date(1990, 1, 1), date(2190, 12, 31))
RULE = COMPETENCIES[0]


def choose_one(library: Library, day: date, memory: bytes = b"", sent: bytes = b"", seed: int = 1) -> Choice:
    choice = choose(library, [Learner(seed, memory, sent)], day)[0]
    assert choice is not None
    return choice


def first_answers(right: bool = True, days_ago: int = 30, confidence: str = "") -> list[Review]:
    """One answer to each rule, on one day."""
    day = TODAY - timedelta(days=days_ago)
    return [Review(day, rule, texts_of(rule)[0], right, confidence) for rule in COMPETENCIES]


def prompted(reviews: Sequence[Review]) -> bytes:
    return replay_sent([Prompted(one.day, one.competency, one.scenario, one.day) for one in reviews])


def year_of(library: Library, accuracy: float, response: float, days: int = 60, start: date = TODAY) -> Person:
    person = Person(7, accuracy, response)
    live(library, [person], workdays(start, days))
    return person


# ---------------------------------------------------------------- pure


@EXAMPLES
@given(st.lists(SEEDS, min_size=1, max_size=4, unique=True), DAYS)
def test_the_choice_does_not_depend_on_whom_it_is_made_with(seeds: list[int], day: date) -> None:
    a_rule_of_each_topic = {LIBRARY.topic_of[one.competency].id: one for one in first_answers(False, 20, "sure")}
    four_times = [
        replace(one, day=TODAY - timedelta(days=20 - day)) for day in range(4) for one in a_rule_of_each_topic.values()
    ]
    memories = replay([four_times, first_answers()[:9], [], first_answers()])
    learners = [Learner(seed, memory, b"") for seed, memory in zip(seeds, memories, strict=False)]
    assert choose(LIBRARY, learners, day) == [choose(LIBRARY, [one], day)[0] for one in learners]


def test_colleagues_are_asked_in_different_orders() -> None:
    choices = choose(LIBRARY, [Learner(seed, b"", b"") for seed in range(200)], TODAY)
    asked = Counter(choice.scenario.competency for choice in choices if choice)
    assert len(asked) > 20
    assert max(asked.values()) < 25
    assert len({choice.scenario.id for choice in choices if choice}) > 60


def test_reasons_fit_their_column() -> None:
    assert max(map(len, Reason)) <= 20


# ---------------------------------------------------------------- reasons


def test_a_rule_never_answered_is_new() -> None:
    assert choose_one(LIBRARY, TODAY).reason == Reason.NEW


def test_a_rule_whose_prompt_was_not_answered_comes_with_another_text() -> None:
    """When all others are met, a new rule that was not answered is asked again after one other."""
    history = first_answers()[1:]
    first = choose_one(LIBRARY, TODAY, replay([history])[0], prompted(history))
    assert (first.reason, first.scenario.competency) == (Reason.NEW, RULE)
    second = choose_one(LIBRARY, TODAY + timedelta(days=1), replay([history])[0], first.sent)
    assert second.scenario.competency != RULE
    third = choose_one(LIBRARY, TODAY + timedelta(days=2), replay([history])[0], second.sent)
    assert (third.reason, third.scenario.competency) == (Reason.UNANSWERED, RULE)
    assert third.scenario.id != first.scenario.id


@pytest.mark.parametrize(("right", "reason"), [(False, Reason.MISTAKE), (True, Reason.REVIEW)])
def test_a_rule_is_reviewed(right: bool, reason: Reason) -> None:
    history = first_answers(right)
    assert choose_one(LIBRARY, TODAY, replay([history])[0], prompted(history)).reason == reason


def test_a_wrong_rule_is_reviewed_before_right_ones() -> None:
    history = [replace(one, is_right=one.competency != RULE) for one in first_answers(days_ago=5)]
    shuffled = sorted(history, key=lambda one: one.competency == RULE)
    choice = choose_one(LIBRARY, TODAY, replay([shuffled])[0], prompted(history))
    assert choice.scenario.competency == RULE


@pytest.mark.parametrize(("days", "comes"), [(1, False), (2, True), (3, True)])
def test_a_confident_error_comes_back_from_the_second_day_on(days: int, comes: bool) -> None:
    history = first_answers(days_ago=20)
    error = Review(TODAY - timedelta(days=days), RULE, texts_of(RULE)[1], False, "sure")
    choice = choose_one(LIBRARY, TODAY, replay([[*history, error]])[0], prompted([*history, error]))
    assert ((choice.reason, choice.scenario.competency) == (Reason.CONFIDENT_ERROR, RULE)) is comes
    assert choice.scenario.id != error.scenario


def test_a_confident_error_that_stays_unanswered_lets_other_rules_come() -> None:
    history = first_answers(days_ago=20)
    error = Review(TODAY - timedelta(days=3), RULE, texts_of(RULE)[1], False, "sure")
    memory, sent = replay([[*history, error]])[0], prompted([*history, error])
    asked = []
    for number in range(12):
        choice = choose_one(LIBRARY, TODAY + timedelta(days=number), memory, sent)
        asked.append((choice.scenario.competency, choice.reason))
        sent = choice.sent
    assert asked.count((RULE, Reason.CONFIDENT_ERROR)) == 3
    assert all(one[0] != other[0] for one, other in itertools.pairwise(asked))


# ---------------------------------------------------------------- seasons


@pytest.mark.parametrize(("month", "season"), [(1, "regalos"), (5, "declaraciones"), (11, "cierre-anual")])
def test_a_rule_in_season_comes_first(month: int, season: str) -> None:
    history = sorted(first_answers(), key=lambda one: season not in LIBRARY.competencies[one.competency].seasons)
    choice = choose_one(LIBRARY, date(2027, month, 10), replay([history])[0], prompted(history))
    assert season in LIBRARY.competencies[choice.scenario.competency].seasons
    assert choice.reason in (Reason.SEASON, Reason.REVIEW), "review where it would have come anyway"


@pytest.mark.parametrize(("days", "comes"), [(30, False), (60, False), (61, True), (80, True)])
def test_the_season_brings_no_text_back_within_sixty_days(days: int, comes: bool) -> None:
    """Each rule has one text; those in season were answered right, all others wrong."""
    today, library = date(2026, 12, 10), course_of(len(COMPETENCIES), 1)
    in_season = {rule for rule in COMPETENCIES if "regalos" in library.competencies[rule].seasons}
    history = [
        Review(today - timedelta(days=days if rule in in_season else 20), rule, texts_of(rule)[0], rule in in_season)
        for rule in COMPETENCIES
    ]
    history.sort(key=lambda one: one.day)
    choice = choose_one(library, today, replay([history])[0], prompted(history))
    assert (choice.scenario.competency in in_season) is comes


def test_a_mistake_in_season_is_still_called_a_mistake() -> None:
    """The season is the reason only where another rule would have come without it."""
    (gift, *_) = [rule for rule in COMPETENCIES if "regalos" in LIBRARY.competencies[rule].seasons]
    history = [replace(one, day=date(2027, 1, 4), is_right=one.competency != gift) for one in first_answers()]
    choice = choose_one(LIBRARY, date(2027, 1, 25), replay([history])[0], prompted(history))
    assert (choice.scenario.competency, choice.reason) == (gift, Reason.MISTAKE)


def test_every_season_of_a_competency_has_months() -> None:
    named = {season for one in LIBRARY.competencies.values() for season in one.seasons}
    assert named <= SEASONS.keys()


def test_the_months_of_a_season_are_those_of_its_risk() -> None:
    """Gifts come at Christmas, declarations in May, municipal governments change on 10 October."""
    assert SEASONS == {
        "regalos": (12, 1),
        "declaraciones": (4, 5),
        "cierre-anual": (11, 12),
        "elecciones": (),
        "entrega-recepcion": (9, 10),
    }


# ---------------------------------------------------------------- texts


@EXAMPLES
@given(st.permutations(range(4)), st.integers(0, 3))
def test_the_text_answered_longest_ago_comes_when_all_were(order: list[int], missing: int) -> None:
    """And one that was never answered before that."""
    library = course_of(1, 4)
    texts = texts_of(RULE)
    history = [Review(TODAY + timedelta(days=9 * day), RULE, texts[one], True) for day, one in enumerate(order)]
    day = TODAY + timedelta(days=60)
    choice = choose_one(library, day, replay([history])[0], prompted(history))
    assert choice.scenario.id == texts[order[0]]
    fewer = [one for one in history if one.scenario != texts[missing]]
    assert choose_one(library, day, replay([fewer])[0], prompted(fewer)).scenario.id == texts[missing]


def test_an_unanswered_text_is_not_used_up_and_gives_way_after_three_times() -> None:
    """Three texts were answered, the fourth is not: it comes three times, then another, then again."""
    library, texts = course_of(1, 4), texts_of(RULE)
    history = [Review(TODAY - timedelta(days=9 - day), RULE, texts[day], True) for day in range(3)]
    memory, sent, asked = replay([history])[0], prompted(history), []
    for number in range(8):
        choice = choose_one(library, TODAY + timedelta(days=number), memory, sent)
        asked.append(choice.scenario.id)
        sent = choice.sent
    last, oldest = texts[3], texts[0]
    assert asked == [last, last, last, oldest, last, last, last, oldest]


def test_a_text_is_not_sent_twice_on_a_day_while_there_is_another() -> None:
    library = course_of(1, 2)
    first = choose_one(library, TODAY)
    second = choose_one(library, TODAY, sent=first.sent)
    assert first.scenario.id != second.scenario.id


def test_a_silent_person_sees_every_rule_and_every_text() -> None:
    silent = year_of(LIBRARY, 1, 0, days=100)
    rules = [prompt.competency for prompt in silent.prompts]
    assert len(set(rules[:24])) == 24
    assert all(one != other for one, other in itertools.pairwise(rules))
    assert len({prompt.scenario for prompt in silent.prompts}) == 96


def test_a_person_who_falls_silent_sees_more_than_a_few_rules() -> None:
    person = year_of(LIBRARY, 0.7, 1, days=100)
    person.response = 0
    live(LIBRARY, [person], workdays(TODAY + timedelta(days=150), 40))
    assert len({prompt.competency for prompt in person.prompts[-40:]}) >= 8


@pytest.mark.parametrize(("days", "comes"), [(8, True), (25, True), (40, True), (60, False), (90, False)])
def test_a_rule_with_no_unused_text_comes_when_it_is_worth_three_times_more(days: int, comes: bool) -> None:
    """Both texts of a rule were answered wrong; another rule is well known, the less the longer ago it was asked."""
    library, (used_up, known, last) = course_of(3, 2), COMPETENCIES[:3]
    history = [
        *(answer(days + more, known, True) for more in (200, 120, 60, 25, 0)),
        *(answer(ago, used_up, False, text) for text, ago in enumerate((20, 19))),
        answer(1, last, True),
    ]
    history.sort(key=lambda one: one.day)
    memory, sent = replay([history])[0], prompted(history)
    assert choose_one(library, TODAY, memory, sent).scenario.competency == (used_up if comes else known)
    index = course_index(library)
    assert index is not None
    prices = standing(index, [memory], [sent], stored_day(TODAY), PRIOR).price[0]
    price = dict(zip(index.rule_hashes.tolist(), prices.tolist(), strict=True))
    assert (0.3 * price[hash_of(used_up)] > price[hash_of(known)]) is comes


def answer(days_ago: int, rule: str, is_right: bool, text: int = 0) -> Review:
    return Review(TODAY - timedelta(days=days_ago), rule, texts_of(rule)[text], is_right)


# ---------------------------------------------------------------- histories


def test_sent_prompts_are_rebuilt_from_their_history() -> None:
    for response in (0.0, 0.5, 1.0):
        person = year_of(LIBRARY, 0.5, response, days=90)
        assert replay_sent(person.prompts) == person.sent
    assert replay_sent([]) == b""


def test_the_other_choices_do_not_change_when_a_rule_is_removed() -> None:
    """Its memories and prompts stay, and are ignored."""
    person = year_of(LIBRARY, 0.5, 0.8, days=80)
    smaller = course_of(20, 4)
    choice = choose_one(smaller, TODAY + timedelta(days=200), person.memory, person.sent)
    assert choice.scenario.competency in COMPETENCIES[:20]
    live(smaller, [person], workdays(TODAY + timedelta(days=200), 30))
    assert {prompt.competency for prompt in person.prompts[-30:]} <= set(COMPETENCIES[:20])
    live(LIBRARY, [person], workdays(TODAY + timedelta(days=300), 30))


# ---------------------------------------------------------------- courses of any size


def test_a_course_without_published_scenarios_has_nothing_to_ask() -> None:
    drafts = {name: one.model_copy(update={"state": "draft"}) for name, one in LIBRARY.scenarios.items()}
    memory = replay([first_answers()])[0]
    for scenarios in ({}, drafts):
        assert choose(replace(LIBRARY, scenarios=scenarios), [Learner(1, memory, b"")] * 2, TODAY) == [None, None]


def test_no_learners_get_no_choices() -> None:
    assert choose(LIBRARY, [], TODAY) == []
    assert after_answers([], []) == replay([]) == []


@pytest.mark.parametrize(("competencies", "variants"), [(1, 1), (1, 4), (2, 1), (3, 2), (24, 1)])
@pytest.mark.parametrize(("accuracy", "response"), [(0, 1), (1, 1), (0.5, 0.5), (1, 0)])
def test_a_course_of_any_size_goes_on(competencies: int, variants: int, accuracy: float, response: float) -> None:
    library = course_of(competencies, variants)
    person = year_of(library, accuracy, response, days=40)
    assert {prompt.competency for prompt in person.prompts} == set(COMPETENCIES[:competencies])
    rules = [prompt.competency for prompt in person.prompts]
    errors = {review.day for review in person.reviews if review.confidence == "sure" and not review.is_right}
    for one, other in zip(person.prompts, person.prompts[1:], strict=False):
        assert competencies == 1 or one.competency != other.competency or one.day in errors, rules


# ---------------------------------------------------------------- clocks


@EXAMPLES
@given(st.lists(st.tuples(DAYS, st.sampled_from(COMPETENCIES), st.booleans()), max_size=8), DAYS)
def test_no_date_fails(answers: list[tuple[date, str, bool]], day: date) -> None:
    reviews = [Review(when, rule, texts_of(rule)[0], right, "sure") for when, rule, right in answers]
    choice = choose_one(LIBRARY, day, replay([reviews])[0], prompted(reviews))
    assert choose_one(LIBRARY, date.min, replay([reviews])[0], choice.sent)


@pytest.mark.parametrize("days", [365, -365])
@pytest.mark.parametrize("response", [0.0, 1.0])
def test_a_clock_that_was_wrong_for_a_day_changes_little(days: int, response: float) -> None:
    """The rule asked on that day comes again, others are asked as before, and texts keep their turn."""
    person = year_of(LIBRARY, 0.8, 1, days=90)
    person.response = response
    wrong = person.prompts[-1].day + timedelta(days=days)
    live(LIBRARY, [person], iter([wrong]))
    person.response = 1
    live(LIBRARY, [person], workdays(person.prompts[-2].day + timedelta(days=1), 60))
    affected, after = person.prompts[90], person.prompts[91:]
    assert affected.competency in {prompt.competency for prompt in after}
    assert len({prompt.competency for prompt in after}) > 15
    assert max(Counter(prompt.competency for prompt in after).values()) < 10
    assert max(Counter(prompt.scenario for prompt in after).values()) <= 2
