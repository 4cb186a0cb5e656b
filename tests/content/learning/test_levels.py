"""Held, fading or in practice: by what was answered right, and by what is remembered."""

from datetime import date

import pytest

from content.learning.levels import Level, level_of
from content.learning.memories import RuleMemory

ANSWERED = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("recall", "variants_right", "is_right", "level"),
    [
        (0.8, 2, True, Level.HELD),
        (1.0, 4, True, Level.HELD),
        (0.79, 2, True, Level.FADING),
        (0.0, 4, True, Level.FADING),
        (1.0, 1, True, Level.PRACTISING),
        (1.0, 0, False, Level.PRACTISING),
        (1.0, 4, False, Level.PRACTISING),
        (0.1, 1, True, Level.PRACTISING),
    ],
)
def test_the_level_of_a_rule(recall: float, variants_right: int, is_right: bool, level: Level) -> None:
    assert level_of(RuleMemory(recall, ANSWERED, variants_right, is_right)) is level
