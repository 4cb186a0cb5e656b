"""`integra check`: all problems of settings, database and course at once; with `--law`, what lawyers must review."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bot import config
from bot.cli import database_check
from bot.cli.output import fail, print_line
from bot.config import WrongSetting
from bot.course_loader import load_course, overlay_folder
from content import library as course
from content.course.law import Citation
from content.library import Library
from content.problems import BrokenContent
from content.quality import bank_checks, citations
from content.quality.citations import ArticleUses

WIDTH = 120
LABELS = {
    "competencies": "competencias",
    "scenarios": "situaciones",
    "assessment": "autoevaluación",
    "faq": "preguntas frecuentes",
}


def check(
    law: Annotated[bool, typer.Option("--law", help="List what lawyers should look through instead.")] = False,
) -> None:
    """Settings, database, keys and all content: every problem at once; nothing is created or changed."""
    if law:
        print_line(_legal_review_table(load_course(config.load())))
        return
    problems, notes, own, warnings = _check_installation()
    library: Library | None = None
    try:
        library = course.load(overlay=own)
        problems += [str(problem) for problem in bank_checks.faults(library)]
    except BrokenContent as broken:
        problems += [str(problem) for problem in broken.problems]
    warnings += _quarantine_warnings(library) if library else []
    if problems:
        fail("\n".join([*warnings, *problems]) + f"\n{len(problems)} problem{'s' if len(problems) > 1 else ''}.")
    assert library is not None
    for line in [*warnings, *notes, *_summary(library, own)]:
        print_line(line)


def _check_installation() -> tuple[list[str], list[str], Path | None, list[str]]:
    """Problems and notes about settings, database and keys, the overlay folder and warnings.

    Where the settings are broken there is no folder.
    """
    try:
        settings = config.load()
    except WrongSetting as error:
        return str(error).splitlines(), [], None, config.warnings()
    found = asyncio.run(database_check.look(settings))
    return found.problems, found.notes, overlay_folder(settings), config.warnings(settings)


def _summary(library: Library, own: Path | None) -> Iterator[str]:
    """How much was checked."""
    yield (
        f"No problems: {len(library.scenarios)} scenarios of {len(library.competencies)} competencies in "
        f"{len(library.topics)} topics, {len(library.articles)} articles, {len(library.phrases.keys)} phrases."
    )
    files = len(list(own.rglob("*.toml"))) if own else 0
    if files:
        yield f"With {files} file{'s' if files > 1 else ''} of this installation, below {own}."


def _quarantine_warnings(library: Library) -> list[str]:
    """Return a heading and one line for each scenario that is excluded from prompts; nothing if there are none."""
    if not library.quarantined:
        return []
    lines = [f"Warning: {len(library.quarantined)} in quarantine, not asked until read again (set reviewed_on then):"]
    for scenario_id, articles in sorted(library.quarantined.items()):
        scenario = library.scenarios[scenario_id]
        changed = ", ".join(
            f"{library.articles[article].label('en')} (changed {library.articles[article].since})"
            for article in articles
        )
        lines.append(f"  {bank_checks.file_of(library, scenario)}: reviewed {scenario.reviewed_on}; {changed}")
    return lines


# ---------------------------------------------------------------- legal review, in Spanish


def _legal_review_table(library: Library) -> str:
    rows = citations.to_review(library)
    console = Console(width=WIDTH, file=io.StringIO(), force_terminal=False)
    table = Table(show_lines=True)
    for column in ("Artículo", "Texto", "Fecha de consulta", "Fuente", "Dónde se cita"):
        table.add_column(column, overflow="fold")
    for citation, places in rows:
        table.add_row(*_row(citation, places))
    read = len(library.articles) - len(rows)
    console.print(f"Por validar: {len(rows)} artículos leídos solo en una fuente secundaria (marca V2).")
    console.print(table)
    console.print(f"Otros {read} artículos se leyeron en el texto (marca V); su uso también espera validación.")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip()


def _row(citation: Citation, places: ArticleUses) -> tuple[str, ...]:
    cited = [f"{label}: {', '.join(getattr(places, name))}" for name, label in LABELS.items() if getattr(places, name)]
    return (
        f"{citation.label('es')}\n{citation.article.title.es}",
        citation.text_version,
        citation.checked_on.isoformat(),
        citation.article.source,
        "\n".join(cited) or "en ninguna parte",
    )
