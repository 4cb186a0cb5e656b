"""Scenarios as an XLSX workbook: a sheet to write in and a sheet that explains it (extra `xlsx`)."""

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
CELL = 32_767
"""Characters of a cell, and ROWS of a sheet: Excel's limits."""
ROWS = 1_048_576
READY = 1_000
"""Rows below the last scenario whose lists are ready for new ones."""

Line = tuple[str, ...]


class SpreadsheetExtraMissing(Exception):
    """The extra `xlsx` is not installed."""

    def __init__(self) -> None:
        super().__init__('spreadsheets need the extra "xlsx": pip install "integra[xlsx]"; or use --format csv')


def to_xlsx(library: Library, scenarios: Sequence[Scenario], language: str = "es") -> bytes:
    """The workbook; its legend is in `language`. Every cell is text, so none is ever a formula.

    Raises NoSpreadsheets; Unreadable when a text cannot stand in a cell.
    """
    try:
        import xlsxwriter
    except ImportError as fault:
        raise SpreadsheetExtraMissing from fault
    content = io.BytesIO()
    # xlsxwriter.readthedocs.io, "The Workbook Class"; number format 49 is "@", text ("The Format Class").
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(content, options) as book:
        head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bg_color": "#DDE7F0"})
        cell = book.add_format({"num_format": 49, "text_wrap": True, "valign": "top"})
        sheet, legend = book.add_worksheet(SHEET), book.add_worksheet(LEGEND)
        cells = csv_table.rows(scenarios)
        for place, column in enumerate(csv_table.COLUMNS):
            sheet.set_column(place, place, column.width, cell)
        _fill(sheet, [tuple(row) for row in cells], head, cell, headings={0})
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, len(cells) - 1, len(csv_table.COLUMNS) - 1)
        sheet.ignore_errors({"number_stored_as_text": f"A1:AZ{ROWS}"})
        first, last = _explain(legend, library, language, head, cell)
        _offer(sheet, len(cells) + READY, f"={LEGEND}!$A${first}:$A${last}")
    return content.getvalue()


def _fill(sheet: Any, lines: Sequence[Line], head: Any, cell: Any, headings: set[int]) -> None:
    for number, line in enumerate(lines):
        for place, words in enumerate(line):
            _hold(words, number, place)
            sheet.write_string(number, place, words, head if number in headings else cell)


def _hold(words: str, number: int, place: int) -> None:
    where = f"row {number + 1}, column {csv_table.column_letters(place)}"
    if len(words.encode("utf-16-le")) // 2 > CELL:
        raise UnreadableFile(
            f"{where}: at most {CELL} characters fit a cell (seen: {len(words)}); use --format csv or json"
        )
    if "\ufffe" in words or "\uffff" in words:
        raise UnreadableFile(
            f"{where}: holds a sign that no spreadsheet can (U+FFFE or U+FFFF); use --format csv or json"
        )


def _offer(sheet: Any, rows: int, competencies: str) -> None:
    """Lists to choose from; what they do not know is told when the file is brought back."""
    places = {column.key: place for place, column in enumerate(csv_table.COLUMNS)}
    for key, source in (
        ("competency", competencies),
        ("state", list(get_args(State))),
        ("right", [letter.upper() for letter in LETTERS]),
    ):
        sheet.data_validation(1, places[key], rows, places[key], {"validate": "list", "source": source})


def _explain(sheet: Any, library: Library, language: str, head: Any, cell: Any) -> tuple[int, int]:
    """Fill the legend; give the first and last row (from 1) of the competencies."""
    sheet.set_column(0, 0, 30, cell)
    sheet.set_column(1, 2, 70, cell)
    lines: list[Line] = []
    headings = set()
    first = last = 0
    for part, found in _legend(library, language):
        headings.add(len(lines))
        lines.append(part)
        start = len(lines) + 1
        lines += found
        if part[0] == library.phrases.template(language, "legend.competencies"):
            first, last = start, len(lines)
        lines.append(("",))
    _fill(sheet, lines, head, cell, headings)
    return first, last


def _legend(library: Library, language: str) -> Iterator[tuple[Line, list[Line]]]:
    def t(key: str) -> str:
        return library.phrases.template(language, key)

    yield (t("legend.columns"), t("legend.how")), [(one.header, t(one.legend)) for one in csv_table.COLUMNS]
    yield (
        (t("legend.competencies"), t("legend.topic"), t("legend.rule")),
        [
            (one.id, library.topic_of[one.id].name.in_language(language), one.rule.in_language(language))
            for one in library.competencies.values()
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
        [(one.id, one.label(language), one.article.title.in_language(language)) for one in library.articles.values()],
    )


# ---------------------------------------------------------------- reading


def from_xlsx(content: bytes) -> ParsedFile:
    """What a workbook holds in its sheet Escenarios, or in its first one.

    Raises NoSpreadsheets, Unreadable.
    """
    try:
        import python_calamine
    except ImportError as fault:
        raise SpreadsheetExtraMissing from fault
    return csv_table.parse_table([[_words(cell) for cell in row] for row in _cells(python_calamine, content)])


def _cells(calamine: ModuleType, content: bytes) -> list[list[Any]]:
    try:
        book = calamine.load_workbook(io.BytesIO(content))
        name = SHEET if SHEET in book.sheet_names else book.sheet_names[0]
        found: list[list[Any]] = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except (calamine.CalamineError, IndexError) as fault:
        raise UnreadableFile(
            f"not readable as a spreadsheet ({fault}); save it as .xlsx, without a password"
        ) from fault
    return found


def _words(cell: Any) -> str:
    """A cell as it reads: a spreadsheet may have made numbers and days of what was typed."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time().isoformat() == "00:00:00" else cell.isoformat()
    return cell.isoformat() if isinstance(cell, date) else str(cell)
