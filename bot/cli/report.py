"""`integra report`: participation and right answers per institution and topic, from stored blocks."""

from datetime import date
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bot import app as wiring
from bot import config
from bot.cli import report_format
from bot.cli.output import async_command, fail, print_line
from handlers.administration import reports
from storage import migrate as schema
from storage.people import servants

YEARS = range(2000, 2180)
"""Of days that reports and memories know."""


class ReportFormat(StrEnum):
    """How a report is printed."""

    table = "table"
    json = "json"
    csv = "csv"


@async_command
async def report(
    first: Annotated[
        str | None, typer.Option("--from", help="First day, YYYY-MM-DD; default: the last quarter that is over.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, YYYY-MM-DD; default: today.")] = None,
    institution: Annotated[str | None, typer.Option(help="Code of one institution.")] = None,
    format: Annotated[ReportFormat, typer.Option(help="How to print it.")] = ReportFormat.table,
) -> None:
    """Participation and share of right answers per institution and topic: sums of blocks wholly within the period."""
    settings = config.load()
    today = wiring.system_clock().astimezone(ZoneInfo(settings.timezone)).date()
    until = parse_day("--to", last, today)
    since = parse_day("--from", first, reports.default_period(until)[0])
    if since > until:
        fail(f"--from: after --to (seen: {since} and {until})")
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app, app.database.read() as tx:
        code = institution.strip().upper() if institution else None
        if code is not None and await servants.institution_by_code(tx, code) is None:
            fail(f"--institution: no such code (seen: {institution!r})")
        found = await reports.institution_table(app.work(tx), since, until, code)
        print_line(report_format.render(found, format, app.library))


def parse_day(option: str, text: str | None, default: date) -> date:
    """The day of an option, or the default; ends with exit code 1 if it is none."""
    if text is None:
        return default
    try:
        day = date.fromisoformat(text)
    except ValueError:
        fail(f"{option}: not a day (seen: {text!r}); expected YYYY-MM-DD")
    if day.year not in YEARS:
        fail(f"{option}: no day of this course (seen: {text!r}); expected a year from {YEARS[0]} to {YEARS[-1]}")
    return day
