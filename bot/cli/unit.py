"""`integra unit`: adopt the unit whose officers read the queries, and print the fingerprint for its poster."""

import re
from collections.abc import Sequence

import typer

from bot import config, secrets
from bot.cli.output import async_command, fail, print_line
from bot.config import Settings
from content import library as course
from handlers.casework import trust
from storage import migrate as schema
from storage.confidential import key_lists
from storage.confidential.key_lists import StoredList
from storage.confidential.protocol import lists
from storage.confidential.protocol.lists import Chain
from storage.confidential.unit_trust import BrokenTrustFile, OtherUnit, UnitTrust
from storage.database import open_database

unit_commands = typer.Typer(help="The unit whose officers read the queries.", no_args_is_help=True)

DIGITS = 24  # of a fingerprint


@unit_commands.callback()
def _unit() -> None:
    """The unit whose officers read the queries."""


@unit_commands.command()
@async_command
async def adopt(fingerprint: list[str]) -> None:
    """Believe this unit's lists from now on; give the 24 digits that the first officer reads out."""
    settings = config.load()
    await schema.migrate(settings.database)
    typed = re.sub(r"[\s-]", "", "".join(fingerprint)).lower()
    if not re.fullmatch(rf"[0-9a-f]{{{DIGITS}}}", typed):
        fail(f"FINGERPRINT: {DIGITS} digits 0-9 and a-f, as the first officer's screen shows them (seen: {typed!r})")
    first = trust.first_chain(await _rows(settings))
    if first is None:
        fail("no officer has signed a list yet: invite the first one, who signs up, then come back")
    shown = lists.unit_fingerprint(first.chain.newest["unit"])
    if shown.replace(" ", "") != typed:
        fail(
            f"another unit has signed the lists in this database ({shown}); nothing was adopted: if the digits were "
            "typed as the first officer read them out, the rows are not this officer's"
        )
    _adopt(settings, first.chain)
    print_line(f"Adopted: {shown}. The letterbox opens with the next request; do the same on every other machine.")


def _adopt(settings: Settings, chain: Chain) -> None:
    """Write the unit and its newest list beside the keys, or end with a line that says why not."""
    trusted, unit = _trust(settings), chain.newest["unit"]
    try:
        if trusted.unit() in ("", unit) and not trusted.is_reached_by(chain):
            fail(
                "DATA_DIR: 'list.head' in secrets/ remembers a newer list, to which the lists in this database do not "
                "lead; restore key_lists from a backup, or move the file away if it is another unit's"
            )
        trusted.adopt(unit, lists.pin_of(chain.newest))
    except OtherUnit as other:
        fail(
            f"DATA_DIR: this installation has adopted another unit ({lists.unit_fingerprint(str(other))}); other "
            "people would read the queries: nothing was written"
        )
    except BrokenTrustFile as fault:
        fail(str(fault))
    except OSError as fault:
        fail(f"DATA_DIR: cannot write {str(secrets.folder(settings.data_dir))!r} ({fault.strerror})")


@unit_commands.command()
def fingerprint() -> None:
    """Print the adopted unit's fingerprint, and address and text for its poster."""
    settings = config.load()
    try:
        unit = _trust(settings).unit()
    except BrokenTrustFile as fault:
        fail(str(fault))
    if not unit:
        fail("no unit is adopted on this machine: integra unit adopt FINGERPRINT")
    shown = lists.unit_fingerprint(unit)
    print_line(shown)
    poster = {"address": f"{settings.public_url}/c#u={lists.unit_pin(unit)}", "fingerprint": shown}
    print_line(str(course.load().phrases.plain("es", "unit.poster", poster)))


def _trust(settings: Settings) -> UnitTrust:
    return UnitTrust(secrets.folder(settings.data_dir))


async def _rows(settings: Settings) -> Sequence[StoredList]:
    database = open_database(settings.database)
    try:
        async with database.read() as tx:
            return await key_lists.all_lists(tx)
    finally:
        await database.close()
