"""What the course says of the law, where it once said it wrongly: each kind of mistake over every text shown."""

import re
from collections.abc import Iterator

import pytest

from content.library import Library
from content.text import Text

Claim = tuple[str, Text, tuple[str, ...]]
"""Where it stands, the text, and the articles shown with it."""

LETTERS_OF_THE_LAW = {
    "contempt comes after enforcement measures (63)": (
        r"\bdesacato\b",
        r"medidas de apremio",
        r"\bcontempt\b",
        r"enforcement measures",
    ),
    "not declaring ends appointment or contract, after a procedure (33)": (
        r"(queda|quedar) sin efectos",
        r"(?s)(?=.*procedimiento)(?=.*nombramiento o contrato)",
        r"becomes? void",
        r"(?s)(?=.*procedure)(?=.*appointment or contract)",
    ),
    "protection reaches as far as 64 goes": (
        r"medidas de protección|pedir protección",
        r"(?s)(?=.*grave)(?=.*testigo)",
        r"protection measures|ask for protection",
        r"(?s)(?=.*serious)(?=.*witness)",
    ),
    "a gift that came goes to the authority for public goods (40)": (
        r"(entreg\w+|dar\w*) (la|el|lo|los|las)? ?\w* ?(al|a tu) órgano (interno )?de control",
        r"(?!)",
        r"hand (it|them|the \w+)( in)? to (the|your) (internal )?control body",
        r"(?!)",
    ),
}


def claims(library: Library) -> Iterator[Claim]:
    """Every text of the course that says something of the law."""
    for scenario in library.scenarios.values():
        for option in scenario.options:
            yield f"{scenario.id}: option", option.text, option.articles
            yield f"{scenario.id}: why", option.why, option.articles
        yield f"{scenario.id}: todo", scenario.todo, scenario.cited
    for entry in library.faq.entries.values():
        yield entry.id, entry.answer, entry.articles
    for citation in library.articles.values():
        yield citation.id, citation.article.summary, (citation.id,)
    for outcome in library.assessment.outcomes:
        for text in (outcome.say, *outcome.steps):
            yield f"outcome {outcome.id}", text, outcome.articles
    for note in library.assessment.notes:
        yield f"note {note.id}", note.text, note.articles


@pytest.mark.parametrize("rule", LETTERS_OF_THE_LAW)
def test_what_is_said_is_said_whole(rule: str, library: Library) -> None:
    said_es, whole_es, said_en, whole_en = LETTERS_OF_THE_LAW[rule]
    halves = [
        (where, text.in_language(language))
        for where, text, _ in claims(library)
        for language, said, whole in (("es", said_es, whole_es), ("en", said_en, whole_en))
        if re.search(said, text.in_language(language), re.IGNORECASE)
        and not re.search(whole, text.in_language(language), re.IGNORECASE)
    ]
    assert not halves


def test_the_authority_must_refrain_by_101_and_may_by_77_and_50(library: Library) -> None:
    for where, text, articles in claims(library):
        if any(one.startswith("lgra-101") for one in articles):
            weak = re.findall(r"[^.]*puede abstenerse[^.]*", text.es)
            assert all("no es grave" in sentence for sentence in weak), where
            assert not re.search(r"\bse abstiene\b|\brefrains\b", text.es + text.en), where
        if "debe abstenerse" in text.es:
            assert any(one.startswith("lgra-101") for one in articles), where
            assert re.search(r"sin daño", text.es, re.IGNORECASE) or "devuelve" in text.es, where
            assert "efectos" in text.es, where


def test_a_vocation_of_service_is_fraction_viii_and_v_a_culture_of_service(library: Library) -> None:
    for where, text, articles in claims(library):
        if re.search(r"vocación|spirit of service|vocation", text.es + text.en):
            assert "lgra-7-viii" in articles, where


def test_a_refused_offer_is_reported(library: Library) -> None:
    entries, scenarios = library.faq.entries, library.scenarios
    for id in ("aceptar-regalo", "regalo-pequeno", "propina", "me-ofrecen-dinero", "invitacion-a-comer"):
        assert "lgra-49-ii" in entries[id].articles, id
        assert re.search(r"denúnci|denuncia", entries[id].answer.es), id
    cheese = next(option for option in scenarios["queso-del-productor"].options if option.right)
    assert {"lgra-49-ii", "lgra-93"} <= set(cheese.articles)
    assert "denunciar" in cheese.text.es
    assert "denuncia" in scenarios["queso-del-productor"].todo.es


def test_the_constitution_is_cited_by_subject_and_no_paragraph_of_134_by_number(library: Library) -> None:
    assert library.articles["cpeum-134"].label("es") == "CPEUM, artículo 134"
    numbered = re.compile(r"134[^.]{0,40}(párrafo|paragraph|séptimo|octavo)|138 constitucional", re.IGNORECASE)
    assert not [where for where, text, _ in claims(library) if numbered.search(text.es + text.en)]


def test_no_text_names_what_is_not_in_force(library: Library) -> None:
    named = re.compile(r"57 Bis|64 Qu[aá]ter|64 Quintus|49, fracción XI\b", re.IGNORECASE)
    assert not [where for where, text, _ in claims(library) if named.search(f"{text.es} {text.en}")]


def test_a_mistake_that_had_effects_is_reported(library: Library) -> None:
    """The competency's rule in each of its scenarios: going on without telling is right only where nothing went out."""
    silent = [
        scenario.id
        for scenario in library.scenarios.values()
        if scenario.competency == "error-a-la-vista" and scenario.state == "published"
        for option in scenario.options
        if option.right and "sin aviso" in option.text.es
    ]
    assert silent == ["un-cero-de-mas"], "a draft that was never sent"
