"""Logs are JSON lines without secrets or private fields."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from bot import logging_setup
from bot.channels import registry
from bot.logging_setup import PRIVATE, redact

TOKEN = "1234567890:AAH" + "x" * 32
META = "EAAG" + "b" * 40


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    yield
    root.handlers, root.level = before
    structlog.reset_defaults()


@pytest.mark.parametrize("secret", [TOKEN, META])
@pytest.mark.parametrize("around", ["{}", "https://api.telegram.org/bot{}/getMe", "bot{}", "a {} b", "x={}&y"])
def test_a_token_is_redacted_wherever_it_is(secret: str, around: str) -> None:
    event = redact(None, "info", {"event": around.format(secret), "url": around.format(secret)})
    assert secret not in str(event)
    assert "[redacted]" in event["event"]


def test_even_a_token_of_another_format_is_redacted_in_a_url() -> None:
    event = redact(None, "info", {"event": "http://127.0.0.1:8081/bottest:short/getMe"})
    assert event["event"] == "http://127.0.0.1:8081/bot[redacted]/getMe"


@pytest.mark.parametrize("key", sorted(PRIVATE | {name.upper() for name in PRIVATE}))
def test_private_fields_are_redacted_whatever_they_contain(key: str) -> None:
    assert redact(None, "info", {key: {"any": "thing"}}) == {key: "[redacted]"}


def test_ids_and_numbers_stay() -> None:
    event = {"event": "update_failed", "update": 17, "channel": "telegram", "at": "answer.py:12", "seconds": 2.5}
    assert redact(None, "info", dict(event)) == event


def test_our_own_lines_are_json_with_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    logging_setup.set_up()
    structlog.get_logger().warning(
        "dispatcher_database_unavailable", fault="OperationalError", text="hola", address="100001"
    )
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["fault"]) == (
        "dispatcher_database_unavailable",
        "warning",
        "OperationalError",
    )
    assert (line["text"], line["address"]) == ("[redacted]", "[redacted]")
    assert line["timestamp"].endswith("Z")


def test_log_lines_of_libraries_use_the_same_format(capsys: pytest.CaptureFixture[str]) -> None:
    logging_setup.set_up()
    logging.getLogger("library").error("call to %s failed", f"https://api.telegram.org/bot{TOKEN}/getMe")
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "call to https://api.telegram.org/bot[redacted]/getMe failed"


def test_a_token_in_a_traceback_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    logging_setup.set_up()
    try:
        raise ValueError(f"cannot reach /bot{TOKEN}/getMe")
    except ValueError:
        logging.getLogger("library").error("failed", exc_info=sys.exc_info())
    output = capsys.readouterr().err
    assert "ValueError" in output
    assert TOKEN not in output


@pytest.mark.parametrize("library", ["httpx", "aiohttp.access", "telegram", "aiosqlite", "alembic"])
def test_verbose_libraries_are_limited_to_warnings(capsys: pytest.CaptureFixture[str], library: str) -> None:
    """A channel limits its own library, when it is registered."""
    assert registry.REGISTRATIONS
    logging_setup.set_up()
    logging.getLogger(library).info("GET /c?secret")
    assert capsys.readouterr().err == ""


def test_setting_up_twice_does_not_duplicate_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logging_setup.set_up()
    logging_setup.set_up()
    structlog.get_logger().info("once")
    assert len(capsys.readouterr().err.splitlines()) == 1
