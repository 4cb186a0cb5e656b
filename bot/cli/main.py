"""The command `integra`: assembles the commands; errors are one line on standard error and exit code 1."""

import os

import typer

from bot.channels import registry
from bot.cli import database_errors
from bot.cli.check import check
from bot.cli.export import export_commands
from bot.cli.imports import import_commands
from bot.cli.migrate import migrate
from bot.cli.officers import officer_commands
from bot.cli.output import fail
from bot.cli.report import report
from bot.cli.run import run
from bot.cli.tick import tick
from bot.config import WrongSetting
from content.problems import BrokenContent
from storage import migrate as schema
from storage.database import DatabaseError, DatabaseUnavailable

cli = typer.Typer(
    help="Integra: integrity training and confidential orientation for public servants.", no_args_is_help=True
)
cli.command()(check)
cli.command()(run)
cli.command()(migrate)
cli.command()(tick)
cli.command()(report)
cli.add_typer(officer_commands, name="officer")
cli.add_typer(import_commands, name="import")
cli.add_typer(export_commands, name="export")
for registration in registry.REGISTRATIONS:
    if (commands := registration.commands()) is not None:
        cli.add_typer(commands, name=registration.name)


def main() -> None:
    """Run the command line; expected errors end in one line each and exit code 1."""
    os.umask(0o077)  # database, secrets and exports are readable by this account only
    try:
        cli()
    except (WrongSetting, BrokenContent) as error:
        fail(str(error))
    except schema.UnknownSchema as error:
        message = f"the database has schema {error}, newer than this version of Integra; upgrade Integra"
        fail(f"{database_errors.setting_name()}: {message}")
    except (DatabaseUnavailable, DatabaseError) as error:
        fail(database_errors.message(error))


if __name__ == "__main__":
    main()
