"""`integra export`: scenarios, closures and stored blocks as files, for people and other programs."""

import typer

from bot.cli.export_blocks import answers, participation
from bot.cli.export_closures import closures
from bot.cli.export_scenarios import scenarios

export_commands = typer.Typer(help="Files for people and other programs.", no_args_is_help=True)
for command in (scenarios, closures, answers, participation):
    export_commands.command()(command)
