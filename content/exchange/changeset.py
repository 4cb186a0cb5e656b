"""Import of scenarios from authors' files: validate with every error located, and compare with the course."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from content.course.scenario import Scenario, limit_violations
from content.library import Library
from content.problems import SHOWN_CHARACTERS
from content.text import LANGUAGES, Text

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
PLAIN_MESSAGES = {
    "missing": "is missing",
    "string_too_short": "is empty",
    "too_short": "has too few",
    "string_pattern_mismatch": "expected lower-case words without accents, joined by hyphens",
}
"""Plainer messages for some of pydantic's errors, by error type."""


class UnreadableFile(Exception):
    """The file as a whole is not of the expected format; the message states the remedy."""


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """A place in the file, labelled as its author sees it, e.g. "row 7"; locations are ordered by `number`."""

    number: int
    label: str


@dataclass(frozen=True, slots=True)
class Draft:
    """One unvalidated scenario: `values` has the shape of a scenario's TOML and may be invalid anywhere."""

    location: SourceLocation
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error. `field` is a path such as `options.1.why.es`; empty when the location as a whole is meant."""

    location: SourceLocation
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """Contents of a file: drafts, and errors found while parsing.

    `field_label` returns an author's name for a field path, e.g. "column H (opción B, por qué, es)".
    """

    drafts: tuple[Draft, ...]
    errors: tuple[FieldError, ...] = ()
    field_label: Callable[[str], str] = str

    def error_lines(self, errors: Sequence[FieldError]) -> list[str]:
        """One line per error, in the order of the file."""
        return [
            f"{error.location.label}{', ' + self.field_label(error.field) if error.field else ''}: {error.message}"
            for error in sorted(errors, key=lambda error: error.location)
        ]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import would do; `changed` pairs each scenario with the paths of the fields that differ."""

    new: tuple[Scenario, ...]
    changed: tuple[tuple[Scenario, tuple[str, ...]], ...]
    unchanged: int

    @property
    def written(self) -> tuple[Scenario, ...]:
        """The scenarios whose files the import writes."""
        return self.new + tuple(scenario for scenario, _ in self.changed)

    @property
    def outdated(self) -> tuple[Scenario, ...]:
        """Changed scenarios whose last review predates the change: reviewer and review date stayed the same."""
        return tuple(
            scenario
            for scenario, fields in self.changed
            if scenario.reviewer and not {*fields} & {"reviewer", "reviewed_on"}
        )


def decode_text(content: bytes) -> str:
    """Decode a UTF-8 file, dropping a byte order mark.

    Raises UnreadableFile.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise UnreadableFile("not in UTF-8; save it again with that encoding (in Excel: CSV UTF-8)") from fault


def in_course_order(library: Library) -> tuple[Scenario, ...]:
    """All scenarios ordered by topic and competency as in the course, then by variant."""
    positions = {competency: number for number, competency in enumerate(library.competencies)}
    return tuple(
        sorted(library.scenarios.values(), key=lambda scenario: (positions[scenario.competency], scenario.variant))
    )


def validate(library: Library, parsed: ParsedFile) -> tuple[tuple[Scenario, ...], tuple[FieldError, ...]]:
    """Check drafts by themselves, against each other and against the course; return valid scenarios and all errors."""
    scenarios: list[Scenario] = []
    errors = list(parsed.errors)
    reported = {(error.location, error.field) for error in errors}
    imported_ids = {str(draft.values.get("id")) for draft in parsed.drafts}
    seen_ids: dict[str, str] = {}
    seen_variants = {
        f"{scenario.competency} {scenario.variant}": f"scenario {scenario.id}"
        for scenario in library.scenarios.values()
        if scenario.id not in imported_ids
    }
    for draft in parsed.drafts:
        scenario, found = _checked(draft.values, library)
        _check_unique("id", str(draft.values.get("id") or ""), seen_ids, draft.location, found)
        if all(draft.values.get(name) for name in ("competency", "variant")):
            variant = scenario.variant if scenario else draft.values["variant"]
            _check_unique("variant", f"{draft.values['competency']} {variant}", seen_variants, draft.location, found)
        errors += [
            FieldError(draft.location, field, message)
            for field, message in found.items()
            if (draft.location, field) not in reported
        ]
        if scenario is not None and not found:
            scenarios.append(scenario)
    return tuple(scenarios), tuple(errors)


def compare(library: Library, scenarios: Sequence[Scenario]) -> Plan:
    """Compare scenarios with those of the course by id."""
    new, changed, unchanged = [], [], 0
    for scenario in scenarios:
        old = library.scenarios.get(scenario.id)
        if old is None:
            new.append(scenario)
        elif old != scenario:
            changed.append((scenario, _differences(old, scenario)))
        else:
            unchanged += 1
    return Plan(tuple(new), tuple(changed), unchanged)


# ---------------------------------------------------------------- one draft


def _checked(values: Mapping[str, Any], library: Library) -> tuple[Scenario | None, dict[str, str]]:
    """The scenario, if it can be built, and messages by field. Lengths are checked even if other fields are invalid."""
    found: dict[str, str] = {}
    whole = ""
    scenario = None
    day = values.get("reviewed_on")
    if isinstance(day, str) and not DAY.fullmatch(day):  # pydantic would read digits as seconds since 1970
        found["reviewed_on"] = f"expected a day such as 2026-11-22 (seen: {day[:SHOWN_CHARACTERS]!r})"
    try:
        scenario = Scenario.model_validate(values)
    except ValidationError as fault:
        for error in fault.errors():
            field = ".".join(str(step) for step in error["loc"])
            if error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
                continue  # pydantic does not count invalid items, which have errors of their own
            if field:
                found.setdefault(field, _message(error))
            else:
                whole = error["msg"].removeprefix("Value error, ")
        for field, message in (*_length_errors(values), *_right_option_errors(values)):
            if field:
                found.setdefault(field, message)
        if not found:
            found[""] = whole
    for field, message in _unknown_references(values, library):
        found.setdefault(field, message)
    return scenario, found


def _message(error: Any) -> str:
    message = PLAIN_MESSAGES.get(error["type"], error["msg"].removeprefix("Value error, "))
    seen = error["input"]
    has_no_value = isinstance(seen, dict | list | tuple) or not str(seen).strip()
    return message if has_no_value else f"{message} (seen: {str(seen)[:SHOWN_CHARACTERS]!r})"


def _length_errors(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields whose texts are too long or too short, whatever else is invalid."""
    try:
        options = [(_text(option["text"], 1), _text(option["why"])) for option in values["options"]]
        situation, todo = _text(values["situation"]), _text(values["todo"], 1)
    except (KeyError, TypeError, AttributeError):  # a missing field, which pydantic reports
        return
    yield from limit_violations(situation, options, todo)


def _text(value: Any, filler_words: int = 40) -> Text:
    """A text; an empty one, which pydantic reports, is filled with so many words that its length is valid."""
    return Text(**{language: str(value.get(language) or "").strip() or "x " * filler_words for language in LANGUAGES})


def _right_option_errors(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    options = values.get("options")
    if isinstance(options, list | tuple) and all(isinstance(option, dict) for option in options):
        right = sum(str(option.get("right")).lower() == "true" for option in options)
        if right != 1:
            yield "right", f"exactly one option is the right one (seen: {right})"


def _unknown_references(values: Mapping[str, Any], library: Library) -> Iterator[tuple[str, str]]:
    competency = values.get("competency")
    if competency and competency not in list(library.competencies):
        yield "competency", f"no such competency (seen: {str(competency)[:SHOWN_CHARACTERS]!r})"
    options = values.get("options")
    for number, option in enumerate(options if isinstance(options, list | tuple) else ()):
        cited = option.get("articles") if isinstance(option, dict) else None
        for index, article in enumerate(cited if isinstance(cited, list | tuple) else ()):
            if isinstance(article, str) and article not in library.articles:
                message = f"not in the law catalogue (seen: {article[:SHOWN_CHARACTERS]!r})"
                yield f"options.{number}.articles.{index}", message


def _check_unique(
    field: str, value: str, seen: dict[str, str], location: SourceLocation, found: dict[str, str]
) -> None:
    """Add an error if `value` is in `seen`, which maps values to where they are used; then add it there."""
    if value and value in seen:
        found.setdefault(field, f"also used in {seen[value]} (seen: {value[:SHOWN_CHARACTERS]!r})")
    seen.setdefault(value, location.label)


# ---------------------------------------------------------------- differences


def _differences(old: Scenario, new: Scenario) -> tuple[str, ...]:
    """Paths of the fields that differ, in the order of the fields."""
    before, after = dict(_flat(old.model_dump())), dict(_flat(new.model_dump()))
    fields = [*before, *(field for field in after if field not in before)]
    return tuple(field for field in fields if before.get(field) != after.get(field))


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of every leaf."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, tuple) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{prefix}.{number}")
    else:
        yield prefix, value
