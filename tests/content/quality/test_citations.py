"""The index of citations, and the articles that lawyers should review first."""

from dataclasses import replace

from content.library import Library
from content.quality import citations


def test_every_use_of_an_article_is_found(library: Library) -> None:
    uses = citations.uses_by_article(library)
    for scenario in library.scenarios.values():
        for article in scenario.cited:
            assert uses[article].scenarios.count(scenario.id) == 1
    for competency in library.competencies.values():
        assert all(competency.id in uses[article].competencies for article in competency.articles)
    for question in library.assessment.questions:
        assert all(question.id in uses[article].assessment for article in question.articles)
    for entry in library.faq.entries.values():
        assert all(entry.id in uses[article].faq for article in entry.articles)
    assert set(uses) <= set(library.articles)


def test_retired_scenarios_are_left_out(library: Library) -> None:
    one = next(iter(library.scenarios.values()))
    retired = dict(library.scenarios) | {one.id: one.model_copy(update={"state": "retired"})}
    uses = citations.uses_by_article(replace(library, scenarios=retired))
    assert all(one.id not in found.scenarios for found in uses.values())


def test_articles_read_only_in_a_secondary_source_are_listed_for_review(library: Library) -> None:
    listed = {citation.id for citation, _ in citations.to_review(library)}
    assert listed == {one.id for one in library.articles.values() if one.article.mark == "V2"}
    assert listed
