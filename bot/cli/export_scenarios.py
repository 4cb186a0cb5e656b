"""`integra export scenarios`: the course's scenarios as files for authors and other programs."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bot import config
from bot.cli import output_file
from bot.cli.output import fail, print_line
from bot.course_loader import load_course
from content.exchange import changeset, csv_table, gift, toml_json, xlsx
from content.exchange.changeset import UnreadableFile
from content.exchange.xlsx import SpreadsheetExtraMissing
from content.library import Library


class ExportFormat(StrEnum):
    """The file formats of exported scenarios."""

    xlsx = "xlsx"
    csv = "csv"
    json = "json"
    gift = "gift"


class Language(StrEnum):
    """The language of formats that hold only one."""

    es = "es"
    en = "en"


def scenarios(
    format: Annotated[ExportFormat, typer.Option(help="xlsx for authors, gift for Moodle, csv or json for programs.")],
    to: Annotated[Path | None, typer.Option(help="File to write; without it: standard output.")] = None,
    language: Annotated[Language, typer.Option(help="Of the questions (gift) or of the legend (xlsx).")] = Language.es,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """All scenarios of the course, to edit and to bring back with `integra import scenarios`."""
    library = load_course(config.load())
    output_file.refuse_existing(to, force=force)
    try:
        content = _content(library, format, language)
    except (SpreadsheetExtraMissing, UnreadableFile) as error:
        fail(f"--format {format}: {error}")
    if to is None and format is ExportFormat.xlsx and sys.stdout.isatty():
        fail("--to: a workbook cannot be shown on a terminal; name a file, e.g. --to scenarios.xlsx")
    output_file.write(content, to)
    if to is not None:
        print_line(f"{len(library.scenarios)} scenarios written to {to}.")


def _content(library: Library, format: ExportFormat, language: Language) -> bytes:
    ordered = changeset.in_course_order(library)
    if format is ExportFormat.xlsx:
        return xlsx.to_xlsx(library, ordered, language)
    if format is ExportFormat.gift:
        return gift.to_gift(library, ordered, language)
    return csv_table.to_csv(ordered) if format is ExportFormat.csv else toml_json.to_json(ordered)
