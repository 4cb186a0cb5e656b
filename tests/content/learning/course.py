"""Courses for the tests of learning: the shipped one, and some that are cut down."""

from dataclasses import replace
from datetime import date

from hypothesis import settings

from content import library as shipped
from content.library import Library

TODAY = date(2026, 6, 15)
"""A Monday out of season."""
LIBRARY = shipped.load()
EXAMPLES = settings(deadline=None, max_examples=40)
"""Of properties: each example computes whole histories."""
COMPETENCIES = sorted(LIBRARY.askable)


def texts_of(competency: str) -> list[str]:
    return [scenario.id for scenario in LIBRARY.askable[competency]]


def course_of(competencies: int, variants: int) -> Library:
    """The shipped course with its first rules only, and some of their scenarios."""
    kept = COMPETENCIES[:competencies]
    scenarios = {scenario.id: scenario for competency in kept for scenario in LIBRARY.askable[competency][:variants]}
    topics = {
        id: topic.model_copy(update={"competencies": tuple(one for one in topic.competencies if one.id in kept)})
        for id, topic in LIBRARY.topics.items()
    }
    return replace(
        LIBRARY, topics={id: topic for id, topic in topics.items() if topic.competencies}, scenarios=scenarios
    )
