"""Index of where articles are cited: for legal review, and to find what a change of the law affects."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from content.course.law import Citation
from content.library import Library

SECONDARY = "V2"


@dataclass(slots=True)
class ArticleUses:
    """Ids of the content that cites one article; `assessment` holds ids of questions, outcomes and notes, or intro."""

    competencies: list[str] = field(default_factory=list)
    scenarios: list[str] = field(default_factory=list)
    assessment: list[str] = field(default_factory=list)
    faq: list[str] = field(default_factory=list)


def to_review(library: Library) -> list[tuple[Citation, ArticleUses]]:
    """Articles read only in a secondary source (mark V2), with their uses, which may be empty."""
    uses = uses_by_article(library)
    return [
        (citation, uses.get(id, ArticleUses()))
        for id, citation in library.articles.items()
        if citation.article.mark == SECONDARY
    ]


def uses_by_article(library: Library) -> Mapping[str, ArticleUses]:
    """The uses of each cited article, by article id; retired scenarios are left out."""
    found: dict[str, ArticleUses] = defaultdict(ArticleUses)
    for competency in library.competencies.values():
        for article in dict.fromkeys(competency.articles):
            found[article].competencies.append(competency.id)
    for scenario in library.scenarios.values():
        if scenario.state != "retired":
            for article in scenario.cited:
                found[article].scenarios.append(scenario.id)
    for part, articles in _assessment_citations(library):
        for article in dict.fromkeys(articles):
            found[article].assessment.append(part)
    for entry in library.faq.entries.values():
        for article in dict.fromkeys(entry.articles):
            found[article].faq.append(entry.id)
    return dict(found)


def _assessment_citations(library: Library) -> Iterator[tuple[str, tuple[str, ...]]]:
    assessment = library.assessment
    yield "intro", assessment.intro_articles
    yield from ((question.id, question.articles) for question in assessment.questions)
    yield from ((outcome.id, outcome.articles) for outcome in assessment.outcomes)
    yield from ((note.id, note.articles) for note in assessment.notes)
