"""Articles and citations: labels, verification marks, and since when their wording is the same."""

import re

import pytest
from pydantic import ValidationError

from content.course.law import Citation, Law, citations
from content.library import Library
from content.text import fold

LAW = {
    "law": "lgra",
    "short": "LGRA",
    "name": {"es": "Ley General", "en": "General Law"},
    "text_version": "DOF 15-12-2025",
    "checked_on": "2026-02-08",
    "version_since": "2026-02-09",
}
ARTICLE = {
    "id": "lgra-7-ii",
    "article": "7",
    "fraction": "II",
    "mark": "V",
    "in_force": True,
    "source": "LGRA",
    "title": {"es": "Sin ganancias", "en": "No gains"},
    "summary": {"es": "No pidas ni aceptes regalos.", "en": "Neither seek nor accept gifts."},
}
NUMBERS = re.compile(r"art[íi]culos? (\d+)")


def citation(**changes: object) -> Citation:
    law = Law.model_validate(LAW | {"articles": [ARTICLE | changes]})
    return next(iter(citations(law).values()))


def test_a_citation_label_names_law_article_and_fraction_in_either_language() -> None:
    assert citation().label("es") == "LGRA, artículo 7, fracción II"
    assert citation().label("en") == "LGRA, article 7, fraction II"
    assert citation(fraction="").label("es") == "LGRA, artículo 7"


def test_a_citation_has_the_text_version_and_date_that_were_read() -> None:
    cited = citation()
    assert (cited.text_version, cited.checked_on.isoformat()) == ("DOF 15-12-2025", "2026-02-08")
    assert cited.article.source == "LGRA"


def test_a_citation_is_unchanged_since_its_version_or_the_confirmed_day() -> None:
    assert citation().since.isoformat() == "2026-02-09"
    earlier = {"unchanged_since": "2025-12-16", "confirmed_in": "DOF 15-12-2025"}
    assert citation(**earlier).since.isoformat() == "2025-12-16"
    assert citation(**earlier | {"confirmed_in": "DOF 02-01-2025"}).since.isoformat() == "2026-02-09"


@pytest.mark.parametrize("mark", ["R", "I", "U", "v", "V3", ""])
def test_an_article_that_was_not_read_cannot_be_cited(mark: str) -> None:
    with pytest.raises(ValidationError, match="mark"):
        citation(mark=mark)


def test_articles_that_may_not_be_cited_are_not_in_the_catalogue(library: Library) -> None:
    assert "lgra-49-xi" not in library.articles  # suppressed after the Supreme Court's ruling
    assert "lgra-64-quintus" not in library.articles  # voted on by one chamber
    local = {one.article.article for one in library.articles.values() if one.short == "LRAEG"}
    assert local == {"57"}, "only numbers on which two independent sources agree, and no 57 Bis"


def test_an_id_contains_its_article_and_fraction(library: Library) -> None:
    for cited in library.articles.values():
        printed = fold(f"{cited.article.article} {cited.article.fraction}").split()
        assert cited.id.split("-")[1 : len(printed) + 1] == printed, cited.id


def test_a_reason_mentions_only_articles_that_its_option_cites(library: Library) -> None:
    """Article numbers in a `why` are in the option's list of articles."""
    wrong = [
        (scenario.id, number)
        for scenario in library.scenarios.values()
        for option in scenario.options
        for number in NUMBERS.findall(option.why.es)
        if number not in {library.articles[one].article.article.split()[0] for one in option.articles}
    ]
    assert not wrong
