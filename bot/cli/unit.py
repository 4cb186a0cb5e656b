"""`integra unit`: adopt the unit whose officers read the queries, and later its next key; print the poster's text."""

import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import typer

from bot import app as wiring
from bot import config, secrets
from bot.cli.output import async_command, fail, print_line
from bot.config import Settings
from content import library as course
from handlers.casework import trust
from storage import migrate as schema
from storage.confidential import key_lists, ledger
from storage.confidential.key_lists import StoredList
from storage.confidential.ledger import Verb
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
    typed = _digits(fingerprint)
    first = trust.whole_chain(await _rows(settings))
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


def _digits(fingerprint: Sequence[str]) -> str:
    """The digits of a fingerprint as it was typed, or the end of the command with a line that says what is wrong."""
    typed = re.sub(r"[\s-]", "", "".join(fingerprint)).lower()
    if not re.fullmatch(rf"[0-9a-f]{{{DIGITS}}}", typed):
        fail(f"FINGERPRINT: {DIGITS} digits 0-9 and a-f, as the officer's screen shows them (seen: {typed!r})")
    return typed


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
@async_command
async def succeed(fingerprint: list[str]) -> None:
    """Believe the key that follows the adopted one; give the 24 digits that the officer who made it reads out."""
    settings = config.load()
    await schema.migrate(settings.database)
    typed, former = _digits(fingerprint), _adopted(settings)
    if lists.unit_fingerprint(former).replace(" ", "") == typed:
        print_line(f"This machine believes {lists.unit_fingerprint(former)} already; nothing was changed.")
        return
    chain = _next_chain(await _rows(settings), _trust(settings), typed)
    async with wiring.build(settings) as app, app.database.write() as tx:
        now = wiring.system_clock().astimezone(ZoneInfo(settings.timezone))
        await ledger.append(tx, app.secrets.audit, "", Verb.SUCCEED, "", now)
        _succeed(settings, former, chain)
    shown = lists.unit_fingerprint(chain.newest["unit"])
    print_line(f"The unit's key is now {shown}. Do the same on every other machine, then print new posters:")
    print_line("integra unit fingerprint")


def _next_chain(rows: Sequence[StoredList], trusted: UnitTrust, typed: str) -> Chain:
    """The chain to the key with these digits, or the end of the command with a line that says why there is none."""
    known = trust.chain_to_next(rows, trusted)
    if known is None:
        fail(
            "the lists in this database lead from the adopted unit to no other key: the officer who holds the unit's "
            "key makes the next one under Llaves in the console; nothing was changed"
        )
    shown = lists.unit_fingerprint(known.chain.newest["unit"])
    if shown.replace(" ", "") != typed:
        fail(
            f"the lists in this database lead to another key ({shown}); nothing was changed: if the digits were typed "
            "as the officer read them out, another person has used the unit's key"
        )
    return known.chain


def _succeed(settings: Settings, former: str, chain: Chain) -> None:
    """Write the unit's next key and its newest list, or end with a line that says why not."""
    trusted = _trust(settings)
    try:
        trusted.succeed(former, chain.newest["unit"])
        trusted.raise_floor(lists.pin_of(chain.newest))
    except OtherUnit as other:
        fail(f"DATA_DIR: another command has written {lists.unit_fingerprint(str(other))} meanwhile; nothing changed")
    except OSError as fault:
        fail(f"DATA_DIR: cannot write {str(secrets.folder(settings.data_dir))!r} ({fault.strerror})")


@unit_commands.command()
def fingerprint() -> None:
    """Print the adopted unit's fingerprint, and address and text for its poster."""
    settings = config.load()
    unit = _adopted(settings)
    shown = lists.unit_fingerprint(unit)
    print_line(shown)
    poster = {"address": f"{settings.public_url}/c#u={lists.unit_pin(unit)}", "fingerprint": shown}
    print_line(str(course.load().phrases.plain("es", "unit.poster", poster)))


def _adopted(settings: Settings) -> str:
    """The unit that this machine believes, or the end of the command where there is none."""
    try:
        unit = _trust(settings).unit()
    except BrokenTrustFile as fault:
        fail(str(fault))
    if not unit:
        fail("no unit is adopted on this machine: integra unit adopt FINGERPRINT")
    return unit


def _trust(settings: Settings) -> UnitTrust:
    return UnitTrust(secrets.folder(settings.data_dir))


async def _rows(settings: Settings) -> Sequence[StoredList]:
    database = open_database(settings.database)
    try:
        async with database.read() as tx:
            return await key_lists.all_lists(tx)
    finally:
        await database.close()
