"""`integra migrate`: bring the database's schema to the current version."""

from bot import config
from bot.cli.output import async_command, print_line
from storage import migrate as schema


@async_command
async def migrate() -> None:
    """Bring the database's schema forward, showing the steps."""
    steps = await schema.migrate(config.load().database)
    for step in steps:
        print_line(f"{step.revision}: {step.description}")
    print_line("The schema is up to date.")
