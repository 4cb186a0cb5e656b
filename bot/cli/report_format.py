"""Reports as text: a table for the terminal, JSON and CSV for other programs."""

import csv
import io
import json

from rich.console import Console
from rich.table import Table

from content.library import Library
from handlers.administration import rates
from handlers.administration.figure_text import FigureText
from handlers.administration.rates import People
from handlers.administration.reports import InstitutionRow, Report, RowState
from storage.reports.figures import Figure

LANGUAGE = "es"  # of the table; the other formats are for programs
SHARES = ("participation", "rightness", "rightness_low", "rightness_high")


def render(report: Report, format: str, library: Library) -> str:
    """Return the report as text; `format` is table, json or csv."""
    if format == "json":
        return json.dumps(_json_fields(report), ensure_ascii=False, indent=2)
    if format == "csv":
        return _csv(report)
    return _Table(report, library).render()


# ---------------------------------------------------------------- for programs


def _percent(figure: Figure | None) -> int | None:
    """A multiple of 5; 5 means "5 or less" and 95 "95 or more"."""
    return None if figure is None else rates.rate(figure).percent


def _shares(participation: Figure | None, rightness: Figure | None) -> dict[str, int | None]:
    rate = None if rightness is None else rates.rate(rightness)
    right = (None, None, None) if rate is None else (rate.percent, rate.low, rate.high)
    return dict(zip(SHARES, (_percent(participation), *right), strict=True))


def _people(people: People) -> int | str:
    return f"<{rates.FEW_PEOPLE}" if people.is_few else people.about


def _row_fields(row: InstitutionRow) -> dict[str, object]:
    fields = {"code": row.code, "institution": row.institution, "sphere": row.sphere, "is_fictional": row.is_fictional}
    shares = _shares(row.participation, row.rightness)
    return fields | {"enrolled": _people(row.enrolled), "state": str(row.state)} | shares


def _json_fields(report: Report) -> dict[str, object]:
    return {
        "first": report.first.isoformat(),
        "last": report.last.isoformat(),
        "is_fictional": report.is_fictional,
        "shown_by": report.shown_by.isoformat(),
        "enrolled": _people(report.enrolled),
        **_shares(report.participation, report.rightness),
        "rows": [_row_fields(row) for row in report.rows],
        "topics": [
            {"topic": row.topic.in_language(LANGUAGE), "rightness": _percent(row.rightness)} for row in report.topics
        ],
        "weeks": [{"from": day.isoformat(), "participation": _percent(figure)} for day, figure in report.weeks],
        "months": [{"from": day.isoformat(), "rightness": _percent(figure)} for day, figure in report.months],
    }


def _csv(report: Report) -> str:
    out = io.StringIO()
    columns = ["code", "institution", "sphere", "is_fictional", "enrolled", "state", *SHARES]
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row_fields(row) for row in report.rows)
    return out.getvalue().rstrip("\n")


# ---------------------------------------------------------------- for the terminal


class _Table:
    """The report as tables of a terminal."""

    def __init__(self, report: Report, library: Library) -> None:
        self._report, self._library = report, library
        self._words = FigureText(library, LANGUAGE)

    def render(self) -> str:
        out = io.StringIO()
        console = Console(width=120, file=out, force_terminal=False)
        console.print(self._institutions())
        if self._report.rightness is not None:
            console.print(self._topics())
        console.print(self._phrase("about", by=self._report.shown_by))
        return out.getvalue().rstrip()

    def _institutions(self) -> Table:
        report = self._report
        key = "title_fictional" if report.is_fictional else "title"
        table = Table(title=self._phrase(key, first=report.first, last=report.last))
        for column in ("institution", "people", "participation", "rightness"):
            is_name = column == "institution"
            table.add_column(self._phrase(column), justify="left" if is_name else "right", no_wrap=is_name)
        for row in report.rows:
            table.add_row(*self._cells(row))
        table.add_section()
        shares = (self._words.share(report.participation), self._measured(report.rightness))
        table.add_row(self._phrase("total"), self._words.people(report.enrolled), *shares)
        return table

    def _cells(self, row: InstitutionRow) -> tuple[str, ...]:
        people = self._words.people(row.enrolled)
        if row.state is RowState.EMPTY:
            return row.institution, people, self._phrase("empty"), ""
        if row.state is RowState.WAITING:
            return row.institution, people, self._phrase("waiting", by=self._report.shown_by), ""
        name = f"{row.institution}: {self._phrase('silent')}" if row.state is RowState.SILENT else row.institution
        return name, people, self._words.share(row.participation), self._measured(row.rightness)

    def _topics(self) -> Table:
        table = Table()
        table.add_column(self._phrase("topic"), no_wrap=True)
        table.add_column(self._phrase("rightness"), justify="right")
        for row in self._report.topics:
            table.add_row(row.topic.in_language(LANGUAGE), self._measured(row.rightness))
        return table

    def _measured(self, figure: Figure | None) -> str:
        bounds = self._words.bounds(figure)
        return f"{self._words.share(figure)} ({bounds})" if bounds else self._words.share(figure)

    def _phrase(self, key: str, **values: object) -> str:
        return self._library.phrases.plain(LANGUAGE, f"report.{key}", values)
