"""Message catalogs: every sentence of the chats and pages, with the same keys and placeholders in both languages."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

from content import limits
from content.problems import Problem, read_table
from content.text import LANGUAGES

Catalogs = dict[str, dict[str, str]]


class UnknownPhrase(KeyError):
    """No catalog has this key, or a placeholder of it was not filled."""


class Phrases:
    """All phrases by language and key, e.g. `phrases.fill("es", "enroll.welcome", {"institution": "León"})`."""

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._catalogs["es"])

    def template(self, language: str, key: str) -> str:
        """The phrase with its placeholders and emphasis (`**bold**`, `__italic__`) as written."""
        try:
            return self._catalogs[language][key]
        except KeyError:
            raise UnknownPhrase(key) from None

    def plain(self, language: str, key: str, values: Mapping[str, object]) -> str:
        """The phrase filled, without emphasis: for pages and labels."""
        try:
            return self.template(language, key).replace("**", "").replace("__", "").format(**values)
        except (KeyError, IndexError) as fault:
            raise UnknownPhrase(f"{key}: {fault}") from fault

    def section(self, language: str, name: str) -> dict[str, str]:
        """All phrases of one section, by the rest of their key: what a page's script reads."""
        start = name + "."
        return {key[len(start) :]: text for key, text in self._catalogs[language].items() if key.startswith(start)}


def load(folder: Path, root: Path, problems: list[Problem]) -> Phrases:
    """Merge `<area>.<language>.toml` of a folder; what is wrong is added to `problems`."""
    catalogs: Catalogs = {language: {} for language in LANGUAGES}
    origin: dict[tuple[str, str], str] = {}
    for path in sorted(folder.glob("*.toml")):
        file = path.relative_to(root).as_posix()
        language = path.stem.rpartition(".")[2]
        if language not in LANGUAGES:
            problems.append(Problem(file, "", "the name ends in .es.toml or .en.toml"))
            continue
        table = read_table(path, file, problems) or {}
        for key, text in _flat(table, file, problems):
            if key in catalogs[language]:
                problems.append(Problem(file, key, f"stands in {origin[language, key]} too"))
            catalogs[language][key] = text
            origin[language, key] = file
    _compare(catalogs, origin, problems)
    return Phrases(catalogs)


def _flat(table: Mapping[str, Any], file: str, problems: list[Problem], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        key = prefix + name
        if isinstance(value, dict):
            yield from _flat(value, file, problems, key + ".")
        elif isinstance(value, str) and value.strip():
            yield key, value.strip()
        else:
            problems.append(Problem(file, key, f"expected words (seen: {value!r})"))


def _compare(catalogs: Catalogs, origin: dict[tuple[str, str], str], problems: list[Problem]) -> None:
    for one, other in (("es", "en"), ("en", "es")):
        for key in sorted(catalogs[one].keys() - catalogs[other].keys()):
            problems.append(Problem(origin[one, key], key, f"missing in the other language ({other})"))
    for language, catalog in catalogs.items():
        for key, text in catalog.items():
            problems += _faults(origin[language, key], key, text)
    for key in sorted(catalogs["es"].keys() & catalogs["en"].keys()):
        es, en = _placeholders(catalogs["es"][key]), _placeholders(catalogs["en"][key])
        if es is not None and en is not None and es != en:
            problems.append(Problem(origin["en", key], key, f"placeholders {sorted(en)}; Spanish has {sorted(es)}"))


def _faults(file: str, key: str, text: str) -> Iterator[Problem]:
    names = _placeholders(text)
    if names is None:
        yield Problem(file, key, "braces that are no {placeholder}")
    for mark in ("**", "__"):
        if text.count(mark) % 2:
            yield Problem(file, key, f"{mark} opened and not closed")
    if len(text) > limits.TEXT:
        yield Problem(file, key, f"at most {limits.TEXT} characters (seen: {len(text)})")
    if key.startswith("button.") and not names and len(text) > limits.BUTTON_LABEL:
        yield Problem(file, key, f"a label has at most {limits.BUTTON_LABEL} characters (seen: {len(text)})")


def _placeholders(text: str) -> set[str] | None:
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return None
    names = {name for _, name, _, _ in parts if name is not None}
    plain = all(name.isidentifier() for name in names) and not any(form or turn for _, _, form, turn in parts)
    return names if plain else None
