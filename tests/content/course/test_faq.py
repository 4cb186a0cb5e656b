"""Questions as people type them find the entry that answers; broken entries are told with file and field."""

import shutil
import tomllib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content import library as course
from content.course.faq import FaqEntry
from content.library import SHIPPED, Library
from content.problems import BrokenContent
from content.quality.readability import sentences
from content.quality.style_rules import shipped_wording
from content.text import LANGUAGES

ASKED = tomllib.loads(Path(__file__).with_name("faq_questions.toml").read_text(encoding="utf-8"))
COURSE = course.load()
FAQ = COURSE.faq
HELLO = {"es": "hola, gracias", "en": "hello, thanks"}
GIFTS = "faq/prevencion-corrupcion.toml"


def share(section: str, language: str) -> float:
    """How many questions of a section have a right entry among the two that are found."""
    questions: dict[str, list[str]] = ASKED[section]
    right = [set(wanted) & {one.id for one in FAQ.find(text, language)} for text, wanted in questions.items()]
    return sum(map(bool, right)) / len(right)


def bare(text: str) -> str:
    signs = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in signs if sign.isalnum() or (sign.isspace() and not unicodedata.combining(sign)))


# ---------------------------------------------------------------- what there is


def test_every_topic_has_at_least_eleven_entries(library: Library) -> None:
    chapters = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in (SHIPPED / "faq").iterdir()}
    assert chapters.keys() == library.topics.keys()
    assert all(len(chapter["entries"]) >= 11 for chapter in chapters.values())
    assert len(library.faq.entries) >= 66


@pytest.mark.parametrize("entry", FAQ.entries.values(), ids=lambda entry: entry.id)
def test_an_answer_is_easy_to_take_in(entry: FaqEntry) -> None:
    spoken = f"{entry.question.es} {entry.answer.es}"
    assert list(shipped_wording().violations(spoken)) == []
    assert list(shipped_wording().name_violations(entry.answer.en)) == []
    for language in LANGUAGES:
        answer = entry.answer.in_language(language)
        assert max(len(sentence.split()) for sentence in sentences(answer)) <= 25


def test_only_what_the_general_law_and_the_data_laws_say_is_cited() -> None:
    cited = {article for entry in FAQ.entries.values() for article in entry.articles}
    assert {COURSE.articles[one].article.mark for one in cited} == {"V"}
    assert all(COURSE.articles[one].short != "LRAEG" for one in cited)  # its numbers were read in secondary pages only


# ---------------------------------------------------------------- what is found


def test_the_questions_of_the_list_name_entries_that_exist() -> None:
    wanted = {
        one for section, asked in ASKED.items() if section != "elsewhere" for ids in asked.values() for one in ids
    }
    assert wanted <= FAQ.entries.keys()
    assert len(ASKED["es"]) + len(ASKED["en"]) >= 40


@pytest.mark.parametrize("language", LANGUAGES)
def test_nine_of_ten_questions_find_their_entry_among_two(language: str) -> None:
    assert share(language, language) >= 0.9


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_nobody_tuned_for_mostly_find_their_entry(language: str) -> None:
    assert share(f"held_out_{language}", language) >= 0.75


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_entry_is_found_by_its_own_question_however_it_is_written(language: str) -> None:
    for entry in FAQ.entries.values():
        question = entry.question.in_language(language)
        for text in (question, question.upper(), bare(question), f"{HELLO[language]}, {question}"):
            assert entry in FAQ.find(text, language), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_other_ways_of_asking_find_the_entry(language: str) -> None:
    ways = [(entry, way) for entry in FAQ.entries.values() for way in entry.asked.in_language(language)]
    found = [entry in FAQ.find(way, language) for entry, way in ways]
    assert sum(found) / len(found) >= 0.97


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_about_something_else_finds_nothing(language: str) -> None:
    assert [text for text in ASKED["elsewhere"][language] if FAQ.find(text, language)] == []


def test_a_slip_of_the_finger_is_forgiven() -> None:
    for text in ("que es el conflcito de interes", "puedo usar el vehículo oficail", "denuncia anonma"):
        assert FAQ.find(text, "es"), text
    assert FAQ.find("elefante", "es") == FAQ.find("xqzw jkwq", "es") == ()


def test_whoever_types_in_the_other_language_is_understood() -> None:
    assert "aceptar-regalo" in [one.id for one in FAQ.find("can I accept a gift from a supplier?", "es")]
    assert "aceptar-regalo" in [one.id for one in FAQ.find("¿puedo aceptar un regalo de un proveedor?", "en")]


def test_at_most_as_many_as_asked_for_are_found() -> None:
    assert len(FAQ.find("¿puedo contratar a un familiar?", "es", most=1)) == 1


@given(st.text(max_size=200), st.sampled_from(LANGUAGES))
def test_no_text_is_too_strange_to_look_for(text: str, language: str) -> None:
    assert len(FAQ.find(text, language)) <= 2
    assert FAQ.is_question(text) in (True, False)


@given(st.text(st.sampled_from("\"'()*:^-+ AND OR NOT NEAR{}[]?¿regalo"), max_size=60))
def test_the_language_of_the_index_cannot_be_spoken_from_outside(text: str) -> None:
    assert len(FAQ.find(text, "es")) <= 2


# ---------------------------------------------------------------- what looks like a question

QUESTIONS = [
    "¿Puedo aceptar un regalo?",
    "puedo aceptar un regalo",
    "PUEDO ACEPTAR UN REGALO",
    "se puede usar el carro oficial",
    "debo denunciar a mi jefe",
    "me pueden sancionar por esto",
    "qué hago si me ofrecen dinero",
    "que hago si me ofrecen dinero",
    "como pido excusa",
    "está bien recibir propina",
    "esta bien recibir propina",
    "es legal contratar a mi primo",
    "Hola, buenas tardes, una pregunta: puedo vender en la oficina",
    "mi jefe me ofrecio dinero que hago",
    "mi primo quiere cotizar, puedo revisarlo",
    "y si no denuncio",
    "regalo de proveedor?",
    "¿y mi prima?",
    "can i accept a gift",
    "my boss asks me to sign, what do i do",
    "is it legal to hire my cousin",
]
NO_QUESTIONS = [
    "",
    " ",
    "?",
    "¿?",
    "hola",
    "Hola!",
    "¿Hola?",
    "buenos días",
    "Hola, ¿cómo estás?",
    "gracias",
    "muchas gracias",
    "baja",
    "¿baja?",
    "ok",
    "a",
    "LEON",
    "ALTA SALUD",
    "¿regalo?",
    "puedo",
    "sí puedo",
    "mi primo trabaja en obra pública",
    "me dieron una canasta",
    "thanks",
    "hello, how are you?",
    "👍",
    "مرحبا",
    "123",
]


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question_looks_like_one(text: str) -> None:
    assert FAQ.is_question(text)


@pytest.mark.parametrize("text", NO_QUESTIONS)
def test_greetings_codes_and_statements_do_not(text: str) -> None:
    assert not FAQ.is_question(text)


# ---------------------------------------------------------------- broken files


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "content", ignore=shutil.ignore_patterns("*.py", "__pycache__")))


MISTAKES = {
    "an article nobody read": (GIFTS, '["lgra-7-ii", "lgra-40"]', '["lgra-7-ii", "lgra-999"]', "entries.0.articles.1"),
    "no article": (GIFTS, '["lgra-7-ii", "lgra-40"]', "[]", "entries.0.articles"),
    "an id that is used twice": (GIFTS, '"regalo-pequeno"', '"aceptar-regalo"', "'aceptar-regalo'"),
    "an id of another topic": (GIFTS, '"regalo-pequeno"', '"me-gritan"', "'me-gritan'"),
    "a topic that is none": (GIFTS, 'topic = "prevencion-corrupcion"', 'topic = "otro"', "no such topic"),
    "a file not named after its topic": (GIFTS, 'topic = "prevencion-corrupcion"', 'topic = "valores"', "named after"),
    "an answer that is too short": (GIFTS, 'answer.es = "No. ', 'answer.es = "No." #', "25 to 70 words"),
    "one way of asking only": (GIFTS, '["Can I take a present from a supplier?", ', "[", "entries.0.asked.en"),
    "a field nobody knows": (GIFTS, "[[entries]]", "[[entries]]\ncolour = 1", "colour"),
    "two entries too long for one message": (
        GIFTS,
        'answer.es = "No. ',
        f'answer.es = "{"muy " * 9}{"x" * 600} ',
        "at most",
    ),
    "a vocabulary of another language": ("synonyms/es.toml", 'language = "es"', 'language = "en"', "named after"),
    "a group of a single word": ("synonyms/es.toml", '"ueipci", "unidad de etica", "la unidad"', '"ueipci"', "groups."),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_file_and_field(mistake: str, copy: Path) -> None:
    file, old, new, told = MISTAKES[mistake]
    path = copy / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BrokenContent) as broken:
        course.load(copy)
    assert any(one.file == file and told in str(one) for one in broken.value.problems), str(broken.value)


def test_without_entries_and_synonyms_nothing_is_found(copy: Path) -> None:
    shutil.rmtree(copy / "faq")
    shutil.rmtree(copy / "synonyms")
    bare_course = course.load(copy)
    assert bare_course.faq.find("¿puedo aceptar un regalo?", "es") == ()
    assert bare_course.faq.is_question("¿puedo aceptar un regalo?") is False
