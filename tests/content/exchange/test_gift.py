"""GIFT: export and import round-trip, and unsupported features are refused with line and question."""

import re

import pytest
from hypothesis import given, settings

from content.course.scenario import Scenario
from content.exchange.changeset import UnreadableFile, compare, in_course_order, validate
from content.exchange.gift import from_gift, to_gift
from content.library import Library
from content.text import LANGUAGES, Text
from tests.content.exchange.authors import error_lines, nothing_changes, plain, scenarios, text, tiny

BARE = plain(id="otra", competency="007", variant=2)


def question(old: str = "", new: str = "", scenario: Scenario | None = None) -> str:
    """A scenario's question as exported, with one replacement; without language line and category."""
    bank = [scenario or plain()]
    written = to_gift(tiny(bank), bank, "es").decode()
    written = written[written.index("::") :]
    assert old in written
    return written.replace(old, new, 1)


def edited(content: str, *bank: Scenario, language: str | None = None) -> Scenario:
    """The only scenario that a file changes."""
    library = tiny(bank or [plain()])
    found, errors = validate(library, parsed := from_gift(content.encode(), library, language))
    assert errors == (), parsed.error_lines(errors)
    ((scenario, _),) = compare(library, found).changed
    return scenario


def import_errors(content: str, *bank: Scenario, language: str | None = None) -> list[str]:
    library = tiny(bank or [plain()])
    return error_lines(library, from_gift(content.encode(), library, language))


# ---------------------------------------------------------------- exported files


@given(scenarios())
@settings(max_examples=200, deadline=None)
def test_a_question_round_trips_in_either_language(scenario: Scenario) -> None:
    library = tiny([scenario])
    swapped = {"es": scenario.situation.en, "en": scenario.situation.es}
    blank = scenario.model_copy(
        update={
            "situation": Text(**{one: f"x {two}" for one, two in swapped.items()}),
            "todo": text_of("x"),
            "options": tuple(
                one.model_copy(update={"text": text_of("x"), "why": text_of("x")}) for one in scenario.options
            ),
        }
    )
    for language in LANGUAGES:
        content = to_gift(library, [scenario], language)
        assert nothing_changes(library, from_gift(content, library))
        (draft,) = from_gift(content, tiny([blank])).drafts  # so that no text can be the library's own
        for field in ("situation", "todo"):
            assert draft.values[field][language] == getattr(scenario, field).in_language(language)
        for values, option in zip(draft.values["options"], scenario.options, strict=True):
            assert values["text"][language] == option.text.in_language(language)
            assert values["why"][language] == option.why.in_language(language)


def text_of(words: str) -> Text:
    return Text(es=words, en=words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_importing_the_exported_course_changes_nothing(library: Library, language: str) -> None:
    content = to_gift(library, in_course_order(library), language)
    assert nothing_changes(library, from_gift(content, library))
    assert content.decode().count("$CATEGORY: ") == len({one.competency for one in library.scenarios.values()})


def test_a_file_has_moodle_s_format() -> None:
    scenario = plain(todo=text("Antes: {a} = #1 ~ \\o/\n2"), situation=text("[html] {x}: " + "a " * 40))
    written = to_gift(tiny([scenario, BARE]), [scenario, BARE], "es").decode()
    assert written.startswith(
        "// Integra, language: es\n\n$CATEGORY: tema/regalos\n\n::caja::[plain][html] \\{x\\}\\: a a"
    )
    assert "{\n\t~Opción 0#La regla" in written
    assert "\n\t=Opción 1#La regla" in written
    assert "\n\t####Antes\\: \\{a\\} \\= \\#1 \\~ \\\\o/\\n2\n}\n\n$CATEGORY: tema/007\n\n::otra::" in written


@pytest.mark.parametrize("words", ["[html] no", "%50% de descuento", "[x]", "%", "//", "=a", "->b", "$CATEGORY: x"])
def test_a_text_that_looks_like_markup_stays_a_text(words: str) -> None:
    options = plain().model_dump()["options"]
    options[0]["text"] = options[1]["text"] = text(words)
    scenario = plain(options=options, todo=text(words))
    content = to_gift(tiny([scenario]), [scenario], "es")
    other = plain()
    ((changed, fields),) = compare(tiny([other]), validate(tiny([other]), from_gift(content, tiny([other])))[0]).changed
    assert fields == ("options.0.text.es", "options.1.text.es", "todo.es")
    assert changed.options[0].text.es == changed.options[1].text.es == changed.todo.es == words


# ---------------------------------------------------------------- files written by hand


def test_only_the_texts_of_one_language_change() -> None:
    changed = edited(question("Mira el hecho.", "Mira bien."))
    assert changed == plain(todo={"es": "Mira bien.", "en": "Mira el hecho."})
    english = edited(to_gift(tiny([plain()]), [plain()], "en").decode().replace("Mira el hecho.", "Look."))
    assert english == plain(todo={"es": "Mira el hecho.", "en": "Look."})


WHY = plain().options[0].why.es
FIRST, SECOND = WHY.split(". ", 1)
BY_HAND = f"""// Preguntas de integridad
$CATEGORY: $course$/top/Ética

// question: 12  name: caja
::caja::[markdown] Recibes una caja.
  // una nota
  {"ya " * 40}
{{
  ~ Opción 0 # {WHY}
  =Decirlo
   a quien toca # [html]<p dir\\="ltr">{FIRST}&aacute;&nbsp;<br>{SECOND}<br></p>
  // otra nota
  ~ %de todo% y m\\=s # {WHY}
  #### [moodle] Mira.
}}
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_written_by_hand_is_parsed(end: str) -> None:
    changed = edited(f"\ufeff{BY_HAND}".replace("\n", end))
    assert changed.situation.es == "Recibes una caja.\n" + ("ya " * 40).strip()
    assert [one.text.es for one in changed.options] == ["Opción 0", "Decirlo\na quien toca", "%de todo% y m=s"]
    assert changed.options[1].why.es == f"{FIRST}á\n{SECOND}"
    assert changed.todo.es == "Mira."
    assert changed.situation.en == plain().situation.en


def test_the_format_of_a_question_applies_to_its_parts() -> None:
    changed = edited(
        question("[plain]", "[html]<p>&iquest;Ves?</p> ").replace("Mira el hecho.", "Mira<br />el&nbsp;hecho &amp; ya")
    )
    assert changed.situation.es.startswith("¿Ves?")
    assert changed.todo.es == "Mira\nel hecho & ya"


REFUSED = {
    "no name": (question("::caja::", ""), "question 1 (line 1): has no name; expected ::id"),
    "a name that is not closed": (question("::caja::", "::caja"), "question 1 (line 1): its name is not closed"),
    "an unknown name": (
        question("::caja::", "::cajas::"),
        "question 1 (line 1, 'cajas'): no such scenario; GIFT changes",
    ),
    "no answers": ("::caja::[plain]Hola", "question 1 (line 1): has no answers"),
    "answers that are not closed": (question("\n}", "\n\\}"), "question 1 (line 1): its answers are not within one {"),
    "a blank line inside": (question("{\n", "{\n\n"), "question 1 (line 1): its answers are not within one {"),
    "a gap in a sentence": (question("\n}", "\n} y ya."), "question 1 (line 1): has words after its }"),
    "a weight": (question("~Opción 0", "~%50%Opción 0"), "question 1 (line 1): option A: weights such as %50%"),
    "a negative weight": (question("~Opción 2", "~%-33.33%Opción 2"), "option C: weights such as %50%"),
    "true or false": ("::caja::¿Sí?{TRUE}", "question 1 (line 1): is not a multiple-choice question"),
    "a number": ("::caja::¿Cuánto?{#1822:5}", "question 1 (line 1): is not a multiple-choice question"),
    "a short answer": ("::caja::¿Quién?{=nadie =alguien}", "question 1 (line 1): is not a multiple-choice question"),
    "pairs": ("::caja::¿Qué?{=a -> b =c -> d}", "question 1 (line 1): is not a multiple-choice question"),
    "an essay": ("::caja::¿Qué?{}", "question 1 (line 1): is not a multiple-choice question"),
    "marks of HTML": (question("[plain]", "[html]<b>ya</b>"), "question 1 (line 1): contains HTML (seen: '<b>')"),
    "another right option": (
        question("~Opción 0", "=Opción 0").replace("=Opción 1", "~Opción 1"),
        "question 1 (line 1, 'caja'): marks A as right, the scenario B",
    ),
    "the fifth of too many options": (
        question("{\n", "{\n" + "~Otra#x\n" * 3 + "~%50%Otra#x\n~Otra#x\n"),
        "question 1 (line 1): option D: weights such as %50%",
    ),
    "an option without a letter": (
        question("{\n", "{\n" + "~Otra#x\n" * 4 + "~%50%Otra#x\n"),
        "question 1 (line 1): option number 5: weights such as %50%",
    ),
    "two right options": (question("~Opción 0", "=Opción 0"), "marks A, B as right, the scenario B"),
    "none is right": (question("=Opción 1", "~Opción 1"), "marks none as right, the scenario B"),
    "an option more": (question("{\n", "{\n~Otra#x\n"), "question 1 (line 1, 'caja'): has 4 options, the scenario 3"),
    "no feedback": (question(f"0#{WHY}", "0"), "question 1 (line 1, 'caja'), option A, why, es: is empty"),
    "feedback too short": (question(f"2#{WHY}", "2#No."), "'caja'), option C, why, es: 20 to 50 words (seen: 1)"),
    "no general feedback": (question("\t####Mira el hecho.\n", ""), "'caja'), general feedback, es: is empty"),
    "the other language": (
        to_gift(tiny([plain()]), [plain()], "en").decode().partition("\n")[2],
        "question 1 (line 4, 'caja'), situation, es: this is the text in English; import it with --language en",
    ),
    "twice": (question() + "\n" + question(), "question 2 (line 8, 'caja'), id: also used in question 1"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_unsupported_features_are_refused_with_line_and_question(content: str, message: str) -> None:
    found = import_errors(content)
    assert any(message in line for line in found), found
    assert all(re.match(r"question \d+ \(line \d+", line) for line in found)


def test_errors_of_all_questions_are_reported_together() -> None:
    content = "\n\n".join(
        ["// nota", question("::caja::", ""), question("Mira", "M"), question("\t####Mira el hecho.\n", "", BARE)]
    )
    assert [line.partition(":")[0] for line in import_errors(content, plain(), BARE)] == [
        "question 1 (line 3)",
        "question 3 (line 19, 'otra'), general feedback, es",
    ]


def test_the_first_line_determines_the_language() -> None:
    library = tiny([plain()])
    english = to_gift(library, [plain()], "en")
    assert nothing_changes(library, from_gift(english, library, "en"))
    with pytest.raises(UnreadableFile, match="says that it is in English; not Spanish"):
        from_gift(english, library, "es")
    with pytest.raises(UnreadableFile, match="a language that the course does not have"):
        from_gift(english.replace(b": en", b": fr"), library)
    with pytest.raises(UnreadableFile, match="not in UTF-8"):
        from_gift("::ñ::".encode("latin-1"), library)


def test_a_file_without_questions_has_no_drafts() -> None:
    assert from_gift(b"// nada\n\n$CATEGORY: x\n", tiny([])).drafts == ()
