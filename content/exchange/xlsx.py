"""Scenarios as an XLSX workbook: an editable sheet and a legend sheet (needs the extra `xlsx`)."""

import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from types import ModuleType
from typing import Any, get_args

from content.course.scenario import LETTERS, Scenario, State
from content.course.topic import Role
from content.exchange import csv_table
from content.exchange.changeset import ParsedFile, UnreadableFile
from content.library import Library

SHEET, LEGEND = "Escenarios", "Leyenda"
MAX_CELL_CHARACTERS = 32_767
"""Excel's limit, in UTF-16 units."""
MAX_ROWS = 1_048_576
"""Excel's limit of rows per sheet."""
EMPTY_ROWS = 1_000
"""Rows below the last scenario that have drop-down lists for new scenarios."""

Line = tuple[str, ...]


class SpreadsheetExtraMissing(Exception):
    """The extra `xlsx` is not installed."""

    def __init__(self) -> None:
        super().__init__('spreadsheets need the extra "xlsx": pip install "integra[xlsx]"; or use CSV')


def to_xlsx(library: Library, scenarios: Sequence[Scenario], language: str = "es") -> bytes:
    """Write the workbook, with its legend in `language`. Every cell is text, so none is ever a formula.

    Raises SpreadsheetExtraMissing; UnreadableFile when a text does not fit a cell.
    """
    try:
        import xlsxwriter
    except ImportError as fault:
        raise SpreadsheetExtraMissing from fault
    content = io.BytesIO()
    # xlsxwriter.readthedocs.io, "The Workbook Class"; number format 49 is "@", text ("The Format Class").
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(content, options) as workbook:
        head = workbook.add_format({"bold": True, "text_wrap": True, "valign": "top", "bg_color": "#DDE7F0"})
        cell = workbook.add_format({"num_format": 49, "text_wrap": True, "valign": "top"})
        sheet, legend = workbook.add_worksheet(SHEET), workbook.add_worksheet(LEGEND)
        cells = csv_table.rows(scenarios)
        for index, column in enumerate(csv_table.COLUMNS):
            sheet.set_column(index, index, column.width, cell)
        _fill(sheet, [tuple(row) for row in cells], head, cell, headings={0})
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, len(cells) - 1, len(csv_table.COLUMNS) - 1)
        sheet.ignore_errors({"number_stored_as_text": f"A1:AZ{MAX_ROWS}"})
        first, last = _write_legend(legend, library, language, head, cell)
        _add_dropdowns(sheet, len(cells) + EMPTY_ROWS, f"={LEGEND}!$A${first}:$A${last}")
    return content.getvalue()


def _fill(sheet: Any, lines: Sequence[Line], head: Any, cell: Any, headings: set[int]) -> None:
    for number, line in enumerate(lines):
        for index, text in enumerate(line):
            _check_cell(text, number, index)
            sheet.write_string(number, index, text, head if number in headings else cell)


def _check_cell(text: str, number: int, index: int) -> None:
    where = f"row {number + 1}, column {csv_table.column_letters(index)}"
    if len(text.encode("utf-16-le")) // 2 > MAX_CELL_CHARACTERS:
        raise UnreadableFile(
            f"{where}: at most {MAX_CELL_CHARACTERS} characters per cell (seen: {len(text)}); use --format csv or json"
        )
    if "\ufffe" in text or "\uffff" in text:
        raise UnreadableFile(
            f"{where}: contains a character that spreadsheets cannot hold (U+FFFE or U+FFFF); use --format csv or json"
        )


def _add_dropdowns(sheet: Any, rows: int, competencies: str) -> None:
    """Add drop-down lists; other values are reported when the file is imported."""
    indexes = {column.key: index for index, column in enumerate(csv_table.COLUMNS)}
    for key, source in (
        ("competency", competencies),
        ("state", list(get_args(State))),
        ("right", [letter.upper() for letter in LETTERS]),
    ):
        sheet.data_validation(1, indexes[key], rows, indexes[key], {"validate": "list", "source": source})


def _write_legend(sheet: Any, library: Library, language: str, head: Any, cell: Any) -> tuple[int, int]:
    """Write the legend and return the first and last row (from 1) of the competencies."""
    sheet.set_column(0, 0, 30, cell)
    sheet.set_column(1, 2, 70, cell)
    lines: list[Line] = []
    headings = set()
    first = last = 0
    for heading, rows in _legend(library, language):
        headings.add(len(lines))
        lines.append(heading)
        start = len(lines) + 1
        lines += rows
        if heading[0] == library.phrases.template(language, "legend.competencies"):
            first, last = start, len(lines)
        lines.append(("",))
    _fill(sheet, lines, head, cell, headings)
    return first, last


def _legend(library: Library, language: str) -> Iterator[tuple[Line, list[Line]]]:
    """Heading and rows of each section."""

    def t(key: str) -> str:
        return library.phrases.template(language, key)

    yield (t("legend.columns"), t("legend.how")), [(column.header, t(column.legend)) for column in csv_table.COLUMNS]
    yield (
        (t("legend.competencies"), t("legend.topic"), t("legend.rule")),
        [
            (rule.id, library.topic_of[rule.id].name.in_language(language), rule.rule.in_language(language))
            for rule in library.competencies.values()
        ],
    )
    yield (t("legend.all_roles"),), [(role, t(f"course.role.{role}")) for role in get_args(Role)]
    yield (
        (t("legend.states"),),
        list(
            zip(
                get_args(State),
                map(t, ("legend.draft", "legend.reviewed", "legend.published", "legend.retired")),
                strict=True,
            )
        ),
    )
    yield (
        (t("legend.all_articles"), t("legend.citation"), t("legend.title")),
        [
            (citation.id, citation.label(language), citation.article.title.in_language(language))
            for citation in library.articles.values()
        ],
    )


# ---------------------------------------------------------------- reading


def from_xlsx(content: bytes) -> ParsedFile:
    """Parse a workbook of scenarios: its sheet Escenarios, or its first sheet.

    Raises SpreadsheetExtraMissing, UnreadableFile.
    """
    return csv_table.parse_table(read_cells(content, SHEET))


def read_cells(content: bytes, sheet: str = "") -> list[list[str]]:
    """The cells of a workbook as text, row by row, dates in ISO format: of the sheet so named, or its first sheet.

    Raises SpreadsheetExtraMissing, UnreadableFile.
    """
    try:
        import python_calamine
    except ImportError as fault:
        raise SpreadsheetExtraMissing from fault
    return [[_text(cell) for cell in row] for row in _cells(python_calamine, content, sheet)]


def _cells(calamine: ModuleType, content: bytes, sheet: str) -> list[list[Any]]:
    try:
        workbook = calamine.load_workbook(io.BytesIO(content))
        name = sheet if sheet in workbook.sheet_names else workbook.sheet_names[0]
        found: list[list[Any]] = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except (calamine.CalamineError, IndexError) as fault:
        raise UnreadableFile(
            f"not readable as a spreadsheet ({fault}); save it as .xlsx, without a password"
        ) from fault
    return found


def _text(cell: Any) -> str:
    """The text of a cell: spreadsheets convert typed numbers and dates to values of their own."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time().isoformat() == "00:00:00" else cell.isoformat()
    return cell.isoformat() if isinstance(cell, date) else str(cell)
