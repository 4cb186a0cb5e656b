"""The memory model: forgetting, learning, and what an answer says about both. Vectorised over people.

Each rule of a person has a stability for each pace and for two cases: 0, the person did not know it before the course;
1, they did. `known` is the probability of case 1.
"""

import math
from dataclasses import dataclass

from content.learning.arrays import Array, np
from content.learning.cohort import GUESS, KNEW_AT_FIRST, PACES, Cohort

LOW, HIGH = math.log(0.1), math.log(3000)
"""Bounds of the logarithm of the stability in days."""
MOST_WRONGS = 3
SUREST = 0.999
"""Knowledge is at most this probable where an answer is judged: one may be wrong on the day of a right answer."""
PRIOR_WEIGHT = 10
"""Weight of the cohort's share, in answers, against a person's own first answers."""
ODDS = {"sure": 6.0, "guess": 0.1}
"""How much more a right answer was known than guessed, by the confidence given; otherwise 1."""


@dataclass(slots=True)
class Answers:
    """One answer of each person: whether it is right, and the odds of its confidence."""

    days: Array
    is_right: Array
    odds: Array


def recall(elapsed: Array, log_stability: Array, cohort: Cohort) -> Array:
    """Probability of remembering after `elapsed` days."""
    return np.asarray(np.exp(-cohort.decay * np.log1p(cohort.factor * elapsed * np.exp(-log_stability))))


def known_now(remembered: Array, cohort: Cohort) -> Array:
    """Probability of knowing in both cases, on the last axis; those who knew before never fall below the floor."""
    known = remembered.copy()
    known[..., 1] = np.maximum(known[..., 1], cohort.floor)
    return known


def log_stability_right(log_stability: Array, remembered: Array, wrongs: Array, pace: Array, cohort: Cohort) -> Array:
    """The stability after a right answer, which was remembered with probability `remembered`."""
    gain = pace * cohort.gain * np.exp(-cohort.saturation * log_stability - cohort.damping * wrongs)
    return np.asarray(np.clip(log_stability + np.log1p(gain * (1 - remembered)), LOW, HIGH))


def log_stability_wrong(log_stability: Array, cohort: Cohort) -> Array:
    """The stability after a wrong answer."""
    return np.asarray(np.clip(math.log(cohort.lapse_scale) + cohort.lapse_power * log_stability, LOW, HIGH))


def first_log_stabilities(cohort: Cohort) -> tuple[Array, Array]:
    """The stability by pace after a first right and after a first wrong answer."""
    right = np.log(np.array(PACES)) + math.log(cohort.first_right)
    wrong = right + math.log(cohort.first_wrong_ratio)
    return np.clip(right, LOW, HIGH), np.clip(wrong, LOW, HIGH)


def knew_before(z_sum: Array, first_answers: Array, cohort: Cohort) -> Array:
    """Probability that a person knew a rule that they have not answered yet."""
    return np.asarray((PRIOR_WEIGHT * cohort.share + z_sum) / (PRIOR_WEIGHT + first_answers))


def record(header: Array, rules: Array, given: Answers, cohort: Cohort) -> None:
    """Change the header and the rule of each person by one answer; a rule without a day has its first answer."""
    is_first = rules["day"] == 0
    start = knew_before(header["z_sum"].astype(np.float64), header["first_answers"].astype(np.float64), cohort)
    known = np.where(is_first, start, rules["known"])
    weights = header["weights"].astype(np.float64)
    before = rules["stability"].astype(np.float64)
    elapsed = np.maximum(given.days - rules["day"].astype(np.int64), 0)
    remembered = recall(elapsed[:, None, None].astype(np.float64), before, cohort)
    chance = known_now(remembered, cohort)
    chance[is_first] = (0.0, KNEW_AT_FIRST)
    likely = np.minimum(chance, SUREST)
    is_right = given.is_right[:, None, None]
    likelihood = np.where(is_right, likely + (1 - likely) * GUESS, (1 - likely) * (1 - GUESS))
    by_case = (weights[:, :, None] * likelihood).sum(axis=1)
    posterior = known * by_case[:, 1] / (known * by_case[:, 1] + (1 - known) * by_case[:, 0])
    by_pace = likelihood[:, :, 0] * (1 - known)[:, None] + likelihood[:, :, 1] * known[:, None]
    new_weights = weights * by_pace
    new_weights /= new_weights.sum(axis=1, keepdims=True)
    header["weights"] = np.where(is_first[:, None], weights, new_weights)
    rules["stability"] = _mixed(before, remembered, chance, rules["wrongs"], is_first, given, cohort)
    rules["known"] = posterior
    header["z_sum"] += np.where(is_first, posterior, 0.0).astype(np.float32)
    header["first_answers"] += is_first
    rules["wrongs"] = np.minimum(rules["wrongs"] + ~given.is_right, MOST_WRONGS)
    rules["is_right"] = given.is_right
    rules["day"] = given.days


def _mixed(
    before: Array, remembered: Array, chance: Array, wrongs: Array, is_first: Array, given: Answers, cohort: Cohort
) -> Array:
    """The stability after an answer: between that after a known and after an unknown one, by how likely each is."""
    odds = given.odds[:, None, None]
    was_known = np.where(given.is_right[:, None, None], chance * odds / (chance * odds + (1 - chance) * GUESS), 0.0)
    pace, m = np.array(PACES)[None, :, None], wrongs.astype(np.float64)[:, None, None]
    right = log_stability_right(before, remembered, m, pace, cohort)
    wrong = log_stability_wrong(before, cohort)
    if is_first.any():
        first_right, first_wrong = first_log_stabilities(cohort)
        right = np.where(is_first[:, None, None], first_right[None, :, None], right)
        wrong = np.where(is_first[:, None, None], first_wrong[None, :, None], wrong)
    return np.asarray(was_known * right + (1 - was_known) * wrong)
