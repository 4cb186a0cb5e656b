"""`integra import`: institutions, closures and scenarios from files; a dry run by default."""

import typer

from bot.cli.import_closures import closures
from bot.cli.import_institutions import institutions
from bot.cli.import_scenarios import scenarios

import_commands = typer.Typer(
    help="Lists and scenarios from files; a dry run unless --apply is given.", no_args_is_help=True
)
for command in (institutions, closures, scenarios):
    import_commands.command()(command)
