"""Reads a list from a CSV or XLSX file for an import; whatever is wrong with it ends the command with its lines."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import NoReturn

from bot.cli.output import fail
from content.exchange import csv_table, xlsx
from content.exchange.changeset import UnreadableFile
from content.exchange.xlsx import SpreadsheetExtraMissing
from handlers.administration.table_rows import RowError


def read_cells(file: Path, columns: Container[str]) -> list[list[str]]:
    """The cells of a file row by row: of a workbook if its name ends in .xlsx, else of a CSV file in UTF-8.

    The separator of CSV is the one that yields the most of the `columns`.
    """
    try:
        content = file.read_bytes()
        if file.suffix.lower() == ".xlsx":
            return xlsx.read_cells(content)
        return csv_table.read_cells(content, columns)
    except OSError as error:
        fail(f"{file}: cannot be read ({error.strerror})")
    except (SpreadsheetExtraMissing, UnreadableFile) as error:
        fail(f"{file}: {error}")


def fail_with_rows(file: Path, errors: Sequence[RowError]) -> NoReturn:
    """Report every wrong row and end with exit code 1."""
    fail("\n".join(f"{file}: {error}" for error in errors) + "\nNothing was written.")
