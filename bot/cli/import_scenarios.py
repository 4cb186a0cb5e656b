"""`integra import scenarios`: what authors wrote or changed, into DATA_DIR/content; a dry run by default."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from bot import config
from bot.cli.export_scenarios import Language
from bot.cli.output import fail, print_line
from bot.course_loader import load_course, overlay_folder
from content import library as course
from content.course.scenario import Scenario
from content.exchange import changeset, csv_table, gift, toml_json, xlsx
from content.exchange.changeset import ParsedFile, Plan, UnreadableFile
from content.exchange.xlsx import SpreadsheetExtraMissing
from content.library import Library
from content.quality import bank_checks

EXTENSIONS = (".xlsx", ".csv", ".json", ".gift", ".txt")


def scenarios(
    file: Annotated[Path, typer.Argument(help=f"As `integra export scenarios` writes it: {', '.join(EXTENSIONS)}.")],
    language: Annotated[
        Language | None, typer.Option(help="Of the texts of a GIFT file; without it: as its first line says, else es.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write; without it the command only reports what it would do.")
    ] = False,
) -> None:
    """Scenarios that authors wrote or changed, into DATA_DIR/content; the shipped files stay unchanged."""
    settings = config.load()
    library = load_course(settings)
    try:
        brought = _read_scenarios(file, library, language)
    except OSError as error:
        fail(f"{file}: cannot be read ({error.strerror})")
    except (SpreadsheetExtraMissing, UnreadableFile) as error:
        fail(f"{file}: {error}")
    found, problems = changeset.validate(library, brought)
    if problems:
        lines = [f"{file}: {line}" for line in brought.error_lines(problems)]
        fail("\n".join(lines) + f"\n{len(problems)} problem{'s' if len(problems) > 1 else ''}. Nothing was written.")
    plan = changeset.compare(library, found)
    overlay = overlay_folder(settings)
    try:
        warnings = _write_scenarios(library, plan.written, overlay, apply)
    except OSError as error:
        fail(f"DATA_DIR: cannot write below {str(overlay)!r} ({error.strerror})")
    _print_summary(plan, warnings, overlay, apply)


def _read_scenarios(file: Path, library: Library, language: str | None) -> ParsedFile:
    extension = file.suffix.lower()
    if extension not in EXTENSIONS:
        fail(f"{file}: unknown file extension; expected one of {', '.join(EXTENSIONS)}")
    if language and extension not in (".gift", ".txt"):
        fail(f"--language: {extension} holds both languages; it is for GIFT files")
    content = file.read_bytes()
    if extension == ".xlsx":
        return xlsx.from_xlsx(content)
    if extension == ".csv":
        return csv_table.from_csv(content)
    if extension == ".json":
        return toml_json.from_json(content)
    return gift.from_gift(content, library, language)


def _write_scenarios(library: Library, written: Sequence[Scenario], overlay: Path, apply: bool) -> list[str]:
    """Write all files or none: a staging copy beside the overlay is loaded with the whole course first.

    Return the problems that `integra check` will find and does not find today. Without `apply` nothing is written.

    Raises BrokenContent, OSError.
    """
    if not written:
        return []
    if apply:
        overlay.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=overlay.parent if apply else None, prefix=".content-") as parent:
        stage = Path(parent) / overlay.parent.resolve().name / overlay.name  # so that problems name the final files
        if overlay.exists():
            shutil.copytree(overlay, stage)
        files = {_scenario_path(library, scenario, stage): scenario for scenario in written}
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
    return [str(problem) for problem in after if problem not in before]


def _scenario_path(library: Library, scenario: Scenario, overlay: Path) -> Path:
    """Return the scenario's existing file in the overlay, or a new one in the folder of its topic."""
    folder = overlay / "scenarios"
    existing = sorted(folder.rglob(f"{scenario.id}.toml"))
    return existing[0] if existing else folder / library.topic_of[scenario.competency].id / f"{scenario.id}.toml"


def _print_summary(plan: Plan, warnings: Sequence[str], overlay: Path, apply: bool) -> None:
    for scenario in plan.new:
        print_line(f"new: {scenario.id} ({scenario.competency} {scenario.variant}, {scenario.state})")
    for scenario, fields in plan.changed:
        print_line(f"changed: {scenario.id} ({', '.join(fields)})")
    for scenario in plan.outdated:
        day = scenario.reviewed_on
        todo = "clear reviewer, or set a new reviewed_on"
        print_line(f"{scenario.id}: changed since {scenario.reviewer} reviewed it on {day}; {todo}")
    for warning in warnings:
        print_line(f"`integra check` will report: {warning}")
    print_line(f"{len(plan.new)} new, {len(plan.changed)} changed, {plan.unchanged} unchanged.")
    if plan.written and apply:
        print_line(f"Written below {overlay}. Check it with `integra check`; `integra run` reads it at its next start.")
    elif plan.written:
        print_line("Nothing was written; write it with --apply.")
