"""Scenarios as multiple-choice questions of Moodle, in its text format GIFT, one language at a time.

The format: https://docs.moodle.org/en/GIFT_format (sections "Format symbols", "Special Characters", "Multiple choice").
A question's name is the scenario's id, its category `topic/competency`, the feedback of an option its why, and the
general feedback the scenario's todo. GIFT holds nothing else, so an import changes only texts of existing scenarios.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from content.course.scenario import LETTERS, Scenario
from content.exchange.changeset import Draft, FieldError, ParsedFile, SourceLocation, UnreadableFile, decode_text
from content.library import Library
from content.text import LANGUAGES

TOKEN = re.compile(r"\\[:#={}~\\n]|.", re.DOTALL)
"""One character, or one control character escaped by a backslash; `\\n` is a line break."""
LANGUAGE_COMMENT = re.compile(r"^// Integra, language: (\w+)[ \t\r]*$", re.MULTILINE)
FORMAT = re.compile(r"[ \t\n]*\[(html|markdown|moodle|plain)\]")
WEIGHT = re.compile(r"[ \t\n]*%-?[0-9.]+%")
BLANK = " \t\r\x0b"
LANGUAGE_NAMES = {"es": "Spanish", "en": "English"}

Tokens = list[str]


class UnreadableQuestion(Exception):
    """A question cannot be parsed; the message states why."""


@dataclass(frozen=True, slots=True)
class GiftQuestion:
    """One parsed question; each of `options` is whether it is right, its text and its feedback."""

    name: str
    situation: str
    options: tuple[tuple[bool, str, str], ...]
    todo: str


def to_gift(library: Library, scenarios: Sequence[Scenario], language: str) -> bytes:
    """Questions with their categories, in the given order; the first line names the language."""
    lines = [f"// Integra, language: {language}", ""]
    category = ""
    for scenario in scenarios:
        here = f"{library.topic_of[scenario.competency].id}/{scenario.competency}"
        if here != category:
            lines += [f"$CATEGORY: {here}", ""]
        category = here
        lines += [_formatted_question(scenario, language), ""]
    return "\n".join(lines).encode()


def from_gift(content: bytes, library: Library, language: str | None = None) -> ParsedFile:
    """Existing scenarios with the texts of one language replaced by those of the questions.

    `language` defaults to the one named in the first line that `to_gift` writes, else Spanish. A text that parses as
    exported stays exactly as it was, white space included. Categories and comments are ignored.

    Raises UnreadableFile.
    """
    text = decode_text(content).replace("\r\n", "\n")
    language = _language(text, language)
    drafts: list[Draft] = []
    errors: list[FieldError] = []
    for number, (line, block) in enumerate(_blocks(text), 1):
        location = SourceLocation(number, f"question {number} (line {line})")
        try:
            question = _question(block)
        except UnreadableQuestion as fault:
            errors.append(FieldError(location, "", str(fault)))
            continue
        location = SourceLocation(number, f"question {number} (line {line}, {question.name!r})")
        scenario = library.scenarios.get(question.name)
        if scenario is None:
            message = "no such scenario; GIFT changes texts only, import new ones from a spreadsheet"
            errors.append(FieldError(location, "", message))
            continue
        found = list(_structure_errors(question, scenario, language))
        errors += [FieldError(location, field, message) for field, message in found]
        if not found:
            drafts.append(Draft(location, _with_texts_of(question, scenario, language)))
    return ParsedFile(tuple(drafts), tuple(errors), _field_label)


# ---------------------------------------------------------------- writing


def _formatted_question(scenario: Scenario, language: str) -> str:
    lines = [f"::{scenario.id}::[plain]{_escaped(scenario.situation.in_language(language))}{{"]
    for option in scenario.options:
        text, why = option.text.in_language(language), option.why.in_language(language)
        lines.append(f"\t{'=' if option.right else '~'}{_part(text)}#{_part(why)}")
    return "\n".join([*lines, f"\t####{_part(scenario.todo.in_language(language))}", "}"])


def _part(text: str) -> str:
    """A text inside the braces; one that starts like a format or a weight is marked as plain."""
    return f"[plain]{_escaped(text)}" if text[:1] in ("[", "%") else _escaped(text)


def _escaped(text: str) -> str:
    return re.sub(r"[:#={}~\\]", lambda found: "\\" + found[0], text).replace("\n", "\\n")


# ---------------------------------------------------------------- reading a file


def _language(text: str, requested: str | None) -> str:
    named = LANGUAGE_COMMENT.search(text)
    if named and named[1] not in LANGUAGES:
        raise UnreadableFile(f"its first line names a language that the course does not have (seen: {named[1]!r})")
    if named and requested and named[1] != requested:
        named_language, requested_language = LANGUAGE_NAMES[named[1]], LANGUAGE_NAMES[requested]
        raise UnreadableFile(
            f"its first line says that it is in {named_language}; not {requested_language}, as --language says"
        )
    return named[1] if named else requested or "es"


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """First line number and text of each question; separated by blank lines, without comments and categories."""
    first, lines = 0, list[str]()
    for number, line in enumerate([*text.split("\n"), ""], 1):
        bare = line.strip(BLANK)
        if bare.startswith("//") or (bare.startswith("$CATEGORY:") and not lines):
            continue
        if bare:
            first = first if lines else number
            lines.append(bare)
        elif lines:
            yield first, "\n".join(lines)
            lines = []


def _question(block: str) -> GiftQuestion:
    tokens = TOKEN.findall(block)
    if tokens[:2] != [":", ":"]:
        raise UnreadableQuestion("has no name; expected ::id of the scenario:: in front")
    end = _find(tokens, "::", 2)
    if end < 0:
        raise UnreadableQuestion("its name is not closed; expected ::id of the scenario::")
    name, tokens = _plain(tokens[2:end]), tokens[end + 2 :]
    opened, closed = _find(tokens, "{"), _find(tokens, "}")
    if opened < 0 and closed < 0:
        raise UnreadableQuestion("has no answers; expected them in { }")
    if opened < 0 or closed < opened:
        raise UnreadableQuestion(
            "its answers are not within one { and one }; a blank line ends a question, and \\} does not close them"
        )
    if "".join(tokens[closed + 1 :]).strip():
        raise UnreadableQuestion("has words after its }; only multiple choice is supported, no gap in a sentence")
    form, situation = _text_of(tokens[:opened], "plain")
    answers = tokens[opened + 1 : closed]
    last = _rfind(answers, "####")
    todo = _text_of(answers[last + 4 :], form)[1] if last >= 0 else ""
    return GiftQuestion(name, situation, tuple(_options(answers[:last] if last >= 0 else answers, form)), todo)


def _options(answers: Tokens, form: str) -> Iterator[tuple[bool, str, str]]:
    marks = [place for place, token in enumerate(answers) if token in ("=", "~")]
    if "~" not in answers or "".join(answers[: marks[0]]).strip():
        raise UnreadableQuestion(
            "is not a multiple-choice question; expected = before the right option and ~ before each other"
        )
    for number, (start, end) in enumerate(zip(marks, [*marks[1:], len(answers)], strict=True)):
        parts = answers[start + 1 : end]
        if WEIGHT.match("".join(parts)):
            raise UnreadableQuestion(
                f"option {_letter(number)}: weights such as %50% are not supported; one option is right"
            )
        cut = _find(parts, "#")
        text = parts if cut < 0 else parts[:cut]
        why = [] if cut < 0 else parts[cut + 1 :]
        yield answers[start] == "=", _text_of(text, form)[1], _text_of(why, form)[1]


def _text_of(tokens: Tokens, form: str) -> tuple[str, str]:
    """The format of a text and the plain text; `form` is the question's format, used where none is given."""
    named = FORMAT.match("".join(tokens))
    if named:
        form, tokens = named[1], tokens[named.end() :]
    text = _plain(tokens)
    return form, _from_html(text) if form == "html" else text


def _plain(tokens: Tokens) -> str:
    signs = ("\n" if sign == "\\n" else sign[-1] for sign in tokens)
    return "".join(signs).strip(" \t\n")


def _from_html(text: str) -> str:
    """Plain text of the paragraphs and line breaks that Moodle's editor writes; other HTML is refused, not dropped."""
    text = re.sub(r"<br\s*/?>|</p>\s*<p\b[^>]*>", "\n", re.sub(r"\s+", " ", text))
    text = re.sub(r"</?p\b[^>]*>", "", text)
    mark = re.search(r"</?[a-zA-Z][^>]*>", text)
    if mark:
        raise UnreadableQuestion(
            f"contains HTML (seen: {mark[0][:60]!r}); only paragraphs and line breaks are supported"
        )
    return re.sub(r" *\n *", "\n", html.unescape(text).replace("\u00a0", " ")).strip()


def _find(tokens: Tokens, mark: str, start: int = 0) -> int:
    """Index of the first unescaped mark from `start`, or -1."""
    while mark[0] in tokens[start:]:
        start = tokens.index(mark[0], start)
        if tokens[start : start + len(mark)] == list(mark):
            return start
        start += 1
    return -1


def _rfind(tokens: Tokens, mark: str) -> int:
    """Index of the last unescaped mark, which consists of equal characters, or -1."""
    back = _find(tokens[::-1], mark)
    return -1 if back < 0 else len(tokens) - back - len(mark)


# ---------------------------------------------------------------- question and scenario


def _structure_errors(question: GiftQuestion, scenario: Scenario, language: str) -> Iterator[tuple[str, str]]:
    if len(question.options) != len(scenario.options):
        yield "", f"has {len(question.options)} options, the scenario {len(scenario.options)}; GIFT changes texts only"
        return
    right = [_letter(number) for number, (is_right, *_) in enumerate(question.options) if is_right]
    wanted = scenario.right_letter.upper()
    if right != [wanted]:
        yield "", f"marks {', '.join(right) or 'none'} as right, the scenario {wanted}; GIFT changes texts, not answers"
    for other in LANGUAGES:
        known, here = (_question(_formatted_question(scenario, code)).situation for code in (other, language))
        if other != language and question.situation == known != here:
            yield (
                f"situation.{language}",
                f"this is the text in {LANGUAGE_NAMES[other]}; import it with --language {other}",
            )


def _with_texts_of(question: GiftQuestion, scenario: Scenario, language: str) -> Mapping[str, Any]:
    values = scenario.model_dump()
    known = _question(_formatted_question(scenario, language))

    def put(texts: dict[str, str], text: str, before: str) -> None:
        if text != before:  # else keep the stored text, of which GIFT may not hold every character
            texts[language] = text

    put(values["situation"], question.situation, known.situation)
    put(values["todo"], question.todo, known.todo)
    for option, new, old in zip(values["options"], question.options, known.options, strict=True):
        put(option["text"], new[1], old[1])
        put(option["why"], new[2], old[2])
    return values


def _letter(index: int) -> str:
    return LETTERS[index].upper() if index < len(LETTERS) else f"number {index + 1}"


def _field_label(field: str) -> str:
    """An author's name of a field: `options.1.why.es` is "option B, why, es", `todo.es` "general feedback, es"."""
    _, *rest = field.split(".")
    if field.startswith("options.") and rest[0].isdecimal():
        return ", ".join([f"option {_letter(int(rest[0]))}", *rest[1:]])
    return field.replace("todo.", "general feedback, ").replace(".", ", ")
