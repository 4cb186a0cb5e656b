"""Settings from the environment or `.env`, strictly validated into one frozen object."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from bot import config_checks, setting_names
from bot.config_checks import Network
from bot.loopback import is_loopback
from bot.setting_names import DOTENV

LOCAL_ORIGIN = "http://127.0.0.1"
TELEGRAM_API = "https://api.telegram.org"
TELEGRAM_WEBHOOK_PORTS = (None, 443, 80, 88, 8443)
"""To which Telegram delivers updates. Source: Bot API, setWebhook."""
WHATSAPP_SETTINGS = (
    "whatsapp_phone_number_id",
    "whatsapp_business_account_id",
    "whatsapp_access_token",
    "whatsapp_app_secret",
    "whatsapp_verify_token",
)
"""Set all of them or none: the channel is on or off."""
PATH = re.compile(r"\.{0,2}/[\w./ -]*")
"""What is surely the path of a file, absolute or beginning with a dot, and may be shown."""
Digits = Annotated[str, Field(pattern=r"^[0-9]{1,30}$")]
Address = Annotated[str, Field(min_length=10, max_length=300, pattern=r"^[^\r\n\t<>]+$")]
"""A postal address in one line, as the privacy notice shows it."""
ADDRESSES = ("responsible_address", "transparency_address")
"""Addresses without which the privacy notice is not complete (LGPDP, article 21, I and VI)."""
Rate = Annotated[float, Field(ge=1, le=1000)]
"""Messages per second. Below 1, a delivery could wait for its turn for longer than its claim allows after several 429s
(START_WITHIN and SLOWEST in storage/queue/tuning.py); no platform allows more than 1,000."""


class WrongSetting(Exception):
    """Settings are invalid: each line names one, the value seen (never a secret's) and what is expected."""


class Settings(BaseSettings):
    """Every setting, with its help text. `NAME_FILE` reads the value of NAME from a file."""

    model_config = SettingsConfigDict(
        env_file=DOTENV, extra="ignore", frozen=True, env_ignore_empty=True, validate_default=True
    )

    database_url: str | None = Field(
        None,
        description="Database URL; unset: sqlite+aiosqlite:///<DATA_DIR>/integra.db. "
        "PostgreSQL: postgresql+asyncpg://user@host/name",
    )
    data_dir: Path = Field(Path("data"), description="Folder for the database and the generated secrets (mode 600)")
    public_url: str = Field(
        f"{LOCAL_ORIGIN}:8080",
        description="URL at which users reach this server, https://host[:port]; http works on this machine only",
    )
    http_host: str = Field("127.0.0.1", description="Address the server listens on")
    http_port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="Port the server listens on")
    trusted_proxies: str | None = Field(
        None,
        description="Addresses or networks of the proxies in front of the server, separated by commas: from them, and "
        "only from them, X-Forwarded-For is believed; unset: none",
    )
    timezone: str = Field("America/Mexico_City", description="Time zone of the servants (IANA name)")
    telegram_bot_token: SecretStr | None = Field(None, description="Bot token from @BotFather; unset: Telegram is off")
    telegram_mode: Literal["polling", "webhook"] | None = Field(
        None, description="polling or webhook; unset: webhook when PUBLIC_URL is https, else polling"
    )
    telegram_webhook_secret: SecretStr | None = Field(
        None, description="Secret that Telegram sends with each webhook request; generated when unset"
    )
    telegram_api_url: str = Field(TELEGRAM_API, description="URL of Telegram's Bot API server")
    telegram_rate: Rate = Field(25, description="Messages per second to Telegram, over all recipients")
    whatsapp_phone_number_id: Digits | None = Field(
        None,
        description="ID of the sending phone number as shown by Meta (not the number itself); unset: WhatsApp is off",
    )
    whatsapp_business_account_id: Digits | None = Field(
        None, description="ID of the WhatsApp Business Account that owns the number and the templates"
    )
    whatsapp_access_token: SecretStr | None = Field(
        None,
        description="Access token of a system user with the permissions whatsapp_business_messaging and "
        "whatsapp_business_management",
    )
    whatsapp_app_secret: SecretStr | None = Field(
        None, description="Secret of the app at Meta; verifies that webhook requests come from Meta"
    )
    whatsapp_verify_token: SecretStr | None = Field(
        None, description="Random word of your choice; enter the same at Meta where the webhook is configured"
    )
    whatsapp_api_url: str = Field(
        "https://graph.facebook.com/v25.0", description="URL of Meta's Graph API server, with its version"
    )
    whatsapp_rate: Rate = Field(70, description="Messages per second to WhatsApp, over all recipients")
    whatsapp_prompt: Literal["tap", "direct"] = Field(
        "tap",
        description="Question of the day outside the 24-hour window: tap (a template whose button opens the chat) "
        "or direct (the question itself as a template, where it fits)",
    )
    webchat: Literal["on", "off"] | None = Field(
        None,
        description="Browser chat, for trying out: on or off; unset: on when HTTP_HOST and the host of PUBLIC_URL are "
        "both loopback addresses, else off",
    )
    min_group: Annotated[int, Field(ge=5)] = Field(10, description="Smallest group whose numbers are shown; at least 5")

    responsible_address: Address | None = Field(
        None,
        description="Postal address of who answers for the personal data, shown in the privacy notice; unset: "
        "enrolment is closed beyond this machine",
    )
    transparency_address: Address | None = Field(
        None,
        description="Postal address of the Transparency Unit, shown in the privacy notice; unset: enrolment is closed "
        "beyond this machine",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_public_url(cls, given: Any) -> Any:
        """Follow HTTP_PORT in the default PUBLIC_URL, so that setting the port alone gives links that work."""
        port = str(given.get("http_port") or "")
        is_port = port.isdecimal() and 0 < int(port) < 65536
        return given | {"public_url": f"{LOCAL_ORIGIN}:{port}"} if is_port and "public_url" not in given else given

    @field_validator("database_url")
    @classmethod
    def _valid_database_url(cls, value: str | None) -> str | None:
        if value is not None:
            config_checks.check_database(value)
        return value

    @field_validator("data_dir")
    @classmethod
    def _valid_data_dir(cls, value: Path) -> Path:
        nearest = next(path for path in (value.absolute(), *value.absolute().parents) if os.path.exists(path))
        if not os.path.isdir(nearest):
            raise ValueError("is not a folder, or not in one; name another")
        return value

    @field_validator("timezone")
    @classmethod
    def _valid_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: "America" is a folder
            raise ValueError("expected an IANA time zone such as America/Mexico_City") from error
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _valid_proxies(cls, value: str | None) -> str | None:
        config_checks.networks(value or "")
        return value

    @field_validator("public_url")
    @classmethod
    def _valid_public_url(cls, value: str) -> str:
        return config_checks.public_origin(value)

    @field_validator("telegram_api_url", "whatsapp_api_url")
    @classmethod
    def _valid_url(cls, value: str) -> str:
        config_checks.check_url(value)
        return value.rstrip("/")

    @field_validator("telegram_bot_token")
    @classmethod
    def _valid_bot_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and ":" not in value.get_secret_value():
            raise ValueError("expected <number>:<letters>, as @BotFather gives it")
        return value

    @field_validator("whatsapp_access_token", "whatsapp_app_secret", "whatsapp_verify_token")
    @classmethod
    def _valid_whatsapp_secret(cls, value: SecretStr | None) -> SecretStr | None:
        """Accept printable ASCII only, as these are sent in headers and URLs."""
        if value is not None and not all("!" <= character <= "~" for character in value.get_secret_value()):
            raise ValueError("expected ASCII letters, digits and punctuation without spaces")
        return value

    @field_validator(WHATSAPP_SETTINGS[-1])
    @classmethod
    def _complete_whatsapp(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuse an incomplete set of WhatsApp's five settings.

        Validated with the last of the five, so that it is reported together with all other errors. An invalid one does
        not count as missing.
        """
        given = info.data | {WHATSAPP_SETTINGS[-1]: value}
        missing = [name for name in WHATSAPP_SETTINGS if given.get(name, name) is None]
        if 0 < len(missing) < len(WHATSAPP_SETTINGS):
            message = f"not set; WhatsApp needs all {len(WHATSAPP_SETTINGS)} of its ids and secrets, or none"
            raise PydanticCustomError("incomplete_whatsapp", "{message}", {"message": message, "missing": missing})
        return value

    @model_validator(mode="after")
    def _reachable_by_telegram(self) -> Self:
        """Refuse a PUBLIC_URL that Telegram would refuse as webhook (it requires https), before it is tried."""
        if self.telegram_mode == "webhook" and not self.public_url.startswith("https://"):
            raise ValueError(
                f"TELEGRAM_MODE: webhook needs PUBLIC_URL to begin with https:// (seen: {self.public_url!r})"
            )
        has_webhook = self.telegram_bot_token is not None and self.telegram_uses_webhook
        is_hosted_api = self.telegram_api_url == TELEGRAM_API  # a self-hosted Bot API server delivers to any address
        if has_webhook and is_hosted_api and not config_checks.is_public(self.public_url, TELEGRAM_WEBHOOK_PORTS):
            raise ValueError(
                f"PUBLIC_URL: Telegram cannot deliver updates there (seen: {self.public_url!r}); expected a public "
                "host and port 443, 80, 88 or 8443; or set TELEGRAM_MODE=polling"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FileSettingsSource(settings_cls, dotenv_settings), dotenv_settings

    @property
    def database(self) -> str:
        """The database URL, with its default."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.as_posix()}/integra.db"

    @property
    def has_webchat(self) -> bool:
        """Unset, it is on where both addresses are loopback: behind a proxy HTTP_HOST alone would publish it."""
        if self.webchat is None:
            return is_loopback(self.http_host) and self.is_local
        return self.webchat == "on"

    @property
    def is_local(self) -> bool:
        """Whether users reach the server on this machine only."""
        return is_loopback(urlsplit(self.public_url).hostname or "")

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of TRUSTED_PROXIES."""
        return config_checks.networks(self.trusted_proxies or "")

    @property
    def missing_addresses(self) -> tuple[str, ...]:
        """The names of the addresses that the privacy notice lacks."""
        return tuple(name.upper() for name in ADDRESSES if getattr(self, name) is None)

    @property
    def has_enrolment(self) -> bool:
        """No user is asked to accept an incomplete privacy notice, but for trying out on this machine."""
        return self.is_local or not self.missing_addresses

    @property
    def has_whatsapp(self) -> bool:
        return self.whatsapp_access_token is not None

    @property
    def telegram_uses_webhook(self) -> bool:
        if self.telegram_mode is None:
            return self.public_url.startswith("https://")
        return self.telegram_mode == "webhook"


SETTING_NAMES = tuple(name.upper() for name in Settings.model_fields)


class _FileSettingsSource(PydanticBaseSettingsSource):
    """Reads values from files: `NAME_FILE=/run/secrets/name`, in the environment or in `.env`."""

    def __init__(self, settings_cls: type[BaseSettings], dotenv: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        from_dotenv = dotenv.env_vars if isinstance(dotenv, DotEnvSettingsSource) else {}
        given = {name.upper(): value for source in (from_dotenv, os.environ) for name, value in source.items() if value}
        settings = ((name, given.get(f"{name.upper()}_FILE")) for name in settings_cls.model_fields)
        self._paths = {name: path for name, path in settings if path}

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        path = self._paths.get(field_name)
        return (_value_in(path, f"{field_name.upper()}_FILE") if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        errors = []
        for name in self._paths:
            try:
                values[name] = self.get_field_value(None, name)[0]
            except WrongSetting as error:
                errors.append(str(error))
        if errors:
            raise WrongSetting("\n".join(errors))
        return values


def _value_in(path: str, setting: str) -> str:
    """The value in the file that a setting names.

    Raises WrongSetting: it cannot be read, or it is empty, as a secret's file is before it is filled.
    """
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a path with a null character
        raise WrongSetting(f"{setting}: cannot read {_shown_path(path)} ({type(error).__name__})") from None
    if not value:
        raise WrongSetting(
            f"{setting}: the file {path!r} is empty; has its secret been filled in? write the value there, or remove "
            "the setting"
        )
    return value


def _shown_path(path: str) -> str:
    """The path of a file if it surely is one: the secret itself may have been written in its place."""
    if PATH.fullmatch(path) or os.path.lexists(path):
        return repr(path)
    return "the file: expected a path such as /run/secrets/name; not shown, as it may be the secret itself"


SECRET_SETTINGS = frozenset(
    name
    for name, field in Settings.model_fields.items()
    if SecretStr in (field.annotation, *get_args(field.annotation)) or name == "database_url"
)
"""Settings whose values are never shown: those of the type SecretStr, and the database's URL with its password."""


def load(**given: Any) -> Settings:
    """Load the settings; `given` takes precedence over the environment.

    Raises WrongSetting with one line per invalid setting and per name that is none.
    """
    lines = setting_names.faults(SETTING_NAMES, os.environ, _dotenv(given.get("_env_file", DOTENV)))
    try:
        settings = Settings(**given)
    except ValidationError as fault:
        lines += [line for error in fault.errors(include_url=False) for line in _error_lines(error)]
    except WrongSetting as fault:
        lines += str(fault).splitlines()
    if lines:
        raise WrongSetting("\n".join(lines))
    return settings


def warnings(settings: Settings | None = None) -> list[str]:
    """One line for each name in the environment that may have been meant for us, or for another program.

    With settings, also one for each address that the privacy notice lacks, and whether enrolment is closed for it; and
    one where a proxy must stand in front and none is trusted.
    """
    lines = setting_names.warnings(SETTING_NAMES, os.environ)
    if settings is None:
        return lines
    effect = "open on this machine only, to try it out" if settings.has_enrolment else "closed until it is"
    if settings.public_url.startswith("https://") and not settings.proxies:  # we do not serve TLS ourselves
        lines.append(
            "Warning: TRUSTED_PROXIES is not set; PUBLIC_URL is https, so that a proxy stands in front, and all "
            "visitors count as one network; name the proxy's address, such as 127.0.0.1"
        )
    return lines + [
        f"Warning: {name} is not set; the privacy notice lacks it (LGPDP, article 21), so enrolment is {effect}"
        for name in settings.missing_addresses
    ]


def _dotenv(path: Path | str | None) -> str:
    """The text of `.env`, empty when there is none."""
    try:
        return Path(path).read_text(encoding="utf-8") if path and Path(path).is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(f"{path}: cannot be read ({type(error).__name__}); correct or remove the file") from None


def _error_lines(error: Any) -> list[str]:
    """One line for each setting that a validation error is about."""
    message = error["msg"].removeprefix("Value error, ")
    if missing := error.get("ctx", {}).get("missing"):  # the value seen is another setting's
        return [f"{name.upper()}: {message}" for name in missing]
    if not error["loc"]:  # about several settings: the message names them, and the value seen would be all settings
        return [message]
    name = str(error["loc"][0])
    is_secret = name in SECRET_SETTINGS or "@" in str(error["input"])
    seen = "" if is_secret else f" (seen: {error['input']!r})"
    return [f"{name.upper()}: {message}{seen}"]
