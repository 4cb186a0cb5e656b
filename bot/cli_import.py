"""`integra import`: lists from files; a dry run by default."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from bot import app as house
from bot import config
from bot.terminal import awaited, fail, say
from content.institutions import Institution
from handlers import imports
from storage import migrate as schema

imported = typer.Typer(help="Lists from CSV files; a dry run unless --apply is given.", no_args_is_help=True)


@imported.command()
@awaited
async def institutions(
    file: Annotated[
        str, typer.Argument(help='CSV with the columns code,name,sphere; or "guanajuato": the list that comes along.')
    ],
    apply: Annotated[bool, typer.Option("--apply", help="Write; without it only what would be done is told.")] = False,
) -> None:
    """Institutions of the State (sphere state) and municipalities (sphere municipal), with their enrolment codes."""
    settings = config.load()
    await schema.migrate(settings.database)
    async with house.build(settings) as app:
        shipped = [one for one in app.library.institutions if not one.fictional]
        wanted = shipped if file == "guanajuato" else _read(Path(file))
        async with app.database.read() as tx:
            new = await imports.unknown(tx, wanted)
        if apply:
            async with app.database.write() as tx:
                await imports.add_institutions(tx, new)
    added = len(new)
    done = "added" if apply else "would be added; write them with --apply"
    say(f"{len(wanted)} institutions read, {len(wanted) - added} known already, {added} {done}.")


def _read(path: Path) -> list[Institution]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in imports.COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                fail(f"{path}: no column {', '.join(missing)}; expected the header {','.join(imports.COLUMNS)}")
            found, bad = imports.read_institutions(list(reader))
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        fail(f"{path}: cannot be read as CSV in UTF-8 ({type(fault).__name__})")
    if bad:
        fail("\n".join(f"{path}: {one}" for one in bad) + "\nNothing was written.")
    return found
