"""Reports as text: a table for the terminal, JSON and CSV for other programs."""

import csv
import io
import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from handlers.administration.reports import Report

SUPPRESSED = "·"
"""Printed in place of a suppressed number."""


def render(report: Report, format: str) -> str:
    """Return the report as text; `format` is table, json or csv."""
    if format == "json":
        return json.dumps(_json_fields(report), ensure_ascii=False, indent=2)
    if format == "csv":
        return _csv(report)
    return _table(report)


def _json_fields(report: Report) -> dict[str, object]:
    fields = asdict(report)
    fields["first"], fields["last"] = report.first.isoformat(), report.last.isoformat()
    fields["topics"] = [
        {"topic": row.topic.es, "answers": row.answers, "rightness": row.rightness} for row in report.topics
    ]
    fields["days"] = [[day.isoformat(), answered, asked] for day, answered, asked in report.days]
    return fields


def _csv(report: Report) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["code", "institution", "sphere", "enrolled", "answers", "participation", "rightness"])
    for row in report.rows:
        writer.writerow(
            [
                row.code,
                row.institution,
                row.sphere,
                *("" if count is None else count for count in (row.enrolled, row.answered)),
                *("" if share is None else f"{share:.3f}" for share in (row.participation, row.rightness)),
            ]
        )
    return out.getvalue().rstrip("\n")


def _table(report: Report) -> str:
    console = Console(width=110, file=io.StringIO(), force_terminal=False)
    note = " (simulado)" if report.is_fictional else ""
    table = Table(title=f"{report.first} – {report.last}{note}")
    for column in ("Institución", "Personas", "Respuestas", "Participación", "Aciertos"):
        table.add_column(column, justify="left" if column == "Institución" else "right")
    for row in report.rows:
        table.add_row(
            row.institution,
            _count(row.enrolled),
            _count(row.answered),
            _share(row.participation),
            _share(row.rightness),
        )
    table.add_section()
    table.add_row(
        "Total",
        _count(report.enrolled),
        _count(report.answers),
        _share(report.participation),
        _share(report.rightness),
    )
    topics = Table()
    for column in ("Tema", "Respuestas", "Aciertos"):
        topics.add_column(column, justify="left" if column == "Tema" else "right")
    for topic in report.topics:
        topics.add_row(topic.topic.es, _count(topic.answers), _share(topic.rightness))
    console.print(table)
    console.print(topics)
    console.print(f"{SUPPRESSED} = fewer than {report.min_group} people, or a group that would give one away")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip()


def _count(number: int | None) -> str:
    return SUPPRESSED if number is None else str(number)


def _share(number: float | None) -> str:
    return SUPPRESSED if number is None else f"{number:.0%}"
