"""Settings: defaults, validation messages, sources and `.env.example`."""

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import config
from bot.config import SETTING_NAMES, Settings, WrongSetting, load
from tests.cast import ADDRESSES

TOKEN = "123456789:AAhunter2hunter2hunter2hunter2hunter"
SECRET = "hunter2"
EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)  # a folder without .env


def test_without_any_setting_everything_has_its_default() -> None:
    settings = load()
    assert settings.database == "sqlite+aiosqlite:///data/integra.db"
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)
    assert settings.public_url == "http://127.0.0.1:8080"
    assert settings.timezone == "America/Mexico_City"
    assert (settings.telegram_rate, settings.min_group) == (25, 10)
    assert settings.telegram_bot_token is None
    assert settings.has_webchat
    assert not settings.telegram_uses_webhook
    assert not settings.has_whatsapp
    assert settings.whatsapp_api_url == "https://graph.facebook.com/v25.0"
    assert (settings.whatsapp_rate, settings.whatsapp_prompt) == (70, "tap")


WRONG = [
    ("DATABASE_URL", f"postgres://u:{SECRET}@host/name", "expected sqlite+aiosqlite or postgresql+asyncpg"),
    ("DATABASE_URL", f"postgresql+asyncpg://u:p@{SECRET}:{SECRET}@h/n", "expected sqlite+aiosqlite or postgresql"),
    ("DATABASE_URL", "sqlite+aiosqlite://", "names no file"),
    ("DATABASE_URL", "sqlite+aiosqlite:///:memory:", "names no file"),
    ("DATABASE_URL", "sqlite+aiosqlite:///x.db?mode=ro", "SQLite takes no options"),
    ("DATABASE_URL", f"postgresql+asyncpg://u:{SECRET}@h:99999/n", "expected 1 to 65535"),
    ("DATABASE_URL", f"postgresql+asyncpg://u:{SECRET}@h/n?sslmode=require", "expected ssl=require"),
    ("DATABASE_URL", f"postgresql+asyncpg://u:{SECRET}@h/n?color=red", "unknown option 'color'"),
    ("DATABASE_URL", f"postgresql+asyncpg://u:{SECRET}@h/n?ssl=perhaps", "option ssl: expected disable, allow"),
    ("PUBLIC_URL", "integra.example.mx", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "ftp://integra.example.mx", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "https://host:port", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "https://[::1", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "https://host?x=1", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "https://host..mx", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "https://integra example.mx", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "https://integra.example\\mx", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "https://%41.example.mx", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "https://integra\u200b.example.mx", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "http://integra.example.mx", "http works on this machine only"),
    ("PUBLIC_URL", "http://192.168.1.5:8080", "set up TLS and write https://, or leave it unset"),
    ("PUBLIC_URL", "http://0.0.0.0:8080", "http works on this machine only"),
    ("PUBLIC_URL", "http://localhost.example.mx", "http works on this machine only"),
    ("PUBLIC_URL", "https://example.mx/integra", "Integra's pages stand at the root"),
    ("PUBLIC_URL", "http://localhost:8080/integra/", "Integra's pages stand at the root"),
    ("PUBLIC_URL", f"https://carmen:{SECRET}@integra.example.mx", "names a user or a password"),
    ("PUBLIC_URL", f"https://carmen:{SECRET}@host:port", "expected http(s)://host[:port]"),
    ("PUBLIC_URL", "https://carmen@integra.example.mx", "names a user or a password"),
    ("TELEGRAM_API_URL", f"https://u:{SECRET}@h?x", "expected http(s)://host[:port]"),
    ("TELEGRAM_API_URL", "api.telegram.org", "expected http(s)://host[:port]"),
    ("HTTP_PORT", "eighty", "valid integer"),
    ("HTTP_PORT", "70000", "less than or equal to 65535"),
    ("HTTP_PORT", "-1", "greater than or equal to 0"),
    ("TRUSTED_PROXIES", "localhost", "'localhost' is no address and no network; expected such as 127.0.0.1"),
    ("TRUSTED_PROXIES", "127.0.0.1,10.0.0.1/24", "'10.0.0.1/24' is no address and no network"),
    ("TRUSTED_PROXIES", "127.0.0.1 ::1", "'127.0.0.1 ::1' is no address and no network"),
    ("TRUSTED_PROXIES", "::1, 0.0.0.0/0", "'0.0.0.0/0' is every address"),
    ("TIMEZONE", "America/Guanajuato", "expected an IANA time zone such as America/Mexico_City"),
    ("TIMEZONE", "America", "expected an IANA time zone"),
    ("TIMEZONE", "../../etc/passwd", "expected an IANA time zone"),
    ("TELEGRAM_BOT_TOKEN", SECRET, "expected <number>:<letters>, as @BotFather gives it"),
    ("TELEGRAM_MODE", "push", "'polling' or 'webhook'"),
    ("TELEGRAM_RATE", "0", "greater than or equal to 1"),
    ("TELEGRAM_RATE", "-1", "greater than or equal to 1"),
    ("TELEGRAM_RATE", "0.0001", "greater than or equal to 1"),
    ("TELEGRAM_RATE", "1000000", "less than or equal to 1000"),
    ("TELEGRAM_RATE", "inf", "less than or equal to 1000"),
    ("TELEGRAM_RATE", "nan", "1000"),
    ("TELEGRAM_RATE", "fast", "valid number"),
    ("WHATSAPP_API_URL", "graph.facebook.com/v25.0", "expected http(s)://host[:port]"),
    ("WHATSAPP_RATE", "0", "greater than or equal to 1"),
    ("WHATSAPP_RATE", "1001", "less than or equal to 1000"),
    ("WHATSAPP_PROMPT", "both", "'tap' or 'direct'"),
    ("WEBCHAT", "maybe", "'on' or 'off'"),
    ("MIN_GROUP", "4", "greater than or equal to 5"),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG, ids=lambda value: str(value)[:24])
def test_a_wrong_setting_is_reported_in_one_line_with_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSetting) as error:
        load()
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{name}: ")
    assert expected in line
    assert SECRET not in "".join(traceback.format_exception(error.value))
    if "@" not in value and SECRET not in value and name != "DATABASE_URL":
        assert f"(seen: {value!r})" in line


def test_all_wrong_settings_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TIMEZONE", "Mars"), ("MIN_GROUP", "1"), ("WEBCHAT", "maybe")):
        monkeypatch.setenv(name, value)
    with pytest.raises(WrongSetting) as error:
        load()
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == ["TIMEZONE", "WEBCHAT", "MIN_GROUP"]


def test_an_empty_value_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")
    assert load() == load(_env_file=None)


@pytest.mark.parametrize(
    ("port", "expected"),
    [("8099", "http://127.0.0.1:8099"), ("", "http://127.0.0.1:8080"), ("0", "http://127.0.0.1:8080")],
)
def test_the_default_public_url_follows_the_port(monkeypatch: pytest.MonkeyPatch, port: str, expected: str) -> None:
    monkeypatch.setenv("HTTP_PORT", port)
    assert load().public_url == expected
    monkeypatch.setenv("PUBLIC_URL", "https://integra.example.mx/")
    assert load().public_url == "https://integra.example.mx"


@pytest.mark.parametrize(
    ("given", "webchat", "webhook"),
    [
        ({}, True, False),
        ({"HTTP_HOST": "0.0.0.0"}, False, False),
        ({"HTTP_HOST": "0.0.0.0", "WEBCHAT": "on"}, True, False),
        ({"WEBCHAT": "off"}, False, False),
        ({"HTTP_HOST": "::1", "PUBLIC_URL": "http://localhost:8080"}, True, False),
        ({"PUBLIC_URL": "https://integra.example.mx"}, False, True),  # a proxy on this machine publishes everything
        ({"PUBLIC_URL": "https://192.168.1.5"}, False, True),
        ({"PUBLIC_URL": "https://integra.example.mx", "WEBCHAT": "on"}, True, True),
        ({"PUBLIC_URL": "https://integra.example.mx", "TELEGRAM_MODE": "polling"}, False, False),
    ],
)
def test_unset_modes_follow_from_the_other_settings(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], webchat: bool, webhook: bool
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert (settings.has_webchat, settings.telegram_uses_webhook) == (webchat, webhook)


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        ("https://integra.example.mx", False),
        ("https://integra.example.mx:8443", False),
        ("https://integra.example.mx:9443", True),
        ("https://localhost", True),
        ("https://192.168.1.5", True),
        ("https://integra.local", True),
        ("http://localhost:9443", False),  # by long polling
    ],
)
def test_a_public_url_that_telegram_cannot_reach_is_refused_at_startup(
    monkeypatch: pytest.MonkeyPatch, address: str, is_refused: bool
) -> None:
    monkeypatch.setenv("PUBLIC_URL", address)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    if is_refused:
        (line,) = lines_of(monkeypatch, {})
        assert line.startswith("PUBLIC_URL: Telegram cannot deliver updates there")
        assert f"(seen: {address!r})" in line
        monkeypatch.setenv("TELEGRAM_MODE", "polling")
    assert load().public_url == address


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://Integra.Example.mx/", "https://integra.example.mx"),
        ("https://integra.example.mx:443", "https://integra.example.mx"),
        ("https://añil.example.mx:8443", "https://xn--ail-7ma.example.mx:8443"),
        ("https://faß.example.mx", "https://xn--fa-hia.example.mx"),
        ("http://LOCALHOST:80/", "http://localhost"),
        ("http://integra.localhost:8080", "http://integra.localhost:8080"),
        ("http://127.1.2.3:8080", "http://127.1.2.3:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
    ],
)
def test_a_public_url_is_spelt_as_browsers_spell_the_origin(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", given)
    assert load().public_url == expected


def test_every_secret_is_known_as_one() -> None:
    named = {name for name in Settings.model_fields if any(word in name for word in ("token", "secret", "key"))}
    assert named | {"database_url"} <= config.SECRET_SETTINGS
    assert "public_url" not in config.SECRET_SETTINGS


# ---------------------------------------------------------------- WhatsApp: all five or none

WHATSAPP = {
    "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
    "WHATSAPP_BUSINESS_ACCOUNT_ID": "102290129340398",
    "WHATSAPP_ACCESS_TOKEN": f"EAAG{SECRET}",
    "WHATSAPP_APP_SECRET": f"0123{SECRET}",
    "WHATSAPP_VERIFY_TOKEN": f"a-word-of-ours-{SECRET}",
}


def lines_of(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> list[str]:
    """The lines of the error about invalid settings; never with the value of a secret."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WrongSetting) as error:
        load()
    assert SECRET not in "".join(traceback.format_exception(error.value))
    return str(error.value).splitlines()


def test_with_all_five_settings_whatsapp_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WHATSAPP.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.has_whatsapp
    assert settings.whatsapp_access_token == SecretStr(WHATSAPP["WHATSAPP_ACCESS_TOKEN"])
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in shown


@pytest.mark.parametrize(
    "missing", [*([name] for name in WHATSAPP), list(WHATSAPP)[1:], list(WHATSAPP)[:4], list(WHATSAPP)[2:4]]
)
def test_missing_whatsapp_settings_are_reported_by_name(monkeypatch: pytest.MonkeyPatch, missing: list[str]) -> None:
    given = {name: value for name, value in WHATSAPP.items() if name not in missing}
    assert lines_of(monkeypatch, given) == [
        f"{name}: not set; WhatsApp needs all 5 of its ids and secrets, or none" for name in missing
    ]


def test_missing_whatsapp_settings_are_reported_together_with_all_other_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    given = WHATSAPP | {"WHATSAPP_APP_SECRET": "", "WHATSAPP_PHONE_NUMBER_ID": "+52 477", "WEBCHAT": "maybe"}
    number, secret, webchat = lines_of(monkeypatch, given)
    assert number.startswith("WHATSAPP_PHONE_NUMBER_ID: String should match pattern")
    assert number.endswith("(seen: '+52 477')")
    assert secret.startswith("WHATSAPP_APP_SECRET: not set")
    assert webchat.startswith("WEBCHAT: ")


@pytest.mark.parametrize("name", list(WHATSAPP)[2:])
@pytest.mark.parametrize("wrong", [f"{SECRET} {SECRET}", f"{SECRET}\nX: y", f"ñ{SECRET}"])
def test_a_whatsapp_secret_that_no_header_can_carry_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, wrong: str
) -> None:
    (line,) = lines_of(monkeypatch, WHATSAPP | {name: wrong})
    assert line == f"{name}: expected ASCII letters, digits and punctuation without spaces"


# ---------------------------------------------------------------- secrets


def test_a_token_is_never_shown() -> None:
    settings = load(telegram_bot_token=TOKEN)
    assert settings.telegram_bot_token == SecretStr(TOKEN)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in shown


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    if where == "environment":
        monkeypatch.setenv("TELEGRAM_BOT_TOKEN_FILE", str(path))
    else:
        (tmp_path / ".env").write_text(f"TELEGRAM_BOT_TOKEN_FILE={path}\n")
    assert load().telegram_bot_token == SecretStr(TOKEN)


def test_the_environment_takes_precedence_over_a_file_and_a_file_over_dotenv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("MIN_GROUP=11\n")
    assert load().min_group == 11
    (tmp_path / "group").write_text("12")
    monkeypatch.setenv("MIN_GROUP_FILE", str(tmp_path / "group"))
    assert load().min_group == 12
    monkeypatch.setenv("MIN_GROUP", "13")
    assert load().min_group == 13
    assert load(min_group=14).min_group == 14


def test_files_that_cannot_be_read_are_reported_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path))
    with pytest.raises(WrongSetting) as error:
        load()
    first, second = str(error.value).splitlines()
    assert first.startswith("DATABASE_URL_FILE: cannot read")
    assert second.startswith("TELEGRAM_BOT_TOKEN_FILE: cannot read")


@pytest.mark.parametrize("name", SETTING_NAMES)
@pytest.mark.parametrize("content", ["", " \n\n"], ids=["empty", "blank"])
def test_an_empty_file_is_an_error_and_not_an_unset_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / "value").write_text(content)
    for path in (str(tmp_path / "value"), "value", "/dev/null"):
        monkeypatch.setenv(f"{name}_FILE", path)
        with pytest.raises(WrongSetting) as error:
            load()
        assert str(error.value).startswith(f"{name}_FILE: the file {path!r} is empty; has its secret been filled in?")


def test_an_empty_name_of_a_file_is_no_file_and_hides_none_in_dotenv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "group").write_text("12")
    monkeypatch.setenv("MIN_GROUP_FILE", "")
    assert load().min_group == 10
    (tmp_path / ".env").write_text("MIN_GROUP_FILE=group\n")
    assert load().min_group == 12


def test_the_name_of_a_file_may_be_written_in_lower_case(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("telegram_bot_token_file", "token")
    assert load().telegram_bot_token == SecretStr(TOKEN)


@pytest.mark.parametrize("where", ["environment", ".env"])
@pytest.mark.parametrize("name", SETTING_NAMES)
def test_a_secret_in_place_of_its_file_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, where: str
) -> None:
    for value in (TOKEN, SECRET, f"postgresql+asyncpg://u:{SECRET}@h/x", f"{SECRET}/+{SECRET}==", f"/{SECRET}+/="):
        if where == "environment":
            monkeypatch.setenv(f"{name}_FILE", value)
        else:
            (tmp_path / ".env").write_text(f"{name}_FILE='{value}'\n")
        with pytest.raises(WrongSetting) as error:
            load()
        (line,) = str(error.value).splitlines()
        assert line.startswith(f"{name}_FILE: cannot read the file: expected a path such as /run/secrets/name; not sh")
        assert SECRET not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("path", ["/run/secrets/absent", "./absent.txt", "../run/a-b_c", "folder"])
def test_the_path_of_a_file_that_cannot_be_read_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN_FILE", path)
    with pytest.raises(WrongSetting, match=f"TELEGRAM_BOT_TOKEN_FILE: cannot read {path!r} "):
        load()


def test_a_wrong_secret_from_a_file_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(WrongSetting, match="TELEGRAM_BOT_TOKEN: expected") as error:
        load()
    assert SECRET not in str(error.value)


# ---------------------------------------------------------------- names that are none


def test_wrong_names_are_reported_together_with_wrong_values_and_never_their_values(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"BOT_TOKEN={SECRET}\nTIMEZONE=Mars\nMIN_GROUP=\nUNKNOWN=\n{SECRET}\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "absent"))
    assert [line.partition(" ")[0] for line in lines_of(monkeypatch, {"MIN_GRUOP": SECRET})] == [
        "MIN_GRUOP:",
        ".env:",
        "BOT_TOKEN:",
        "DATABASE_URL_FILE:",
    ]
    monkeypatch.delenv("DATABASE_URL_FILE")
    assert lines_of(monkeypatch, {})[-1].startswith("TIMEZONE: expected")


def test_a_line_of_dotenv_that_is_no_setting_is_one_line_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text(f"MIN_GROUP 12\n{SECRET}\n")
    with pytest.raises(WrongSetting) as error:
        load()
    assert [line[:12] for line in str(error.value).splitlines()] == [".env: line 1", ".env: line 2"]
    assert capfd.readouterr() == ("", "")


def test_a_dotenv_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"MIN_GROUP=\xff\n")
    with pytest.raises(WrongSetting, match=r"^\.env: cannot be read \(UnicodeDecodeError\)"):
        load()


# ---------------------------------------------------------------- addresses of the privacy notice


@pytest.mark.parametrize(
    ("url", "given", "is_open"),
    [
        ("http://127.0.0.1:8080", (), True),
        ("http://localhost:8080", (), True),
        ("https://integra.example.mx", (), False),
        ("https://integra.example.mx", ("responsible_address",), False),
        ("https://integra.example.mx", ("transparency_address",), False),
        ("https://integra.example.mx", tuple(ADDRESSES), True),
        ("https://10.0.0.1", (), False),
        ("https://localhost.example.mx", (), False),
    ],
)
def test_beyond_this_machine_enrolment_needs_both_addresses(url: str, given: tuple[str, ...], is_open: bool) -> None:
    settings = load(_env_file=None, public_url=url, **{name: ADDRESSES[name] for name in given})
    assert settings.has_enrolment is is_open
    assert settings.missing_addresses == tuple(name.upper() for name in ADDRESSES if name not in given)


@pytest.mark.parametrize("value", ["x", "Calle 1\nGuanajuato", "Calle <b>1</b>, Guanajuato", "Calle " * 60])
@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_is_one_line_of_plain_text(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name.upper(), value)
    with pytest.raises(WrongSetting, match=f"^{name.upper()}: "):
        load()


# ---------------------------------------------------------------- .env.example


def _example() -> list[tuple[str, str, str]]:
    """Name, value and help text of each setting, in the order of the file."""
    settings = []
    blocks = EXAMPLE.read_text(encoding="utf-8").strip().split("\n\n")[1:]
    for block in blocks:
        *comment, setting = block.splitlines()
        name, _, value = setting.partition("=")
        settings.append((name, value, " ".join(line.removeprefix("# ") for line in comment)))
    return settings


def test_the_example_lists_exactly_the_settings_with_help_and_default() -> None:
    expected = [
        (name.upper(), "" if field.default is None else str(field.default), field.description)
        for name, field in Settings.model_fields.items()
    ]
    assert _example() == expected


def test_a_copy_of_the_example_changes_nothing() -> None:
    assert load(_env_file=EXAMPLE) == load(_env_file=None)


def test_every_setting_has_help() -> None:
    assert all(field.description for field in Settings.model_fields.values())
