"""`integra officer`: invite the console's officers."""

from enum import StrEnum
from typing import Annotated

import typer

from bot import app as wiring
from bot import config
from bot.cli.output import async_command, fail, print_line
from storage import migrate as schema
from storage.confidential import key_lists, officers
from storage.confidential.officers import READER_ROLES, Role
from storage.confidential.unit_trust import UnitTrust
from storage.database import Transaction
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
            unit = await _unit_of_link(tx, app.installation.unit, role)
            token = await officers.invite(tx, email, name, role, place.id if place else None, wiring.system_clock())
        except officers.OfficerExists:
            fail(f"{email}: has signed up already")
        except ValueError as error:
            fail(f"{email}: {error}")
    print_line(f"{settings.public_url}/console/signup#{token}{unit}")


async def _unit_of_link(tx: Transaction, unit: UnitTrust, role: OfficerRole) -> str:
    """What the link says about the unit, so that the browser refuses another one's lists; the first reader makes it."""
    if Role(role) not in READER_ROLES or await key_lists.newest(tx) is None:
        return ""
    pin = unit.pin()
    if not pin:
        fail("the unit is not adopted on this machine yet: integra unit adopt FINGERPRINT, then invite the others")
    return f"&u={pin}"
