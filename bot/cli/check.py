"""`integra check`: settings and course, every mistake at once; and what waits for the lawyers' eyes."""

import io
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bot import config
from bot.cli.output import fail, say
from bot.config import WrongSetting
from bot.course_loader import load_course, overlay_folder
from content import library as course
from content.course.law import Citation
from content.library import Library
from content.problems import BrokenContent
from content.quality import bank_checks, citations
from content.quality.citations import Places

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
    """Settings and all content: every problem at once, file and field."""
    if law:
        say(_for_lawyers(load_course(config.load())))
        return
    faults: list[str] = []
    own: Path | None = None  # with broken settings nobody knows where it lies
    try:
        own = overlay_folder(config.load())
    except WrongSetting as fault:
        faults += str(fault).splitlines()
    library: Library | None = None
    try:
        library = course.load(overlay=own)
        faults += [str(problem) for problem in bank_checks.faults(library)]
    except BrokenContent as broken:
        faults += [str(problem) for problem in broken.problems]
    waiting = _quarantine(library) if library else []
    if faults:
        fail("\n".join([*waiting, *faults]) + f"\n{len(faults)} problem{'s' if len(faults) > 1 else ''}.")
    assert library is not None
    for line in waiting:
        say(line)
    say(
        f"All is well: {len(library.scenarios)} scenarios of {len(library.competencies)} competencies in "
        f"{len(library.topics)} topics, {len(library.articles)} articles, {len(library.phrases.keys)} phrases."
    )
    files = len(list(own.rglob("*.toml"))) if own else 0
    if files:
        say(f"With {files} file{'s' if files > 1 else ''} of this house, below {own}.")


def _quarantine(library: Library) -> list[str]:
    """A warning a scenario that is kept from prompts, under one heading."""
    if not library.quarantined:
        return []
    lines = [f"Warning: {len(library.quarantined)} in quarantine, not asked until read again (set reviewed_on then):"]
    for one, articles in sorted(library.quarantined.items()):
        scenario = library.scenarios[one]
        changed = ", ".join(
            f"{library.articles[article].label('en')} (changed {library.articles[article].since})"
            for article in articles
        )
        lines.append(f"  {bank_checks.file_of(library, scenario)}: reviewed {scenario.reviewed_on}; {changed}")
    return lines


# ---------------------------------------------------------------- for lawyers, in Spanish


def _for_lawyers(library: Library) -> str:
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


def _row(citation: Citation, places: Places) -> tuple[str, ...]:
    cited = [f"{label}: {', '.join(getattr(places, name))}" for name, label in LABELS.items() if getattr(places, name)]
    return (
        f"{citation.label('es')}\n{citation.article.title.es}",
        citation.text_version,
        citation.checked_on.isoformat(),
        citation.article.source,
        "\n".join(cited) or "en ninguna parte",
    )
