"""`integra import institutions`: bodies of the State and municipalities to enrol in; a dry run by default."""

from pathlib import Path
from typing import Annotated

import typer

from bot import app as wiring
from bot import config
from bot.cli import table_file
from bot.cli.output import async_command, print_line
from content.course.institutions import InstitutionEntry
from content.library import Library
from handlers.administration import institution_imports
from storage import migrate as schema

SHIPPED = "guanajuato"


@async_command
async def institutions(
    file: Annotated[
        str,
        typer.Argument(
            help=f"CSV or XLSX with the columns code,name,sphere and, if you like, responsible; or "
            f'"{SHIPPED}": the list shipped with Integra.'
        ),
    ],
    apply: Annotated[
        bool, typer.Option("--apply", help="Write; without it the command only reports what it would do.")
    ] = False,
) -> None:
    """Institutions of the State (sphere state) and municipalities (sphere municipal), with their enrolment codes."""
    settings = config.load()
    listed = None if file == SHIPPED else _read(Path(file))
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app:
        wanted = _shipped(app.library) if listed is None else listed
        async with app.database.write() if apply else app.database.read() as tx:
            new = await institution_imports.not_stored(tx, wanted)
            changed = await institution_imports.newly_answered(tx, wanted)
            if apply:
                await institution_imports.add_institutions(tx, new)
                await institution_imports.change_responsible(tx, changed)
    done = "added" if apply else "would be added; write them with --apply"
    print_line(f"{len(wanted)} institutions read, {len(wanted) - len(new)} known already, {len(new)} {done}.")
    if changed:
        verb = "changed" if apply else "would change"
        print_line(f"Who answers for the personal data {verb} in: {', '.join(entry.code for entry in changed)}.")


def _shipped(library: Library) -> list[InstitutionEntry]:
    return [entry for entry in library.institutions if not entry.fictional]


def _read(file: Path) -> list[InstitutionEntry]:
    found, errors = institution_imports.read_institutions(table_file.read_cells(file, institution_imports.COLUMNS))
    if errors:
        table_file.fail_with_rows(file, errors)
    return found
