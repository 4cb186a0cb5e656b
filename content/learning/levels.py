"""How well a rule is held, in three words for people: held, fading, in practice."""

from enum import StrEnum

from content.learning.memories import RuleMemory

HELD_RECALL = 0.8
"""Predicted recall, 0 to 1, from which a rule counts as held."""
HELD_VARIANTS = 2
"""Different scenarios of a rule that have to be answered right."""


class Level(StrEnum):
    """The best first."""

    HELD = "held"  # right on two different scenarios, the last answer too, and by the model remembered
    FADING = "fading"  # right on two different scenarios, but by now probably forgotten
    PRACTISING = "practising"  # answered, and not held so far


def level_of(rule: RuleMemory) -> Level:
    """The level of a rule that was answered, by its recall on another day than that of its last answer."""
    if rule.variants_right < HELD_VARIANTS or not rule.is_right:
        return Level.PRACTISING
    return Level.HELD if rule.recall >= HELD_RECALL else Level.FADING
