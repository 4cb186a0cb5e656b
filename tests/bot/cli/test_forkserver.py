"""Processes that the fork server starts end, fail and are interrupted as those of an interpreter of their own."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bot.cli.forkserver import Request
from tests.bot.cli.processes import environment, fork_server, integra


@pytest.mark.parametrize("arguments", [["migrate"], ["tick", "--at", "?"], ["dance"], ["check", "--help"]])
def test_a_forked_process_prints_and_ends_as_one_that_was_started(tmp_path: Path, arguments: list[str]) -> None:
    for folder in (tmp_path / "forked", tmp_path / "started"):
        folder.mkdir()
    started = subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path / "started",
        env=environment(tmp_path / "started"),
        timeout=60,
        check=False,
    )
    assert integra(tmp_path / "forked", *arguments) == (started.returncode, started.stdout, started.stderr)
    names = [{path.name for path in (tmp_path / name).iterdir()} for name in ("forked", "started")]
    assert names[0] == names[1]


def test_its_environment_is_the_one_that_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIN_GROUP", "2")
    assert integra(tmp_path, "migrate").code == 0
    assert integra(tmp_path, "migrate", MIN_GROUP="2").code == 1
    assert integra(tmp_path, "migrate").code == 0, "nothing of it reaches the next"


def test_a_killed_process_reports_its_signal(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        request = Request(["run"], str(tmp_path), environment(tmp_path, HTTP_PORT="0"))
        process = fork_server().start(request, out.fileno(), out.fileno())
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    process.send_signal(signal.SIGTERM)
    assert process.poll() == -signal.SIGKILL
