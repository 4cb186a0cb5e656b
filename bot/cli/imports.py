"""`integra import`: lists and scenarios from files; a dry run by default."""

import csv
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from bot import app as wiring
from bot import config
from bot.cli.export import Language
from bot.cli.output import awaited, fail, say
from bot.course_loader import load_course, overlay_folder
from content import library as course
from content.course.institutions import InstitutionEntry
from content.course.scenario import Scenario
from content.exchange import changeset, csv_table, gift, toml_json, xlsx
from content.exchange.changeset import Brought, Plan, Unreadable
from content.exchange.xlsx import NoSpreadsheets
from content.library import Library
from content.quality import bank_checks
from handlers.administration import imports
from storage import migrate as schema

imported = typer.Typer(help="Lists and scenarios from files; a dry run unless --apply is given.", no_args_is_help=True)


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
    async with wiring.build(settings) as app:
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


def _read(path: Path) -> list[InstitutionEntry]:
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


# ---------------------------------------------------------------- scenarios

ENDINGS = (".xlsx", ".csv", ".json", ".gift", ".txt")


@imported.command()
def scenarios(
    file: Annotated[Path, typer.Argument(help=f"As `integra export scenarios` writes it: {', '.join(ENDINGS)}.")],
    language: Annotated[
        Language | None, typer.Option(help="Of the texts of a GIFT file; without it: as its first line says, else es.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write; without it only what would be done is told.")] = False,
) -> None:
    """Scenarios that authors wrote or changed, into DATA_DIR/content; the files that come along stay as they are."""
    settings = config.load()
    library = load_course(settings)
    try:
        brought = _brought(file, library, language)
    except OSError as fault:
        fail(f"{file}: cannot be read ({fault.strerror})")
    except (NoSpreadsheets, Unreadable) as fault:
        fail(f"{file}: {fault}")
    found, faults = changeset.judge(library, brought)
    if faults:
        lines = [f"{file}: {line}" for line in brought.told(faults)]
        fail("\n".join(lines) + f"\n{len(faults)} problem{'s' if len(faults) > 1 else ''}. Nothing was written.")
    plan = changeset.compare(library, found)
    overlay = overlay_folder(settings)
    try:
        notes = _put(library, plan.written, overlay, apply)
    except OSError as fault:
        fail(f"DATA_DIR: cannot write below {str(overlay)!r} ({fault.strerror})")
    _tell(plan, notes, overlay, apply)


def _brought(file: Path, library: Library, language: str | None) -> Brought:
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        fail(f"{file}: cannot tell what it is by its name; expected one of {', '.join(ENDINGS)}")
    if language and ending not in (".gift", ".txt"):
        fail(f"--language: {ending} holds both languages; it is for GIFT files")
    content = file.read_bytes()
    if ending == ".xlsx":
        return xlsx.from_xlsx(content)
    if ending == ".csv":
        return csv_table.from_csv(content)
    if ending == ".json":
        return toml_json.from_json(content)
    return gift.from_gift(content, library, language)


def _put(library: Library, written: Sequence[Scenario], overlay: Path, apply: bool) -> list[str]:
    """Write all files or none: they are read with the whole course beside their place before they go there.

    Gives what `integra check` will find that it does not find today.

    Raises BrokenContent, OSError.
    """
    if not written:
        return []
    if apply:
        overlay.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with TemporaryDirectory(dir=overlay.parent if apply else None, prefix=".content-") as beside:
        stage = Path(beside) / overlay.parent.resolve().name / overlay.name  # so problems name files as they will be
        if overlay.exists():
            shutil.copytree(overlay, stage)
        files = {_place(library, scenario, stage): scenario for scenario in written}
        for path, scenario in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8", newline="\n") as out:
                out.write(toml_json.to_toml(scenario))
                out.flush()
                os.fsync(out.fileno())
        after = bank_checks.faults(course.load(overlay=stage))
        for path in files if apply else ():
            target = overlay / path.relative_to(stage)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
    before = set(bank_checks.faults(library))
    return [str(one) for one in after if one not in before]


def _place(library: Library, scenario: Scenario, overlay: Path) -> Path:
    """Where a scenario lies already, or the folder of its topic."""
    folder = overlay / "scenarios"
    own = sorted(folder.rglob(f"{scenario.id}.toml"))
    return own[0] if own else folder / library.topic_of[scenario.competency].id / f"{scenario.id}.toml"


def _tell(plan: Plan, notes: Sequence[str], overlay: Path, apply: bool) -> None:
    for scenario in plan.new:
        say(f"new: {scenario.id} ({scenario.competency} {scenario.variant}, {scenario.state})")
    for scenario, fields in plan.changed:
        say(f"changed: {scenario.id} ({', '.join(fields)})")
    for scenario in plan.outdated:
        day = scenario.reviewed_on
        say(f"{scenario.id}: changed since {scenario.reviewer} reviewed it on {day}; empty reviewer, or date it anew")
    for note in notes:
        say(f"`integra check` will say: {note}")
    say(f"{len(plan.new)} new, {len(plan.changed)} changed, {plan.unchanged} unchanged.")
    if plan.written and apply:
        say(f"Written below {overlay}. Look at it with `integra check`; `integra run` reads it at its next start.")
    elif plan.written:
        say("Nothing was written; write it with --apply.")
