"""Where an article is cited, and which articles lawyers should look through first."""

from dataclasses import replace

from content.library import Library
from content.quality import citations


def test_every_place_that_cites_an_article_is_found(library: Library) -> None:
    places = citations.uses_by_article(library)
    for scenario in library.scenarios.values():
        for article in scenario.cited:
            assert places[article].scenarios.count(scenario.id) == 1
    for competency in library.competencies.values():
        assert all(competency.id in places[article].competencies for article in competency.articles)
    for question in library.assessment.questions:
        assert all(question.id in places[article].assessment for article in question.articles)
    for entry in library.faq.entries.values():
        assert all(entry.id in places[article].faq for article in entry.articles)
    assert set(places) <= set(library.articles)


def test_a_retired_scenario_rests_on_nothing(library: Library) -> None:
    one = next(iter(library.scenarios.values()))
    retired = dict(library.scenarios) | {one.id: one.model_copy(update={"state": "retired"})}
    places = citations.uses_by_article(replace(library, scenarios=retired))
    assert all(one.id not in found.scenarios for found in places.values())


def test_what_was_only_read_in_a_secondary_page_is_to_be_reviewed(library: Library) -> None:
    listed = {citation.id for citation, _ in citations.to_review(library)}
    assert listed == {one.id for one in library.articles.values() if one.article.mark == "V2"}
    assert listed
