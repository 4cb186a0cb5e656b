"""Message catalogs: loading, filling, and that handlers and catalogs agree."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import handlers
from content import limits, phrases
from content.library import SHIPPED, Library
from content.phrases import Phrases, UnknownPhrase
from content.problems import Problem
from content.text import LANGUAGES, fold
from handlers import router

CATALOGS = {
    "es": {"a.hello": "Hola **{name}**, son las __{hour}__", "a.bye": "Adiós", "b.c.deep": "Hondo"},
    "en": {"a.hello": "Hello **{name}**, it is __{hour}__", "a.bye": "Bye", "b.c.deep": "Deep"},
}


@pytest.fixture
def small() -> Phrases:
    return Phrases(CATALOGS)


def test_a_phrase_is_filled_without_emphasis_for_pages_and_labels(small: Phrases) -> None:
    assert small.plain("es", "a.hello", {"name": "León", "hour": 9}) == "Hola León, son las 9"
    assert small.template("en", "a.hello") == "Hello **{name}**, it is __{hour}__"


@pytest.mark.parametrize(
    ("language", "key", "values"),
    [("es", "a.unknown", {}), ("fr", "a.bye", {}), ("es", "a.hello", {"name": "León"}), ("es", "a.hello", {})],
)
def test_an_unknown_phrase_or_missing_value_raises(
    small: Phrases, language: str, key: str, values: dict[str, object]
) -> None:
    with pytest.raises(UnknownPhrase, match=key):
        small.plain(language, key, values)


def test_values_are_not_parsed_for_emphasis_or_placeholders(small: Phrases) -> None:
    assert small.plain("es", "a.hello", {"name": "{hour}", "hour": "**"}) == "Hola {hour}, son las **"


def test_a_section_is_keyed_by_the_rest_of_its_keys(small: Phrases) -> None:
    assert small.section("es", "a") == {"hello": CATALOGS["es"]["a.hello"], "bye": "Adiós"}
    assert small.section("es", "b") == {"c.deep": "Hondo"}
    assert small.section("es", "nothing") == {}


def test_files_of_a_language_are_merged(tmp_path: Path) -> None:
    for name, text in (("a", '[one]\nhello = "  x  "\n'), ("b", '[two]\nhello = "y"\n')):
        for language in LANGUAGES:
            (tmp_path / f"{name}.{language}.toml").write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    merged = phrases.load(tmp_path, tmp_path, problems)
    assert problems == []
    assert merged.keys == {"one.hello", "two.hello"}
    assert merged.template("en", "one.hello") == "x"


@pytest.mark.parametrize(
    "text",
    ["{", "}", "a { b }", "{0}", "{}", "{name!r}", "{name:>5}", "{name.x}", "**bold", "__it", "x" * 4097, "", "  "],
)
def test_an_invalid_phrase_is_not_loaded(tmp_path: Path, text: str) -> None:
    for language in LANGUAGES:
        (tmp_path / f"a.{language}.toml").write_text(f'[one]\nhello = "{text}"\n', encoding="utf-8")
    problems: list[Problem] = []
    phrases.load(tmp_path, tmp_path, problems)
    assert {(one.file, one.field) for one in problems} == {
        ("a.es.toml", "one.hello"),
        ("a.en.toml", "one.hello"),
    }


def used_keys() -> Iterator[tuple[str, str]]:
    """Every phrase key that a handler passes to a message or button, with its file."""
    for path in sorted(Path(next(iter(handlers.__path__))).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Message", "Button"):
                key = node.args[0] if node.args else None
                if isinstance(key, ast.Constant):
                    yield str(key.value), path.name


def test_every_key_used_by_a_handler_exists(library: Library) -> None:
    named = list(used_keys())
    assert len(named) > 60
    assert not [(key, file) for key, file in named if key not in library.phrases.keys]


def test_every_label_fits_the_narrowest_button(library: Library) -> None:
    for language in LANGUAGES:
        for key, label in library.phrases.section(language, "button").items():
            assert len(label) <= limits.BUTTON_LABEL or "{" in label, key


def test_no_text_is_untranslated(library: Library) -> None:
    """A longer text that is equal in both languages is untranslated, unless it consists of placeholders."""
    same = [
        key
        for key in library.phrases.keys
        if library.phrases.template("es", key) == library.phrases.template("en", key)
        and len(library.phrases.template("es", key).split()) > 3
        and not key.startswith("words.")
        and any(word.isalpha() and len(word) > 3 for word in library.phrases.template("es", key).split())
    ]
    assert same == []


def test_a_typed_word_maps_to_one_existing_command(library: Library) -> None:
    by_word: dict[str, set[str]] = {}
    for language in LANGUAGES:
        for command, listed in library.phrases.section(language, "words").items():
            assert command in router.COMMANDS
            for word in listed.split(","):
                assert fold(word)
                by_word.setdefault(fold(word), set()).add(command)
    assert not {word: commands for word, commands in by_word.items() if len(commands) > 1}


def test_common_words_for_leaving_are_understood(library: Library) -> None:
    understood = router.command_words(library, "words")
    for word in ("baja", "salir", "alto", "stop", "cancelar", "leave", "unsubscribe"):
        assert understood.get(word) == "baja", word


def test_every_catalog_exists_in_both_languages() -> None:
    names = {path.name.split(".")[0] for path in (SHIPPED / "messages").glob("*.toml")}
    for name in names:
        assert all((SHIPPED / "messages" / f"{name}.{language}.toml").exists() for language in LANGUAGES)
