"""Intents: held-out texts are recognized, questions are not mistaken for one, and mistakes of authors are reported."""

import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from content import library as course
from content.course.intents import DISTRESS, STOP
from content.library import SHIPPED
from content.problems import BrokenContent, Problem
from content.quality import bank_checks
from content.text import LANGUAGES

Typed = Mapping[str, Mapping[str, Sequence[str]]]


def typed(name: str) -> Typed:
    """Texts by what they are, and by language."""
    return tomllib.loads(Path(__file__).with_name(f"intents_{name}.toml").read_text(encoding="utf-8"))


HELD_OUT, FRESH = typed("held_out"), typed("fresh")
SECOND, SECOND_FRESH = typed("second"), typed("second_fresh")
OTHERS = {"second": SECOND, "fresh": FRESH, "second_fresh": SECOND_FRESH}
ASKED = tomllib.loads(Path(__file__).with_name("faq_questions.toml").read_text(encoding="utf-8"))
COURSE = course.load()
FIND = COURSE.intents.find


@pytest.mark.parametrize("language", LANGUAGES)
def test_held_out_texts_are_understood(language: str) -> None:
    assert len(HELD_OUT["stop"][language]) == 23
    assert len(HELD_OUT["distress"][language]) == 12
    assert [text for text in HELD_OUT["stop"][language] if set(FIND(text)) != {STOP}] == []
    assert [text for text in HELD_OUT["distress"][language] if set(FIND(text)) != {DISTRESS}] == []
    assert [text for text in HELD_OUT["both"][language] if set(FIND(text)) != {STOP, DISTRESS}] == []


@pytest.mark.parametrize(("name", "least"), [("second", 0.93), ("fresh", 0.8), ("second_fresh", 0.55)])
@pytest.mark.parametrize("intent", [STOP, DISTRESS])
def test_most_other_wordings_are_understood(name: str, least: float, intent: str) -> None:
    texts = OTHERS[name]
    found = [set(FIND(text)) == {intent} for language in LANGUAGES for text in texts[intent][language]]
    assert sum(found) / len(found) >= least


@pytest.mark.parametrize("name", OTHERS)
def test_other_wordings_that_are_neither_have_no_intent(name: str) -> None:
    texts = OTHERS[name]
    assert [text for language in LANGUAGES for text in texts["neither"][language] if FIND(text)] == []


def test_other_texts_have_no_intent() -> None:
    others = [text for language in LANGUAGES for text in HELD_OUT["neither"][language]]
    assert len(others) >= 60
    found = {text: set(FIND(text)) for text in others}
    assert [text for text, intents in found.items() if STOP in intents] == []
    assert len([text for text, intents in found.items() if DISTRESS in intents]) <= 1
    not_stop = [text for texts in (HELD_OUT, SECOND) for language in LANGUAGES for text in texts["not_stop"][language]]
    assert not any(STOP in FIND(text) for text in not_stop)


def test_questions_of_the_faq_are_not_mistaken_for_an_intent() -> None:
    entries = COURSE.faq.entries
    for entry in entries.values():
        for language in LANGUAGES:
            for text in (entry.question.in_language(language), *entry.asked.in_language(language)):
                found = set(FIND(text))
                assert found <= {DISTRESS}, text
                if entry.path != "support":  # how reprisals are prevented may be asked without any
                    assert (DISTRESS in found) == (entry.path == "harassment"), text
    for section in ("held_out_es", "held_out_en", "es", "en"):
        for text, wanted in ASKED[section].items():
            if not any(entries[name].path for name in wanted):
                assert not FIND(text), text
    assert not [text for language in LANGUAGES for text in ASKED["elsewhere"][language] if FIND(text)]


@pytest.mark.parametrize(
    "text",
    [
        "YA NO QUIERO RECIBIR MENSAJES",
        "yaaaa nooo kieroo resibir mensages",
        "¡¡ya no quiéro!! recibir… mensajes 🙏",
        "hola buenas tardes, ya no quiero recibir msjs xfa gracias",
        "dejen de mandar mensajes",
        "dar de vaja, porfa",
        "𝗦𝗧𝗢𝗣",
        "Dont text me",
        "DON\N{RIGHT SINGLE QUOTATION MARK}T TEXT ME",
        "Integra, stop!!! thx",
    ],
)
def test_spelling_makes_no_difference(text: str) -> None:
    assert set(FIND(text)) == {STOP}


def test_despair_is_not_taken_for_asking_to_stop() -> None:
    for text in ("ya no quiero vivir", "me quiero morir", "ya no quiero seguir viviendo", "I want to end my life"):
        assert set(FIND(text)) == {DISTRESS}, text


def test_distress_in_other_words_is_understood_beside_a_wish_to_stop() -> None:
    assert set(FIND("ya basta, mi jefe me mira raro y me da miedo estar con él")) == {STOP, DISTRESS}


def test_greetings_alone_stop_nothing() -> None:
    for text in ("hola", "gracias", "gracias integra", "por favor", "", "🛑", "...", "ya", "no", "sí, gracias"):
        assert not FIND(text), text


def test_hardly_any_sentence_of_a_scenario_has_an_intent() -> None:
    texts = [
        text for one in COURSE.scenarios.values() for text in (one.situation, *(each.text for each in one.options))
    ]
    sentences = [
        sentence
        for language in LANGUAGES
        for text in texts
        for sentence in re.split(r"[.?!:;]", text.in_language(language))
    ]
    assert len(sentences) > 1000
    assert len([sentence for sentence in sentences if FIND(sentence)]) <= 6


WORDS = ["no", "ya", "quiero", "recibir", "mensajes", "de", "baja", "me", "obligan", "stop", "do", "not", "want"]


@example("ﬁ'´’ QUE que 𝕢𝕦𝕖 ch")
@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    assert set(FIND(text)) <= {STOP, DISTRESS}


@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_any_order_of_words_can_be_read(words: Sequence[str]) -> None:
    assert set(FIND(" ".join(words))) <= {STOP, DISTRESS}


def test_no_name_or_code_of_an_institution_is_taken_for_an_intent() -> None:
    names = {part for one in COURSE.institutions for part in (one.code, one.name)}
    assert not [name for name in names if FIND(name)]


# ---------------------------------------------------------------- mistakes of authors

MINIMAL = """
intent = "thanks"
[[groups]]
id = "thanks"
anywhere.es = ["mil gracias|bendiciones", "{apodo} chido"]
alone.en = ["you rock"]
[lists.es]
apodo = ["compa", "mi estimado"]
[examples]
es = ["mil bendiciones", "que chido, mi estimado chido"]
en = ["you rock, integra"]
[near_misses]
es = ["mil pesos"]
"""
MISTAKES = {
    "a pattern without an example": ('"mil gracias', '"muy amable", "mil gracias', "groups.0.anywhere.es.0"),
    "an example that no pattern matches": ('"you rock, integra"', '"you rock, integra", "cheers"', "examples.en.1"),
    "an example of another intent": ('"mil bendiciones"', '"mil bendiciones", "mil gracias, denme de baja"', "stop"),
    "a near miss with the intent": ('"mil pesos"', '"mil gracias"', "near_misses.es.0"),
    "an unknown list": ('"{apodo} chido"', '"{apodos} chido"', "no such list"),
    "only words that may be missing": ('"{apodo} chido"', '"(muy) ..."', "expected a word that must be there"),
    "a parenthesis too many": ('"{apodo} chido"', '"(muy {apodo} chido"', "not closed"),
    "two letters before a star": ('"{apodo} chido"', '"{apodo} ch*"', "at least 3 letters"),
    "an intent named unlike its file": ('intent = "thanks"', 'intent = "thank"', "named after its intent"),
    "an answer that the FAQ lacks": ('id = "thanks"', 'id = "thanks"\nanswer = "de-nada"', "groups.0.answer"),
    "no groups": ("[[groups]]", "[[group]]", "group"),
}


LIKE = """
intent = "praise"
likeness = 1.0
[[groups]]
id = "praise"
alone.es = ["bravo"]
[examples]
es = ["bravo", "que bonito curso hicieron", "me gusta mucho este curso", "la verdad me encanta su curso"]
[near_misses]
es = ["me gusta mucho la pizza", "no es un bonito curso"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an installation's own intents."""
    folder = tmp_path / "content" / "intents"
    folder.mkdir(parents=True)
    (folder / "thanks.toml").write_text(MINIMAL, encoding="utf-8")
    return folder


def reported(folder: Path) -> list[Problem]:
    """What `integra check` reports of an installation's own intents."""
    try:
        library = course.load(overlay=folder.parent)
    except BrokenContent as broken:
        return list(broken.problems)
    return [one for one in bank_checks.faults(library) if "intents/" in one.file]


def test_an_installation_can_add_an_intent(folder: Path) -> None:
    found = course.load(overlay=folder.parent).intents.find("Mi estimado chido")
    assert found == {"thanks": None}


def test_a_text_like_the_examples_has_their_intent_if_the_file_says_so(folder: Path) -> None:
    """No pattern says so: `likeness` alone does, which no near miss has however much it is like the examples."""
    (folder / "praise.toml").write_text(LIKE, encoding="utf-8")
    find = course.load(overlay=folder.parent).intents.find
    assert find("oigan, me encanta mucho el curso que hicieron") == {"praise": None}
    assert not any(find(text) for text in ("no es un bonito curso", "me encanta la pizza", "el curso"))
    (folder / "praise.toml").write_text(LIKE.replace("likeness = 1.0", ""), encoding="utf-8")
    assert {one.field for one in reported(folder)} == {"examples.es.1", "examples.es.2", "examples.es.3"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_with_file_and_field(mistake: str, folder: Path) -> None:
    old, new, expected = MISTAKES[mistake]
    assert old in MINIMAL
    (folder / "thanks.toml").write_text(MINIMAL.replace(old, new, 1), encoding="utf-8")
    problems = reported(folder)
    assert any("thanks.toml" in one.file and expected in str(one) for one in problems), problems


def test_a_new_pattern_that_takes_other_intents_examples_is_reported(folder: Path) -> None:
    shutil.copy(SHIPPED / "intents" / "stop.toml", folder)
    text = (folder / "stop.toml").read_text(encoding="utf-8")
    (folder / "stop.toml").write_text(
        text.replace('"dejar de mandarme', '"acoso", "dejar de mandarme', 1), encoding="utf-8"
    )
    assert any(one.file == "intents/distress.toml" and "seen: distress, stop" in str(one) for one in reported(folder))
