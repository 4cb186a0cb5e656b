"""A year of prompts in a simulated world, with the product's own choice or with round robin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from bench.learning.worlds import Ints, World
from content.course.topic import Competency
from content.learning import memories, selection
from content.learning.cohort import Cohort
from content.learning.memories import Review
from content.learning.selection import Learner
from content.library import Library

START = date(2026, 12, 1)
DAYS = 364
RESPONSE = 0.65
LAG = 30  # days after the last prompt at which knowledge is measured


@dataclass
class PricePolicy:
    """The product's choice, and the packed values that it keeps for each person."""

    library: Library
    memory: list[bytes]
    sent: list[bytes]
    cohort: Cohort

    @classmethod
    def start(cls, library: Library, people: int, cohort: Cohort) -> "PricePolicy":
        return cls(library, [b""] * people, [b""] * people, cohort)

    def choose(self, day: date) -> list[str]:
        learners = [Learner(person, *pair) for person, pair in enumerate(zip(self.memory, self.sent, strict=True))]
        choices = selection.choose(self.library, learners, day, self.cohort)
        self.sent = [choice.sent if choice else b"" for choice in choices]
        return [choice.scenario.id if choice else "" for choice in choices]

    def learn(self, people: Ints, reviews: Sequence[Review]) -> None:
        changed = memories.after_answers([self.memory[person] for person in people], reviews, self.cohort)
        for person, value in zip(people, changed, strict=True):
            self.memory[person] = value


class RoundRobin:
    """All rules in turn, from a different one for each person; an unanswered rule comes again."""

    def __init__(self, library: Library, people: int) -> None:
        self.rules = sorted(library.askable)
        self.texts = [library.askable[rule][0].id for rule in self.rules]
        self.next = np.arange(people) % len(self.rules)

    def choose(self, day: date) -> list[str]:
        return [self.texts[rule] for rule in self.next]

    def learn(self, people: Ints, reviews: Sequence[Review]) -> None:
        self.next[people] = (self.next[people] + 1) % len(self.rules)


def run(world: World, library: Library, policy: PricePolicy | RoundRobin, seed: int) -> float:
    """The score of a policy after a year of weekdays."""
    random = np.random.default_rng(seed)
    column = {rule: number for number, rule in enumerate(sorted(library.askable))}
    last = 0
    for number in range(DAYS):
        day = START + timedelta(days=number)
        if day.weekday() >= 5:
            continue
        last = number
        scenarios = [library.scenarios[id] for id in policy.choose(day)]
        people = np.flatnonzero(random.random(world.people) < RESPONSE)
        rules = np.array([column[scenarios[person].competency] for person in people])
        is_right = world.answer(people, rules, number)
        policy.learn(
            people,
            [
                Review(day, scenarios[person].competency, scenarios[person].id, bool(right))
                for person, right in zip(people, is_right, strict=True)
            ],
        )
    return world.score(last + LAG)


def course(library: Library, rules: int, texts: int) -> Library:
    """A made-up course of any size: copies of the shipped rules and scenarios under other ids."""
    topics = list(library.topics.values())
    shipped = [scenario for variants in library.askable.values() for scenario in variants]
    scenarios = {}
    new: dict[str, list[Competency]] = {topic.id: [] for topic in topics}
    for number in range(rules):
        topic = topics[number % len(topics)]
        rule = topic.competencies[number // len(topics) % len(topic.competencies)]
        id = f"rule-{number}"
        new[topic.id].append(rule.model_copy(update={"id": id, "seasons": ()}))
        for text in range(texts):
            name = f"text-{number}-{text}"
            changes = {"id": name, "competency": id, "variant": text + 1}
            scenarios[name] = shipped[0].model_copy(update=changes)
    filled = {topic.id: topic.model_copy(update={"competencies": tuple(new[topic.id])}) for topic in topics}
    return replace(library, topics=filled, scenarios=scenarios, files={})
