"""`integra --help` imports no command; a command is imported when it is called."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from bot import channels
from bot.cli import main
from bot.cli.main import Commands
from tests.terminal import Integra

HEAVY = ("pydantic", "sqlalchemy", "aiohttp", "telegram", "cryptography", "content.library", "bot.config")
IMPORTED_FOR_HELP = """
import sys
from bot.cli.main import main
sys.argv = ["integra", "--help"]
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    process = subprocess.run(
        [sys.executable, "-c", IMPORTED_FOR_HELP], capture_output=True, text=True, check=True, timeout=60
    )
    for name in Commands.places:
        assert f" {name} " in process.stdout
    imported = process.stderr.split()
    assert "bot.cli.main" in imported
    assert [name for name in HEAVY if name in imported] == []


def test_the_list_shows_the_sentence_that_opens_the_module_of_a_command(integra: Integra) -> None:
    listed = integra("--help").out
    assert "Serve HTTP, send deliveries and run the scheduler until stopped." in listed
    assert "`integra run`:" not in listed


@pytest.mark.parametrize("name", Commands.places)
def test_every_command_explains_itself(integra: Integra, name: str) -> None:
    result = integra(name, "--help")
    assert result.code == 0, result.err
    assert f"Usage: integra {name}" in result.out


def test_a_misspelt_command_is_answered_with_the_nearest(integra: Integra) -> None:
    result = integra("chek")
    assert result.code == 2
    assert "Did you mean 'check'?" in result.err


def test_a_channel_brings_the_commands_of_its_folder() -> None:
    folder = Path(channels.__path__[0])
    brought = {file.parent.name for file in folder.rglob("commands.py")}
    assert brought == {name for name, _ in main.channel_commands()}
    assert brought <= set(Commands.places)
    assert brought


def test_places_are_those_of_the_group_that_runs() -> None:
    assert isinstance(get_command(main.cli), Commands)
