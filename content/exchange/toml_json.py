"""Scenarios as text: one as a TOML file of the course, several as JSON."""

import json
import re
from collections.abc import Sequence

from content.course.scenario import Scenario
from content.exchange.changeset import Draft, FieldError, ParsedFile, SourceLocation, UnreadableFile, decode_text
from content.text import Text

ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def to_toml(scenario: Scenario) -> str:
    """The scenario in the layout of the shipped files; parsing it returns an equal scenario."""
    lines = [
        f"id = {_line(scenario.id)}",
        f"competency = {_line(scenario.competency)}",
        f"variant = {scenario.variant}",
        f"roles = {_list(scenario.roles)}",
        f"state = {_line(scenario.state)}",
        f"author = {_line(scenario.author)}",
        f"reviewer = {_line(scenario.reviewer)}",
        f"reviewed_on = {scenario.reviewed_on.isoformat()}",
        "",
        "[situation]",
        f"es = {_paragraph(scenario.situation.es)}",
        f"en = {_paragraph(scenario.situation.en)}",
    ]
    for option in scenario.options:
        lines += [
            "",
            "[[options]]",
            f"right = {str(option.right).lower()}",
            f"articles = {_list(option.articles)}",
            f"text = {_both(option.text)}",
            f"why = {_both(option.why)}",
        ]
    lines += ["", "[todo]", f"es = {_line(scenario.todo.es)}", f"en = {_line(scenario.todo.en)}", ""]
    return "\n".join(lines)


def _line(text: str) -> str:
    return f'"{_escaped(text)}"'.replace("\n", "\\n")


def _paragraph(text: str) -> str:
    """A multi-line string: line breaks and quotes stay, except those that would end it or that a parser drops."""
    inner = re.sub(r'"{3,}|"+\Z', lambda found: found[0].replace('"', '\\"'), _escaped(text, quotes=False))
    if inner.startswith("\n"):
        inner = "\\n" + inner[1:]
    return f'"""{inner}"""'


def _escaped(text: str, quotes: bool = True) -> str:
    """Escape backslash, control characters except line breaks, and quotes; see toml.io/en/v1.0.0#string."""

    def escape(found: re.Match[str]) -> str:
        sign = found[0]
        return ESCAPES.get(sign) or ('\\"' if sign == '"' else f"\\u{ord(sign):04x}")

    return re.sub(r'[\x00-\x09\x0b-\x1f\x7f\\"]' if quotes else r"[\x00-\x09\x0b-\x1f\x7f\\]", escape, text)


def _list(words: Sequence[str]) -> str:
    return "[" + ", ".join(map(_line, words)) + "]"


def _both(text: Text) -> str:
    return f"{{ es = {_line(text.es)}, en = {_line(text.en)} }}"


# ---------------------------------------------------------------- JSON


def to_json(scenarios: Sequence[Scenario]) -> bytes:
    """A list of objects with the fields of the TOML files."""
    return (
        json.dumps([scenario.model_dump(mode="json") for scenario in scenarios], ensure_ascii=False, indent=2) + "\n"
    ).encode()


def from_json(content: bytes) -> ParsedFile:
    """Parse a list of scenarios as `to_json` writes it.

    Raises UnreadableFile.
    """
    try:
        found = json.loads(decode_text(content))
    except (ValueError, RecursionError) as fault:
        raise UnreadableFile(f"not readable as JSON ({fault})") from fault
    if not isinstance(found, list):
        raise UnreadableFile("expected a list of scenarios, as `integra export scenarios --format json` writes it")
    drafts, errors = [], []
    for number, values in enumerate(found, 1):
        name = values.get("id") if isinstance(values, dict) else None
        location = SourceLocation(
            number, f"scenario {number}" + (f" ({name})" if isinstance(name, str) and name else "")
        )
        if isinstance(values, dict):
            drafts.append(Draft(location, values))
        else:
            errors.append(FieldError(location, "", f"expected an object (seen: {str(values)[:60]!r})"))
    return ParsedFile(tuple(drafts), tuple(errors))
