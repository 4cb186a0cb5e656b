"""A simulated year: people of several accuracies and response rates, all chosen for together, day by day."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from content.learning import memories, selection
from content.learning.memories import Review
from content.learning.selection import Learner, Prompted
from content.library import Library
from content.workdays import Calendar

START = date(2026, 3, 2)
WORKDAYS = 250
ACCURACIES = (0.0, 0.35, 0.65, 1.0)
RESPONSES = (0.4, 0.65, 1.0)
SURE, THINK, GUESS = 0.25, 0.4, 0.1
"""Shares of answers with each confidence; the others have none."""


@dataclass
class Person:
    """One person's year: every prompt, and the answers given."""

    seed: int
    accuracy: float
    response: float
    memory: bytes = b""
    sent: bytes = b""
    prompts: list[Prompted] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)

    def answer(self, prompt: Prompted, chance: random.Random) -> Review | None:
        if chance.random() >= self.response:
            return None
        is_right = chance.random() < self.accuracy
        names = ("sure", "think", "guess", "")
        confidence = chance.choices(names, (SURE, THINK, GUESS, 1 - SURE - THINK - GUESS))[0]
        return Review(prompt.day, prompt.competency, prompt.scenario, is_right, confidence)


def workdays(start: date, count: int) -> Iterator[date]:
    calendar = Calendar(frozenset())
    day = start
    while count:
        if calendar.is_workday(day):
            yield day
            count -= 1
        day += timedelta(days=1)


def people(each: int, accuracies: Sequence[float] = ACCURACIES, responses: Sequence[float] = RESPONSES) -> list[Person]:
    kinds = [(accuracy, response) for accuracy in accuracies for response in responses for _ in range(each)]
    return [Person(seed, *kind) for seed, kind in enumerate(kinds, 1)]


def live(library: Library, group: Sequence[Person], days: Iterator[date]) -> None:
    """Let the days pass: each person gets a prompt, and answers it the same day or never."""
    chance = random.Random(1)
    for day in days:
        choices = selection.choose(library, [Learner(one.seed, one.memory, one.sent) for one in group], day)
        given = []
        for person, choice in zip(group, choices, strict=True):
            assert choice is not None
            scenario = choice.scenario
            prompt = Prompted(day, scenario.competency, scenario.id, None, choice.reason)
            review = person.answer(prompt, chance)
            answered_on = day if review else None
            person.prompts.append(Prompted(day, prompt.competency, prompt.scenario, answered_on, prompt.reason))
            person.sent = choice.sent
            if review:
                given.append((person, review))
        values = memories.after_answers([person.memory for person, _ in given], [review for _, review in given])
        for (person, review), value in zip(given, values, strict=True):
            person.memory = value
            person.reviews.append(review)
