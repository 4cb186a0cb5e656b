"""Message templates: the shipped ones fit their use, and those that Meta would reject are reported."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from content import library as course
from content import limits
from content.course.scenario import Scenario
from content.course.template import Template, Value
from content.library import SHIPPED, Library
from content.problems import BrokenContent
from content.quality.readability import ease, sentences
from content.quality.style_rules import shipped_wording
from content.text import LANGUAGES, Text

FOLDERS = ("articles", "assessments", "institutions", "messages", "templates")
DAILY = "templates/pregunta_diaria.toml"
WHOLE = "templates/pregunta_completa.toml"
NEWS = "templates/novedades_consulta.toml"
COURSE = course.load()


def template(**changes: Any) -> Template:
    """The daily template with changed fields; only its types are validated."""
    return Template.model_validate(tomllib.loads((SHIPPED / DAILY).read_text(encoding="utf-8")) | changes)


def values_of(library: Library, scenario: Scenario) -> dict[str, Value]:
    words: dict[str, Value] = {
        "topic": library.topic_of[scenario.competency].name,
        "situation": scenario.situation,
    }
    return words | {letter: option.text for letter, option in zip("abc", scenario.options, strict=True)}


# ---------------------------------------------------------------- shipped templates


def test_the_shipped_templates_have_their_variables_and_buttons(library: Library) -> None:
    shapes = {one.name: (one.variables, len(one.es.buttons)) for one in library.templates.values()}
    assert shapes == {
        "pregunta_diaria": (("topic",), 1),
        "pregunta_completa": (("topic", "situation", "a", "b", "c"), 3),
        "novedades_consulta": ((), 1),
    }
    assert {(one.code("es"), one.code("en")) for one in library.templates.values()} == {("es_MX", "en_US")}


def test_prompt_templates_expire_after_twelve_hours(library: Library) -> None:
    lifetimes = {one.name: one.ttl_seconds for one in library.templates.values()}
    assert lifetimes == {"pregunta_diaria": 43_200, "pregunta_completa": 43_200, "novedades_consulta": None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_scenario_of_three_options_fits_the_full_template(library: Library, language: str) -> None:
    whole = library.templates["pregunta_completa"]
    asked = [one for one in library.scenarios.values() if len(one.options) == 3]
    assert len(asked) == 96
    for scenario in asked:
        values = values_of(library, scenario)
        assert whole.fits(language, values)
        text = whole.text(language, values)
        assert scenario.situation.in_language(language) in text
        assert all(option.text.in_language(language) in text for option in scenario.options)


@pytest.mark.parametrize("one", COURSE.templates.values(), ids=lambda one: one.name)
def test_a_template_is_readable_and_gender_neutral(one: Template) -> None:
    shown = f"{one.es.body} {one.es.footer} {' '.join(one.es.buttons)}"
    assert list(shipped_wording().violations(shown)) == []
    assert list(shipped_wording().name_violations(f"{one.en.body} {one.en.footer}")) == []
    assert ease(one.es.body) >= 60
    for language in LANGUAGES:
        assert max(len(sentence.split()) for sentence in sentences(one.translation(language).body)) <= 25


@pytest.mark.parametrize("name", ["pregunta_diaria", "pregunta_completa"])
def test_a_prompt_template_states_why_it_comes_and_how_to_stop_it(library: Library, name: str) -> None:
    one = library.templates[name]
    assert "te registraste" in one.es.body
    assert "you enrolled" in one.en.body
    for language in LANGUAGES:
        words = library.phrases.template(language, "words.baja").upper().split(", ")
        assert any(word in one.translation(language).footer for word in words)


def test_the_news_template_reveals_nothing_about_a_case(library: Library) -> None:
    assert library.templates["novedades_consulta"].filled("es", {"topic": "Nepotismo", "folio": "17"}) == ()


# ---------------------------------------------------------------- Meta's format


def test_a_template_is_submitted_in_meta_s_format() -> None:
    assert template(variables=["topic"]).submission("en") == {
        "name": "pregunta_diaria",
        "language": "en_US",
        "category": "UTILITY",
        "parameter_format": "POSITIONAL",
        "message_send_ttl_seconds": 43_200,
        "components": [
            {
                "type": "BODY",
                "text": "Your question of the day from Integra is ready. The topic of today is {{1}}. "
                "You get it because you enrolled in this course for public servants.",
                "example": {"body_text": [["Conflict of Interest"]]},
            },
            {"type": "FOOTER", "text": "Type PAUSE to take a break or LEAVE to quit."},
            {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "See the question"}]},
        ],
    }


def test_variables_are_numbered_in_order_and_samples_match(library: Library) -> None:
    body, _, buttons = library.templates["pregunta_completa"].components("es")
    assert [body["text"].index(f"{{{{{place}}}}}") for place in range(1, 6)] == sorted(
        body["text"].index(f"{{{{{place}}}}}") for place in range(1, 6)
    )
    ((topic, situation, *options),) = body["example"]["body_text"]
    assert topic == "Conflicto de Interés"
    assert situation.startswith("Revisas solicitudes")
    assert len(options) == 3
    assert [one["text"] for one in buttons["buttons"]] == ["A", "B", "C"]


def test_missing_variables_and_footer_are_omitted(library: Library) -> None:
    one = library.templates["novedades_consulta"]
    assert one.components("es") == [
        {"type": "BODY", "text": one.es.body},
        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Abrir"}]},
    ]
    assert "message_send_ttl_seconds" not in one.submission("es")


# ---------------------------------------------------------------- filling in values


def test_values_are_in_the_order_of_the_variables_on_one_line_each() -> None:
    one = template(variables=["b", "a", "topic"])
    values: dict[str, Value] = {
        "a": "uno\n\ndos\t tres  cuatro ",
        "topic": Text(es="Tema\r\nlargo", en="Long\u2028topic"),
        "b": 7,
        "more": "?",
    }
    assert one.filled("es", values) == ("7", "uno dos tres cuatro", "Tema largo")
    assert one.filled("en", values) == ("7", "uno dos tres cuatro", "Long topic")


def test_a_variable_without_value_raises_key_error() -> None:
    with pytest.raises(KeyError, match="topic"):
        template().filled("es", {"situation": "x"})


def test_variables_in_values_are_not_expanded() -> None:
    assert "es {topic} {{2}}. Te" in template().text("es", {"topic": "{topic} {{2}}"})


@pytest.mark.parametrize(("length", "fits"), [(0, False), (1, True), (-1, True), (-2, False)])
def test_empty_and_too_long_values_do_not_fit(length: int, fits: bool) -> None:
    one = template()
    room = limits.TEMPLATE_BODY - len(one.text("es", {"topic": ""}))
    count = {-1: room, -2: room + 1}.get(length, length)
    assert one.fits("es", {"topic": "x" * count}) is fits
    assert one.fits("es", {"topic": "  " + "x" * count + "\n\n"}) is fits


# ---------------------------------------------------------------- invalid files


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("templates")
    for folder in FOLDERS:
        shutil.copytree(SHIPPED / folder, root / folder)
    return root


@pytest.fixture
def copy(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "content"))


def problems(root: Path, overlay: Path | None = None) -> list[str]:
    with pytest.raises(BrokenContent) as broken:
        course.load(root, overlay)
    return [str(one) for one in broken.value.problems]


def change(root: Path, file: str, old: str, new: str) -> None:
    path = root / file
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


STARTS = 'body = "Tu pregunta del día de Integra ya está lista. El tema de hoy es {topic}.'
ENDS = " Te llega porque te registraste en este curso para personas servidoras públicas."
MISTAKES = {
    "an unknown field": (DAILY, 'category = "', 'colour = "red"\ncategory = "', "colour: Extra inputs"),
    "an unknown category": (DAILY, '"utility"', '"authentication"', "category: Input should be"),
    "a file not named after its name": (DAILY, '"pregunta_diaria"', '"pregunta"', "name: the file must be named after"),
    "a name with other signs": (DAILY, '"pregunta_diaria"', '"pregunta-diaria"', "name: String should match"),
    "a name that is too long": (DAILY, '"pregunta_diaria"', f'"{"p" * 101}"', "name: String should match"),
    "a variable with other signs": (DAILY, '["topic"]', '["Topic 1"]', "variables.0: String should match"),
    "a variable twice": (DAILY, '["topic"]', '["topic", "topic"]', "variables: each once (seen: topic, topic)"),
    "a life too short": (DAILY, "43200", "29", "ttl_seconds: 30 to 43200 for utility (seen: 29)"),
    "a life too long": (DAILY, "43200", "43201", "ttl_seconds: 30 to 43200 for utility (seen: 43201)"),
    "the other language": (DAILY, '"es_MX"', '"en_US"', "es.code: String should match"),
    "a language as Meta does not write it": (DAILY, '"en_US"', '"en-US"', "en.code: String should match"),
    "a body of blanks": (NEWS, 'body = "Hay', 'body = " " #', "es.body: String should have at least 1"),
    "a body that is too long": (DAILY, STARTS, STARTS + " muy" * 250, "es.body: with its samples: at most 1024"),
    "a body too long by its samples": (DAILY, '"Conflicto de Interés"', f'"{"x" * 900}"', "es.body: with its samples"),
    "a variable at the start": (DAILY, STARTS, 'body = "¿{topic}?', "es.body: begins with a variable"),
    "a variable at the end": (DAILY, ENDS, " ¡¡17!!", "es.body: ends with a variable; words after {topic} are"),
    "two variables side by side": (
        WHOLE,
        "{topic}.\n\nLa situación: {situation}",
        "{topic}.\n\n1) {situation}",
        "es.body: no words between {topic} and {situation}",
    ),
    "a variable that is not used": (DAILY, "{topic}", "este", "es.body: every variable once and in their order, topic"),
    "a variable used twice": (DAILY, "{topic}.", "{topic} o {topic}.", "in their order, topic (seen: topic, topic)"),
    "an unknown variable": (DAILY, "{topic}", "{name}", "es.body: every variable once and in their order, topic (seen"),
    "variables out of order": (WHOLE, "A: {a}\nOpción B: {b}", "A: {b}\nOpción B: {a}", "(seen: topic, situation, b"),
    "Meta's own variables": (DAILY, "{topic}", "{{1}}", "es.body: braces that are not a {variable}"),
    "too few words": (
        DAILY,
        STARTS + ENDS,
        'body = "Tema: {topic}. Toca aquí.',
        "es.body: too short for its variables: at least 4 words besides them (seen: 3)",
    ),
    "a sample that is missing": (DAILY, 'samples = { topic = "Conflicto', '# "', "es.samples.topic: missing"),
    "a sample of nothing": (DAILY, "{ topic =", '{ name = "x", topic =', "es.samples.name: no such variable"),
    "a sample of two lines": (DAILY, '"Conflicto de', '"Conflicto\\nde', "es.samples.topic: one line with single"),
    "emphasis": (DAILY, "{topic}", "**{topic}**", "es.body: no ** or __ here"),
    "emphasis of rendered text": (DAILY, "{topic}", "\\ue000{topic}\\ue001", "es.body: no ** or __ here"),
    "two empty lines": (WHOLE, "¿Qué harías?", "\n¿Qué harías?", "es.body: at most one consecutive empty line"),
    "a tab": (DAILY, "{topic}", "\\t{topic}", "single spaces, no tabs"),
    "a footer that is too long": (DAILY, "Escribe PAUSA", "Cuando quieras escribe PAUSA", "es.footer: at most 60"),
    "a footer with a variable": (DAILY, "Escribe PAUSA", "{topic}: PAUSA", "es.footer: no variables, line breaks"),
    "a footer of two lines": (DAILY, "Escribe PAUSA", "Escribe\\nPAUSA", "es.footer: no variables, line breaks"),
    "a label that is too long": (DAILY, "Ver la pregunta", "x" * 26, "es.buttons.0: at most 25 characters (seen: 26)"),
    "a label of blanks": (DAILY, '"Ver la pregunta"', '" "', "es.buttons.0: String should have at least 1"),
    "a label with an emoji": (DAILY, "Ver la pregunta", "Ver 👍", "es.buttons.0: no variables, line breaks, emoji"),
    "a label with marks": (
        DAILY,
        "Ver la pregunta",
        "*Ver*",
        "es.buttons.0: no variables, line breaks, emoji or markup",
    ),
    "a label twice": (WHOLE, '"A", "B", "C"', '"A", "a", "C"', "es.buttons: each label once (seen: A, a, C)"),
    "four buttons": (WHOLE, '"A", "B", "C"', '"A", "B", "C", "D"', "es.buttons: at most 3 (seen: 4)"),
    "more buttons in one language": (
        DAILY,
        '"See the question"',
        '"See", "No"',
        "en.buttons: as many as in Spanish, 1",
    ),
    "a variable that nothing fills": (
        NEWS,
        'category = "utility"',
        'category = "utility"\nvariables = ["folio"]',
        "variables: nothing fills folio; there are: none",
    ),
    "fewer buttons than choices": (WHOLE, '"A", "B", "C"', '"A", "B"', "es.buttons: 3 expected (seen: 2)"),
}


@pytest.mark.parametrize(("file", "old", "new", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_reported_with_file_and_field(copy: Path, file: str, old: str, new: str, expected: str) -> None:
    change(copy, file, old, new)
    assert any(line.startswith(f"{file}: ") and expected in line for line in problems(copy)), problems(copy)


def test_all_mistakes_of_all_files_are_reported_together(copy: Path) -> None:
    names = ("a life too short", "a footer with a variable", "four buttons", "a variable at the end")
    for file, old, new, _ in (MISTAKES[name] for name in names):
        change(copy, file, old, new)
    change(copy, DAILY, '"See the question"', '"*See*"')
    found = problems(copy)
    for _, _, _, expected in (MISTAKES[name] for name in names):
        assert any(expected in line for line in found), expected
    assert f"{DAILY}: en.buttons.0: no variables, line breaks, emoji or markup" in found


def test_a_marketing_template_has_longer_lifetimes(copy: Path) -> None:
    change(copy, DAILY, '"utility"', '"marketing"')
    assert course.load(copy).templates["pregunta_diaria"].category == "marketing"
    change(copy, DAILY, "43200", "2592001")
    assert problems(copy) == [f"{DAILY}: ttl_seconds: 43200 to 2592000 for marketing (seen: 2592001)"]


def test_two_templates_with_the_same_texts_are_refused(copy: Path) -> None:
    text = (copy / DAILY).read_text(encoding="utf-8")
    other = text.replace('"pregunta_diaria"', '"otra"').replace('"topic"', '"tema"').replace("topic}", "tema}")
    (copy / "templates/otra.toml").write_text(other.replace("{ topic =", "{ tema ="), encoding="utf-8")
    assert problems(copy) == [
        f"{DAILY}: {language}.body: the same body and footer as in templates/otra.toml"
        for language in sorted(LANGUAGES)
    ]
    change(copy, "templates/otra.toml", "Escribe PAUSA", "Manda PAUSA")
    assert problems(copy) == [f"{DAILY}: en.body: the same body and footer as in templates/otra.toml"]


def test_a_template_name_is_unique(copy: Path) -> None:
    (copy / "templates/more").mkdir()
    shutil.copy(copy / NEWS, copy / "templates/more/novedades_consulta.toml")
    assert (
        f"{NEWS}: name: used twice (seen: 'novedades_consulta'); also in templates/more/novedades_consulta.toml"
        in problems(copy)
    )


def test_an_overlay_may_reword_a_template_but_not_change_its_buttons(copy: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "data" / "content"
    (overlay / "templates").mkdir(parents=True)
    shutil.copy(copy / NEWS, overlay / NEWS)
    change(overlay, NEWS, "Hay novedades", "Tienes novedades")
    found = course.load(copy, overlay).templates
    assert found["novedades_consulta"].es.body.startswith("Tienes novedades")
    assert len(found) == 3
    change(overlay, NEWS, 'buttons = ["Abrir"]', "")
    assert problems(copy, overlay) == [
        f"data/content/{NEWS}: en.buttons: as many as in Spanish, 0 (seen: 1)",
        f"data/content/{NEWS}: es.buttons: 1 expected (seen: 0)",
    ]
