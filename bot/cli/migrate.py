"""`integra migrate`: bring the database's schema to the current version, and let it continue with other keys."""

from typing import Annotated

import typer

from bot import config, secrets
from bot.cli.output import async_command, print_line
from bot.config import Settings
from storage import migrate as schema
from storage.database import open_database

LOSSES = {
    "route": "no news is announced in open cases, and links into the letterbox that were given no longer work",
    "inbox": "updates that wait are set aside unread, and people's own words in the browser chat are not shown",
    "audit": "the ledger can no longer be verified, and /metrics has another token",
    "csrf": "open pages of the console have to be reloaded",
    "webhook": "platforms get another secret for their webhooks at the next start",
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
) -> None:
    """Bring the database's schema forward, showing the steps."""
    settings = config.load()
    steps = await schema.migrate(settings.database)
    for step in steps:
        print_line(f"{step.revision}: {step.description}")
    print_line("The schema is up to date.")
    if adopt_secrets:
        await _adopt_secrets(settings)


async def _adopt_secrets(settings: Settings) -> None:
    database = open_database(settings.database)
    try:
        changed = await secrets.adopt(database, settings.data_dir)
    finally:
        await database.close()
    folder = secrets.folder(settings.data_dir)
    if not changed:
        print_line(f"Nothing is lost: the keys in {folder} are those of the database.")
        return
    print_line(f"The database continues with the keys in {folder}. Lost with the ones before:")
    for name in changed:
        print_line(f"  {name}: {LOSSES[name]}")
    print_line("Copy that folder to every machine of this installation before you start a process there.")
