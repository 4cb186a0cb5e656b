"""The command `integra`: lists the commands; errors are one line on standard error and exit code 1."""

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import typer

from bot import channels
from bot.cli.lazy_group import LazyGroup
from bot.cli.output import fail


def channel_commands() -> Iterator[tuple[str, str]]:
    """Name and place of the commands that channels bring: `commands` in a `commands.py` of the channel's folder."""
    for file in sorted(Path(channels.__path__[0]).glob("*/commands.py")):
        name = file.parent.name
        yield name, f"{channels.__name__}.{name}.commands:commands"


class Commands(LazyGroup):
    """The commands of this program, in the order in which `--help` lists them."""

    places: ClassVar[Mapping[str, str]] = {
        "check": "bot.cli.check:check",
        "run": "bot.cli.run:run",
        "migrate": "bot.cli.migrate:migrate",
        "tick": "bot.cli.tick:tick",
        "report": "bot.cli.report:report",
        "memories": "bot.cli.memories:memory_commands",
        "officer": "bot.cli.officers:officer_commands",
        "unit": "bot.cli.unit:unit_commands",
        "ledger": "bot.cli.ledger:ledger_commands",
        "import": "bot.cli.imports:import_commands",
        "export": "bot.cli.export:export_commands",
        **dict(channel_commands()),
    }


cli = typer.Typer(cls=Commands, no_args_is_help=True)


@cli.callback()
def _integra() -> None:
    """Integra: integrity training and confidential orientation for public servants."""


def main() -> None:
    """Run the command line; expected errors end in one line each and exit code 1."""
    os.umask(0o077)  # database, secrets and exports are readable by this account only
    try:
        cli(prog_name="integra")
    except Exception as error:
        message = import_module("bot.cli.error_lines").message(error)  # imports the storage, as the commands do
        if message is None:
            raise
        fail(message)


if __name__ == "__main__":
    main()
