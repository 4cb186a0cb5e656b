"""The command `integra`: run, check, migrate, tick, report, officer; errors are one clear line on standard error."""

import asyncio
import os
import signal
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
import uvloop
from sqlalchemy.exc import DBAPIError

from bot import app as wiring
from bot import config, lifecycle, logging_setup
from bot.channels.whatsapp import webhook as whatsapp_webhook
from bot.channels.whatsapp.commands import whatsapp
from bot.cli import database_errors, report_format
from bot.cli.check import check
from bot.cli.export import exported
from bot.cli.imports import imported
from bot.cli.output import awaited, fail, say
from bot.config import Settings, WrongSetting
from bot.course_loader import load_course
from content.problems import BrokenContent
from handlers.administration import demo as fiction
from handlers.administration import reports
from storage import migrate as schema
from storage.confidential import officers
from storage.database import DatabaseUnavailable
from storage.people import servants

cli = typer.Typer(
    help="Integra: integrity training and confidential orientation for public servants.", no_args_is_help=True
)
officer = typer.Typer(help="Officers of the console.", no_args_is_help=True)
cli.add_typer(officer, name="officer")
cli.add_typer(imported, name="import")
cli.add_typer(exported, name="export")
cli.add_typer(whatsapp, name="whatsapp")
cli.command()(check)


class OfficerRole(StrEnum):
    """What somebody may do in the console."""

    officer = "officer"
    liaison = "liaison"
    author = "author"
    admin = "admin"


class ProcessRole(StrEnum):
    """What a process does; several of each may run on PostgreSQL."""

    all = "all"
    web = "web"
    worker = "worker"


class ReportFormat(StrEnum):
    """How a report is printed."""

    table = "table"
    json = "json"
    csv = "csv"


def main() -> None:
    """Entry point; whatever can go wrong at a start ends in one line a fault and exit code 1."""
    os.umask(0o077)  # database, secrets and exports are for this account alone
    try:
        cli()
    except (WrongSetting, BrokenContent) as fault:
        fail(str(fault))
    except schema.UnknownSchema as fault:
        says = f"the database has schema {fault}, newer than this version of Integra; upgrade Integra"
        fail(f"{database_errors.setting()}: {says}")
    except (DatabaseUnavailable, DBAPIError) as fault:
        fail(database_errors.told(fault))


# ---------------------------------------------------------------- run


@cli.command()
def run(
    role: Annotated[ProcessRole, typer.Option(help="web: HTTP only; worker: all but HTTP.")] = ProcessRole.all,
    demo: Annotated[bool, typer.Option("--demo", help="Fill an empty database with a fictional municipality.")] = False,
) -> None:
    """Migrate if needed, serve HTTP, send, tick; until Ctrl-C."""
    logging_setup.set_up()
    settings = config.load()
    if role is not ProcessRole.all and settings.database.startswith("sqlite"):
        fail("DATABASE_URL: SQLite serves one process only; run --role all, or use PostgreSQL")
    try:
        uvloop.run(_run(settings, role, demo))
    except KeyboardInterrupt:
        say("Stopped.")


async def _run(settings: Settings, role: ProcessRole, demo: bool) -> None:
    library = load_course(settings)
    await schema.migrate(settings.database)
    async with wiring.build(settings, library=library) as app:
        links = await _open_demo(app) if demo else []
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        loop.add_signal_handler(signal.SIGTERM, task.cancel)

        async def ready(port: int) -> None:
            await _welcome(app, port, links)

        try:
            await lifecycle.serve(app, ready, web=role is not ProcessRole.worker, work=role is not ProcessRole.web)
        except asyncio.CancelledError:
            say("Stopped.")


async def _open_demo(app: wiring.App) -> list[str]:
    """Fill an empty database; give a sign-up link while no officer has signed up yet."""
    now = wiring.system_clock()
    async with app.database.write() as tx:
        await fiction.fill(tx, app.library, app.installation, now)
        if any(one.state != "invited" for one in await officers.everybody(tx)):
            return []
        token = await officers.invite(tx, "oficial@demo.example", "Carmen (demo)", OfficerRole.officer, None, now)
    return [f"{app.settings.public_url}/console/signup#{token}"]


async def _welcome(app: wiring.App, port: int, links: list[str]) -> None:
    base = app.settings.public_url
    say(f"Integra is ready on port {port}." if port else "Integra works.")
    if app.settings.has_webchat:
        say(f"  Chat:            {base}/chat")
    async with app.database.read() as tx:
        known = await servants.institution_by_code(tx, fiction.CODE)
    if known is not None and known.is_fictional:
        say(f"  Enrolment code:  {fiction.CODE}")
    for link in links:
        say(f"  First officer:   {link}   (once)")
    say(f"  Console:         {base}/console/")
    if "telegram" in app.channels:
        say(f"  Telegram:        on, by {'webhook' if app.settings.telegram_by_webhook else 'long polling'}")
    if "whatsapp" in app.channels:
        say(f"  WhatsApp:        on, webhook {base}{whatsapp_webhook.PATH}")
    say("Ctrl-C stops it; the next start keeps everything.")


# ---------------------------------------------------------------- migrate


@cli.command()
@awaited
async def migrate() -> None:
    """Bring the database's schema forward, showing the steps."""
    steps = await schema.migrate(config.load().database)
    for step in steps:
        say(f"{step.revision}: {step.what}")
    say("The schema is up to date.")


# ---------------------------------------------------------------- tick, report


@cli.command()
@awaited
async def tick(
    at: Annotated[str | None, typer.Option(help="The moment, e.g. 2026-11-23T09:00-06:00; without it: now.")] = None,
) -> None:
    """Do all the work that is due at that moment once, deliver, exit."""
    logging_setup.set_up()
    moment = _moment(at)
    settings = config.load()
    await schema.migrate(settings.database)
    async with wiring.build(settings, clock=lambda: moment) as app:
        planned = await app.tick(moment)
        async with app.database.read() as tx:
            states = await report_format.deliveries(tx, moment - timedelta(days=1))
    say(f"{planned} prompt{'' if planned == 1 else 's'} planned; deliveries: {states}.")


def _moment(text: str | None) -> datetime:
    if text is None:
        return wiring.system_clock()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--at: not a moment (seen: {text!r}); expected e.g. 2026-11-23T09:00-06:00")
    if moment.tzinfo is None:
        fail(f"--at: the offset is missing (seen: {text!r}); expected e.g. 2026-11-23T09:00-06:00")
    return moment.astimezone(UTC)


@cli.command()
@awaited
async def report(
    first: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD; default: 30 days ago.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, YYYY-MM-DD; default: today.")] = None,
    institution: Annotated[str | None, typer.Option(help="Code of one institution.")] = None,
    format: Annotated[ReportFormat, typer.Option(help="How to print it.")] = ReportFormat.table,
) -> None:
    """Participation and rightness per institution and topic; small groups are suppressed."""
    settings = config.load()
    today = wiring.system_clock().astimezone(ZoneInfo(settings.timezone)).date()
    until = _day("--to", last, today)
    since = _day("--from", first, until - timedelta(days=30))
    if since > until:
        fail(f"--from: after --to (seen: {since} and {until})")
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app, app.database.read() as tx:
        code = institution.strip().upper() if institution else None
        if code is not None and await servants.institution_by_code(tx, code) is None:
            fail(f"--institution: no such code (seen: {institution!r})")
        found = await reports.institution_table(tx, app.library, since, until, settings.min_group, code)
    say(report_format.printed(found, format))


def _day(option: str, text: str | None, otherwise: date) -> date:
    if text is None:
        return otherwise
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{option}: not a day (seen: {text!r}); expected YYYY-MM-DD")


# ---------------------------------------------------------------- officers


@officer.command()
@awaited
async def invite(
    email: str,
    name: Annotated[str, typer.Option(help="As servants will read it.")],
    role: Annotated[OfficerRole, typer.Option()],
    institution: Annotated[str | None, typer.Option(help="Code of a liaison's institution.")] = None,
) -> None:
    """Print a one-time sign-up link, good for seven days."""
    settings = config.load()
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app, app.database.write() as tx:
        place = await servants.institution_by_code(tx, institution) if institution else None
        if institution and place is None:
            fail(f"--institution: no such code (seen: {institution!r})")
        if role is OfficerRole.liaison and place is None:
            fail("--institution: a liaison belongs to one; give its code")
        try:
            token = await officers.invite(tx, email, name, role, place.id if place else None, wiring.system_clock())
        except officers.OfficerExists:
            fail(f"{email}: has signed up already")
        except ValueError as fault:
            fail(f"{email}: {fault}")
    say(f"{settings.public_url}/console/signup#{token}")


if __name__ == "__main__":
    main()
