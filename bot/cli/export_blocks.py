"""`integra export answers` and `participation`: the stored blocks of a period, never a row a person."""

import json
import sys
from collections.abc import Awaitable, Callable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bot import app as wiring
from bot import config
from bot.cli import output_file
from bot.cli.output import async_command, fail, print_line
from bot.cli.report import parse_day
from content.exchange import csv_table, plain_xlsx
from content.exchange.xlsx import SpreadsheetExtraMissing
from handlers.administration import block_export, reports
from handlers.administration.block_export import Cells
from storage import migrate as schema
from storage.database import Transaction


class TableFormat(StrEnum):
    """The file formats of exported tables."""

    csv = "csv"
    xlsx = "xlsx"
    json = "json"


Format = Annotated[TableFormat, typer.Option(help="csv and xlsx for people, json for programs.")]
First = Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD; default: as of `report`.")]
Last = Annotated[str | None, typer.Option("--to", help="Last day, YYYY-MM-DD; default: today.")]
File = Annotated[Path | None, typer.Option("--file", help="File to write; without it: standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that exists.")]


@async_command
async def answers(
    format: Format, first: First = None, last: Last = None, file: File = None, force: Force = False
) -> None:
    """Answers by institution, topic and scenario: the blocks wholly within a period, with their rounded counts."""
    await _export(block_export.answers_table, format, (first, last), file, force=force)


@async_command
async def participation(
    format: Format, first: First = None, last: Last = None, file: File = None, force: Force = False
) -> None:
    """Participation by week and institution: the blocks wholly within a period."""
    await _export(block_export.participation_table, format, (first, last), file, force=force)


async def _export(
    read: Callable[[Transaction, date, date], Awaitable[Cells]],
    format: TableFormat,
    period: tuple[str | None, str | None],
    file: Path | None,
    *,
    force: bool,
) -> None:
    settings = config.load()
    until = parse_day("--to", period[1], wiring.system_clock().astimezone(ZoneInfo(settings.timezone)).date())
    since = parse_day("--from", period[0], reports.default_period(until)[0])
    if file is None and format is TableFormat.xlsx and sys.stdout.isatty():
        fail("--file: a workbook cannot be shown on a terminal; name a file, e.g. --file blocks.xlsx")
    output_file.refuse_existing(file, force=force)
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app, app.database.read() as tx:
        table = await read(tx, since, until)
    try:
        output_file.write(_content(table, format), file)
    except SpreadsheetExtraMissing as error:
        fail(f"--format {format}: {error}")
    if file is not None:
        print_line(f"{len(table) - 1} blocks written to {file}.")


def _content(table: Cells, format: TableFormat) -> bytes:
    if format is TableFormat.xlsx:
        return plain_xlsx.write_cells(table, "Integra")
    if format is TableFormat.csv:
        return csv_table.write_cells(table)
    header, *rows = table
    named = [dict(zip(header, row, strict=True)) for row in rows]
    return json.dumps(named, ensure_ascii=False, indent=1).encode() + b"\n"
