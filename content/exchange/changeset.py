"""Scenarios that authors bring in a file: every fault with its place, and what would be new, changed, unchanged."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from content.course.scenario import Scenario, limit_violations
from content.library import Library
from content.problems import SHOWN
from content.text import LANGUAGES, Text

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
PLAIN = {
    "missing": "is missing",
    "string_too_short": "is empty",
    "too_short": "has too few",
    "string_pattern_mismatch": "expected lower-case words without accents, joined by hyphens",
}
"""What some of pydantic's errors are called here, by their type."""


class UnreadableFile(Exception):
    """The file as a whole is not what its name says; the words say what to do."""


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """Where in the file something stands, as its author sees it, e.g. "row 7"; places are told by number."""

    number: int
    label: str


@dataclass(frozen=True, slots=True)
class Draft:
    """One scenario as it was brought: `values` has the shape of a scenario's TOML and may be wrong anywhere."""

    place: SourceLocation
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One mistake. `field` is a path such as `options.1.why.es`; empty when the whole place is meant."""

    place: SourceLocation
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What a file holds; `name` gives an author's word for a field, e.g. "column H (opción B, por qué, es)"."""

    drafts: tuple[Draft, ...]
    faults: tuple[FieldError, ...] = ()
    name: Callable[[str], str] = str

    def error_lines(self, faults: Sequence[FieldError]) -> list[str]:
        """One line a mistake, in the order of the file."""
        return [
            f"{fault.place.label}{', ' + self.name(fault.field) if fault.field else ''}: {fault.message}"
            for fault in sorted(faults, key=lambda fault: fault.place)
        ]


@dataclass(frozen=True, slots=True)
class Plan:
    """What bringing scenarios in would do; `changed` goes with the fields that differ."""

    new: tuple[Scenario, ...]
    changed: tuple[tuple[Scenario, tuple[str, ...]], ...]
    unchanged: int

    @property
    def written(self) -> tuple[Scenario, ...]:
        return self.new + tuple(scenario for scenario, _ in self.changed)

    @property
    def outdated(self) -> tuple[Scenario, ...]:
        """Changed since somebody reviewed them, as the day of that review stayed the same."""
        return tuple(
            scenario
            for scenario, fields in self.changed
            if scenario.reviewer and not {*fields} & {"reviewer", "reviewed_on"}
        )


def decode_text(content: bytes) -> str:
    """A file as text, without a byte order mark.

    Raises Unreadable.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise UnreadableFile("not in UTF-8; save it again with that encoding (in Excel: CSV UTF-8)") from fault


def in_course_order(library: Library) -> tuple[Scenario, ...]:
    """All scenarios by topic, competency and variant, in the order of the course."""
    places = {competency: number for number, competency in enumerate(library.competencies)}
    return tuple(sorted(library.scenarios.values(), key=lambda one: (places[one.competency], one.variant)))


def validate(library: Library, brought: ParsedFile) -> tuple[tuple[Scenario, ...], tuple[FieldError, ...]]:
    """Check what was brought by itself, against each other and against the course; give scenarios and all faults."""
    scenarios: list[Scenario] = []
    faults = list(brought.faults)
    told = {(fault.place, fault.field) for fault in faults}
    ids = {str(draft.values.get("id")) for draft in brought.drafts}
    seen: dict[str, str] = {}
    taken = {
        f"{one.competency} {one.variant}": f"scenario {one.id}"
        for one in library.scenarios.values()
        if one.id not in ids
    }
    for draft in brought.drafts:
        scenario, found = _checked(draft.values, library)
        _only_here("id", str(draft.values.get("id") or ""), seen, draft.place, found)
        if all(draft.values.get(name) for name in ("competency", "variant")):
            variant = scenario.variant if scenario else draft.values["variant"]
            _only_here("variant", f"{draft.values['competency']} {variant}", taken, draft.place, found)
        faults += [FieldError(draft.place, *one) for one in found.items() if (draft.place, one[0]) not in told]
        if scenario is not None and not found:
            scenarios.append(scenario)
    return tuple(scenarios), tuple(faults)


def compare(library: Library, scenarios: Sequence[Scenario]) -> Plan:
    """Tell, by id, what is new and what differs from the course."""
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
    """The scenario, or every mistake by field: lengths are told although other fields are wrong."""
    found: dict[str, str] = {}
    whole = ""
    scenario = None
    day = values.get("reviewed_on")
    if isinstance(day, str) and not DAY.fullmatch(day):  # pydantic would take digits for seconds since 1970
        found["reviewed_on"] = f"expected a day such as 2026-11-22 (seen: {day[:SHOWN]!r})"
    try:
        scenario = Scenario.model_validate(values)
    except ValidationError as fault:
        for error in fault.errors(include_url=False):
            field = ".".join(str(step) for step in error["loc"])
            if error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
                continue  # pydantic counts only those in which nothing is wrong
            if field:
                found.setdefault(field, _says(error))
            else:
                whole = error["msg"].removeprefix("Value error, ")
        for field, says in (*_lengths(values), *_right(values)):
            if field:
                found.setdefault(field, says)
        if not found:
            found[""] = whole
    for field, says in _unknown(values, library):
        found.setdefault(field, says)
    return scenario, found


def _says(error: Any) -> str:
    words = PLAIN.get(error["type"], error["msg"].removeprefix("Value error, "))
    seen = error["input"]
    silent = isinstance(seen, dict | list | tuple) or not str(seen).strip()
    return words if silent else f"{words} (seen: {str(seen)[:SHOWN]!r})"


def _lengths(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Texts that are too long or too short, whatever else may be wrong: all else is taken for good."""
    try:
        options = [(_told(one["text"], 1), _told(one["why"])) for one in values["options"]]
        situation, todo = _told(values["situation"]), _told(values["todo"], 1)
    except (KeyError, TypeError, AttributeError):  # something is missing, which is told already
        return
    yield from limit_violations(situation, options, todo)


def _told(text: Any, words: int = 40) -> Text:
    """A text; where it is empty, which is told already, so many words that nobody finds fault with."""
    return Text(**{language: str(text.get(language) or "").strip() or "x " * words for language in LANGUAGES})


def _right(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    options = values.get("options")
    if isinstance(options, list | tuple) and all(isinstance(option, dict) for option in options):
        right = sum(str(option.get("right")).lower() == "true" for option in options)
        if right != 1:
            yield "right", f"exactly one option is the right one (seen: {right})"


def _unknown(values: Mapping[str, Any], library: Library) -> Iterator[tuple[str, str]]:
    competency = values.get("competency")
    if competency and competency not in list(library.competencies):
        yield "competency", f"no such competency (seen: {str(competency)[:SHOWN]!r})"
    options = values.get("options")
    for number, option in enumerate(options if isinstance(options, list | tuple) else ()):
        cited = option.get("articles") if isinstance(option, dict) else None
        for place, article in enumerate(cited if isinstance(cited, list | tuple) else ()):
            if isinstance(article, str) and article not in library.articles:
                says = f"not in the law catalogue (seen: {article[:SHOWN]!r})"
                yield f"options.{number}.articles.{place}", says


def _only_here(field: str, value: str, seen: dict[str, str], place: SourceLocation, found: dict[str, str]) -> None:
    if value and value in seen:
        found.setdefault(field, f"stands in {seen[value]} too (seen: {value[:SHOWN]!r})")
    seen.setdefault(value, place.label)


# ---------------------------------------------------------------- differences


def _differences(old: Scenario, new: Scenario) -> tuple[str, ...]:
    before, after = dict(_flat(old.model_dump())), dict(_flat(new.model_dump()))
    fields = [*before, *(field for field in after if field not in before)]
    return tuple(field for field in fields if before.get(field) != after.get(field))


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, tuple) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{prefix}.{number}")
    else:
        yield prefix, value
