"""XLSX: export and import round-trip, and the legend lists all allowed values."""

import io
import re
import sys
import zipfile
from datetime import date, datetime
from typing import Any, get_args

import pytest
import python_calamine
import xlsxwriter
from hypothesis import given, settings

from content.course.scenario import Scenario, State
from content.exchange import csv_table, xlsx
from content.exchange.changeset import UnreadableFile
from content.exchange.xlsx import SpreadsheetExtraMissing, from_xlsx, to_xlsx
from content.library import Library
from tests.content.exchange.authors import (
    ARTICLES,
    COMPETENCIES,
    banks,
    error_lines,
    nothing_changes,
    plain,
    text,
    tiny,
)


def workbook(rows: list[list[Any]], name: str = "Hoja1") -> bytes:
    """A workbook as a spreadsheet program saves typed values."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"default_date_format": "dd/mm/yyyy"}) as workbook_file:
        sheet = workbook_file.add_worksheet(name)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return content.getvalue()


def part(content: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return file.read(name).decode()


@given(banks())
@settings(max_examples=60, deadline=None)
def test_a_workbook_round_trips(bank: list[Scenario]) -> None:
    library = tiny(bank)
    assert nothing_changes(library, from_xlsx(to_xlsx(library, bank)))


def test_importing_the_exported_course_changes_nothing(library: Library) -> None:
    content = to_xlsx(library, tuple(library.scenarios.values()))
    assert nothing_changes(library, from_xlsx(content))


def test_no_cell_is_a_formula_and_every_cell_is_text() -> None:
    content = to_xlsx(tiny([]), [plain(author="=1+1", reviewer="https://example.org", todo=text("007"))])
    sheet = part(content, "xl/worksheets/sheet1.xml")
    assert "<f>" not in sheet
    assert "<hyperlink" not in sheet
    assert "<v>" in sheet
    assert sheet.count('t="s"') == sheet.count("<v>")
    assert 'numFmtId="49"' in part(content, "xl/styles.xml")  # 49 is "@": values typed later are text too


def test_the_header_is_frozen_texts_wrap_and_dropdowns_are_present() -> None:
    content = to_xlsx(tiny([]), [plain()])
    sheet = part(content, "xl/worksheets/sheet1.xml")
    assert '<pane xSplit="1" ySplit="1"' in sheet
    assert sheet.count("<col ") > 10
    assert 'wrapText="1"' in part(content, "xl/styles.xml")
    assert "draft,reviewed,published,retired" in sheet
    assert "A,B,C,D" in sheet
    ranges = re.findall(r'<dataValidation [^>]*sqref="([A-Z]+)(\d+)', sheet)
    assert '<autoFilter ref="A1:AG2"/>' in sheet, "every column of the header and of the one scenario"
    assert len(ranges) == 3
    assert {row for _, row in ranges} == {"2"}, "from the first row below the header on"


def test_the_header_alone_stands_out() -> None:
    content = to_xlsx(tiny([]), [plain()])
    sheet, styles = part(content, "xl/worksheets/sheet1.xml"), part(content, "xl/styles.xml")
    formats = re.findall(r'<c r="[A-Z]+(\d+)" s="(\d+)"', sheet)
    header, below = ({style for row, style in formats if row == number} for number in ("1", "2"))
    bold = [
        number
        for number, one in enumerate(re.findall(r'<xf [^>]*fontId="(\d+)"', styles.split("<cellXfs")[1]))
        if one == "1"
    ]
    assert header == {str(number) for number in bold}
    assert not header & below


@pytest.mark.parametrize("language", ["es", "en"])
def test_the_legend_explains_columns_and_lists_allowed_values(language: str) -> None:
    library = tiny([])
    content = to_xlsx(library, [plain()], language)
    legend = python_calamine.load_workbook(io.BytesIO(content)).get_sheet_by_name(xlsx.LEGEND).to_python()
    known = {row[0]: row[1] for row in legend}
    assert all(known[column.header] for column in csv_table.COLUMNS)
    assert all(known[one] for one in (*COMPETENCIES, *ARTICLES, *get_args(State), "ventanilla", "general"))
    first, last = [number for number, row in enumerate(legend, 1) if row[0] in (COMPETENCIES[0], COMPETENCIES[-1])]
    assert f"Leyenda!$A${first}:$A${last}" in part(content, "xl/worksheets/sheet1.xml")


def test_cells_converted_to_numbers_and_dates_are_read() -> None:
    rows: list[list[Any]] = [list(row) for row in csv_table.rows([plain(id="2026", reviewer="7")])]
    for place, cell in enumerate(rows[1]):
        if cell in ("2026", "1", "7"):
            rows[1][place] = int(cell)
    rows[1][-1] = date(2026, 11, 22)
    assert nothing_changes(tiny([plain(id="2026", reviewer="7")]), from_xlsx(workbook(rows)))
    rows[1][-1] = datetime(2026, 11, 22, 9, 30)  # noqa: DTZ001, as cells have it
    (line,) = error_lines(tiny([]), from_xlsx(workbook(rows)))
    assert line.startswith("row 2, column AG (revisado el): expected a day")


def test_another_sheet_may_come_first() -> None:
    library = tiny([plain()])
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as workbook_file:
        workbook_file.add_worksheet("Notas").write_string(0, 0, "nada")
        sheet = workbook_file.add_worksheet(xlsx.SHEET)
        for number, row in enumerate(csv_table.rows([plain()])):
            sheet.write_row(number, 0, row)
    assert nothing_changes(library, from_xlsx(content.getvalue()))


def test_only_scenarios_prefer_the_sheet_named_after_them() -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as workbook_file:
        for name in ("Hoja1", xlsx.SHEET):
            workbook_file.add_worksheet(name).write_string(0, 0, f"in {name}")
    assert xlsx.read_cells(content.getvalue()) == [["in Hoja1"]]
    assert xlsx.read_cells(content.getvalue(), xlsx.SHEET) == [["in Escenarios"]]
    assert xlsx.read_cells(content.getvalue(), "Otra") == [["in Hoja1"]]


def test_errors_are_located_by_row_and_column_of_the_sheet() -> None:
    rows = [list(row) for row in csv_table.rows([plain()])]
    rows.insert(1, [])
    rows[2][15] = "Corto."
    assert error_lines(tiny([]), from_xlsx(workbook([list(row) for row in rows]))) == [
        "row 3, column P (opción B, por qué, es): 20 to 50 words (seen: 1)"
    ]


@pytest.mark.parametrize("content", [b"", b"id,competency\n", b"PK\x03\x04 and no more", b"\x00" * 600])
def test_a_file_that_is_not_a_workbook_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile, match="not readable as a spreadsheet"):
        from_xlsx(content)


@pytest.mark.parametrize("words", ["x" * 32_768, "😀" * 20_000, "a\uffffb", "\ufffe"])
def test_a_text_that_does_not_fit_a_cell_is_refused(words: str) -> None:
    with pytest.raises(UnreadableFile, match="row 2, column AF"):
        to_xlsx(tiny([]), [plain(reviewer=words)])


@pytest.mark.parametrize("words", ["x" * 32_767, "😀" * 16_383])
def test_a_text_that_just_fits_a_cell_is_kept(words: str) -> None:
    library = tiny([plain(reviewer=words)])
    assert nothing_changes(library, from_xlsx(to_xlsx(library, [plain(reviewer=words)])))


@pytest.mark.parametrize("missing", ["xlsxwriter", "python_calamine"])
def test_without_the_extra_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    content = to_xlsx(tiny([]), [plain()])
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SpreadsheetExtraMissing, match=r'the extra "xlsx".*or use CSV'):
        to_xlsx(tiny([]), [plain()]) if missing == "xlsxwriter" else from_xlsx(content)
