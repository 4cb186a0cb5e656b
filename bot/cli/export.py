"""`integra export`: what the house holds as files for people and other programs."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer

from bot import config
from bot.cli.output import fail, say
from bot.course_loader import load_course
from content.exchange import changeset, csv_table, gift, toml_json, xlsx
from content.exchange.changeset import Unreadable
from content.exchange.xlsx import NoSpreadsheets
from content.library import Library

exported = typer.Typer(help="Files for people and other programs.", no_args_is_help=True)


@exported.callback()
def _group() -> None:
    """Files for people and other programs."""


class ExportFormat(StrEnum):
    """In what scenarios can be taken out and brought back."""

    xlsx = "xlsx"
    csv = "csv"
    json = "json"
    gift = "gift"


class Language(StrEnum):
    """The language of what can hold one only."""

    es = "es"
    en = "en"


@exported.command()
def scenarios(
    format: Annotated[ExportFormat, typer.Option(help="xlsx for authors, gift for Moodle, csv or json for programs.")],
    to: Annotated[Path | None, typer.Option(help="File to write; without it: standard output.")] = None,
    language: Annotated[Language, typer.Option(help="Of the questions (gift) or of the legend (xlsx).")] = Language.es,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """All scenarios of the course, to edit and to bring back with `integra import scenarios`."""
    library = load_course(config.load())
    if to is not None and to.exists() and not force:
        fail(f"{to}: exists already, perhaps with somebody's work in it; choose another name, or give --force")
    try:
        content = _content(library, format, language)
    except (NoSpreadsheets, Unreadable) as fault:
        fail(f"--format {format}: {fault}")
    if to is not None:
        _write(to, content)
        say(f"{len(library.scenarios)} scenarios written to {to}.")
    elif format is ExportFormat.xlsx and sys.stdout.isatty():
        fail("--to: a workbook is nothing to read on the screen; say where to write it, e.g. --to scenarios.xlsx")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def _content(library: Library, format: ExportFormat, language: Language) -> bytes:
    ordered = changeset.in_order(library)
    if format is ExportFormat.xlsx:
        return xlsx.to_xlsx(library, ordered, language)
    if format is ExportFormat.gift:
        return gift.to_gift(library, ordered, language)
    return csv_table.to_csv(ordered) if format is ExportFormat.csv else toml_json.to_json(ordered)


def _write(path: Path, content: bytes) -> None:
    """All of the file or none of it."""
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.replace(file.name, path)
            except OSError:
                os.unlink(file.name)
                raise
    except OSError as fault:
        fail(f"{path}: cannot be written ({fault.strerror})")
