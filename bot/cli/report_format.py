"""Reports as text: a table for people, JSON and CSV for other programs."""

import csv
import io
import json
from dataclasses import asdict
from datetime import datetime

from rich.console import Console
from rich.table import Table

from handlers.administration.reports import Report
from storage.database import Transaction
from storage.queue import backlog

HIDDEN = "·"
"""Stands for a suppressed number."""


def printed(report: Report, form: str) -> str:
    """`form` is table, json or csv."""
    if form == "json":
        return json.dumps(_plain(report), ensure_ascii=False, indent=2)
    if form == "csv":
        return _csv(report)
    return _table(report)


def _plain(report: Report) -> dict[str, object]:
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
                *("" if one is None else one for one in (row.enrolled, row.answered)),
                *("" if one is None else f"{one:.3f}" for one in (row.participation, row.rightness)),
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
    for one in report.topics:
        topics.add_row(one.topic.es, _count(one.answers), _share(one.rightness))
    console.print(table)
    console.print(topics)
    console.print(f"{HIDDEN} = fewer than {report.min_group} people, or a group that would give one away")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip()


def _count(number: int | None) -> str:
    return HIDDEN if number is None else str(number)


def _share(number: float | None) -> str:
    return HIDDEN if number is None else f"{number:.0%}"


async def deliveries(tx: Transaction, since: datetime) -> str:
    """How many deliveries are in which state, in words; of those that ended, what was due after `since`."""
    total: dict[str, int] = {}
    for (_, state), number in (await backlog.counts(tx, since)).items():
        total[state] = total.get(state, 0) + number
    return ", ".join(f"{number} {state}" for state, number in sorted(total.items())) or "none"
