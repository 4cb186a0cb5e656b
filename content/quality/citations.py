"""Where the course rests on an article: what lawyers look through, and what a change of the law touches."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from content.course.law import Citation
from content.library import Library

SECONDARY = "V2"


@dataclass(slots=True)
class ArticleUses:
    """Ids of what cites one article; of the self-assessment, its questions, outcomes and notes."""

    competencies: list[str] = field(default_factory=list)
    scenarios: list[str] = field(default_factory=list)
    assessment: list[str] = field(default_factory=list)
    faq: list[str] = field(default_factory=list)


def to_review(library: Library) -> list[tuple[Citation, ArticleUses]]:
    """Every article that was only read in a secondary page, with the places that cite it; some are cited nowhere."""
    places = uses_by_article(library)
    return [
        (citation, places.get(one, ArticleUses()))
        for one, citation in library.articles.items()
        if citation.article.mark == SECONDARY
    ]


def uses_by_article(library: Library) -> Mapping[str, ArticleUses]:
    """The places that cite each article, by its id; retired scenarios are left out."""
    found: dict[str, ArticleUses] = defaultdict(ArticleUses)
    for competency in library.competencies.values():
        for article in dict.fromkeys(competency.articles):
            found[article].competencies.append(competency.id)
    for scenario in library.scenarios.values():
        if scenario.state != "retired":
            for article in scenario.cited:
                found[article].scenarios.append(scenario.id)
    for place, articles in _assessment(library):
        for article in dict.fromkeys(articles):
            found[article].assessment.append(place)
    for entry in library.faq.entries.values():
        for article in dict.fromkeys(entry.articles):
            found[article].faq.append(entry.id)
    return dict(found)


def _assessment(library: Library) -> Iterator[tuple[str, tuple[str, ...]]]:
    sheet = library.assessment
    yield "intro", sheet.intro_articles
    yield from ((question.id, question.articles) for question in sheet.questions)
    yield from ((outcome.id, outcome.articles) for outcome in sheet.outcomes)
    yield from ((note.id, note.articles) for note in sheet.notes)
