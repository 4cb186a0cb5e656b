"""Simulated worlds: what people really know, and how answers change it; no policy sees inside.

P forgets by a power law of the shape and default parameters of FSRS-6, E exponentially. All arrays are by person and
rule. About 40 % of the rules are known beforehand; of these at least the floor is kept for good.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

KNOWN_BEFORE = 0.4
KNOWN_AT_FIRST = 0.9
GUESS = 1 / 3
NEVER = -1


class Curve(Protocol):
    """One person-rule's memory for arrays of people and rules: recall, and what an answer makes of it."""

    def recall(self, people: Ints, rules: Ints, elapsed: Floats) -> Floats: ...

    def learn(self, people: Ints, rules: Ints, elapsed: Floats, is_known: Bools, is_first: Bools) -> None: ...


@dataclass
class World:
    """The people of one simulation, with what they know."""

    curve: Curve
    floor: float
    people: int
    rules: int
    random: np.random.Generator
    known_before: Bools = field(init=False)
    last: Ints = field(init=False)

    def __post_init__(self) -> None:
        self.known_before = self.random.random((self.people, self.rules)) < KNOWN_BEFORE
        self.last = np.full((self.people, self.rules), NEVER, np.int64)

    def knowledge(self, people: Ints, rules: Ints, day: int) -> Floats:
        """Probability that each person knows the rule on a day."""
        last = self.last[people, rules]
        is_met, before = last != NEVER, self.known_before[people, rules]
        recalled = np.where(is_met, self.curve.recall(people, rules, np.maximum(day - last, 0).astype(float)), 0.0)
        at_first = np.where(before, KNOWN_AT_FIRST, 0.0)
        return np.where(is_met, np.where(before, np.maximum(recalled, self.floor), recalled), at_first)

    def answer(self, people: Ints, rules: Ints, day: int) -> Bools:
        """Let each person answer one question; whether the answer is right. Unknown answers are guessed."""
        is_known = self.random.random(len(people)) < self.knowledge(people, rules, day)
        is_right = is_known | (self.random.random(len(people)) < GUESS)
        last = self.last[people, rules]
        elapsed = np.maximum(day - last, 0).astype(float)
        self.curve.learn(people, rules, elapsed, is_known, last == NEVER)
        self.last[people, rules] = day
        return is_right

    def score(self, day: int) -> float:
        """Mean knowledge of all rules on a day; of a rule never asked only the floor counts."""
        everyone, every_rule = np.indices((self.people, self.rules))
        known = self.knowledge(everyone, every_rule, day)
        return float(np.where(self.last == NEVER, self.known_before * self.floor, known).mean())


class PowerLaw:
    """World P."""

    # the default parameters of FSRS-6
    W = (0.212, 1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001, 1.8722, 0.1666, 0.796, 1.4835, 0.0614, 0.2629,
         1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542)  # fmt: skip
    AGAIN, GOOD = 1, 3

    def __init__(self, people: int, rules: int, random: np.random.Generator) -> None:
        self.scale = np.exp(random.normal(0, 0.4, people))
        self.decay = self.W[20] * np.exp(random.normal(0, 0.3, people))
        self.stability = np.ones((people, rules))
        self.difficulty = np.ones((people, rules))

    def recall(self, people: Ints, rules: Ints, elapsed: Floats) -> Floats:
        decay = self.decay[people]
        factor = 0.9 ** (-1 / decay) - 1
        return np.asarray((1 + factor * elapsed / self.stability[people, rules]) ** -decay)

    def learn(self, people: Ints, rules: Ints, elapsed: Floats, is_known: Bools, is_first: Bools) -> None:
        w, s, d = self.W, self.stability[people, rules], self.difficulty[people, rules]
        scale, grade = self.scale[people], np.where(is_known, self.GOOD, self.AGAIN)
        r = self.recall(people, rules, elapsed)
        unscaled = s / scale
        grown = unscaled * (1 + np.exp(w[8]) * (11 - d) * unscaled ** -w[9] * (np.exp(w[10] * (1 - r)) - 1))
        lapsed = w[11] * d ** -w[12] * ((unscaled + 1) ** w[13] - 1) * np.exp(w[14] * (1 - r))
        lapsed = np.minimum(lapsed, unscaled / np.exp(w[17] * w[18]))
        first = np.where(is_known, w[2], w[0])
        new = np.where(is_first, first, np.where(is_known, grown, lapsed))
        self.stability[people, rules] = np.maximum(new, 0.001) * scale
        first_difficulty = np.clip(w[4] - np.exp(w[5] * (grade - 1)) + 1, 1, 10)
        easiest = w[4] - np.exp(w[5] * 3) + 1
        moved = d - w[6] * (grade - 3) * (10 - d) / 9
        later_difficulty = np.clip(w[7] * easiest + (1 - w[7]) * moved, 1, 10)
        self.difficulty[people, rules] = np.where(is_first, first_difficulty, later_difficulty)


class Exponential:
    """World E: half-lives in days."""

    def __init__(self, people: int, rules: int, random: np.random.Generator) -> None:
        self.scale = np.exp(random.normal(0, 0.4, people))
        self.half_life = np.ones((people, rules))

    def recall(self, people: Ints, rules: Ints, elapsed: Floats) -> Floats:
        return np.asarray(0.5 ** (elapsed / self.half_life[people, rules]))

    def learn(self, people: Ints, rules: Ints, elapsed: Floats, is_known: Bools, is_first: Bools) -> None:
        scale, half_life = self.scale[people], self.half_life[people, rules]
        right = half_life * (1 + 2.2 * (1 - np.exp(-elapsed / half_life)) * scale)
        wrong = np.maximum(half_life / 2, 3 * scale)
        first = np.where(is_known, 10.0, 5.0) * scale
        new = np.where(is_first, first, np.where(is_known, right, wrong))
        self.half_life[people, rules] = np.minimum(new, 720)


CURVES: dict[str, type[PowerLaw] | type[Exponential]] = {"P": PowerLaw, "E": Exponential}


def world(name: str, people: int, rules: int, seed: int, floor: float) -> World:
    random = np.random.default_rng(seed)
    return World(CURVES[name](people, rules, random), floor, people, rules, random)
