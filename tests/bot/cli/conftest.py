"""The command line on a database of its own; test files that start without one override it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot.cli.processes import fork_server
from tests.terminal import Integra, command_line


@pytest.fixture
def integra(
    tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Integra]:
    """Runs commands on a migrated SQLite database in `tmp_path`."""
    shutil.copy(migrated_file, tmp_path / "integra.db")
    with command_line(tmp_path, monkeypatch, capsys, DATA_DIR=str(tmp_path), COLUMNS="200") as integra:
        yield integra


@pytest.fixture(scope="session", autouse=True)
def _end_fork_server() -> Iterator[None]:
    yield
    if fork_server.cache_info().currsize:
        fork_server().close()
