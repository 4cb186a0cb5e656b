"""The memory model in plain numbers, for one person: written from its description, not from the program."""

import math
from dataclasses import dataclass, field

PACES = {0.55: 0.25, 1.0: 0.5, 1.8: 0.25}
"""How fast a person may learn, with the weights of a person without answers."""
STATES = [(pace, knew) for pace in PACES for knew in (False, True)]
"""All pairs of a pace and whether the person knew the rule before the course."""
ODDS = {"sure": 6.0, "think": 1.0, "guess": 0.1, "": 1.0}
FIRST_RIGHT, FIRST_WRONG, LONGEST, SHORTEST = 2.0, 1.0, 3000.0, 0.1  # days
FLOOR = 1 / (1 + math.exp(-0.2))
SUREST = 0.999  # that probable is it at most that an answer is right without a guess


def recall(days: int, stability: float) -> float:
    """(1 + F g / S) ** -a, which is 0.9 after S days; a is 0.5."""
    return float((1 + (0.9**-2 - 1) * days / stability) ** -0.5)


@dataclass
class Rule:
    """What is believed of one rule: the probability that it was known before, and the stability in each state."""

    knew: float
    stability: dict[tuple[float, bool], float] = field(default_factory=dict)
    day: int = 0
    wrongs: int = 0

    def known(self, day: int) -> dict[tuple[float, bool], float]:
        """The probability of knowing it in each state: who knew it before never falls below the floor."""
        days = max(day - self.day, 0)
        return {one: max(recall(days, self.stability[one]), FLOOR if one[1] else 0.0) for one in STATES}


@dataclass
class Person:
    """All that is believed of one person."""

    weights: dict[float, float] = field(default_factory=PACES.copy)
    rules: dict[str, Rule] = field(default_factory=dict)
    first_beliefs: list[float] = field(default_factory=list)
    """Of each rule, that it was known before, after its first answer."""

    def answer(self, name: str, day: int, is_right: bool, confidence: str) -> None:
        is_first = name not in self.rules
        if is_first:
            self.rules[name] = Rule((10 * 0.4 + sum(self.first_beliefs)) / (10 + len(self.first_beliefs)))
        rule = self.rules[name]
        known = {one: 0.9 if one[1] else 0.0 for one in STATES} if is_first else rule.known(day)
        likely = {one: _likelihood(min(chance, SUREST), is_right) for one, chance in known.items()}
        self._learn_stability(rule, day, known, is_right, ODDS[confidence])
        prior = {one: self.weights[one[0]] * (rule.knew if one[1] else 1 - rule.knew) for one in STATES}
        joint = {one: prior[one] * likely[one] for one in STATES}
        total = sum(joint.values())
        rule.knew = sum(joint[one] for one in STATES if one[1]) / total
        if is_first:
            self.first_beliefs.append(rule.knew)
        else:
            self.weights = {pace: (joint[pace, False] + joint[pace, True]) / total for pace in PACES}
        rule.wrongs = min(rule.wrongs + (not is_right), 3)
        rule.day = day

    @staticmethod
    def _learn_stability(
        rule: Rule, day: int, known: dict[tuple[float, bool], float], is_right: bool, odds: float
    ) -> None:
        """Between the stability after an answer that was known and after one that was not, by how likely each is."""
        is_first = not rule.stability
        for one, chance in known.items():
            pace = one[0]
            if is_first:
                right, wrong = FIRST_RIGHT * pace, FIRST_WRONG * pace
            else:
                old = rule.stability[one]
                forgotten = 1 - recall(max(day - rule.day, 0), old)
                right = old * (1 + pace * 10 * old**-0.1 * math.exp(-0.15 * rule.wrongs) * forgotten)
                wrong = 0.7 * old**0.7
            was_known = chance * odds / (chance * odds + (1 - chance) / 3) if is_right else 0.0
            right, wrong = (min(max(value, SHORTEST), LONGEST) for value in (right, wrong))
            rule.stability[one] = right**was_known * wrong ** (1 - was_known)

    def recall(self, name: str, day: int) -> float:
        """The probability of knowing a rule on a day."""
        rule = self.rules[name]
        return sum(
            self.weights[pace] * (rule.knew if knew else 1 - rule.knew) * chance
            for (pace, knew), chance in rule.known(day).items()
        )


def _likelihood(known: float, is_right: bool) -> float:
    """A right answer was known or, one time in three, guessed."""
    return known + (1 - known) / 3 if is_right else (1 - known) * 2 / 3
