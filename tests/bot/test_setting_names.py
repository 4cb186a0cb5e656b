"""Names that are nearly a setting are reported with it; names of other programs never are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import setting_names
from bot.config import SETTING_NAMES

SECRET = "hunter2"
KNOWN = sorted({*SETTING_NAMES, *(f"{name}_FILE" for name in SETTING_NAMES)})

SLIPS = [  # name, the setting that was meant
    ("TELEGRAM_BOT_TOKEM", "TELEGRAM_BOT_TOKEN"),
    ("TELEGRAM_BOT_TOKNE", "TELEGRAM_BOT_TOKEN"),
    ("telegram_bot_tokem", "TELEGRAM_BOT_TOKEN"),
    ("TELEGRAM_BOT_TOKEN_FIEL", "TELEGRAM_BOT_TOKEN_FILE"),
    ("TELEGRAMM_MODE", "TELEGRAM_MODE"),
    ("TELEGRAM_API_URI", "TELEGRAM_API_URL"),
    ("WHATSAPP_APP_SECRETS", "WHATSAPP_APP_SECRET"),
    ("WHATSAP_RATE", "WHATSAPP_RATE"),
    ("WHATSAPP_PROMPTS", "WHATSAPP_PROMPT"),
    ("MIN_GRUOP", "MIN_GROUP"),
    ("MIN_GRUPO", "MIN_GROUP"),
    ("MINGROUP", "MIN_GROUP"),
    ("PUBLIC_ULR", "PUBLIC_URL"),
    ("PUBLIC_URI", "PUBLIC_URL"),
    ("DATABSE_URL", "DATABASE_URL"),
    ("DATABASE_URL_FLIE", "DATABASE_URL_FILE"),
    ("DATADIR", "DATA_DIR"),
    ("DATE_DIR", "DATA_DIR"),
    ("HTTP_PROT", "HTTP_PORT"),
    ("HTTP_HSOT", "HTTP_HOST"),
    ("TIME_ZONE", "TIMEZONE"),
    ("TIMEZOEN", "TIMEZONE"),
    ("WEB_CHAT", "WEBCHAT"),
    ("WBECHAT", "WEBCHAT"),
]

DOUBTFUL = [  # names that may be another program's; the setting that is offered with the warning
    ("TELEGRAM_TOKEN", "TELEGRAM_BOT_TOKEN"),
    ("TELEGRAM_ALERT_BOT_TOKEN", "TELEGRAM_BOT_TOKEN"),
    ("TELEGRAM_BOT_API_URL", "TELEGRAM_API_URL"),
    ("TELEGRAM_CHAT_ID", ""),
    ("TELEGRAM_WEBHOOK", ""),
    ("WHATSAPP_TOKEN", ""),
    ("WHATSAPP_APP_ID", ""),
    ("WHATSAPP_PHONE_NUMBER", "WHATSAPP_PHONE_NUMBER_ID"),
    ("WHATSAPP_BUSINESS_ACCOUNT", "WHATSAPP_BUSINESS_ACCOUNT_ID"),
    ("WHATSAPP_PORT", "WHATSAPP_PROMPT"),
    ("HTTPD_PORT", "HTTP_PORT"),
    ("HTTP2_PORT", "HTTP_PORT"),
    ("HTTP_PORT_1", "HTTP_PORT"),
    ("HTTPD_HOST", "HTTP_HOST"),
]

SERVICE_LINKS = [  # as Kubernetes sets them for the services "telegram", "whatsapp", "http-proxy", "data-dir"
    (f"{service}_{name}", value)
    for service in ("TELEGRAM", "WHATSAPP", "WHATSAPP_API", "TELEGRAM_BOT", "HTTP_PROXY", "DATA_DIR")
    for name, value in (
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "80"),
        ("SERVICE_PORT_HTTP", "80"),
        ("PORT", "tcp://10.0.0.1:80"),
        ("PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("PORT_80_TCP_PROTO", "tcp"),
        ("PORT_80_TCP_PORT", "80"),
        ("PORT_80_TCP_ADDR", "10.0.0.1"),
    )
]

INNOCENT = """
PATH HOME USER SHELL PWD LANG LC_ALL LANGUAGE TERM EDITOR DISPLAY HOSTNAME LOGNAME MAIL TZ TMPDIR TEMP HTTP_PROXY
HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy no_proxy HTTPS_HOST HTTPS_PORT HTTP_USER_AGENT HTTP_COOKIE DATABASE
DATABASE_PASSWORD DATABASE_USER DATABASE_HOST DATABASE_PORT DATABASE_NAME DATABASE_FILE DATABASE_DSN
TEST_DATABASE_URL CACHE_URL REDIS_URL BROKER_URL BASE_URL ROOT_URL API_URL PUBLIC_IP PUBLIC_KEY PUBLIC_KEY_FILE
PGHOST PGPORT PGUSER PGPASSWORD PGDATA POSTGRES_PASSWORD MYSQL_HOST DB_URL DATA DATA_HOME XDG_DATA_DIRS
XDG_DATA_HOME LOG_FILE ENV_FILE PID_FILE HOST PORT SERVER_PORT HTTP HTTP_ROOT MODE RATE TOKEN SECRET BOT_TOKEN
APP_SECRET TIME TIMEOUT TIMEFORMAT TIME_STYLE WECHAT WECHAT_TOKEN CHAT WEBROOT WEB_CONCURRENCY GROUP GROUPS MIN_SIZE
MAX_GROUP_SIZE TELEGRAM_CLI TELEGRAM_CLI_HOME TELEGRAM_API_ID TELEGRAM_API_HASH TELEGRAM_HTTP_PORT SLACK_BOT_TOKEN
DISCORD_TOKEN GITHUB_TOKEN CI PYTHONPATH VIRTUAL_ENV SSH_AUTH_SOCK SYSTEMD_EXEC_PID INVOCATION_ID JOURNAL_STREAM
NOTIFY_SOCKET KUBERNETES_SERVICE_HOST KUBERNETES_PORT DOCKER_HOST COMPOSE_FILE LS_COLORS SSL_CERT_FILE SMTP_URL
TRUSTED_PROXIES HTTP_HOME PUBLIC_DIR PUBLIC_USER DATA_DISK DATABASE_USERS MAX_GROUP PROJECT_DATA_DIR
CORS_ALLOW_ORIGIN
"""


def faults(environment: dict[str, str], dotenv: str = "") -> list[str]:
    """The lines about wrong names; none shows a value."""
    lines = setting_names.faults(SETTING_NAMES, environment, dotenv)
    assert SECRET not in "".join(lines)
    return lines


@pytest.mark.parametrize(("name", "setting"), SLIPS)
def test_a_slip_is_reported_with_the_setting_that_was_meant(name: str, setting: str) -> None:
    expected = f"{name.upper()}: unknown to this version of Integra (in %s); did you mean {setting}?"
    assert faults({name: SECRET}) == [expected % "the environment"]
    assert faults({}, f"{name}={SECRET}") == [expected % ".env"]


@pytest.mark.parametrize("name", INNOCENT.split())
def test_names_of_other_programs_in_the_environment_are_not_reported(name: str) -> None:
    assert faults({name: SECRET}) == []
    assert setting_names.warnings(SETTING_NAMES, {name: SECRET}) == []


@pytest.mark.parametrize("name", KNOWN)
def test_every_setting_is_known_in_both_places_with_its_file(name: str) -> None:
    assert faults({name: SECRET}, f"{name}={SECRET}") == []
    assert faults({name.lower(): SECRET}, f"{name.lower()}={SECRET}") == []
    assert setting_names.warnings(SETTING_NAMES, {name: SECRET}) == []


@st.composite
def slips_of_a_finger(draw: st.DrawFn) -> str:
    """A setting with one letter wrong, missing, doubled, or swapped with the next."""
    name = draw(st.sampled_from(KNOWN))
    at = draw(st.integers(0, len(name) - 2))
    wrong = draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    return draw(
        st.sampled_from(
            [
                name[:at] + wrong + name[at + 1 :],
                name[:at] + name[at + 1 :],
                name[:at] + name[at] + name[at:],
                name[:at] + name[at + 1] + name[at] + name[at + 2 :],
            ]
        )
    )


@given(slips_of_a_finger())
def test_one_slip_of_the_finger_in_any_name_is_reported(name: str) -> None:
    is_accepted = name in KNOWN or name in ("WECHAT", "HTTPS_HOST", "HTTPS_PORT")
    assert len(faults({name: SECRET})) == (not is_accepted)


@pytest.mark.parametrize("name", setting_names.PLANNED)
def test_a_setting_of_a_later_version_is_reported_as_unknown(name: str) -> None:
    assert faults({name: "on"}) == [f"{name}: unknown to this version of Integra (in the environment); remove it"]
    (line,) = faults({}, f"{name}=on")
    assert line.startswith(f"{name}: unknown to this version of Integra (in .env); remove it, or keep other programs'")
    assert setting_names.warnings(SETTING_NAMES, {name: "on"}) == []


@pytest.mark.parametrize(("name", "setting"), DOUBTFUL)
def test_a_name_that_may_be_another_programs_is_a_warning(name: str, setting: str) -> None:
    assert faults({name: SECRET}) == []
    (line,) = setting_names.warnings(SETTING_NAMES, {name: SECRET})
    hint = f"; if it was meant for it: {setting}" if setting else ""
    assert line == f"Warning: {name} (in the environment) is no setting of Integra and has no effect on it{hint}"
    assert len(faults({}, f"{name}={SECRET}")) == 1, ".env is ours"


@pytest.mark.parametrize(("name", "value"), SERVICE_LINKS)
def test_links_to_services_of_kubernetes_are_passed_over(name: str, value: str) -> None:
    assert faults({name: value}) == []
    assert setting_names.warnings(SETTING_NAMES, {name: value}) == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("PORT", "did you mean HTTP_PORT?"),
        ("BOT_TOKEN", "did you mean TELEGRAM_BOT_TOKEN?"),
        ("SMTP_URL", "remove it, or keep other programs' names in another file"),
        ("DATABASE_PASSWORD", "remove it, or keep other programs' names in another file"),
    ],
)
def test_in_dotenv_every_unknown_name_is_an_error(name: str, hint: str) -> None:
    (line,) = faults({}, f"{name}={SECRET}")
    assert line.endswith(hint)


@pytest.mark.parametrize(
    "name",
    [
        *("COMPOSE_PROJECT_NAME", "POSTGRES_PASSWORD", "PGHOST", "TZ", "HTTPS_PROXY", "UV_CACHE_DIR"),
        *("UID", "GID", "IMAGE", "INTEGRA_VERSION", "INTEGRA_IMAGE", "POSTGRES_TAG"),
    ],
)
def test_dotenv_may_hold_names_of_programs_that_read_it_too(name: str) -> None:
    assert faults({}, f"{name}={SECRET}") == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (SECRET, 1),
        (f"# comment\n\nMIN_GROUP=11\n\n  123456:{SECRET}\n", 5),
        (f"MIN_GROUP {SECRET}", 1),
        (f"3f{SECRET}==", 1),
        (f"\na.b-{SECRET}=x", 2),
        (f"={SECRET}", 1),
    ],
)
def test_a_line_that_is_no_setting_is_reported_by_its_number_and_not_shown(text: str, number: int) -> None:
    assert faults({}, text) == [f".env: line {number} is not NAME=value (not shown: it may be a secret)"]


def test_comments_quotes_and_exports_are_no_faults() -> None:
    assert faults({}, "\ufeff# MIN_GRUOP=5\n\nexport MIN_GROUP='11' # as agreed\nPUBLIC_URL=\"\n\"\n") == []


def test_an_empty_value_means_not_set() -> None:
    assert faults({"MIN_GRUOP": ""}, "UNKNOWN=") == []
    assert setting_names.warnings(SETTING_NAMES, {"TELEGRAM_CHAT_ID": ""}) == []
