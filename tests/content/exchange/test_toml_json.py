"""TOML and JSON: export and import round-trip, and errors are located."""

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings

from content.course.scenario import Scenario
from content.exchange.changeset import UnreadableFile
from content.exchange.toml_json import from_json, to_json, to_toml
from content.library import Library
from tests.content.exchange.authors import (
    banks,
    error_lines,
    nothing_changes,
    parsed_scenarios,
    plain,
    scenarios,
    text,
    tiny,
)


@given(scenarios())
@settings(max_examples=300, deadline=None)
def test_toml_round_trips(scenario: Scenario) -> None:
    written = to_toml(scenario).encode()
    assert Scenario.model_validate(tomllib.loads(written.decode())) == scenario


def test_every_shipped_scenario_round_trips_as_toml(library: Library) -> None:
    for scenario in library.scenarios.values():
        assert Scenario.model_validate(tomllib.loads(to_toml(scenario))) == scenario


def test_a_file_has_the_layout_of_the_shipped_ones() -> None:
    situation = 'Dice "no".\nY luego:\n' + "ya " * 40
    written = to_toml(plain(situation=text(situation), reviewer="Área jurídica"))
    assert written.startswith(
        'id = "caja"\ncompetency = "regalos"\nvariant = 1\nroles = ["general"]\nstate = "published"\n'
        'author = "Redacción del curso"\nreviewer = "Área jurídica"\nreviewed_on = 2026-11-22\n\n'
        '[situation]\nes = """Dice "no".\nY luego:\nya ya'
    )
    assert (
        '\n\n[[options]]\nright = false\narticles = ["lgra-58"]\ntext = { es = "Opción 0", en = "Opción 0" }\n'
        in written
    )
    assert written.endswith('\n\n[todo]\nes = "Mira el hecho."\nen = "Mira el hecho."\n')


def test_a_json_file_is_laid_out_for_reading_and_comparing() -> None:
    lines = to_json([plain(author="Área jurídica")]).decode().split("\n")
    assert lines[:3] == ["[", "  {", '    "id": "caja",']
    assert '    "author": "Área jurídica",' in lines
    assert lines[-2:] == ["]", ""]


@given(banks())
@settings(deadline=None)
def test_json_round_trips(bank: list[Scenario]) -> None:
    assert parsed_scenarios(from_json(to_json(bank))) == bank


def test_importing_the_exported_course_changes_nothing(library: Library) -> None:
    assert nothing_changes(library, from_json(to_json(tuple(library.scenarios.values()))))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not readable as JSON"),
        (b'{"id": "caja"}', "expected a list of scenarios"),
        (b"\xff\xfe", "not in UTF-8"),
        (b"[" * 100_000, "not readable as JSON"),
    ],
)
def test_a_file_that_is_not_a_list_of_scenarios_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableFile, match=message):
        from_json(content)


def with_changes(**changes: Any) -> dict[str, Any]:
    found = json.loads(to_json([plain()]))[0] | changes
    assert isinstance(found, dict)
    return found


def test_all_errors_of_a_list_are_reported_together() -> None:
    bad = with_changes(
        id="Otra Caja", state="done", competency="baile", reviewed_on="46000", situation=text("Corta."), colour="red"
    )
    bad["options"][1] |= {"right": False, "articles": ["lgra-58", "lgra-999"]}
    bad["options"][2]["text"] = {"es": " "}
    found = error_lines(
        tiny([]), from_json(json.dumps([7, bad, with_changes(), with_changes(), with_changes(id="")]).encode())
    )
    assert found == [
        "scenario 1: expected an object (seen: '7')",
        "scenario 2 (Otra Caja), reviewed_on: expected a day such as 2026-11-22 (seen: '46000')",
        "scenario 2 (Otra Caja), id: expected lower-case words without accents, joined by hyphens (seen: 'Otra Caja')",
        "scenario 2 (Otra Caja), state: Input should be 'draft', 'reviewed', 'published' or 'retired' (seen: 'done')",
        "scenario 2 (Otra Caja), options.2.text.es: is empty",
        "scenario 2 (Otra Caja), options.2.text.en: is missing",
        "scenario 2 (Otra Caja), colour: Extra inputs are not permitted (seen: 'red')",
        "scenario 2 (Otra Caja), situation.es: 40 to 90 words (seen: 1)",
        "scenario 2 (Otra Caja), situation.en: 40 to 90 words (seen: 1)",
        "scenario 2 (Otra Caja), right: exactly one option is the right one (seen: 0)",
        "scenario 2 (Otra Caja), competency: no such competency (seen: 'baile')",
        "scenario 2 (Otra Caja), options.1.articles.1: not in the law catalogue (seen: 'lgra-999')",
        "scenario 4 (caja), id: also used in scenario 3 (caja) (seen: 'caja')",
        "scenario 4 (caja), variant: also used in scenario 3 (caja) (seen: 'regalos 1')",
        "scenario 5, id: expected lower-case words without accents, joined by hyphens",
        "scenario 5, variant: also used in scenario 3 (caja) (seen: 'regalos 1')",
    ]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"id": 7, "options": 3},
        {"options": [1, None, "x"]},
        {"options": [{"articles": 5, "text": [], "why": 1}]},
        {"options": [{"articles": [58, None, ["lgra-58"]]}]},
    ],
)
def test_values_of_any_type_are_reported_without_failing(values: dict[str, Any]) -> None:
    assert error_lines(tiny([]), from_json(json.dumps([values, {"competency": ["a"], "variant": {"b": 1}}]).encode()))
