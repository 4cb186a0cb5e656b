"""Loading the course: invalid files in a small copy are reported with file, field and value."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from content import library as course
from content import limits
from content.course.scenario import LETTERS
from content.library import SHIPPED, Library
from content.problems import BrokenContent
from content.text import LANGUAGES
from handlers import outgoing
from handlers.learning import answer, daily
from handlers.message import Action, Message
from handlers.outgoing import Recipient
from storage.learning.record import Prompt

TOPIC = "topics/conflicto-de-interes.toml"
FOLDER = "scenarios/conflicto-de-interes"
ONE = f"{FOLDER}/dale-tu-confio-en-ti.toml"
OTHER = f"{FOLDER}/cotizacion-de-la-prima.toml"
SHEET = "assessments/conflicto.toml"
LGRA = "articles/lgra.toml"
COPIED = ("articles", "assessments", "institutions", "messages")

SCENARIO = r"""id = "ID"
competency = "COMPETENCY"
variant = 1
roles = ["general"]
state = "published"
author = "Redacción del curso"
reviewer = ""
reviewed_on = 2026-11-22

[situation]
es = "Ayer informaste por escrito que tu hermana es socia de una empresa que pide un permiso. Hoy te llega el caso \
y tu jefatura aún no contesta. Un colega dice que basta con el aviso y que puedes firmar ya. El plazo vence el viernes."
en = "Yesterday you reported in writing that your sister is a partner of a firm that asks for a permit. Today the file \
reaches you and your manager has not answered. A colleague says the notice is enough and you may sign."
"""
OPTION = """
[[options]]
right = RIGHT
articles = ["lgra-58"]
text = { es = "SPANISH", en = "ENGLISH" }
why = { es = "WHY", en = "REASON" }
"""
TODO = """
[todo]
es = "Espera la instrucción."
en = "Wait for the instruction."
"""
WHY = (
    "LGRA, artículo 58: se informa por escrito y no se actúa hasta que llega la respuesta. Aquí todavía no ha llegado."
)
REASON = "LGRA, article 58: report in writing and wait for the answer before you act. Here no answer has come so far."
OPTIONS = (
    ("true", "Esperar la respuesta por escrito", "Wait for the written answer"),
    ("false", "Firmar hoy y dejar constancia", "Sign today and keep a record"),
    ("false", "Pasar el asunto a otra persona", "Pass the matter to another person"),
)


def scenario(name: str, competency: str) -> str:
    """A valid scenario file."""
    options = [
        OPTION.replace("RIGHT", right)
        .replace("SPANISH", es)
        .replace("ENGLISH", en)
        .replace("WHY", WHY)
        .replace("REASON", REASON)
        for right, es, en in OPTIONS
    ]
    start = SCENARIO.replace("ID", name).replace("COMPETENCY", competency).replace("\\\n", "")
    return start + "".join(options) + TODO


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest valid course: one topic and two scenarios."""
    root = tmp_path_factory.mktemp("pattern")
    for folder in COPIED:
        shutil.copytree(SHIPPED / folder, root / folder)
    (root / TOPIC).parent.mkdir()
    shutil.copy(SHIPPED / TOPIC, root / TOPIC)
    (root / FOLDER).mkdir(parents=True)
    for file, competency in ((ONE, "instrucciones-tras-avisar"), (OTHER, "excusa-por-escrito")):
        (root / file).write_text(scenario(Path(file).stem, competency), encoding="utf-8")
    return root


@pytest.fixture
def copy(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "content"))


def problems(root: Path) -> list[str]:
    with pytest.raises(BrokenContent) as broken:
        course.load(root)
    assert str(broken.value) == "\n".join(map(str, broken.value.problems))
    return [str(one) for one in broken.value.problems]


def change(root: Path, file: str, *pairs: tuple[str, str]) -> None:
    path = root / file
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")


def test_the_small_copy_is_valid(copy: Path) -> None:
    small = course.load(copy)
    assert sorted(small.scenarios) == ["cotizacion-de-la-prima", "dale-tu-confio-en-ti"]


ALL_WRONG = ("right = true", "right = false")
TWO_RIGHT = ("right = false", "right = true")
MISTAKES = {
    "a field is missing": (ONE, [('author = "Redacción del curso"\n', "")], [ONE, "author", "required"]),
    "an unknown field": (ONE, [("variant = 1", 'variant = 1\ncolour = "red"')], [ONE, "colour", "'red'"]),
    "a text instead of a number": (ONE, [("variant = 1", 'variant = "first"')], [ONE, "variant", "'first'"]),
    "a word that is not on the list": (ONE, [('"general"', '"astronauta"')], [ONE, "roles.0", "'astronauta'"]),
    "an unknown state": (ONE, [('"published"', '"done"')], [ONE, "state", "'done'"]),
    "a file that is not named after its id": (ONE, [('id = "dale-tu', 'id = "dale-usted')], [ONE, "id", "dale-usted"]),
    "two right options": (ONE, [TWO_RIGHT], [ONE, "exactly one option", "seen: 2"]),
    "no right option": (ONE, [ALL_WRONG], [ONE, "exactly one option", "seen: 0"]),
    "an article that is not in the catalogue": (
        ONE,
        [('articles = ["lgra-58"]', 'articles = ["lgra-999"]')],
        [ONE, "options.0.articles.0", "'lgra-999'"],
    ),
    "an unknown competency": (
        ONE,
        [('"instrucciones-tras-avisar"', '"instrucciones"')],
        [ONE, "competency", "'instrucciones'"],
    ),
    "a situation that is too long": (
        ONE,
        [("Ayer informaste", "Ayer " + "muy " * 60 + "temprano informaste")],
        [ONE, "situation.es", "40 to 90 words"],
    ),
    "an option that is too long": (
        ONE,
        [("Pasar el asunto a otra persona", "Pasar " + "el asunto " * 20)],
        [ONE, "options.2.text.es", f"at most {limits.OPTION}"],
    ),
    "a todo that is too long": (
        ONE,
        [("Espera la instrucción.", "Espera" + " la instrucción" * 10)],
        [ONE, "todo.es", f"at most {limits.TO_DO} characters"],
    ),
    "a reason that is too long": (
        ONE,
        [("no se actúa", "no " + "mucho " * 50)],
        [ONE, "options.0.why.es", "20 to 50 words"],
    ),
    "a translation is missing": (
        ONE,
        [(', en = "Wait for the written answer"', "")],
        [ONE, "options.0.text.en", "required"],
    ),
    "a translation of blanks": (
        ONE,
        [('en = "Wait for the written answer"', 'en = "  "')],
        [ONE, "options.0.text.en"],
    ),
    "an article marked as hearsay": (LGRA, [('mark = "V"', 'mark = "R"')], [LGRA, "articles.0.mark", "'R'"]),
    "an article marked as unchecked": (LGRA, [('mark = "V"', 'mark = "U"')], [LGRA, "'V' or 'V2'", "'U'"]),
    "an article with an unknown mark": (LGRA, [('mark = "V"', 'mark = "V3"')], [LGRA, "'V' or 'V2'", "'V3'"]),
    "a field twice": (ONE, [("variant = 1", "variant = 1\nvariant = 2")], [ONE, "defined twice", "'variant = 2'"]),
    "a table twice": (ONE, [("[todo]", "[situation]")], [ONE, "defined twice", "'[situation]'"]),
    "two options": (ONE, [("[[options]]", "[[choices]]")], [ONE, "options", "at least 3 items"]),
    "an article as words": (ONE, [('articles = ["lgra-58"]', 'articles = "lgra-58"')], [ONE, "options.0.articles"]),
    "an option without law": (
        ONE,
        [('articles = ["lgra-58"]', "articles = []")],
        [ONE, "options.0.articles", "1 item"],
    ),
    "a situation that is too short": (
        ONE,
        [("Un colega dice que basta con el aviso y que puedes firmar ya. El plazo vence el viernes.", "")],
        [ONE, "situation.es", "40 to 90 words (seen: 27)"],
    ),
    "an invalid date": (ONE, [("2026-11-22", '"2026-02-30"')], [ONE, "reviewed_on", "'2026-02-30'"]),
    "an article twice in a law": (LGRA, [('id = "lgra-3"', 'id = "lgra-1"')], [LGRA, "articles", "'lgra-1'"]),
    "an article id of another law": (
        "articles/lgt.toml",
        [('id = "lgt-', 'id = "lgra-1"  # ')],
        ["articles/lgt.toml", "articles", "'lgra-1'"],
    ),
    "an institution's code twice": (
        "institutions/guanajuato.toml",
        [('code = "SG"', 'code = "DEMO"')],
        ["institutions/guanajuato.toml", "institutions", "'DEMO'"],
    ),
    "a code in small letters": (
        "institutions/demo.toml",
        [('code = "DEMO"', 'code = "demo"')],
        ["institutions/demo.toml", "institutions.0.code", "'demo'"],
    ),
    "a competency twice": (
        TOPIC,
        [('id = "instrucciones-tras-avisar"', 'id = "excusa-por-escrito"')],
        [TOPIC, "competencies", "'excusa-por-escrito'"],
    ),
    "two scenarios that are the same variant": (
        OTHER,
        [('competency = "', 'competency = "instrucciones-tras-avisar"  # '), ("variant = ", "variant = 1  # ")],
        [ONE, "variant", "'instrucciones-tras-avisar 1'"],
    ),
    "a question out of order": (SHEET, [('id = "q3"', 'id = "q9"')], [SHEET, "questions", "q1 to q14, in order"]),
    "an outcome is missing": (SHEET, [('id = "gift"', 'id = "real"')], [SHEET, "outcomes", "missing: gift"]),
    "an outcome without a verified article": (
        SHEET,
        [('articles = ["lgra-58", "lgra-3-vi", "lgra-60"]', 'articles = ["lraeg-57"]')],
        [SHEET, "outcomes.0.articles", "marked V"],
    ),
    "a note is missing": (SHEET, [('id = "do-not-act"', 'id = "municipal"')], [SHEET, "notes", "do-not-act"]),
    "invalid TOML": (ONE, [("variant = 1", "variant = = 1")], [ONE, "not readable as TOML", "line 3"]),
    "a placeholder that one language lacks": (
        "messages/chat.en.toml",
        [("{hour}", "now")],
        ["messages/chat.en.toml", "placeholders", "Spanish has", "'hour'"],
    ),
    "a phrase that one language lacks": (
        "messages/chat.en.toml",
        [("stayed = ", "# stayed = ")],
        ["messages/chat.es.toml", "leave.stayed", "missing", "(en)"],
    ),
    "a label that is too long": (
        "messages/chat.es.toml",
        [('accept = "Acepto"', 'accept = "Acepto el aviso completo"')],
        ["messages/chat.es.toml", "button.accept", "at most 20", "seen: 24"],
    ),
    "emphasis that is not closed": (
        "messages/chat.es.toml",
        [("**Lo que guardamos de ti**", "**Lo que guardamos de ti")],
        ["messages/chat.es.toml", "leave.my_data", "opened but not closed"],
    ),
    "a placeholder with an attribute": (
        "messages/chat.es.toml",
        [("Hecho: ahora tu institución es **{institution}**", "Hecho: **{institution.code}**")],
        ["messages/chat.es.toml", "enroll.moved", "not a {placeholder}"],
    ),
    "a phrase that is a number": (
        "messages/chat.es.toml",
        [('resumed = "', "resumed = 5 # ")],
        ["messages/chat.es.toml", "profile.resumed", "seen: 5"],
    ),
}


@pytest.mark.parametrize(("file", "pairs", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_reported_with_file_field_and_value(
    copy: Path, file: str, pairs: list[tuple[str, str]], expected: list[str]
) -> None:
    change(copy, file, *pairs)
    found = problems(copy)
    assert any(all(part in line for part in expected) for line in found), found


def test_only_the_two_languages_have_catalogs(copy: Path) -> None:
    (copy / "messages/chat.fr.toml").write_text('[help]\ntext = "Bonjour"\n', encoding="utf-8")
    assert problems(copy) == ["messages/chat.fr.toml: the file name must end in .es.toml or .en.toml"]


def test_a_phrase_is_defined_in_one_file_only(copy: Path) -> None:
    for language in LANGUAGES:
        (copy / f"messages/zz.{language}.toml").write_text('[leave]\nstayed = "Bien"\n', encoding="utf-8")
    found = problems(copy)
    assert "messages/zz.es.toml: leave.stayed: also defined in messages/chat.es.toml" in found


@pytest.mark.parametrize("content", [b'id = "caf\xe9"\n', b"\xff\xfe", b"\xef\xbb\xbfid = 1\n"])
def test_a_file_that_is_not_utf_8_is_reported(copy: Path, content: bytes) -> None:
    (copy / ONE).write_bytes(content)
    assert any(ONE in line and "not readable as TOML in UTF-8" in line for line in problems(copy))


def test_a_duplicate_scenario_id_is_reported(copy: Path) -> None:
    twice = copy / "scenarios/valores/dale-tu-confio-en-ti.toml"
    twice.parent.mkdir()
    shutil.copy(copy / ONE, twice)
    assert any("used twice (seen: 'dale-tu-confio-en-ti')" in line for line in problems(copy))


def test_a_missing_self_assessment_is_reported(copy: Path) -> None:
    (copy / SHEET).unlink()
    assert problems(copy) == ["assessments: the self-assessment is missing"]


def test_all_mistakes_are_reported_together_and_once(copy: Path) -> None:
    names = ("a field is missing", "an institution's code twice", "a question out of order", "a label that is too long")
    wanted = [MISTAKES[name] for name in (*names, "an article marked as hearsay")]
    for file, pairs, _ in wanted:
        change(copy, file, *pairs)
    change(copy, OTHER, ("variant = 1", "variant = 0"), ("right = true", "right = 1.5"))
    found = problems(copy)
    for _, _, expected in wanted:
        assert any(all(part in line for part in expected) for line in found), expected
    fields = {line.split(": ")[1] for line in found if OTHER in line}
    assert "variant" in fields
    assert any(one.endswith(".right") for one in fields)
    assert len(found) == len(set(found))


# ---------------------------------------------------------------- the course as it is shipped


def test_the_shipped_course_has_six_topics_and_two_scenarios_per_competency(library: Library) -> None:
    assert len(library.topics) == 6
    assert len(library.competencies) >= 12
    assert set(library.askable) == set(library.competencies)
    assert min(map(len, library.askable.values())) >= 2


def test_every_article_is_marked_as_verified(library: Library) -> None:
    marks = {one.article.mark for one in library.articles.values()}
    assert marks <= {"V", "V2"}


def rendered(library: Library, message: Message, language: str) -> str:
    """The rendered text; fails if it was cut or a button exceeds the limits."""
    parcel = outgoing.render(library, Recipient("telegram", "1", language), message, Action.SEND)
    limit = limits.TEXT_WITH_BUTTONS if parcel.rows else limits.TEXT
    assert 0 < len(parcel.text) < limit, f"{message.key}: {len(parcel.text)}"
    for key in (key for row in parcel.rows for key in row):
        assert 0 < len(key.label) <= limits.BUTTON_LABEL
        assert len(key.choice.encode()) <= limits.CHOICE_BYTES
    return parcel.text


PROMPT = Prompt(10**15 - 1, 1, date(2026, 11, 23), "", "", "new")
"""A prompt with the longest id that fits a button payload."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_scenario_fits_every_channel_with_its_feedback(library: Library, language: str) -> None:
    for scenario in library.scenarios.values():
        asked = rendered(library, daily.prompt_message(library, PROMPT, scenario), language)
        assert scenario.situation.in_language(language) in asked
        for letter, option in zip(LETTERS, scenario.options, strict=False):
            assert f"{letter.upper()}) {option.text.in_language(language)}" in asked
            shown = rendered(library, answer.feedback_message(library, PROMPT, scenario, letter), language)
            assert option.why.in_language(language) in shown
            for article in option.articles:
                assert library.articles[article].label(language) in shown


def test_the_other_options_of_a_scenario_fit_one_message(library: Library) -> None:
    for scenario in library.scenarios.values():
        for letter in LETTERS[: len(scenario.options)]:
            message = Message("answer.others", {"reasons": answer._other_options(scenario, letter)})
            for language in LANGUAGES:
                rendered(library, message, language)
