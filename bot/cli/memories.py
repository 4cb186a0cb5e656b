"""`integra memories`: compute again what servants remember, from their answers."""

import typer
from rich.console import Console
from rich.progress import Progress

from bot import app as wiring
from bot import config
from bot.cli.output import async_command, print_line
from handlers.learning import memories
from storage import migrate as schema
from storage.people import servants

BATCH = 200  # servants rebuilt in one transaction: their answers wait meanwhile

memory_commands = typer.Typer(help="What servants remember.", no_args_is_help=True)


@memory_commands.callback()
def _memories() -> None:
    """What servants remember."""


@memory_commands.command()
@async_command
async def rebuild() -> None:
    """Compute all memories again from the answers, after a change of the model; a server may run beside it."""
    settings = config.load()
    await schema.migrate(settings.database)
    async with wiring.build(settings) as app:
        async with app.database.read() as tx:
            ids = await servants.enrolled_ids(tx)
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal) as progress:
            for batch in progress.track([ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]):
                async with app.database.write() as tx:
                    await memories.rebuild(tx, batch)
    print_line(f"{len(ids)} {'memory' if len(ids) == 1 else 'memories'} rebuilt from the answers.")
