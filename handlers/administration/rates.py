"""How figures are shown: shares in steps of 5 points with their uncertainty, numbers of people to the nearest 5.

What is stored is clamped and rounded already (storage/reports/blocks.py); this keeps a page from looking more exact
than it is.
"""

import math
from dataclasses import dataclass

from storage.reports.figures import Figure

STEP = 5  # points of a share, and people
LOWEST, HIGHEST = 5, 95  # percent: shown as "5 or less" and "95 or more"
FEW_PEOPLE = 10  # fewer are not told apart, whatever MIN_GROUP is
DESIGN_EFFECT = 2.0
"""Answers of one person resemble each other: with four of each and a correlation of a third, four count as two."""
ROUNDING_VARIANCE = 4 / 3  # of the count of one block: mean over the rests of a division by 3, rounded by chance
Z = 1.96  # of a normal distribution, for 95 %


@dataclass(frozen=True, slots=True)
class Rate:
    """A share in percent, a multiple of 5 from 5 ("or less") to 95 ("or more"); `low` and `high` bound it."""

    percent: int
    low: int
    high: int


def rate(figure: Figure) -> Rate:
    """The share of a figure, with its interval (Wilson, for as many answers as they are worth, and the rounding)."""
    total = max(figure.total, 1)
    share = min(max(figure.value / total, LOWEST / 100), HIGHEST / 100)
    spread = share * (1 - share)
    variance = spread * DESIGN_EFFECT / total + ROUNDING_VARIANCE * len(figure.blocks) / total**2
    size = spread / variance
    center = (share + Z**2 / (2 * size)) / (1 + Z**2 / size)
    half = Z / (1 + Z**2 / size) * math.sqrt(spread / size + Z**2 / (4 * size**2))
    low, high = (STEP * math.floor(100 * (center - half) / STEP), STEP * math.ceil(100 * (center + half) / STEP))
    return Rate(_within(_to_nearest(100 * share)), _within(low), _within(high))


def _within(percent: int) -> int:
    return min(max(percent, LOWEST), HIGHEST)


def _to_nearest(number: float) -> int:
    return STEP * math.floor(number / STEP + 0.5)


@dataclass(frozen=True, slots=True)
class People:
    """A number of people: none, few (fewer than 10), or about `about`, a multiple of 5."""

    about: int
    is_few: bool = False


def people(count: int) -> People:
    """A number of people as it is shown."""
    if 0 < count < FEW_PEOPLE:
        return People(0, is_few=True)
    return People(_to_nearest(count))
