"""The price of a question: how many days of knowing one rule it buys, for every state of a memory.

For each price that a question might cost, dynamic programming finds what each state is worth under the best plan of
gaps between questions. The price of asking a rule today is the highest at which asking now is at least as good as the
best plan that waits, or never asks. Values are discounted days of knowing.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from content.learning import curve
from content.learning.arrays import Array, np
from content.learning.cohort import KNEW_AT_FIRST, PACES, Cohort

LOWEST, HIGHEST, PRICES = 0.3, 300.0, 16
HORIZON = 300.0
"""Days after which a day of knowing counts 1/e."""
STATES = 26
"""Points of ln S at which plans are computed; the table has FINE of them."""
FINE = 96
DAYS = 401
WAIT = 27
"""A plan that waits does so for at least these days."""
TEXT_PERIOD = 60
"""Days within which no text is planned twice."""
FADING = 1500.0  # days after which the tail of never asking is cut off
ROUNDS = 30  # of policy iteration, which ends by itself after about eight


@dataclass(frozen=True, eq=False, slots=True)
class Prices:
    """`table` by pace, case, wrong answers, ln S and days since the last answer; `new` by pace and case."""

    table: Array
    new: Array
    """The price of a rule that was never answered."""


@dataclass(frozen=True, eq=False, slots=True)
class _Grid:
    """What all plans share. Axes: pace, case, state (ln S), day, price; those that do not matter have length 1."""

    states: Array
    days: Array
    discount: Array
    known: Array
    known_days: Array
    """Discounted days of knowing from the last answer on until each day, when nothing is asked."""
    never: Array
    prices: Array


@lru_cache(maxsize=4)
def price_table(cohort: Cohort, variants: int) -> Prices:
    """The prices for a cohort and a course with this many texts a rule; computed at first use."""
    grid = _grid(cohort)
    shortest = int(np.searchsorted(grid.days, min(TEXT_PERIOD / max(variants, 1), TEXT_PERIOD)))
    values: list[Array] = []
    indices = []
    for wrongs in range(curve.MOST_WRONGS, -1, -1):
        right = _after_right(grid, wrongs, cohort)
        value = _solve(grid, right, values[-1] if values else None, shortest, cohort)
        values.append(value)
        after_wrong = values[-2] if wrongs < curve.MOST_WRONGS else value
        indices.append(_index(grid, _worth(grid, value, right, after_wrong, cohort)))
    table = np.stack([_fine(grid, index) for index in reversed(indices)], axis=2)
    return Prices(np.ascontiguousarray(table, np.float32), _new(grid, values[3], values[2], cohort))


def state_index(log_stability: Array) -> Array:
    """The nearest position on the table's axis of ln S."""
    scaled = (log_stability - curve.LOW) * ((FINE - 1) / (curve.HIGH - curve.LOW)) + 0.5
    return np.clip(scaled, 0, FINE - 1).astype(np.intp)


def _grid(cohort: Cohort) -> _Grid:
    states = np.linspace(curve.LOW, curve.HIGH, STATES)
    steps = [np.arange(0, 31), np.arange(33, 121, 3), np.arange(126, 427, 12), np.arange(450, FADING + 1, 75)]
    days = np.concatenate(steps).astype(np.float64)
    remembered = curve.recall(days[None, :], states[:, None], cohort)
    known = curve.known_now(np.stack([remembered, remembered], axis=-1), cohort).transpose(2, 0, 1)[None, ..., None]
    discount = np.exp(-days / HORIZON)
    # the discount is integrated exactly, recall as its mean over each step
    pieces = HORIZON * (discount[:-1] - discount[1:])[:, None] * (known[..., 1:, :] + known[..., :-1, :]) / 2
    known_days = np.concatenate([np.zeros_like(known[..., :1, :]), np.cumsum(pieces, axis=3)], axis=3)
    tail = HORIZON * discount[-1] * known[..., -1:, :]
    prices = np.geomspace(LOWEST, HIGHEST, PRICES)
    return _Grid(states, days, discount[:, None], known, known_days, known_days[..., -1:, :] + tail, prices)


def _after_right(grid: _Grid, wrongs: int, cohort: Cohort) -> Array:
    """ln S after a right answer, by pace, state and day."""
    remembered = curve.recall(grid.days[None, :], grid.states[:, None], cohort)
    pace = np.array(PACES)[:, None, None]
    return curve.log_stability_right(grid.states[None, :, None], remembered[None], np.array(wrongs), pace, cohort)


def _weights(grid: _Grid, log_stability: Array) -> tuple[Array, Array]:
    """The state below, and how far it is to the next."""
    scaled = (log_stability - curve.LOW) / (grid.states[1] - grid.states[0])
    below = np.clip(scaled, 0, STATES - 2).astype(np.intp)
    return below, np.clip(scaled - below, 0, 1)


def _at(value: Array, below: Array, part: Array) -> Array:
    """The value (pace, case, state, price) between states; `below` by pace (or 1), state and day."""
    pace = np.arange(len(PACES))[:, None, None]
    low, high = value.transpose(0, 2, 1, 3)[pace, below], value.transpose(0, 2, 1, 3)[pace, below + 1]
    found = low + part[..., None, None] * (high - low)
    return np.asarray(found.transpose(0, 3, 1, 2, 4))


def _worth(grid: _Grid, value: Array, right: Array, value_wrong: Array, cohort: Cohort) -> Array:
    """What asking on each day is worth from the last answer on, by pace, case, state, day and price."""
    below, part = _weights(grid, curve.log_stability_wrong(grid.states, cohort))
    after_wrong = _at(value_wrong, below[None, :, None], part[None, :, None])
    after_right = _at(value, *_weights(grid, right))
    gained = after_wrong + grid.known * (after_right - after_wrong) - grid.prices
    return np.asarray(grid.known_days + grid.discount * gained)


def _solve(grid: _Grid, right: Array, fixed: Array | None, shortest: int, cohort: Cohort) -> Array:
    """The value of each state just after an answer, by pace, case, state and price (policy iteration).

    `fixed` is the value after a wrong answer; None: wrong answers change nothing else, as after the third.
    """
    never = np.broadcast_to(grid.never[..., 0, :], (len(PACES), 2, STATES, PRICES))
    value, plan = never.copy(), None
    for _ in range(ROUNDS):
        worth = _worth(grid, value, right, value if fixed is None else fixed, cohort)[..., shortest:, :]
        best = worth.argmax(axis=3)
        best = np.where(np.take_along_axis(worth, best[..., None, :], 3)[..., 0, :] > never + 1e-9, best, -1)
        if plan is not None and (best == plan).all():
            break
        plan = best
        value = _evaluate(grid, right, fixed, np.where(best < 0, -1, best + shortest), never, cohort)
    return value


def _evaluate(grid: _Grid, right: Array, fixed: Array | None, plan: Array, never: Array, cohort: Cohort) -> Array:
    """The value of a plan (the position of the day on which each state is asked; -1: never), as a linear system."""
    is_asked, day = plan >= 0, np.maximum(plan, 0)
    pace, case, state, _ = np.ogrid[: len(PACES), :2, :STATES, :PRICES]
    known, discount = grid.known[0, case, state, day, 0], grid.discount[day, 0]
    below, part = (one[pace, state, day] for one in _weights(grid, right))
    wrong_below, wrong_part = (one[None, None, :, None] for one in _weights(grid, _wrong(grid, cohort)))
    constant = grid.known_days[0, case, state, day, 0] - discount * grid.prices
    matrix = np.zeros((len(PACES), 2, PRICES, STATES, STATES))
    price = np.arange(PRICES)[None, None, None, :]
    chance = np.where(is_asked, discount * known, 0.0)
    chance_wrong = np.where(is_asked, discount * (1 - known), 0.0)
    np.add.at(matrix, (pace, case, price, state, below), chance * (1 - part))
    np.add.at(matrix, (pace, case, price, state, below + 1), chance * part)
    if fixed is None:
        np.add.at(matrix, (pace, case, price, state, wrong_below), chance_wrong * (1 - wrong_part))
        np.add.at(matrix, (pace, case, price, state, wrong_below + 1), chance_wrong * wrong_part)
    else:
        low, high = fixed[pace, case, wrong_below, price], fixed[pace, case, wrong_below + 1, price]
        constant = constant + chance_wrong * (low + wrong_part * (high - low))
    constant = np.where(is_asked, constant, never).transpose(0, 1, 3, 2)
    return np.asarray(np.linalg.solve(np.eye(STATES) - matrix, constant[..., None])[..., 0].transpose(0, 1, 3, 2))


def _wrong(grid: _Grid, cohort: Cohort) -> Array:
    return curve.log_stability_wrong(grid.states, cohort)


def _index(grid: _Grid, worth: Array) -> Array:
    """The price of asking on each day, by pace, case, state and day."""
    later = np.maximum.accumulate(worth[..., ::-1, :], axis=3)[..., ::-1, :]
    waited = np.minimum(np.searchsorted(grid.days, grid.days + WAIT), len(grid.days) - 1)
    difference = worth - np.maximum(later[..., waited, :], grid.never)
    return _highest(grid, difference / grid.discount)


def _highest(grid: _Grid, advantage: Array) -> Array:
    """The price at which the advantage of asking (last axis: price) becomes negative; below the lowest, a trend."""
    is_worth_it = advantage >= 0
    last = PRICES - 1 - is_worth_it[..., ::-1].argmax(axis=-1)
    following = np.minimum(last + 1, PRICES - 1)
    here, there = (np.take_along_axis(advantage, one[..., None], -1)[..., 0] for one in (last, following))
    step = math.log(HIGHEST / LOWEST) / (PRICES - 1)
    part = np.where(following > last, here / np.maximum(here - there, 1e-12), 0.0)
    below = LOWEST * LOWEST / (LOWEST - np.minimum(advantage[..., 0], 0.0))
    return np.where(is_worth_it.any(axis=-1), grid.prices[last] * np.exp(step * part), below)


def _fine(grid: _Grid, index: Array) -> Array:
    """The prices at FINE states and at all days, linear between the computed ones."""
    days = np.arange(DAYS)
    right = np.clip(np.searchsorted(grid.days, days), 1, len(grid.days) - 1)
    part = (days - grid.days[right - 1]) / (grid.days[right] - grid.days[right - 1])
    daily = index[..., right - 1] + part * (index[..., right] - index[..., right - 1])
    below, share = _weights(grid, np.linspace(curve.LOW, curve.HIGH, FINE))
    return np.asarray(daily[:, :, below] + share[:, None] * (daily[:, :, below + 1] - daily[:, :, below]))


def _new(grid: _Grid, value: Array, value_wrong: Array, cohort: Cohort) -> Array:
    """The price of a rule that was never answered, by pace and case: what its first answer is worth.

    Nothing is forgotten while it waits, so asking now is better than later whenever it is worth asking at all.
    """
    first_right, first_wrong = (_weights(grid, one) for one in curve.first_log_stabilities(cohort))
    after_right, after_wrong = (
        _at(one, below[:, None, None], part[:, None, None])[:, :, 0, 0, :]
        for one, (below, part) in ((value, first_right), (value_wrong, first_wrong))
    )
    chance = np.array([0.0, KNEW_AT_FIRST])[:, None]
    worth = after_wrong + chance * (after_right - after_wrong) - grid.prices
    return _highest(grid, worth - chance * HORIZON)
