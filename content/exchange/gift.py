"""Scenarios as multiple-choice questions of Moodle, in its text format GIFT, one language at a time.

The format: https://docs.moodle.org/en/GIFT_format (sections "Format symbols", "Special Characters", "Multiple choice").
A question's name is the scenario's id, its category `topic/competency`, an option's feedback its why, and the general
feedback what to do. GIFT holds no more: it changes texts of scenarios that exist.
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
"""A sign as it is, or one that a backslash takes its meaning from; `\\n` is a line break."""
OWN = re.compile(r"^// Integra, language: (\w+)[ \t\r]*$", re.MULTILINE)
FORMAT = re.compile(r"[ \t\n]*\[(html|markdown|moodle|plain)\]")
WEIGHT = re.compile(r"[ \t\n]*%-?[0-9.]+%")
BLANK = " \t\r\x0b"
LANGUAGE_NAMES = {"es": "Spanish", "en": "English"}

Tokens = list[str]


class UnreadableQuestion(Exception):
    """A question cannot be understood; the words say why."""


@dataclass(frozen=True, slots=True)
class GiftQuestion:
    """One question as it reads: `options` are right or not, text, feedback."""

    name: str
    situation: str
    options: tuple[tuple[bool, str, str], ...]
    todo: str


def to_gift(library: Library, scenarios: Sequence[Scenario], language: str) -> bytes:
    """Questions with their categories, in the order given; the first line says the language."""
    lines = [f"// Integra, language: {language}", ""]
    category = ""
    for scenario in scenarios:
        here = f"{library.topic_of[scenario.competency].id}/{scenario.competency}"
        if here != category:
            lines += [f"$CATEGORY: {here}", ""]
        category = here
        lines += [_written(scenario, language), ""]
    return "\n".join(lines).encode()


def from_gift(content: bytes, library: Library, language: str | None = None) -> ParsedFile:
    """The scenarios with the texts of one language as the questions have them; all else stays as it is.

    Without `language` it is the one that our own first line names, else Spanish. A text that reads as it was written
    is left alone to the last blank. Categories and comments count for nothing.

    Raises Unreadable.
    """
    text = decode_text(content).replace("\r\n", "\n")
    language = _language(text, language)
    drafts: list[Draft] = []
    faults: list[FieldError] = []
    for number, (line, block) in enumerate(_blocks(text), 1):
        place = SourceLocation(number, f"question {number} (line {line})")
        try:
            question = _question(block)
        except UnreadableQuestion as fault:
            faults.append(FieldError(place, "", str(fault)))
            continue
        place = SourceLocation(number, f"question {number} (line {line}, {question.name!r})")
        scenario = library.scenarios.get(question.name)
        if scenario is None:
            faults.append(
                FieldError(place, "", "no such scenario; GIFT changes texts only, new ones come as a spreadsheet")
            )
            continue
        found = list(_misfits(question, scenario, language))
        faults += [FieldError(place, field, says) for field, says in found]
        if not found:
            drafts.append(Draft(place, _changed(question, scenario, language)))
    return ParsedFile(tuple(drafts), tuple(faults), _field)


# ---------------------------------------------------------------- writing


def _written(scenario: Scenario, language: str) -> str:
    lines = [f"::{scenario.id}::[plain]{_escaped(scenario.situation.in_language(language))}{{"]
    for option in scenario.options:
        text, why = option.text.in_language(language), option.why.in_language(language)
        lines.append(f"\t{'=' if option.right else '~'}{_part(text)}#{_part(why)}")
    return "\n".join([*lines, f"\t####{_part(scenario.todo.in_language(language))}", "}"])


def _part(text: str) -> str:
    """A text inside the braces; one that begins like a format or a weight says that it is plain."""
    return f"[plain]{_escaped(text)}" if text[:1] in ("[", "%") else _escaped(text)


def _escaped(text: str) -> str:
    return re.sub(r"[:#={}~\\]", lambda found: "\\" + found[0], text).replace("\n", "\\n")


# ---------------------------------------------------------------- reading a file


def _language(text: str, asked: str | None) -> str:
    named = OWN.search(text)
    if named and named[1] not in LANGUAGES:
        raise UnreadableFile(f"its first line names a language that the course does not have (seen: {named[1]!r})")
    if named and asked and named[1] != asked:
        raise UnreadableFile(
            f"its first line says that it is in {LANGUAGE_NAMES[named[1]]}; not {LANGUAGE_NAMES[asked]}, as --language says"
        )
    return named[1] if named else asked or "es"


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Questions with their first line: blank lines part them, comments and categories are left out."""
    first, kept = 0, list[str]()
    for number, line in enumerate([*text.split("\n"), ""], 1):
        bare = line.strip(BLANK)
        if bare.startswith("//") or (bare.startswith("$CATEGORY:") and not kept):
            continue
        if bare:
            first = first if kept else number
            kept.append(bare)
        elif kept:
            yield first, "\n".join(kept)
            kept = []


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
            "its answers are not within one { and one }; a blank line ends a question, and \\} is no end"
        )
    if "".join(tokens[closed + 1 :]).strip():
        raise UnreadableQuestion(
            "has words after its }; a gap in a sentence is not understood, only choices after a question"
        )
    form, situation = _formatted(tokens[:opened], "plain")
    answers = tokens[opened + 1 : closed]
    last = _rfind(answers, "####")
    todo = _formatted(answers[last + 4 :], form)[1] if last >= 0 else ""
    return GiftQuestion(name, situation, tuple(_options(answers[:last] if last >= 0 else answers, form)), todo)


def _options(answers: Tokens, form: str) -> Iterator[tuple[bool, str, str]]:
    marks = [place for place, token in enumerate(answers) if token in ("=", "~")]
    if "~" not in answers or "".join(answers[: marks[0]]).strip():
        raise UnreadableQuestion("is no multiple choice; expected = before the right option and ~ before each other")
    for number, (start, end) in enumerate(zip(marks, [*marks[1:], len(answers)], strict=True)):
        parts = answers[start + 1 : end]
        if WEIGHT.match("".join(parts)):
            raise UnreadableQuestion(
                f"option {_letter(number)}: weights such as %50% are not understood; one option is right"
            )
        cut = _find(parts, "#")
        text = parts if cut < 0 else parts[:cut]
        why = [] if cut < 0 else parts[cut + 1 :]
        yield answers[start] == "=", _formatted(text, form)[1], _formatted(why, form)[1]


def _formatted(tokens: Tokens, form: str) -> tuple[str, str]:
    """The format of a text and the text; one without a format has that of its question."""
    named = FORMAT.match("".join(tokens))
    if named:
        form, tokens = named[1], tokens[named.end() :]
    text = _plain(tokens)
    return form, _from_html(text) if form == "html" else text


def _plain(tokens: Tokens) -> str:
    signs = ("\n" if sign == "\\n" else sign[-1] for sign in tokens)
    return "".join(signs).strip(" \t\n")


def _from_html(text: str) -> str:
    """Paragraphs and line breaks as Moodle's editor makes them; other marks would be lost and are refused."""
    text = re.sub(r"<br\s*/?>|</p>\s*<p\b[^>]*>", "\n", re.sub(r"\s+", " ", text))
    text = re.sub(r"</?p\b[^>]*>", "", text)
    mark = re.search(r"</?[a-zA-Z][^>]*>", text)
    if mark:
        raise UnreadableQuestion(
            f"has marks of HTML (seen: {mark[0][:60]!r}); texts are plain, save paragraphs and line breaks"
        )
    return re.sub(r" *\n *", "\n", html.unescape(text).replace("\u00a0", " ")).strip()


def _find(tokens: Tokens, mark: str, start: int = 0) -> int:
    """Where a mark stands that nothing escapes, or -1."""
    while mark[0] in tokens[start:]:
        start = tokens.index(mark[0], start)
        if tokens[start : start + len(mark)] == list(mark):
            return start
        start += 1
    return -1


def _rfind(tokens: Tokens, mark: str) -> int:
    """Where a mark of equal signs stands last, or -1."""
    back = _find(tokens[::-1], mark)
    return -1 if back < 0 else len(tokens) - back - len(mark)


# ---------------------------------------------------------------- question and scenario


def _misfits(question: GiftQuestion, scenario: Scenario, language: str) -> Iterator[tuple[str, str]]:
    if len(question.options) != len(scenario.options):
        yield "", f"has {len(question.options)} options, the scenario {len(scenario.options)}; GIFT changes texts only"
        return
    right = [_letter(number) for number, (is_right, *_) in enumerate(question.options) if is_right]
    wanted = scenario.right_letter.upper()
    if right != [wanted]:
        yield "", f"marks {', '.join(right) or 'none'} as right, the scenario {wanted}; GIFT changes texts, no answers"
    for other in LANGUAGES:
        known, here = (_question(_written(scenario, one)).situation for one in (other, language))
        if other != language and question.situation == known != here:
            yield (
                f"situation.{language}",
                f"this is the text in {LANGUAGE_NAMES[other]}; import it with --language {other}",
            )


def _changed(question: GiftQuestion, scenario: Scenario, language: str) -> Mapping[str, Any]:
    values = scenario.model_dump()
    known = _question(_written(scenario, language))

    def put(place: dict[str, str], text: str, before: str) -> None:
        if text != before:  # else it is left as it was, although GIFT may not hold all of it
            place[language] = text

    put(values["situation"], question.situation, known.situation)
    put(values["todo"], question.todo, known.todo)
    for option, new, old in zip(values["options"], question.options, known.options, strict=True):
        put(option["text"], new[1], old[1])
        put(option["why"], new[2], old[2])
    return values


def _letter(place: int) -> str:
    return LETTERS[place].upper() if place < len(LETTERS) else f"number {place + 1}"


def _field(field: str) -> str:
    """`options.1.why.es` is "option B, why, es"; `todo.es` stands in the general feedback."""
    _, *rest = field.split(".")
    if field.startswith("options.") and rest[0].isdecimal():
        return ", ".join([f"option {_letter(int(rest[0]))}", *rest[1:]])
    return field.replace("todo.", "general feedback, ").replace(".", ", ")
