"""`integra officer`: invite the console's officers."""

from enum import StrEnum
from typing import Annotated

import typer

from bot import app as wiring
from bot import config
from bot.cli.output import async_command, fail, print_line
from storage import migrate as schema
from storage.confidential import officers
from storage.people import servants

officer_commands = typer.Typer(help="Officers of the console.", no_args_is_help=True)


class OfficerRole(StrEnum):
    """What an officer may do in the console."""

    officer = "officer"
    liaison = "liaison"
    author = "author"
    admin = "admin"


@officer_commands.command()
@async_command
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
        except ValueError as error:
            fail(f"{email}: {error}")
    print_line(f"{settings.public_url}/console/signup#{token}")
