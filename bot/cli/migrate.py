"""`integra migrate`: bring the schema to the current version; let a database go on with other keys, or restored."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from bot import config, process_lock, secrets
from bot.cli.output import async_command, print_line
from bot.config import Settings
from storage import migrate as schema
from storage.database import Database, open_database
from storage.reports import blocks

LOSSES = {
    "route": "no news is announced in open cases, and links into the letterbox that were given no longer work",
    "inbox": "updates that wait are set aside unread, and people's own words in the browser chat are not shown",
    "audit": "the ledger can no longer be verified",
    "csrf": "open pages of the console have to be reloaded",
    "webhook": "platforms get another secret for their webhooks at the next start",
    "outbox": "messages that wait to be sent are refused, and browser chats are shown empty",
    "session": "officers have to sign in again",
    "factor": "officers who confirm with a code from an app need a new one",
    "metrics": "/metrics has another token",
}
"""By the name of the key. Source: docs/operations.md, section Secrets."""


@async_command
async def migrate(
    adopt_secrets: Annotated[
        bool,
        typer.Option(
            "--adopt-secrets",
            help="The keys in DATA_DIR/secrets are lost for good: let the database continue with those that are there "
            "now, creating missing ones. Prints what is lost. Stop all processes before.",
        ),
    ] = False,
    after_restore: Annotated[
        bool,
        typer.Option(
            "--after-restore",
            help="The database is a backup that was put back: never show the answers that wait in it to be counted, as "
            "they may have been before the loss. Stop all processes before.",
        ),
    ] = False,
) -> None:
    """Bring the database's schema forward, showing the steps."""
    settings = config.load()
    if not adopt_secrets and not after_restore:
        await _migrate(settings)
        return
    database = open_database(settings.database)
    try:
        with process_lock.hold(database.sqlite_file) if database.sqlite_file else nullcontext():
            await _migrate(settings)
            if adopt_secrets:
                await _adopt_secrets(database, settings.data_dir)
            if after_restore:
                await _discard_waiting(database)
    finally:
        await database.close()


async def _migrate(settings: Settings) -> None:
    for step in await schema.migrate(settings.database):
        print_line(f"{step.revision}: {step.description}")
    print_line("The schema is up to date.")


async def _discard_waiting(database: Database) -> None:
    async with database.write(is_long=True) as tx:
        count = await blocks.discard_waiting(tx)
    print_line(f"Answers that waited to be counted and will not be shown: {count}.")


async def _adopt_secrets(database: Database, data_dir: Path) -> None:
    lost = await secrets.adopt(database, data_dir)
    folder = secrets.folder(data_dir)
    if not lost:
        print_line(f"Nothing is lost: the keys in {folder} are those of the database.")
        return
    print_line(f"The database continues with the keys in {folder}. Lost with the ones before:")
    for name in lost:
        print_line(f"  {name}: {LOSSES[name]}")
    print_line("Copy that folder to every machine of this installation before you start a process there.")
