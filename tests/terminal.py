"""Runs the command `integra` in this process, as its entry point does."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import structlog

from bot.cli import main as command
from bot.config import Settings
from tests.cast import ADDRESSES


class CommandResult(NamedTuple):
    """The exit code of a command and what it printed."""

    code: int
    out: str
    err: str


Integra = Callable[..., CommandResult]
"""Called as `integra("check", DATA_DIR="x")`: arguments, and settings as environment variables."""


@contextmanager
def command_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **given: str
) -> Iterator[Integra]:
    """Yield a function that runs a command in `folder`; restore logging afterwards.

    It has the settings `given` only, and the addresses of the privacy notice, without which commands warn.
    """
    addresses = {name.upper(): value for name, value in ADDRESSES.items()}
    root = logging.getLogger()
    before = (root.handlers, root.level)

    def integra(*arguments: object, **settings: str) -> CommandResult:
        with monkeypatch.context() as patched:
            for name in Settings.model_fields:
                patched.delenv(name.upper(), raising=False)
            for name, value in {**addresses, **given, **settings}.items():
                patched.setenv(name, value)
            patched.chdir(folder)
            patched.setattr(sys, "argv", ["integra", *map(str, arguments)])
            capsys.readouterr()
            code = _exit_code(command.main)
        return CommandResult(code, *capsys.readouterr())

    yield integra
    root.handlers, root.level = before
    structlog.reset_defaults()


def _exit_code(main: Callable[[], None]) -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0
