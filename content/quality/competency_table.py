"""The competency model as a table: rows for the console's course page, and the text of docs/competencies.md.

`python -m content.quality.competency_table` prints that text.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from content.course.scenario import Scenario
from content.course.topic import Competency, Topic
from content.library import Library, load
from content.text import LANGUAGES

COLUMNS = ("rule", "articles", "level", "roles", "seasons", "scenarios", "validation")

PhraseLookup = Callable[..., str]


@dataclass(frozen=True, slots=True)
class ReviewStatus:
    """Review status of one scenario. `author` and `reviewer` are roles; `reviewer` is empty until it is reviewed.

    `changed` holds the labels of the articles whose changed text put the scenario in quarantine.
    """

    id: str
    state: str
    author: str
    reviewer: str
    reviewed_on: date
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompetencyRow:
    """One competency in one language. `asked` counts published scenarios that are not in quarantine."""

    id: str
    rule: str
    articles: tuple[str, ...]
    level: str
    roles: tuple[str, ...]
    seasons: tuple[str, ...]
    asked: int
    validation: str
    is_validated: bool
    reviews: tuple[ReviewStatus, ...]


def rows(library: Library, topic: Topic, language: str) -> list[CompetencyRow]:
    """The competencies of a topic, in the order of its file; retired scenarios come last among the reviews."""
    return [_row(library, competency, language) for competency in topic.competencies]


def _row(library: Library, competency: Competency, language: str) -> CompetencyRow:
    phrase = _phrases(library, language)
    scenarios = sorted(
        (scenario for scenario in library.scenarios.values() if scenario.competency == competency.id),
        key=lambda scenario: (scenario.state == "retired", scenario.variant),
    )
    published = [scenario for scenario in scenarios if scenario.state == "published"]
    return CompetencyRow(
        id=competency.id,
        rule=competency.rule.in_language(language),
        articles=tuple(library.articles[id].label(language) for id in competency.articles),
        level=phrase(f"level.{competency.level}"),
        roles=tuple(phrase(f"role.{role}") for role in competency.roles),
        seasons=tuple(phrase(f"season.{season}") for season in competency.seasons) or (phrase("model.always"),),
        asked=len(library.askable.get(competency.id, ())),
        validation=_validation(published, phrase),
        is_validated=bool(published) and all(scenario.reviewer.strip() for scenario in published),
        reviews=tuple(_review_status(library, scenario, phrase, language) for scenario in scenarios),
    )


def _phrases(library: Library, language: str) -> PhraseLookup:
    return lambda key, **values: library.phrases.plain(language, f"course.{key}", values)


def _validation(published: list[Scenario], phrase: PhraseLookup) -> str:
    done = sum(bool(scenario.reviewer.strip()) for scenario in published)
    if not published:
        return phrase("model.empty")
    if not done:
        return phrase("model.pending")
    return (
        phrase("model.validated") if done == len(published) else phrase("model.partly", done=done, count=len(published))
    )


def _review_status(library: Library, scenario: Scenario, phrase: PhraseLookup, language: str) -> ReviewStatus:
    return ReviewStatus(
        id=scenario.id,
        state=phrase(f"state.{scenario.state}"),
        author=scenario.author,
        reviewer=scenario.reviewer.strip(),
        reviewed_on=scenario.reviewed_on,
        changed=tuple(library.articles[id].label(language) for id in library.quarantined.get(scenario.id, ())),
    )


# ---------------------------------------------------------------- docs/competencies.md


def document(library: Library) -> str:
    """The competency model as Markdown, in Spanish and English."""
    parts = [
        "# Competency model\n\n"
        "Every rule of conduct of the course and the law it rests on, in Spanish and in English. `make docs` writes\n"
        "this page from `content/topics/` and `content/scenarios/`; a test holds it to them.\n"
    ]
    for language in LANGUAGES:
        phrase = _phrases(library, language)
        parts.append(f"## {phrase('model.title')}\n")
        head = [phrase(f"model.{column}") for column in COLUMNS]
        for topic in library.topics.values():
            parts.append(f"### {topic.name.in_language(language)}\n\n{topic.about.in_language(language)}\n")
            lines = [_line(head), _line("---" for _ in head)]
            lines += [_line(_cells(row, phrase)) for row in rows(library, topic, language)]
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _cells(row: CompetencyRow, phrase: PhraseLookup) -> list[str]:
    quarantined = sum(bool(review.changed) for review in row.reviews)
    count = f"{row.asked}, {phrase('model.quarantined', count=quarantined)}" if quarantined else str(row.asked)
    joined = ["; ".join(row.articles), row.level, ", ".join(row.roles), ", ".join(row.seasons)]
    return [row.rule, *joined, count, row.validation]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(document(load()))
