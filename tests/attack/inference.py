"""The attacker who infers: from blocks, the roster, who answered when, and colleagues who tell all of theirs.

What they do not know is the lane of an answer and how a count was rounded. They estimate each person's share of right
answers by least squares over all weeks, drawn towards the institution's rate as far as it helps them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row

from tests.attack.drill import Drill

COLLUDERS = 3
PENALTIES = (1.0, 4.0, 16.0, 64.0)
"""Strengths of the pull towards the common rate; the attacker is granted the best one."""


@dataclass(frozen=True)
class Place:
    """One institution over the year: by block of the lane place, its stored rate and what the attacker knows of it."""

    rates: list[float]
    shares: list[dict[int, float]]  # of each person in the answers given since the block before
    truth: dict[int, float]  # share of right answers of each person
    answers: dict[int, list[bool]]
    rate: float


def _places(drill: Drill) -> list[Place]:
    found = []
    for code in ("A", "B", "C", "E"):
        place = drill.year.places[code]
        own = [one for one in drill.answers if one.institution_id == place]
        answers: dict[int, list[bool]] = defaultdict(list)
        for one in own:
            answers[one.servant_id].append(one.is_right)
        answers = {person: given for person, given in answers.items() if len(given) >= 20}
        rates, shares = [], []
        for block in drill.blocks:
            if block.lane == "place" and block.rung == 0 and block.key == str(place):
                counts = {name: drill.attacker.counts[block.id, name] for name in ("right", "total")}
                rates.append(min(counts["right"] / counts["total"], 1.0))
                shares.append(_shares(own, block.since, block.week, answers))
        truth = {person: sum(given) / len(given) for person, given in answers.items()}
        found.append(Place(rates, shares, truth, answers, sum(rates) / len(rates)))
    return found


def _shares(own: Sequence[Row[Any]], since: date, week: date, known: dict[int, list[bool]]) -> dict[int, float]:
    counts: dict[int, int] = defaultdict(int)
    for one in own:
        if since <= one.day < date.fromordinal(week.toordinal() + 7) and one.servant_id in known:
            counts[one.servant_id] += 1
    total = sum(counts.values()) or 1
    return {person: count / total for person, count in counts.items()}


def _estimates(place: Place, penalty: float) -> dict[int, float]:
    """The share of right answers of each person who did not tell."""
    colluding = sorted(place.truth)[:COLLUDERS]
    people = [person for person in sorted(place.truth) if person not in colluding]
    matrix = [[penalty * (row == column) for column in range(len(people))] for row in range(len(people))]
    right = [0.0] * len(people)
    for rate, shares in zip(place.rates, place.shares, strict=True):
        known = sum(shares.get(person, 0.0) * (place.truth[person] - place.rate) for person in colluding)
        weights = [shares.get(person, 0.0) for person in people]
        scale = len(people)
        for row, weight in enumerate(weights):
            right[row] += scale * weight * (rate - place.rate - known)
            for column, other in enumerate(weights):
                matrix[row][column] += scale * weight * other
    solved = _solve(matrix, right)
    return {person: place.rate + off for person, off in zip(people, solved, strict=True)}


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gauss, for a positive definite matrix."""
    size = len(right)
    rows = [[*matrix[index], right[index]] for index in range(size)]
    for index in range(size):
        pivot = rows[index][index]
        rows[index] = [value / pivot for value in rows[index]]
        for other in range(size):
            if other != index and rows[other][index]:
                factor = rows[other][index]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[index], strict=True)]
    return [row[-1] for row in rows]


def errors(drill: Drill) -> tuple[float, float]:
    """Mean errors of people's shares: by the attacker, with the best penalty, and by the institution's rate alone."""
    places = _places(drill)
    plain = [abs(place.rate - place.truth[person]) for place in places for person in _estimates(place, 1.0)]
    tries = []
    for penalty in PENALTIES:
        wrong = [
            abs(guess - place.truth[person]) for place in places for person, guess in _estimates(place, penalty).items()
        ]
        tries.append(sum(wrong) / len(wrong))
    return min(tries), sum(plain) / len(plain)


def hits(drill: Drill) -> tuple[float, float]:
    """The share of single answers guessed: by the estimate of the person, and by the institution's majority."""
    guessed = majority = total = 0
    for place in _places(drill):
        for person, estimate in _estimates(place, 16.0).items():
            for is_right in place.answers[person]:
                guessed += (estimate >= 0.5) is is_right
                majority += (place.rate >= 0.5) is is_right
                total += 1
    return guessed / total, majority / total
