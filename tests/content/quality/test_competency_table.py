"""The competency model is generated from the content and claims no validation that was not done."""

from dataclasses import replace
from pathlib import Path

import pytest

from content.library import Library
from content.quality import competency_table
from content.text import LANGUAGES

ROOT = Path(__file__).parents[3]


def test_the_page_in_docs_is_up_to_date(library: Library) -> None:
    written = (ROOT / "docs" / "competencies.md").read_text(encoding="utf-8")
    assert written == competency_table.document(library), "the course changed: `make docs` writes the page again"


def test_the_page_has_every_rule_in_both_languages_and_all_columns_in_every_line(library: Library) -> None:
    lines = competency_table.document(library).splitlines()
    table = [line for line in lines if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in table} == {len(competency_table.COLUMNS) + 1}
    for competency in library.competencies.values():
        for language in LANGUAGES:
            assert sum(line.startswith(f"| {competency.rule.in_language(language)} |") for line in table) == 1


@pytest.mark.parametrize(
    ("reviewers", "validation", "is_validated"),
    [
        (["", "", "", ""], "Pendiente de validación jurídica por la UEIPCI", False),
        (["", " ", "", "UEIPCI"], "1 de 4 validadas; lo demás, pendiente de validación jurídica por la UEIPCI", False),
        (["UEIPCI"] * 4, "Validada", True),
        ([], "Sin situaciones publicadas", False),
    ],
)
def test_a_competency_is_validated_when_all_its_scenarios_are(
    library: Library, reviewers: list[str], validation: str, is_validated: bool
) -> None:
    topic = next(iter(library.topics.values()))
    competency = topic.competencies[0]
    published = library.askable[competency.id]
    others = {one.id: one for one in library.scenarios.values() if one.competency != competency.id}
    own = [one.model_copy(update={"reviewer": name}) for one, name in zip(published, reviewers, strict=False)]
    row = competency_table.rows(replace(library, scenarios=others | {one.id: one for one in own}), topic, "es")[0]
    assert (row.validation, row.is_validated, row.asked) == (validation, is_validated, len(reviewers))
    assert [one.reviewer for one in row.reviews] == [name.strip() for name in reviewers]
