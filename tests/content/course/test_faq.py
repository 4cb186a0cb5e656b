"""Typed questions find the right FAQ entry; invalid entries are reported with file and field."""

import shutil
import tomllib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
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
    """Share of a section's questions for which a right entry is among the two found."""
    questions: dict[str, list[str]] = ASKED[section]
    right = [set(wanted) & {one.id for one in FAQ.find(text, language)} for text, wanted in questions.items()]
    return sum(map(bool, right)) / len(right)


def bare(text: str) -> str:
    signs = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in signs if sign.isalnum() or (sign.isspace() and not unicodedata.combining(sign)))


# ---------------------------------------------------------------- the shipped entries


def test_every_topic_has_at_least_eleven_entries(library: Library) -> None:
    chapters = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in (SHIPPED / "faq").iterdir()}
    assert chapters.keys() == library.topics.keys()
    assert all(len(chapter["entries"]) >= 11 for chapter in chapters.values())
    assert len(library.faq.entries) >= 66


@pytest.mark.parametrize("entry", FAQ.entries.values(), ids=lambda entry: entry.id)
def test_an_answer_is_readable(entry: FaqEntry) -> None:
    shown = f"{entry.question.es} {entry.answer.es}"
    assert list(shipped_wording().violations(shown)) == []
    assert list(shipped_wording().name_violations(entry.answer.en)) == []
    for language in LANGUAGES:
        answer = entry.answer.in_language(language)
        assert max(len(sentence.split()) for sentence in sentences(answer)) <= 25


def test_only_articles_read_in_the_official_text_are_cited() -> None:
    cited = {article for entry in FAQ.entries.values() for article in entry.articles}
    assert {COURSE.articles[one].article.mark for one in cited} == {"V"}
    assert all(COURSE.articles[one].short != "LRAEG" for one in cited)  # read in secondary sources only


# ---------------------------------------------------------------- search


def test_the_test_questions_refer_to_existing_entries() -> None:
    wanted = {
        one for section, asked in ASKED.items() if section != "elsewhere" for ids in asked.values() for one in ids
    }
    assert wanted <= FAQ.entries.keys()
    assert len(ASKED["es"]) + len(ASKED["en"]) >= 40


@pytest.mark.parametrize("language", LANGUAGES)
def test_nine_of_ten_questions_find_their_entry(language: str) -> None:
    assert share(language, language) >= 0.9


@pytest.mark.parametrize("language", LANGUAGES)
def test_held_out_questions_mostly_find_their_entry(language: str) -> None:
    assert share(f"held_out_{language}", language) >= 0.75


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_entry_is_found_by_its_own_question_in_any_spelling(language: str) -> None:
    for entry in FAQ.entries.values():
        question = entry.question.in_language(language)
        for text in (question, question.upper(), bare(question), f"{HELLO[language]}, {question}"):
            assert entry in FAQ.find(text, language), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_other_phrasings_find_the_entry(language: str) -> None:
    phrasings = [(entry, text) for entry in FAQ.entries.values() for text in entry.asked.in_language(language)]
    found = [entry in FAQ.find(text, language) for entry, text in phrasings]
    assert sum(found) / len(found) >= 0.97


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_off_topic_question_finds_nothing(language: str) -> None:
    assert [text for text in ASKED["elsewhere"][language] if FAQ.find(text, language)] == []


def test_typos_are_corrected() -> None:
    for text in ("que es el conflcito de interes", "puedo usar el vehículo oficail", "denuncia anonma"):
        assert FAQ.find(text, "es"), text
    assert FAQ.find("le dieron el puesto a mi abuel", "es"), "five letters are enough"
    assert FAQ.find("aceso de informacion", "es") == FAQ.find("acceso de informacion", "es") != ()
    assert FAQ.find("elefante", "es") == FAQ.find("xqzw jkwq", "es") == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_stop_words_change_no_result(language: str) -> None:
    """Also not as typos of words that they resemble: "conmigo" is no slip of "consigo"."""
    listed = tomllib.loads((SHIPPED / "synonyms" / f"{language}.toml").read_text(encoding="utf-8"))["stop"]
    stop_words = " ".join(word for word in listed if len(word) > 4)
    assert stop_words.count(" ") > 20
    for entry in list(FAQ.entries.values())[::3]:
        question = entry.question.in_language(language)
        assert FAQ.find(f"{question} {stop_words}", language) == FAQ.find(question, language), question


def test_a_question_in_the_other_language_finds_its_entry() -> None:
    assert "aceptar-regalo" in [one.id for one in FAQ.find("can I accept a gift from a supplier?", "es")]
    assert "aceptar-regalo" in [one.id for one in FAQ.find("¿puedo aceptar un regalo de un proveedor?", "en")]


def test_the_limit_of_results_is_respected() -> None:
    assert len(FAQ.find("¿puedo contratar a un familiar?", "es", limit=1)) == 1


@example("00ÆÐȴ", "es")  # five letters, of which two are left without the signs of other alphabets
@given(st.text(max_size=200), st.sampled_from(LANGUAGES))
def test_any_text_can_be_searched(text: str, language: str) -> None:
    assert len(FAQ.find(text, language)) <= 2
    assert FAQ.is_question(text) in (True, False)


@given(st.text(st.sampled_from("\"'()*:^-+ AND OR NOT NEAR{}[]?¿regalo"), max_size=60))
def test_query_syntax_in_a_question_is_harmless(text: str) -> None:
    assert len(FAQ.find(text, "es")) <= 2


# ---------------------------------------------------------------- detecting questions

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
    "¿y mi prima",
    "can i accept a gift",
    "my boss asks me to sign, what do i do",
    "is it legal to hire my cousin",
]
NOT_QUESTIONS = [
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
def test_a_question_is_detected(text: str) -> None:
    assert FAQ.is_question(text)


@pytest.mark.parametrize("text", NOT_QUESTIONS)
def test_greetings_codes_and_statements_are_not_questions(text: str) -> None:
    assert not FAQ.is_question(text)


def test_a_call_for_help_that_no_word_explains_gets_one_entry_on_all_violence() -> None:
    assert [one.id for one in FAQ.find_support("xqzw jkwq", "es", None, limit=3)] == ["violencia-en-el-trabajo"]


# ---------------------------------------------------------------- invalid files


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "content", ignore=shutil.ignore_patterns("*.py", "__pycache__")))


MISTAKES = {
    "an unknown article": (
        GIFTS,
        '["lgra-7-ii", "lgra-40", "lgra-49-ii"]',
        '["lgra-7-ii", "lgra-999"]',
        "entries.0.articles.1",
    ),
    "no article": (GIFTS, '["lgra-7-ii", "lgra-40", "lgra-49-ii"]', "[]", "entries.0.articles"),
    "an id that is used twice": (GIFTS, '"regalo-pequeno"', '"aceptar-regalo"', "'aceptar-regalo'"),
    "an id of another topic": (GIFTS, '"regalo-pequeno"', '"me-gritan"', "'me-gritan'"),
    "an unknown topic": (GIFTS, 'topic = "prevencion-corrupcion"', 'topic = "otro"', "no such topic"),
    "a file not named after its topic": (GIFTS, 'topic = "prevencion-corrupcion"', 'topic = "valores"', "named after"),
    "an answer that is too short": (GIFTS, 'answer.es = "No. ', 'answer.es = "No." #', "25 to 70 words"),
    "only one phrasing": (GIFTS, '["Can I take a present from a supplier?", ', "[", "entries.0.asked.en"),
    "an unknown field": (GIFTS, "[[entries]]", "[[entries]]\ncolour = 1", "colour"),
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
def test_a_mistake_is_reported_with_file_and_field(mistake: str, copy: Path) -> None:
    file, old, new, expected = MISTAKES[mistake]
    path = copy / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BrokenContent) as broken:
        course.load(copy)
    assert any(one.file == file and expected in str(one) for one in broken.value.problems), str(broken.value)


def test_without_entries_and_synonyms_nothing_is_found(copy: Path) -> None:
    shutil.rmtree(copy / "faq")
    shutil.rmtree(copy / "synonyms")
    shutil.rmtree(copy / "intents")
    bare_course = course.load(copy)
    assert bare_course.faq.find("¿puedo aceptar un regalo?", "es") == ()
    assert bare_course.faq.is_question("¿puedo aceptar un regalo?") is False
