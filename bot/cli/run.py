"""`integra run`: serve HTTP, send deliveries and run the scheduler until stopped."""

import asyncio
import signal
from enum import StrEnum
from typing import Annotated

import typer
import uvloop

from bot import app as wiring
from bot import config, lifecycle, logging_setup
from bot.channels import registry
from bot.cli.officers import OfficerRole
from bot.cli.output import fail, print_line, warn
from bot.config import Settings
from bot.course_loader import load_course
from handlers.administration import demo as demo_data
from storage import migrate as schema
from storage.confidential import officers
from storage.people import servants


class ProcessRole(StrEnum):
    """What a process does; several processes of each role may run on PostgreSQL."""

    all = "all"
    web = "web"
    worker = "worker"

    @property
    def serves(self) -> bool:
        """Whether the process serves pages and webhooks."""
        return self is not ProcessRole.worker

    @property
    def works(self) -> bool:
        """Whether the process handles updates, sends, polls and plans."""
        return self is not ProcessRole.web


def run(
    role: Annotated[ProcessRole, typer.Option(help="web: HTTP only; worker: all but HTTP.")] = ProcessRole.all,
    demo: Annotated[bool, typer.Option("--demo", help="Fill an empty database with a fictional municipality.")] = False,
) -> None:
    """Migrate if needed, serve HTTP, send, tick; until Ctrl-C."""
    logging_setup.set_up()
    settings = config.load()
    if role is not ProcessRole.all and settings.database.startswith("sqlite"):
        fail("DATABASE_URL: SQLite serves one process only; run --role all, or use PostgreSQL")
    if demo and role is ProcessRole.worker:
        fail("--demo: a worker serves no pages to try out; start it with --role all or --role web instead")
    for line in config.warnings(None if settings.is_local else settings):
        warn(line)
    try:
        uvloop.run(_run(settings, role, demo))
    except KeyboardInterrupt:
        print_line("Stopped.")


async def _run(settings: Settings, role: ProcessRole, demo: bool) -> None:
    library = load_course(settings)
    await schema.migrate(settings.database)
    async with wiring.build(settings, library=library) as app:
        links = await _prepare_demo(app) if demo else []
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        loop.add_signal_handler(signal.SIGTERM, task.cancel)

        async def ready(port: int) -> None:
            await _print_welcome(app, role, port, links)

        try:
            await lifecycle.serve(app, ready, serves=role.serves, works=role.works)
        except asyncio.CancelledError:
            print_line("Stopped.")


async def _prepare_demo(app: wiring.App) -> list[str]:
    """Fill an empty database; return a sign-up link for the first officer unless one has signed up already."""
    async with app.database.write() as tx:
        work = app.work(tx)
        await demo_data.add_demo_data(work)
        institutions = await servants.all_institutions(tx)
        app.installation.unit.adopts_itself = all(one.is_fictional for one in institutions)
        if any(officer.state != "invited" for officer in await officers.all_officers(tx)):
            return []
        token = await officers.invite(tx, "oficial@demo.example", "Carmen (demo)", OfficerRole.officer, None, work.now)
    return [f"{app.settings.public_url}/console/signup#{token}"]


async def _print_welcome(app: wiring.App, role: ProcessRole, port: int, links: list[str]) -> None:
    """Print what this process does for the channels that are on, and the addresses of the pages that it serves."""
    print_line(f"Integra is ready on port {port}." if role.serves else "Integra's worker is running (no HTTP).")
    for registration in registry.enabled(app.settings):
        for label, value in registration.start_lines(app.settings, serves=role.serves, works=role.works):
            print_line(f"  {label + ':':<17}{value}")
    async with app.database.read() as tx:
        institution = await servants.institution_by_code(tx, demo_data.CODE)
    if institution is not None and institution.is_fictional:
        print_line(f"  Enrolment code:  {demo_data.CODE}")
    for link in links:
        print_line(f"  First officer:   {link}   (once)")
    if role.serves:
        print_line(f"  Console:         {app.settings.public_url}/console/")
    print_line("Ctrl-C stops it; the next start keeps everything.")
