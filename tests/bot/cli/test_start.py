"""Real processes: starts that are refused in one line, keys that belong to one database, and what each role prints."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.bot.cli.processes import integra, running
from tests.bot.cli.server import PASSWORD, new_database
from tests.fakes.telegram import TOKEN

SECRET = PASSWORD
OFFICER_LINK = "/console/signup#"


def refused_line(folder: Path, command: str, *options: str, **given: str) -> str:
    """The one line on standard error with which `check` or `run` ends, with exit code 1 and without any secret."""
    result = integra(folder, command, *options, **given)
    assert (result.code, result.out) == (1, ""), result.err
    line, *count = result.err.splitlines()
    assert count == (["1 problem."] if command == "check" else [])
    assert SECRET not in line
    return line


# ---------------------------------------------------------------- settings

WRONG = {  # by setting: its value, and how the line goes on
    "TELEGRAM_BOT_TOKEM": (
        f"1:{SECRET}",
        "unknown to this version of Integra (in the environment); did you mean TELE",
    ),
    "WHATSAPP_APP_SECRET_FIEL": (
        SECRET,
        "unknown to this version of Integra (in the environment); did you mean WHATS",
    ),
    "ALLOW_CHAT_QUERY": ("on", "unknown to this version of Integra (in the environment); remove it"),
    "MIN_GRUOP": (SECRET, "unknown to this version of Integra (in .env); did you mean MIN_GROUP?"),
    "PUBLIC_URL": ("http://192.168.1.5:8080", "http works on this machine only"),
    "DATA_DIR": ("/dev/null/data", "is not a folder, or not in one; name another"),
}
DATABASE_AWAY = f"postgresql+asyncpg://u:{SECRET}@127.0.0.1:1/x"


def write_dotenv(folder: Path) -> None:
    """A `.env` with a name of another program, and one that is a slip."""
    (folder / ".env").write_text(f"COMPOSE_PROJECT_NAME=integra\nMIN_GRUOP={SECRET}\n")


@pytest.mark.parametrize("name", WRONG)
def test_run_refuses_a_setting_that_cannot_work(tmp_path: Path, name: str) -> None:
    value, expected = WRONG[name]
    if name == "MIN_GRUOP":
        write_dotenv(tmp_path)
    before = list(tmp_path.iterdir())
    line = refused_line(tmp_path, "run", **({} if name == "MIN_GRUOP" else {name: value}))
    assert line.startswith(f"{name}: {expected}")
    assert list(tmp_path.iterdir()) == before


def test_check_reports_every_setting_that_cannot_work(tmp_path: Path) -> None:
    write_dotenv(tmp_path)
    result = integra(tmp_path, "check", **{name: value for name, (value, _) in WRONG.items() if name != "MIN_GRUOP"})
    assert (result.code, result.out) == (1, "")
    *lines, count = result.err.splitlines()
    assert count == f"{len(WRONG)} problems."
    for name, (_, expected) in WRONG.items():
        assert [line for line in lines if line.startswith(f"{name}: {expected}")], name
    assert SECRET not in result.err
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


@pytest.mark.parametrize("command", ["check", "run", "tick", "migrate"])
def test_a_secret_that_is_not_there_yet_starts_no_empty_installation(tmp_path: Path, command: str) -> None:
    (tmp_path / "token").write_text("\n")
    line = refused_line(tmp_path, command, TELEGRAM_BOT_TOKEN_FILE="token")
    assert line.startswith("TELEGRAM_BOT_TOKEN_FILE: the file 'token' is empty; has its secret been filled in?")
    line = refused_line(tmp_path, command, TELEGRAM_BOT_TOKEN_FILE=f"1:{SECRET}")
    assert line.startswith("TELEGRAM_BOT_TOKEN_FILE: cannot read the file: expected a path")
    line = refused_line(tmp_path, command, database_url_file="token")
    assert line.startswith("DATABASE_URL_FILE: the file 'token' is empty")
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_database_that_is_away_is_refused(tmp_path: Path, command: str) -> None:
    assert refused_line(tmp_path, command, DATABASE_URL=DATABASE_AWAY) == (
        "DATABASE_URL: the database does not answer: connection refused; is PostgreSQL running on that host and port?"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_doubtful_name_is_a_warning_of_both(tmp_path: Path) -> None:
    warning = "Warning: TELEGRAM_CHAT_ID (in the environment) is no setting of Integra and has no effect on it"
    given = {"TELEGRAM_CHAT_ID": SECRET, "HTTP_PORT": "0"}
    check = integra(tmp_path, "check", **given)
    assert (check.code, check.err) == (0, "")
    assert check.out.splitlines()[0] == warning
    with running(tmp_path, "run", **given) as lines:
        assert not any("DEMO" in line or OFFICER_LINK in line for line in lines), "--demo is off by default"
    errors = (tmp_path / "errors.log").read_text()
    assert errors.splitlines()[0] == warning
    assert SECRET not in check.out + errors


# ---------------------------------------------------------------- keys of one database


@pytest.fixture
def url(postgres_socket: Path) -> Iterator[str]:
    """The URL of a new database on PostgreSQL, without tables."""
    with new_database(postgres_socket) as url:
        yield url


def machine(tmp_path: Path, name: str) -> Path:
    """The folder of one machine."""
    folder = tmp_path / name
    folder.mkdir()
    return folder


def test_a_second_machine_with_keys_of_its_own_is_refused_until_they_are_copied(tmp_path: Path, url: str) -> None:
    first, second = machine(tmp_path, "first"), machine(tmp_path, "second")
    given = {"DATABASE_URL": url, "HTTP_PORT": "0"}
    with running(first, "run", **given):
        for command in ("check", "run"):
            line = refused_line(second, command, **given)
            assert line.startswith(f"DATA_DIR: {str(second / 'secrets')!r} lacks keys that this database was written")
            assert list(second.iterdir()) == [], "no key was created"
        shutil.copytree(first / "secrets", second / "secrets")
        (second / "secrets" / "inbox").write_bytes(b"x" * 32)
        assert "(others: inbox)" in refused_line(second, "run", **given)
        shutil.copy(first / "secrets" / "inbox", second / "secrets" / "inbox")
        with running(second, "run", **given):
            pass


def test_of_two_machines_that_start_at_once_one_wins(tmp_path: Path, url: str) -> None:
    assert integra(tmp_path, "migrate", DATABASE_URL=url).code == 0
    folders = [machine(tmp_path, name) for name in ("first", "second")]
    with ThreadPoolExecutor(len(folders)) as threads:
        results = list(threads.map(lambda folder: integra(folder, "tick", DATABASE_URL=url), folders))
    assert sorted(result.code for result in results) == [0, 1]
    for folder, result in zip(folders, results, strict=True):
        assert (folder / "secrets").exists() == (result.code == 0)
        assert result.code == 0 or "lacks keys that this database was written with" in result.err


def test_lost_keys_are_replaced_with_an_option_that_says_what_is_lost(tmp_path: Path) -> None:
    assert integra(tmp_path, "tick").code == 0
    shutil.rmtree(tmp_path / "secrets")
    assert refused_line(tmp_path, "run").endswith("lost for good: integra migrate --adopt-secrets")
    assert integra(tmp_path, "migrate").out == "The schema is up to date.\n"
    assert not (tmp_path / "secrets").exists()
    adopted = integra(tmp_path, "migrate", "--adopt-secrets")
    assert adopted.code == 0, adopted.err
    for loss in ("route: no news is announced", "inbox: updates that wait are set aside", "audit: the ledger can no"):
        assert f"  {loss}" in adopted.out
    with running(tmp_path, "run", HTTP_PORT="0"):
        pass
    assert "Nothing is lost" in integra(tmp_path, "migrate", "--adopt-secrets").out


# ---------------------------------------------------------------- what each role prints


def test_a_process_prints_only_what_it_serves(tmp_path: Path, url: str) -> None:
    given = {"DATABASE_URL": url, "HTTP_PORT": "0"}
    with running(tmp_path, "run", "--role", "web", "--demo", **given) as lines:
        text = "\n".join(lines)
        assert "  Chat:            http://127.0.0.1:8080/chat" in lines
        assert "  Console:         http://127.0.0.1:8080/console/" in lines
        assert OFFICER_LINK in text
        assert "Telegram" not in text
        assert "WhatsApp" not in text
    with running(tmp_path, "run", "--role", "worker", **given) as lines:
        assert lines == [
            "Integra's worker is running (no HTTP).",
            "  Enrolment code:  DEMO",
            "Ctrl-C stops it; the next start keeps everything.",
        ]
    with running(tmp_path, "run", WEBCHAT="off", **given) as lines:
        assert not any(line.startswith("  Chat:") for line in lines)
        assert "  Console:         http://127.0.0.1:8080/console/" in lines


def test_a_worker_prints_channels_without_addresses(tmp_path: Path, url: str) -> None:
    given = {
        "DATABASE_URL": url,
        "HTTP_PORT": "0",
        "PUBLIC_URL": "https://integra.example.mx",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": "http://127.0.0.1:1",
        "WHATSAPP_PHONE_NUMBER_ID": "1",
        "WHATSAPP_BUSINESS_ACCOUNT_ID": "2",
        "WHATSAPP_ACCESS_TOKEN": SECRET,
        "WHATSAPP_APP_SECRET": SECRET,
        "WHATSAPP_VERIFY_TOKEN": SECRET,
        "WHATSAPP_API_URL": "http://127.0.0.1:1/v25.0",
    }
    with running(tmp_path, "run", "--role", "worker", **given) as lines:
        assert sorted(lines[1:-1]) == ["  Telegram:        on, sending", "  WhatsApp:        on, sending"]
    with running(tmp_path, "run", "--role", "web", **given) as lines:
        assert sorted(lines[1:3]) == [
            "  Telegram:        on, by webhook",
            "  WhatsApp:        on, webhook https://integra.example.mx/webhooks/whatsapp",
        ]
        assert not any("/chat" in line for line in lines), "the proxy would publish it"
    polling = given | {"TELEGRAM_MODE": "polling"}
    with running(tmp_path, "run", "--role", "web", **polling) as lines:
        assert not any("Telegram" in line for line in lines), "a worker polls"


def test_the_demonstration_needs_a_process_with_pages(tmp_path: Path) -> None:
    line = refused_line(tmp_path, "run", "--role", "worker", "--demo", DATABASE_URL=DATABASE_AWAY)
    assert line == "--demo: a worker serves no pages to try out; start it with --role all or --role web instead"
