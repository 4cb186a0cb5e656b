"""The competency model as people read it: the rows of the console's course map and the text of docs/competencies.md.

`python -m content.model_table` prints that text.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from content import library as course
from content.course.scenario import Scenario
from content.course.topic import Competency, Topic
from content.library import Library
from content.text import LANGUAGES

COLUMNS = ("rule", "articles", "level", "roles", "seasons", "scenarios", "validation")

Say = Callable[..., str]


@dataclass(frozen=True, slots=True)
class ReviewStatus:
    """How far one scenario is: who wrote it and who validated it, as roles; `reviewer` empty: nobody yet.

    `changed` are the labels of the articles for whose new words it is kept from prompts.
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
    """The competencies of a topic, in the order of its file; retired scenarios stand among the reviews, last."""
    return [_row(library, competency, language) for competency in topic.competencies]


def _row(library: Library, competency: Competency, language: str) -> CompetencyRow:
    say = _saying(library, language)
    scenarios = sorted(
        (one for one in library.scenarios.values() if one.competency == competency.id),
        key=lambda one: (one.state == "retired", one.variant),
    )
    published = [one for one in scenarios if one.state == "published"]
    return CompetencyRow(
        id=competency.id,
        rule=competency.rule.in_language(language),
        articles=tuple(library.articles[one].label(language) for one in competency.articles),
        level=say(f"level.{competency.level}"),
        roles=tuple(say(f"role.{one}") for one in competency.roles),
        seasons=tuple(say(f"season.{one}") for one in competency.seasons) or (say("model.always"),),
        asked=len(library.askable.get(competency.id, ())),
        validation=_validation(published, say),
        is_validated=bool(published) and all(one.reviewer.strip() for one in published),
        reviews=tuple(_review(library, one, say, language) for one in scenarios),
    )


def _saying(library: Library, language: str) -> Say:
    return lambda key, **values: library.phrases.plain(language, f"course.{key}", values)


def _validation(published: list[Scenario], say: Say) -> str:
    done = sum(bool(one.reviewer.strip()) for one in published)
    if not published:
        return say("model.empty")
    if not done:
        return say("model.pending")
    return say("model.validated") if done == len(published) else say("model.partly", done=done, count=len(published))


def _review(library: Library, scenario: Scenario, say: Say, language: str) -> ReviewStatus:
    return ReviewStatus(
        id=scenario.id,
        state=say(f"state.{scenario.state}"),
        author=scenario.author,
        reviewer=scenario.reviewer.strip(),
        reviewed_on=scenario.reviewed_on,
        changed=tuple(library.articles[one].label(language) for one in library.quarantined.get(scenario.id, ())),
    )


# ---------------------------------------------------------------- docs/competencies.md


def document(library: Library) -> str:
    """The competency model in Markdown, Spanish first."""
    parts = [
        "# Competency model\n\n"
        "Every rule of conduct of the course and the law it rests on, in Spanish and in English. `make docs` writes\n"
        "this page from `content/topics/` and `content/scenarios/`; a test holds it to them.\n"
    ]
    for language in LANGUAGES:
        say = _saying(library, language)
        parts.append(f"## {say('model.title')}\n")
        head = [say(f"model.{column}") for column in COLUMNS]
        for topic in library.topics.values():
            parts.append(f"### {topic.name.in_language(language)}\n\n{topic.about.in_language(language)}\n")
            lines = [_line(head), _line("---" for _ in head)]
            lines += [_line(_cells(row, say)) for row in rows(library, topic, language)]
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _cells(row: CompetencyRow, say: Say) -> list[str]:
    waiting = sum(bool(one.changed) for one in row.reviews)
    count = f"{row.asked}, {say('model.quarantined', count=waiting)}" if waiting else str(row.asked)
    joined = ["; ".join(row.articles), row.level, ", ".join(row.roles), ", ".join(row.seasons)]
    return [row.rule, *joined, count, row.validation]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(one.replace("|", "\\|") for one in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(document(course.load()))
