"""`integra ledger`: whether the audit log of the confidential queries was altered."""

import re
from typing import Annotated

import typer

from bot import app as wiring
from bot import config
from bot.cli.output import async_command, fail, print_line
from storage import migrate as schema
from storage.confidential import ledger
from storage.confidential.ledger import Head

ledger_commands = typer.Typer(help="The audit log of the confidential queries.", no_args_is_help=True)


@ledger_commands.callback()
def _ledger() -> None:
    """The audit log of the confidential queries."""


@ledger_commands.command()
@async_command
async def verify(
    since: Annotated[
        str | None, typer.Option("--head", help="What an earlier run printed: shows rows deleted at the end, too.")
    ] = None,
) -> None:
    """Name the first row that was altered, removed or moved; print the head, to be kept elsewhere."""
    settings = config.load()
    known = _head(since) if since else None
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app, app.database.read() as tx:
        invalid = await ledger.first_invalid(tx, app.secrets.audit, known)
        newest = await ledger.head(tx)
    if invalid is not None:
        fail(f"ledger: row {invalid} is not what was written, or is missing; rows before it are whole")
    print_line(f"{newest.seq} rows, none altered. Keep this elsewhere: --head {newest.seq}:{newest.hash}")


def _head(text: str) -> Head:
    match = re.fullmatch(r"([0-9]{1,9}):([0-9a-f]{64})", text)
    if match is None:
        fail(f"--head: number and hash, as an earlier run printed them (seen: {text!r})")
    return Head(int(match[1]), match[2])
