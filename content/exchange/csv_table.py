"""Scenarios as a table (CSV), one row each: stable column names, and errors located by row and column."""

import csv
import io
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from content.course.scenario import LETTERS, Scenario
from content.exchange.changeset import Draft, FieldError, ParsedFile, SourceLocation, UnreadableFile, decode_text
from content.text import LANGUAGES, fold


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `key` for programs, `header` for authors; a header row may use either.

    `legend` is the key of the phrase that explains it, `width` its width in a spreadsheet, in characters.
    """

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
    """The header row and one row per scenario; every cell is text."""
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
    """Parse a table with a header row; columns may be in any order, blank rows are skipped."""
    header = list(table[0]) if table else []
    columns, errors = _header(header, table)
    if errors:
        return ParsedFile((), tuple(errors))
    drafts = []
    for number, cells in enumerate(table[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        named = {key: cells[index] if index < len(cells) else "" for key, index in columns.items()}
        location = SourceLocation(number, f"row {number}")
        drafts.append(Draft(location, _values(named)))
        right = named["right"].strip()
        if right and right.lower() not in LETTERS[: 4 if _has_fourth(named) else 3]:
            message = f"expected the letter of an option that has a text (seen: {right[:60]!r})"
            errors.append(FieldError(location, "right", message))

    def field_label(field: str) -> str:
        key = _key(field)
        if key in columns:
            return f"column {column_letters(columns[key])} ({header[columns[key]].strip()})"
        return f"column ({next((column.header for column in COLUMNS if column.key == key), field)})"

    return ParsedFile(tuple(drafts), tuple(errors), field_label)


def column_letters(index: int) -> str:
    """The spreadsheet name of a column: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _header(header: Sequence[str], table: Sequence[Sequence[str]]) -> tuple[dict[str, int], list[FieldError]]:
    """The index of each column by key, and the errors of the header row."""
    columns: dict[str, int] = {}
    errors = []
    first = SourceLocation(1, "row 1")
    for index in range(max((len(cells) for cells in table), default=0)):
        name = header[index].strip() if index < len(header) else ""
        column = COLUMNS_BY_NAME.get(fold(name))
        if column is not None and column.key not in columns:
            columns[column.key] = index
        elif column is not None:
            message = f"also in column {column_letters(columns[column.key])} (seen: {name[:60]!r})"
            errors.append(FieldError(first, f"column {column_letters(index)}", message))
        elif name:
            errors.append(FieldError(first, f"column {column_letters(index)}", f"no such column (seen: {name[:60]!r})"))
        elif any(index < len(cells) and cells[index].strip() for cells in table):
            errors.append(FieldError(first, f"column {column_letters(index)}", "texts below an empty header"))
    for column in COLUMNS:
        if column.key not in columns and not column.optional:
            errors.append(FieldError(first, "", f"the column {column.header!r} is missing"))
    return columns, errors


def _values(cells: Mapping[str, str]) -> dict[str, Any]:
    """A row, by column key, in the shape of a scenario's TOML."""
    right = cells["right"].strip().lower()
    used = LETTERS if _has_fourth(cells) else LETTERS[:3]
    return {
        **{name: cells[name].strip() for name in ("id", "competency", "variant", "state", "reviewed_on")},
        **{name: cells[name] for name in ("author", "reviewer")},
        **{name: {language: cells[f"{name}_{language}"] for language in LANGUAGES} for name in ("situation", "todo")},
        "roles": _split(cells["roles"]),
        "options": [
            {
                "right": letter == right,
                "articles": _split(cells.get(f"option_{letter}_articles", "")),
                "text": {language: cells.get(f"option_{letter}_text_{language}", "") for language in LANGUAGES},
                "why": {language: cells.get(f"option_{letter}_why_{language}", "") for language in LANGUAGES},
            }
            for letter in used
        ],
    }


def _has_fourth(cells: Mapping[str, str]) -> bool:
    return any(cells.get(column.key, "").strip() for column in COLUMNS if column.optional)


def _split(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", text) if word]


def _key(field: str) -> str:
    """The column key of a field path: `options.1.why.es` is option_b_why_es, `roles.0` is roles."""
    found = re.fullmatch(r"options\.(\d)\.(\w+)(?:\.(\w+))?", field)
    if not found:
        return field.partition(".")[0] if field.startswith("roles") else field.replace(".", "_")
    index, part, inner = found.groups()
    if part == "right":
        return part
    return "_".join(["option", LETTERS[int(index)], part, *([inner] if inner and part != "articles" else [])])


# ---------------------------------------------------------------- CSV

FORMULA = re.compile(r"'*[=+\-@\t\r]")
SEPARATOR_LINE = re.compile(r"\Asep=[,;\t]\r?\n", re.IGNORECASE)
"""A cell that a spreadsheet would read as a formula, with any number of disarming apostrophes in front."""


def to_csv(scenarios: Sequence[Scenario]) -> bytes:
    """A CSV file of scenarios."""
    return write_cells(rows(scenarios))


def write_cells(table: Sequence[Sequence[str]]) -> bytes:
    """CSV in UTF-8 with a byte order mark, so that spreadsheets read accents; an apostrophe disarms formulas."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([f"'{cell}" if FORMULA.match(cell) else cell for cell in row] for row in table)
    return text.getvalue().encode("utf-8-sig")


def from_csv(content: bytes) -> ParsedFile:
    """Parse a CSV file of scenarios. Raises UnreadableFile."""
    return parse_table(read_cells(content, COLUMNS_BY_NAME))


def read_cells(content: bytes, names: Container[str]) -> list[list[str]]:
    """The cells of a CSV file, row by row, without the apostrophes that disarm formulas.

    It is separated by commas, semicolons or tabs, whichever yields the most columns with one of the folded `names`. A
    first line `sep=;`, which tells Excel the separator and which Excel does not show, is no row.

    Raises UnreadableFile.
    """
    text = SEPARATOR_LINE.sub("", decode_text(content), count=1)
    delimiter = max(",;\t", key=lambda sign: _count_known_columns(text, sign, names))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        table = list(reader)
    except csv.Error as fault:
        raise UnreadableFile(f"line {reader.line_num}: not readable as CSV ({fault})") from fault
    return [[_unescaped(cell) for cell in row] for row in table]


def _unescaped(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


def _count_known_columns(text: str, delimiter: str, names: Container[str]) -> int:
    """Number of columns with one of the folded `names` in the header when it is split at `delimiter`."""
    try:
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except (csv.Error, StopIteration):
        return 0
    return sum(fold(cell) in names for cell in header)
