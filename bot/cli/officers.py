"""`integra officer`: invite, list and remove the console's officers, and let in who lost the second factor."""

import io
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from bot import app as wiring
from bot import config
from bot.cli.output import async_command, fail, print_line
from handlers.casework import factors, trust
from handlers.casework.office import OfficerContext
from storage import migrate as schema
from storage.confidential import key_lists, ledger, officers
from storage.confidential.ledger import Verb
from storage.confidential.officers import READER_ROLES, Officer, Role
from storage.confidential.unit_trust import UnitTrust
from storage.database import Transaction
from storage.people import servants

officer_commands = typer.Typer(help="Officers of the console.", no_args_is_help=True)


LIST_WIDTH = 160  # characters of the table
STILL_LISTED = (
    "New queries are still sealed to the keys of who was removed: end them under Llaves in the console, which signs a "
    "new list."
)


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
    """Print a one-time sign-up link, good for seven days; also for who left, or has lost words that open no keys."""
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
            former = [one for one in await officers.by_email(tx, email) if one.state in officers.GONE]
            _check_name(former, email, name)
            token = await officers.invite(tx, email, name, role, place.id if place else None, wiring.system_clock())
            still_listed = [await _is_listed(tx, app.installation.unit, one.id) for one in former]
        except officers.OfficerExists:
            fail(
                f"{email}: has signed up already, with keys; with the recovery code they make new words at "
                f"{settings.public_url}/console/lost, and who is to join with new keys is ended under Llaves in the "
                "console first, or removed: integra officer remove"
            )
        except ValueError as error:
            fail(f"{email}: {error}")
    print_line(f"{settings.public_url}/console/signup#{token}{unit}")
    if any(still_listed):
        print_line(STILL_LISTED)


def _check_name(former: Sequence[Officer], email: str, name: str) -> None:
    """End with a line that says so where a reader would come back under another name."""
    known = [one.name for one in former if one.joining]
    if known and " ".join(name.split()) not in known:
        fail(
            f"--name: the reader of {email} was known as {known[0]!r}; invite them under the same name, by which "
            "colleagues see whom an asker has excluded"
        )


async def _unit_of_link(tx: Transaction, unit: UnitTrust, role: OfficerRole) -> str:
    """What the link says about the unit, so that the browser refuses another one's lists; the first reader makes it."""
    if Role(role) not in READER_ROLES or await key_lists.newest(tx) is None:
        return ""
    pin = unit.pin()
    if not pin:
        fail("the unit is not adopted on this machine yet: integra unit adopt FINGERPRINT, then invite the others")
    return f"&u={pin}"


@officer_commands.command("list")
@async_command
async def list_officers() -> None:
    """Who may sign in to the console, and who was invited, is suspended or has left."""
    settings = config.load()
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app, app.database.read() as tx:
        known = await officers.all_officers(tx)
        places = {one.id: one.code for one in await servants.all_institutions(tx)}
    table = Table("Name", "E-mail", "Role", "Institution", "State", box=None, pad_edge=False)
    for one in known:
        table.add_row(one.name, one.email, one.role.value, places.get(one.institution_id or 0, ""), one.state.value)
    console = Console(width=LIST_WIDTH, file=io.StringIO(), force_terminal=False)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    lines = (line.rstrip() for line in console.file.getvalue().splitlines())
    print_line("\n".join(lines) if known else "No officer was invited yet: integra officer invite")


@officer_commands.command()
@async_command
async def remove(email: str) -> None:
    """Sign an officer out everywhere and let them in no more; what was sealed to them they can still read."""
    settings = config.load()
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app, app.database.write() as tx:
        known = await officers.by_email(tx, email)
        if not known:
            fail(f"{email}: no such officer; integra officer list names all")
        officer = min(known, key=lambda one: one.state in officers.GONE)
        await officers.leave(tx, [officer.id])
        now = wiring.system_clock().astimezone(ZoneInfo(settings.timezone))
        await ledger.append(tx, app.secrets.audit, officer.id, Verb.REMOVE, "", now)
        still_listed = await _is_listed(tx, app.installation.unit, officer.id)
    print_line(f"{officer.name} is signed out and cannot sign in any more.")
    if still_listed:
        print_line(STILL_LISTED)


@officer_commands.command("reset-factor")
@async_command
async def reset_factor(email: str) -> None:
    """Remove the second factors of who lost them all, without a recovery code; they make another at the next sign-in.

    Until then their words alone are enough to do so: make sure, in person or by telephone, that it is they who ask.
    """
    settings = config.load()
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app, app.database.write() as tx:
        known = [one for one in await officers.by_email(tx, email) if one.state in officers.CAN_SIGN_IN]
        if not known:
            fail(f"{email}: no officer who can sign in; integra officer list names all")
        (officer,) = known
        context = OfficerContext(tx, officer, app.installation, app.secrets.audit, wiring.system_clock())
        await factors.reset(context)
    print_line(f"{officer.name} is signed out and makes another second factor at the next sign-in, which says so.")


async def _is_listed(tx: Transaction, unit: UnitTrust, officer_id: str) -> bool:
    """Whether the newest list that is to be believed names an officer as active."""
    try:
        return (await trust.verified(tx, unit)).chain.is_active(officer_id)
    except trust.Closed as closed:
        first = await trust.waiting(tx) if closed.reason == "adoption" else None
        return first is not None and first.chain.is_active(officer_id)
