"""Scenarios as a table, one row each: stable column names in plain words, and mistakes by row and column."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from content.course.scenario import LETTERS, Scenario
from content.exchange.changeset import Draft, FieldError, ParsedFile, SourceLocation, UnreadableFile, decode_text
from content.text import LANGUAGES, fold


@dataclass(frozen=True, slots=True)
class Column:
    """`key` is for programs, `header` for authors (either may head a column); `legend` is the phrase that explains."""

    key: str
    header: str
    legend: str
    width: int
    optional: bool = False


def _columns() -> Iterator[Column]:
    yield Column("id", "identificador", "legend.id", 28)
    yield Column("competency", "competencia", "legend.competency", 28)
    yield Column("variant", "variante", "legend.variant", 9)
    yield Column("roles", "roles", "legend.roles", 18)
    yield Column("state", "estado", "legend.state", 11)
    for language in LANGUAGES:
        yield Column(f"situation_{language}", f"situación, {language}", "legend.situation", 60)
    yield Column("right", "opción correcta", "legend.right", 9)
    for letter in LETTERS:
        optional = letter == LETTERS[-1]
        start, key = f"opción {letter.upper()}", f"option_{letter}"
        for language in LANGUAGES:
            yield Column(f"{key}_text_{language}", f"{start}, texto, {language}", "legend.text", 36, optional)
        for language in LANGUAGES:
            yield Column(f"{key}_why_{language}", f"{start}, por qué, {language}", "legend.why", 48, optional)
        yield Column(f"{key}_articles", f"{start}, artículos", "legend.articles", 18, optional)
    for language in LANGUAGES:
        yield Column(f"todo_{language}", f"qué hacer, {language}", "legend.todo", 40)
    yield Column("author", "autoría", "legend.author", 22)
    yield Column("reviewer", "revisión", "legend.reviewer", 22)
    yield Column("reviewed_on", "revisado el", "legend.reviewed_on", 12)


COLUMNS = tuple(_columns())
COLUMNS_BY_NAME = {fold(name): column for column in COLUMNS for name in (column.key, column.header)}


def rows(scenarios: Sequence[Scenario]) -> list[list[str]]:
    """The header and a row for each scenario; every cell is text."""
    return [[column.header for column in COLUMNS], *(_row(scenario) for scenario in scenarios)]


def _row(scenario: Scenario) -> list[str]:
    cells = {
        "id": scenario.id,
        "competency": scenario.competency,
        "variant": str(scenario.variant),
        "roles": ", ".join(scenario.roles),
        "state": scenario.state,
        "right": scenario.right_letter.upper(),
        "author": scenario.author,
        "reviewer": scenario.reviewer,
        "reviewed_on": scenario.reviewed_on.isoformat(),
    }
    for language in LANGUAGES:
        cells[f"situation_{language}"] = scenario.situation.in_language(language)
        cells[f"todo_{language}"] = scenario.todo.in_language(language)
        for letter, option in zip(LETTERS, scenario.options, strict=False):
            cells[f"option_{letter}_text_{language}"] = option.text.in_language(language)
            cells[f"option_{letter}_why_{language}"] = option.why.in_language(language)
            cells[f"option_{letter}_articles"] = ", ".join(option.articles)
    return [cells.get(column.key, "") for column in COLUMNS]


# ---------------------------------------------------------------- reading


def parse_table(table: Sequence[Sequence[str]]) -> ParsedFile:
    """What a table holds; its columns may stand in any order, blank rows are passed over."""
    header = list(table[0]) if table else []
    columns, faults = _header(header, table)
    if faults:
        return ParsedFile((), tuple(faults))
    drafts = []
    for number, cells in enumerate(table[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        named = {key: cells[place] if place < len(cells) else "" for key, place in columns.items()}
        place = SourceLocation(number, f"row {number}")
        drafts.append(Draft(place, _values(named)))
        right = named["right"].strip()
        if right and right.lower() not in LETTERS[: 4 if _has_fourth(named) else 3]:
            faults.append(
                FieldError(place, "right", f"expected the letter of one option that has words (seen: {right[:60]!r})")
            )

    def name(field: str) -> str:
        key = _key(field)
        if key in columns:
            return f"column {column_letters(columns[key])} ({header[columns[key]].strip()})"
        return f"column ({next((column.header for column in COLUMNS if column.key == key), field)})"

    return ParsedFile(tuple(drafts), tuple(faults), name)


def column_letters(place: int) -> str:
    """How a spreadsheet calls its column: 0 is A, 26 is AA."""
    found = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        found = chr(ord("A") + rest) + found
    return found


def _header(header: Sequence[str], table: Sequence[Sequence[str]]) -> tuple[dict[str, int], list[FieldError]]:
    """Where each column stands, by key, and what is wrong with the first row."""
    columns: dict[str, int] = {}
    faults = []
    first = SourceLocation(1, "row 1")
    for place in range(max((len(cells) for cells in table), default=0)):
        words = header[place].strip() if place < len(header) else ""
        column = COLUMNS_BY_NAME.get(fold(words))
        if column is not None and column.key not in columns:
            columns[column.key] = place
        elif column is not None:
            says = f"stands in column {column_letters(columns[column.key])} too (seen: {words[:60]!r})"
            faults.append(FieldError(first, f"column {column_letters(place)}", says))
        elif words:
            faults.append(
                FieldError(first, f"column {column_letters(place)}", f"no such column (seen: {words[:60]!r})")
            )
        elif any(place < len(cells) and cells[place].strip() for cells in table):
            faults.append(FieldError(first, f"column {column_letters(place)}", "words below an empty header"))
    for column in COLUMNS:
        if column.key not in columns and not column.optional:
            faults.append(FieldError(first, "", f"the column {column.header!r} is missing"))
    return columns, faults


def _values(cells: Mapping[str, str]) -> dict[str, Any]:
    """A row in the shape of a scenario's TOML."""
    right = cells["right"].strip().lower()
    used = LETTERS if _has_fourth(cells) else LETTERS[:3]
    return {
        **{name: cells[name].strip() for name in ("id", "competency", "variant", "state", "reviewed_on")},
        **{name: cells[name] for name in ("author", "reviewer")},
        **{name: {one: cells[f"{name}_{one}"] for one in LANGUAGES} for name in ("situation", "todo")},
        "roles": _listed(cells["roles"]),
        "options": [
            {
                "right": letter == right,
                "articles": _listed(cells.get(f"option_{letter}_articles", "")),
                "text": {one: cells.get(f"option_{letter}_text_{one}", "") for one in LANGUAGES},
                "why": {one: cells.get(f"option_{letter}_why_{one}", "") for one in LANGUAGES},
            }
            for letter in used
        ],
    }


def _has_fourth(cells: Mapping[str, str]) -> bool:
    return any(cells.get(column.key, "").strip() for column in COLUMNS if column.optional)


def _listed(words: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", words) if word]


def _key(field: str) -> str:
    """The column of a field: `options.1.why.es` is option_b_why_es, `roles.0` is roles."""
    found = re.fullmatch(r"options\.(\d)\.(\w+)(?:\.(\w+))?", field)
    if not found:
        return field.partition(".")[0] if field.startswith("roles") else field.replace(".", "_")
    place, part, inner = found.groups()
    if part == "right":
        return part
    return "_".join(["option", LETTERS[int(place)], part, *([inner] if inner and part != "articles" else [])])


# ---------------------------------------------------------------- CSV

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet would take for a formula, with any apostrophes that say that it is none."""


def to_csv(scenarios: Sequence[Scenario]) -> bytes:
    """UTF-8 with a byte order mark, so that spreadsheets see accents; an apostrophe keeps formulas from being one."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([f"'{cell}" if FORMULA.match(cell) else cell for cell in row] for row in rows(scenarios))
    return text.getvalue().encode("utf-8-sig")


def from_csv(content: bytes) -> ParsedFile:
    """What a CSV file holds; between its cells stand commas, semicolons or tabs, as the spreadsheet likes it.

    Raises Unreadable.
    """
    text = decode_text(content)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=lambda one: _known(text, one)), strict=True
    )
    try:
        table = list(reader)
    except csv.Error as fault:
        raise UnreadableFile(f"line {reader.line_num}: not readable as CSV ({fault})") from fault
    return parse_table(
        [[cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell for cell in row] for row in table]
    )


def _known(text: str, delimiter: str) -> int:
    """How many columns the header has, with this sign between its cells."""
    try:
        return sum(
            fold(cell) in COLUMNS_BY_NAME
            for cell in next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        )
    except (csv.Error, StopIteration):
        return 0
