"""Commands do no more than they are asked for: switches are off by default, and a dry run never claims a change."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperOption
from typer.main import get_command

from bot.cli.lazy_group import LazyGroup
from bot.cli.main import cli
from tests.terminal import Integra

ROWS = {
    "institutions": "code,name,sphere\nLEON,León,municipal\n",
    "closures": "code,day,name\n,2099-12-24,Nochebuena\n",
}
DRY_RUNS = [["institutions"], ["closures"], ["closures", "--remove"]]
"""With a file of rows; those of the scenarios and of the templates are told line by line in tests of their own."""
DONE = re.compile(r"(?<!would be )\b(added|renamed|removed|written|submitted)\b")


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command, with the words by which it is called."""
    for name in group.commands:
        command = group.import_command(name) if isinstance(group, LazyGroup) else group.commands[name]
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(get_command(cli)))
SWITCHES = {
    (name, option.opts[0]): option.default
    for name, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, TyperOption) and option.is_flag
}


def test_every_switch_is_off_by_default() -> None:
    assert ("run", "--demo") in SWITCHES
    assert [switch for switch, default in SWITCHES.items() if default] == []


def test_every_command_that_writes_on_request_has_a_test_of_its_dry_run() -> None:
    writing = {name for name, option in SWITCHES if option == "--apply"}
    assert writing == {*(f"import {name}" for name in (*ROWS, "scenarios")), "whatsapp templates push"}


@pytest.mark.parametrize("arguments", DRY_RUNS, ids=" ".join)
def test_a_dry_run_never_says_that_something_was_done(integra: Integra, tmp_path: Path, arguments: list[str]) -> None:
    name, *options = arguments
    (tmp_path / "list.csv").write_text(ROWS[name], encoding="utf-8")
    if options:
        assert integra("import", name, "list.csv", "--apply").code == 0
    before = integra("import", name, "list.csv", *options)
    assert before.code == 0, before.err
    assert "would be" in before.out
    assert "--apply" in before.out.splitlines()[-1]
    assert not DONE.search(before.out.replace("Nothing was written; write it with --apply.", ""))
    assert integra("import", name, "list.csv", *options).out == before.out
    after = integra("import", name, "list.csv", *options, "--apply").out
    assert DONE.search(after)
    assert "would be" not in after
    assert "--apply" not in after
