"""Any table as an XLSX workbook with one sheet (needs the extra `xlsx`)."""

import io
from collections.abc import Sequence

from content.exchange.xlsx import SpreadsheetExtraMissing


def write_cells(table: Sequence[Sequence[str]], sheet: str) -> bytes:
    """Write the workbook; cells that are whole numbers are numbers, all others text, so that none is a formula.

    Raises SpreadsheetExtraMissing.
    """
    try:
        import xlsxwriter
    except ImportError as fault:
        raise SpreadsheetExtraMissing from fault
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as workbook:
        page = workbook.add_worksheet(sheet)
        for number, row in enumerate(table):
            for column, cell in enumerate(row):
                if cell.isascii() and cell.isdecimal():
                    page.write_number(number, column, int(cell))
                else:
                    page.write_string(number, column, cell)
        page.freeze_panes(1, 0)
    return content.getvalue()
