"""`integra export closures`: all days without work that are stored, as a list that can be imported again."""

from pathlib import Path
from typing import Annotated

import typer

from bot import app as wiring
from bot import config
from bot.cli import output_file
from bot.cli.output import async_command, print_line
from content.exchange import csv_table
from handlers.administration import closure_imports
from storage import migrate as schema


@async_command
async def closures(
    to: Annotated[Path | None, typer.Option(help="File to write; without it: standard output.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """All closures as CSV, as `integra import closures` reads them, to look at, correct, add or remove."""
    settings = config.load()
    output_file.refuse_existing(to, force=force)
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app, app.database.read() as tx:
        table = await closure_imports.stored_table(tx)
    output_file.write(csv_table.write_cells(table), to)
    if to is not None:
        print_line(f"{len(table) - 1} closures written to {to}.")
