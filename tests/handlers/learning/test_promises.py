"""The promises of the selection, kept through handlers and storage for a working year on the real calendar.

By those who know, who guess, who err always, and who answer little. No one's office is known yet, so everybody's rules
are all rules of the course.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

import pytest

from content.learning.selection import Reason
from content.library import Library
from storage.database import open_database
from tests.handlers.learning.year import Habit, Lived, live

START = date(2026, 1, 5)
WORKDAYS = 250
ACCURACIES, RESPONSES = (0.0, 0.35, 0.65, 1.0), (0.4, 0.65, 1.0)
TWINS = 2  # people of each habit
ANSWERS_PER_RULE = 2.4
FRESH = timedelta(days=60)  # within which no answered text comes again
SOON = timedelta(days=7)
MOST_UNANSWERED = 3
DECEMBER = 12

pytestmark = pytest.mark.long


async def test_a_year_keeps_every_promise(library: Library, sqlite_url: str) -> None:
    habits = [Habit(accuracy, response) for accuracy in ACCURACIES for response in RESPONSES for _ in range(TWINS)]
    database = open_database(sqlite_url)
    try:
        histories = await live(database, library, START, WORKDAYS, habits)
    finally:
        await database.close()
    for habit, history in zip(habits, histories, strict=True):
        assert len(history) == WORKDAYS, habit
        all_topics_come_first(library, history)
        rules_are_met_in_time(library, history)
        no_text_comes_back_soon(library, history)
        no_rule_comes_twice_in_a_row(history)
        unanswered_texts_come_before_answered_ones(library, history)
    sure_and_wrong_comes_back_within_a_week(histories)
    gifts_come_in_december(library, histories)


def answered(history: Sequence[Lived]) -> list[Lived]:
    return [lived for lived in history if lived.is_right is not None]


# ---------------------------------------------------------------- (a) meeting


def all_topics_come_first(library: Library, history: Sequence[Lived]) -> None:
    first = answered(history)[: len(library.topics)]
    assert {library.topic_of[lived.competency].id for lived in first} == set(library.topics)


def rules_are_met_in_time(library: Library, history: Sequence[Lived]) -> None:
    """After n answers at least n / 2.4 rules have been answered, until all have."""
    met: set[str] = set()
    for count, lived in enumerate(answered(history), start=1):
        met.add(lived.competency)
        assert len(met) >= min(len(library.askable), math.ceil(count / ANSWERS_PER_RULE)), f"after {count} answers"


# ---------------------------------------------------------------- (b) variety


def no_text_comes_back_soon(library: Library, history: Sequence[Lived]) -> None:
    """Never while another of the rule is older; at most 7 of 100 prompts otherwise; no text six times a year.

    A text that was sent three times in a row without an answer waits behind the others.
    """
    answered_on: dict[str, date] = {}
    in_vain: dict[str, int] = defaultdict(int)
    returned = 0
    for lived in history:
        last = answered_on.get(lived.scenario)
        if last is not None and lived.day - last < FRESH:
            returned += 1
            others = [scenario.id for scenario in library.askable[lived.competency]]
            older = [other for other in others if answered_on.get(other, date.min) < last]
            assert all(in_vain[other] >= MOST_UNANSWERED for other in older), f"{lived}: {older} are older"
        if lived.is_right is None:
            in_vain[lived.scenario] += 1
        else:
            answered_on[lived.scenario] = lived.day
            in_vain[lived.scenario] = 0
    assert returned <= 0.07 * len(history)
    assert max(Counter(lived.scenario for lived in answered(history)).values()) <= 5


# ---------------------------------------------------------------- (c) what was sure and wrong


def no_rule_comes_twice_in_a_row(history: Sequence[Lived]) -> None:
    for before, after in pairwise(history):
        assert after.competency != before.competency or after.reason == Reason.CONFIDENT_ERROR


def sure_and_wrong_comes_back_within_a_week(histories: Sequence[Sequence[Lived]]) -> None:
    """On another text, for at least 95 of 100, among those who answer all prompts."""
    in_time = [back for history in histories if history == answered(history) for back in _returns(history)]
    assert sum(in_time) >= 0.95 * len(in_time)


def _returns(history: Sequence[Lived]) -> Iterator[bool]:
    """For each answer that was sure and wrong: whether its rule came within a week, on another text."""
    for index, lived in enumerate(history):
        if lived.is_right is False and lived.confidence == "sure" and lived.day + SOON <= history[-1].day:
            later = (next for next in history[index + 1 :] if next.day - lived.day <= SOON)
            yield any(next.competency == lived.competency and next.scenario != lived.scenario for next in later)


# ---------------------------------------------------------------- (d) season


def gifts_come_in_december(library: Library, histories: Sequence[Sequence[Lived]]) -> None:
    """Gift rules are asked at least three times as often as others, counted over everybody."""
    gifts = {id for id, competency in library.competencies.items() if "regalos" in competency.seasons}
    december = [lived for history in histories for lived in history if lived.day.month == DECEMBER]
    share = sum(lived.competency in gifts for lived in december) / len(december)
    assert share >= 3 * len(gifts) / len(library.competencies)


# ---------------------------------------------------------------- (e) silence


def unanswered_texts_come_before_answered_ones(library: Library, history: Sequence[Lived]) -> None:
    """An unanswered prompt uses up no text: not before another day, and at most three times in a row."""
    answered_texts: set[str] = set()
    in_vain: dict[str, int] = defaultdict(int)
    for lived in history:
        texts = [scenario.id for scenario in library.askable[lived.competency]]
        waiting = [text for text in texts if text not in answered_texts and in_vain[text] < MOST_UNANSWERED]
        assert not waiting or lived.scenario in waiting, f"{lived}: {waiting} are not answered yet"
        if lived.is_right is None:
            in_vain[lived.scenario] += 1
            assert in_vain[lived.scenario] <= MOST_UNANSWERED or not waiting
        else:
            answered_texts.add(lived.scenario)
            in_vain[lived.scenario] = 0
