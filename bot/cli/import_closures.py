"""`integra import closures`: days on which an institution, or the UEIPCI and all, do not work; a dry run by default."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bot import app as wiring
from bot import config
from bot.cli import table_file
from bot.cli.output import async_command, print_line
from content import workdays
from handlers.administration import closure_imports
from handlers.administration.closure_imports import ClosureRow, Comparison
from storage import migrate as schema
from storage.people import closures as stored_closures


@async_command
async def closures(
    file: Annotated[
        Path,
        typer.Argument(help="CSV or XLSX with the columns code,day,name; no code: the UEIPCI and all institutions."),
    ],
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the closures of the file, by code and day, instead of adding them.")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write; without it the command only reports what it would do.")
    ] = False,
) -> None:
    """Days without work, of one institution or of all: no prompts there; those of all do not count for due days."""
    settings = config.load()
    table = table_file.read_cells(file, closure_imports.COLUMNS)
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app:
        today = app.clock().astimezone(ZoneInfo(settings.timezone)).date()
        async with app.database.write() if apply else app.database.read() as tx:
            ids = await closure_imports.institution_ids(tx)
            rows, errors = closure_imports.read_closures(table, ids)
            if errors:
                table_file.fail_with_rows(file, errors)
            found = await closure_imports.compare(tx, rows, ids, today)
            if apply and remove:
                await stored_closures.remove(tx, [row.closure for row in rows])
            elif apply:
                await stored_closures.store(tx, [row.closure for row in rows])
    if remove:
        _print_removal(rows, found, apply=apply)
    else:
        _print_import(rows, found, today, apply=apply)


def _print_import(rows: Sequence[ClosureRow], found: Comparison, today: date, *, apply: bool) -> None:
    for row in found.not_stored:
        print_line(f"new: {row}")
    for row, before in found.renamed:
        print_line(f"renamed: {row} (before: {before})")
    for row in rows:
        if workdays.is_weekend_or_rest_day(row.closure.day):
            print_line(f"row {row.row}: {row.closure.day} is a weekend or a rest day by law; this changes nothing")
    if past := sum(row.closure.day < today for row in rows):
        print_line(f"Days that are over: {past}; they change nothing any more.")
    for row in found.also_stored:
        print_line(f"stored, and not in this file: {row}")
    if found.also_stored:
        print_line("An import removes nothing: list what is wrong in a file and use --remove.")
    would = "" if apply else "would be "
    counts = f"{len(found.renamed)} {would}renamed, {len(found.not_stored)} {would}added"
    print_line(f"{len(rows)} closures read, {len(found.unchanged)} known already, {counts}.")
    if not apply and (found.not_stored or found.renamed):
        print_line("Nothing was written; write it with --apply.")


def _print_removal(rows: Sequence[ClosureRow], found: Comparison, *, apply: bool) -> None:
    for row in found.stored:
        print_line(f"remove: {row}")
    for row in found.not_stored:
        print_line(f"not stored: {row}")
    would = "" if apply else "would be "
    print_line(f"{len(rows)} closures read, {len(found.not_stored)} not stored, {len(found.stored)} {would}removed.")
    if not apply and found.stored:
        print_line("Nothing was written; write it with --apply.")
