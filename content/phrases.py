"""Message catalogs: the texts of chats and pages, with the same keys and placeholders in both languages."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

from content import limits
from content.problems import Problem, read_table
from content.text import LANGUAGES

Catalogs = dict[str, dict[str, str]]


class UnknownPhrase(KeyError):
    """No catalog has this key, or a value for one of its placeholders is missing."""


class Phrases:
    """All phrases by language and key, e.g. `phrases.plain("es", "enroll.welcome", {"institution": "León"})`."""

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._catalogs["es"])

    def template(self, language: str, key: str) -> str:
        """The phrase with placeholders and emphasis (`**bold**`, `__italic__`) as written. Raises UnknownPhrase."""
        try:
            return self._catalogs[language][key]
        except KeyError:
            raise UnknownPhrase(key) from None

    def plain(self, language: str, key: str, values: Mapping[str, object]) -> str:
        """The phrase with `values` filled in and emphasis removed, for pages and labels. Raises UnknownPhrase."""
        try:
            return self.template(language, key).replace("**", "").replace("__", "").format(**values)
        except (KeyError, IndexError) as fault:
            raise UnknownPhrase(f"{key}: {fault}") from fault

    def channel_name(self, language: str, channel: str) -> str:
        """What people call a channel: its phrase `channel.<name>`, else its own name, e.g. "Signal" for "signal".

        A channel needs no phrase of its own, and one that an older version had is still named.
        """
        return self._catalogs[language].get(f"channel.{channel}") or channel.capitalize()

    def section(self, language: str, name: str) -> dict[str, str]:
        """All phrases of one section, keyed by the rest of their key."""
        start = name + "."
        return {key[len(start) :]: text for key, text in self._catalogs[language].items() if key.startswith(start)}


def load(folder: Path, root: Path, problems: list[Problem]) -> Phrases:
    """Merge the files `<area>.<language>.toml` of a folder into catalogs; errors are added to `problems`."""
    catalogs: Catalogs = {language: {} for language in LANGUAGES}
    origin: dict[tuple[str, str], str] = {}
    for path in sorted(folder.glob("*.toml")):
        file = path.relative_to(root).as_posix()
        language = path.stem.rpartition(".")[2]
        if language not in LANGUAGES:
            problems.append(Problem(file, "", "the file name must end in .es.toml or .en.toml"))
            continue
        table = read_table(path, file, problems) or {}
        for key, text in _flat(table, file, problems):
            if key in catalogs[language]:
                problems.append(Problem(file, key, f"also defined in {origin[language, key]}"))
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
            problems.append(Problem(file, key, f"expected a non-empty text (seen: {value!r})"))


def _compare(catalogs: Catalogs, origin: dict[tuple[str, str], str], problems: list[Problem]) -> None:
    """Check that both languages have the same keys and placeholders, and each text by itself."""
    for language, other in (("es", "en"), ("en", "es")):
        for key in sorted(catalogs[language].keys() - catalogs[other].keys()):
            problems.append(Problem(origin[language, key], key, f"missing in the other language ({other})"))
    for language, catalog in catalogs.items():
        for key, text in catalog.items():
            problems += _text_problems(origin[language, key], key, text)
    for key in sorted(catalogs["es"].keys() & catalogs["en"].keys()):
        es, en = _placeholders(catalogs["es"][key]), _placeholders(catalogs["en"][key])
        if es is not None and en is not None and es != en:
            problems.append(Problem(origin["en", key], key, f"placeholders {sorted(en)}; Spanish has {sorted(es)}"))


def _text_problems(file: str, key: str, text: str) -> Iterator[Problem]:
    names = _placeholders(text)
    if names is None:
        yield Problem(file, key, "braces that are not a {placeholder}")
    for mark in ("**", "__"):
        if text.count(mark) % 2:
            yield Problem(file, key, f"{mark} is opened but not closed")
    if len(text) > limits.TEXT:
        yield Problem(file, key, f"at most {limits.TEXT} characters (seen: {len(text)})")
    if key.startswith("button.") and not names and len(text) > limits.BUTTON_LABEL:
        yield Problem(file, key, f"a label has at most {limits.BUTTON_LABEL} characters (seen: {len(text)})")


def _placeholders(text: str) -> set[str] | None:
    """The placeholder names of a phrase; None unless each is a plain identifier without format or conversion."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return None
    names = {name for _, name, _, _ in parts if name is not None}
    plain = all(name.isidentifier() for name in names) and not any(
        form or conversion for _, _, form, conversion in parts
    )
    return names if plain else None
