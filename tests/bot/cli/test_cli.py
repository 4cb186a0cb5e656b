"""`integra` run, migrate, tick, report and officer: output, errors and exit codes."""

import asyncio
import csv
import io
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self
from urllib.request import urlopen

import pytest

from bot import process_lock
from content.library import Library
from storage.database import open_database
from storage.people import servants
from tests import keys
from tests.bot.cli.processes import environment, running
from tests.cast import MONDAY_NINE, working_mornings
from tests.terminal import CommandResult, Integra

NINE = next(working_mornings(days_from_now=1))
EARLY = NINE.replace("T15:00", "T14:59")
SECRET = "hunter2"


def error_line(result: CommandResult) -> str:
    """The one line that a failed command printed on standard error."""
    assert result.code == 1, result.err
    assert result.out == ""
    (line,) = result.err.splitlines()
    return line


async def _fill(folder: Path, library: Library, servant_count: int) -> None:
    database = open_database(f"sqlite+aiosqlite:///{folder}/integra.db")
    async with database.write() as tx:
        await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
        place = await servants.institution_by_code(tx, "LEON")
        assert place is not None
        for number in range(servant_count):
            await servants.enrol(
                tx,
                "webchat",
                f"servant {number}",
                institution_id=place.id,
                language="es",
                hour=9,
                notice_version=library.phrases.template("es", "notice.version"),
                now=MONDAY_NINE,
                today=MONDAY_NINE.date(),
            )
    await database.close()


def fill(folder: Path, library: Library, servant_count: int = 0) -> None:
    """Add the institution LEON with `servant_count` servants on the web chat."""
    keys.write(folder)
    asyncio.run(_fill(folder, library, servant_count))


# ---------------------------------------------------------------- help, check, migrate


@pytest.mark.parametrize(
    "command", [[], ["run"], ["check"], ["migrate"], ["tick"], ["report"], ["officer"], ["officer", "invite"]]
)
def test_every_command_explains_itself(integra: Integra, command: list[str]) -> None:
    result = integra(*command, "--help")
    assert result.code == 0
    assert "Usage:" in result.out
    assert result.err == ""


@pytest.mark.parametrize("group", [[], ["officer"], ["memories"], ["export"], ["import"]])
def test_a_group_without_a_command_lists_its_commands(integra: Integra, group: list[str]) -> None:
    result = integra(*group)
    assert "Usage:" in result.out + result.err
    assert "Commands" in result.out + result.err
    assert "Missing command" not in result.err


@pytest.mark.parametrize("command", [["dance"], ["run", "--role", "king"], ["officer", "invite"], ["report", "--x"]])
def test_a_wrong_command_line_fails_without_a_traceback(integra: Integra, command: list[str]) -> None:
    result = integra(*command)
    assert result.code != 0
    assert "Traceback" not in result.err


def test_check_reports_that_all_is_well(integra: Integra) -> None:
    result = integra("check")
    assert result.code == 0, result.err
    assert re.match(r"No problems: \d+ scenarios of \d+ competencies in 6 topics, \d+ articles", result.out)


def test_check_reports_all_wrong_settings_at_once_and_no_secret(integra: Integra) -> None:
    wrong = {"TIMEZONE": "Mars", "MIN_GROUP": "2", "DATABASE_URL": f"mysql://u:{SECRET}@h/d"}
    result = integra("check", **wrong, TELEGRAM_BOT_TOKEN=SECRET)
    assert result.code == 1
    names = [line.partition(":")[0] for line in result.err.splitlines()]
    assert names == ["DATABASE_URL", "TIMEZONE", "TELEGRAM_BOT_TOKEN", "MIN_GROUP", "4 problems."]
    assert SECRET not in result.err + result.out


@pytest.mark.parametrize("command", [["run"], ["migrate"], ["tick"], ["report"]])
def test_no_command_starts_with_a_wrong_setting(integra: Integra, command: list[str]) -> None:
    line = error_line(integra(*command, MIN_GROUP="2"))
    assert line == "MIN_GROUP: Input should be greater than or equal to 5 (seen: '2')"


@pytest.mark.parametrize("command", [["run"], ["migrate"], ["tick"], ["report"]])
def test_an_unreachable_database_is_one_line(integra: Integra, command: list[str]) -> None:
    url = f"postgresql+asyncpg://user:{SECRET}@/x?host=/nowhere/at/all"
    line = error_line(integra(*command, DATABASE_URL=url))
    assert line.startswith("DATABASE_URL: the database does not answer")
    assert SECRET not in line


def test_migrate_shows_its_steps_once(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "integra.db").unlink()
    first = integra("migrate")
    assert first.code == 0, first.err
    assert first.out.startswith("0001: ")
    assert integra("migrate").out == "The schema is up to date.\n"


def test_the_database_of_a_newer_version_is_left_alone(integra: Integra, tmp_path: Path) -> None:
    async def set_newer_schema() -> None:
        database = open_database(f"sqlite+aiosqlite:///{tmp_path}/integra.db")
        async with database.write() as tx:
            await tx.exec_driver_sql("update alembic_version set version_num = '9999'")
        await database.close()

    asyncio.run(set_newer_schema())
    assert "schema 9999, newer than this version of Integra; upgrade Integra" in error_line(integra("migrate"))


# ---------------------------------------------------------------- tick, report


def test_tick_sends_the_prompts_of_that_moment_once(integra: Integra, tmp_path: Path, library: Library) -> None:
    fill(tmp_path, library, servant_count=3)
    early = integra("tick", "--at", EARLY)
    assert early.out == "0 prompts planned; deliveries: none.\n", early.err
    assert integra("tick", "--at", NINE).out == "3 prompts planned; deliveries: 3 sent.\n"
    assert integra("tick", "--at", NINE).out == "0 prompts planned; deliveries: 3 sent.\n"


def test_tick_beside_a_running_server_leaves_the_sending_to_it(
    integra: Integra, tmp_path: Path, library: Library
) -> None:
    fill(tmp_path, library, servant_count=3)
    with process_lock.hold(tmp_path / "integra.db"):
        assert integra("tick", "--at", NINE).out == "3 prompts planned; deliveries: 3 waiting.\n"
    assert integra("tick", "--at", NINE).out == "0 prompts planned; deliveries: 3 sent.\n"


@pytest.mark.parametrize("moment", ["2026-11-23T09:00", "yesterday", "", "2026-13-01T09:00-06:00", "09:00-06:00"])
def test_tick_refuses_an_invalid_moment(integra: Integra, moment: str) -> None:
    line = error_line(integra("tick", "--at", moment))
    assert line.startswith("--at: ")
    assert "expected e.g. 2026-11-23T09:00-06:00" in line


@pytest.mark.parametrize("moment", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
@pytest.mark.parametrize("options", [(), ("--rehearse",)])
def test_tick_refuses_a_moment_that_no_calendar_reaches(
    integra: Integra, moment: str, options: tuple[str, ...]
) -> None:
    assert "is more than ten years from this server's clock" in error_line(integra("tick", "--at", moment, *options))


def test_report_prints_tables_json_and_csv(integra: Integra, tmp_path: Path) -> None:
    with running(tmp_path, "run", "--demo", HTTP_PORT="0"):
        pass
    table = integra("report")
    assert table.code == 0, table.err
    assert "Institución" in table.out
    assert "(simulado)" in table.out
    assert "a más tardar el" in table.out, "the small group has no block of its own"
    assert "entre" in table.out
    plain = json.loads(integra("report", "--format", "json").out)
    for name in ("institution", "topic"):
        rows_of = plain["rows" if name == "institution" else "topics"]
        assert rows_of
        assert [row[name] for row in rows_of if f"│ {row[name]} " not in table.out] == [], "each has its row"
    rows = list(csv.DictReader(io.StringIO(integra("report", "--format", "csv").out)))
    assert [row["code"] for row in rows] == [row["code"] for row in plain["rows"]]
    assert {row["code"]: row["enrolled"] for row in rows}["DEMO"] == "35"
    shown = {row["state"]: row for row in rows}
    assert (shown["waiting"]["enrolled"], shown["waiting"]["rightness"]) == ("<10", "")
    assert 50 <= int(shown["shown"]["rightness"]) <= 75
    assert [int(row["participation"]) % 5 for row in rows if row["participation"]] == [0, 0]
    filtered = json.loads(integra("report", "--format", "json", "--institution", "demo").out)
    assert [row["code"] for row in filtered["rows"]] == ["DEMO"]


def test_export_writes_the_stored_blocks_in_each_format(integra: Integra, tmp_path: Path) -> None:
    with Demo(tmp_path):
        pass
    rows = list(csv.DictReader(io.StringIO(integra("export", "answers", "--format", "csv").out.lstrip("\ufeff"))))
    assert {row["institution"] for row in rows} >= {"DEMO", "DEMO-RIO"}
    assert all(int(row["total"]) % 3 == 0 and row["is_fictional"] == "true" for row in rows)
    assert {bool(row["topic"]) for row in rows} == {True, False}, "by week, and by month and topic"
    weeks = json.loads(integra("export", "participation", "--format", "json").out)
    assert {row["people"] for row in weeks if row["institution"] == "DEMO"} <= {"30", "35"}
    assert all(int(row["participation"]) % 5 == 0 for row in weeks)
    file = tmp_path / "blocks.xlsx"
    written = integra("export", "answers", "--format", "xlsx", "--file", str(file))
    assert written.out == f"{len(rows)} blocks written to {file}.\n"
    assert file.read_bytes().startswith(b"PK")
    assert integra("export", "answers", "--format", "xlsx", "--file", str(file)).code == 1, "it exists"


def test_after_a_restore_what_waited_is_never_shown(integra: Integra, tmp_path: Path) -> None:
    with Demo(tmp_path):
        pass
    before = integra("export", "answers", "--format", "json").out
    for count in (r"[1-9]\d*", "0"):
        restored = integra("migrate", "--after-restore")
        assert restored.code == 0, restored.err
        line = rf"Answers that waited to be counted and will not be shown: {count}\."
        assert re.fullmatch(line, restored.out.splitlines()[-1])
    assert integra("export", "answers", "--format", "json").out == before


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--from", "yesterday"], "--from: not a day (seen: 'yesterday'); expected YYYY-MM-DD"),
        (["--to", "2026-02-30"], "--to: not a day (seen: '2026-02-30'); expected YYYY-MM-DD"),
        (["--to", "0001-01-01"], "--to: no day of this course (seen: '0001-01-01'); expected a year from 2000 to 2179"),
        (["--from", "2026-03-02", "--to", "2026-03-01"], "--from: after --to (seen: 2026-03-02 and 2026-03-01)"),
        (["--institution", "NOWHERE"], "--institution: no such code (seen: 'NOWHERE')"),
    ],
)
def test_report_refuses_invalid_options(integra: Integra, options: list[str], line: str) -> None:
    assert error_line(integra("report", *options)) == line


# ---------------------------------------------------------------- officers


def test_a_second_invite_prints_another_link(integra: Integra) -> None:
    invite = ("officer", "invite", "carmen@ueipci.example", "--name", "Carmen", "--role", "officer")
    links = [integra(*invite, PUBLIC_URL="https://integra.example.mx").out for _ in range(2)]
    for link in links:
        assert re.fullmatch(r"https://integra\.example\.mx/console/signup#[\w-]{20,}\n", link)
    assert links[0] != links[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--role", "liaison"], "--institution: a liaison belongs to one; give its code"),
        (["--role", "liaison", "--institution", "NOWHERE"], "--institution: no such code (seen: 'NOWHERE')"),
    ],
)
def test_a_liaison_belongs_to_an_institution(integra: Integra, options: list[str], message: str) -> None:
    assert error_line(integra("officer", "invite", "eva@leon.example", "--name", "Eva", *options)) == message


@pytest.mark.parametrize(("email", "name"), [("eva", "Eva"), ("", "Eva"), ("eva@leon.example", " ")])
def test_an_officer_needs_an_address_and_a_name(integra: Integra, email: str, name: str) -> None:
    line = error_line(integra("officer", "invite", email, "--name", name, "--role", "officer"))
    assert line == f"{email}: an officer needs a mail address and a name"


def test_a_liaison_of_a_known_institution_is_invited(integra: Integra, tmp_path: Path, library: Library) -> None:
    fill(tmp_path, library)
    options = ("--name", "Eva", "--role", "liaison", "--institution", "leon")
    result = integra("officer", "invite", "eva@leon.example", *options)
    assert result.code == 0, result.err
    assert "/console/signup#" in result.out


# ---------------------------------------------------------------- run


class Demo:
    """`integra run --demo` as a real process on a free port; stopped by SIGTERM at the end of the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.lines: list[str] = []
        self.code: int | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "bot", "run", "--demo"]
        self.errors = (self.folder / "errors.log").open("w")
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=self.folder,
            env=environment(self.folder, HTTP_PORT=str(self.port)),
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:  # ends, too, when the process does
            self.lines.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        rest, _nothing = self.process.communicate(timeout=30)
        self.lines += rest.splitlines()
        self.code = self.process.returncode
        self.errors.close()

    def welcome_value(self, label: str) -> str:
        """The value that the welcome printed after this label."""
        (line,) = [line for line in self.lines if line.strip().startswith(label)]
        return line.partition(":")[2].strip()

    def get(self, path: str) -> str:
        with urlopen(self.address + path, timeout=10) as answer:
            return str(answer.read().decode())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_demo_starts_with_one_command_and_survives_a_restart(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "integra.db").unlink()
    with Demo(tmp_path) as first:
        assert first.welcome_value("Chat") == f"{first.address}/chat"
        assert first.welcome_value("Enrolment code") == "DEMO"
        link = first.welcome_value("First officer")
        assert re.fullmatch(rf"{first.address}/console/signup#[\w-]{{20,}}\s+\(once\)", link)
        assert '"ready": true' in first.get("/health/ready")
        assert "<form" in first.get("/chat?code=DEMO")
    assert first.code == 0, (tmp_path / "errors.log").read_text()
    assert first.lines[-1] == "Stopped."
    assert "Traceback" not in (tmp_path / "errors.log").read_text()
    before = json.loads(integra("report", "--format", "json").out)
    with Demo(tmp_path) as second:
        assert second.welcome_value("Enrolment code") == "DEMO"
    assert second.code == 0
    assert json.loads(integra("report", "--format", "json").out) == before
    assert before["enrolled"] == 60


def test_a_port_in_use_is_one_line(integra: Integra) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = error_line(integra("run", HTTP_PORT=str(port)))
    assert line.startswith(f"HTTP_PORT: cannot listen on 127.0.0.1:{port} (")
    assert "choose another with HTTP_PORT=" in line


@pytest.mark.parametrize("role", ["web", "worker"])
def test_several_processes_need_postgresql(integra: Integra, role: str) -> None:
    assert error_line(integra("run", "--role", role)).startswith("DATABASE_URL: SQLite serves one process only")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["check"], 0), (["check", "--help"], 0), (["migrate"], 0), (["tick", "--at", "?"], 1)],
)
def test_a_real_process_ends_with_the_code_that_scripts_rely_on(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    command = [sys.executable, "-m", "bot", *arguments]
    given = environment(tmp_path)
    result = subprocess.run(command, capture_output=True, cwd=tmp_path, env=given, timeout=60, check=False)
    assert result.returncode == code, result.stderr.decode()
