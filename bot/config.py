"""Settings: environment or `.env`, checked strictly, into one frozen object; secrets that the house makes itself."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
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

from bot import config_checks

LOCAL = "http://127.0.0.1"
TELEGRAM = "https://api.telegram.org"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
WHATSAPP = (
    "whatsapp_phone_number_id",
    "whatsapp_business_account_id",
    "whatsapp_access_token",
    "whatsapp_app_secret",
    "whatsapp_verify_token",
)
"""All of them or none: the channel is on or off."""
Digits = Annotated[str, Field(pattern=r"^[0-9]{1,30}$")]
Rate = Annotated[float, Field(ge=1, le=1000)]
"""Messages a second. Under 1, slots of a few processes after a refusal lie so far ahead that a clock seems to have been
set back (see storage/queue/rate_limits.py); over 1,000 no platform goes."""


class WrongSetting(Exception):
    """A setting cannot be used: each line names it, the value seen (never a secret's) and what is expected."""


class Settings(BaseSettings):
    """Every setting, with its help. `NAME_FILE` reads the value of NAME from a file."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, validate_default=True
    )

    database_url: str | None = Field(
        None,
        description="Database; unset: sqlite+aiosqlite:///<DATA_DIR>/integra.db. "
        "PostgreSQL: postgresql+asyncpg://user@host/name",
    )
    data_dir: Path = Field(Path("data"), description="Folder of the database and of generated secrets (mode 600)")
    public_url: str = Field(
        f"{LOCAL}:8080", description="Address under which people reach this server; https in production"
    )
    http_host: str = Field("127.0.0.1", description="Address the server listens on")
    http_port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="Port the server listens on")
    timezone: str = Field("America/Mexico_City", description="Time zone of the servants (IANA name)")
    telegram_bot_token: SecretStr | None = Field(None, description="From @BotFather; unset: Telegram is off")
    telegram_mode: Literal["polling", "webhook"] | None = Field(
        None, description="polling, or webhook (the default when PUBLIC_URL is https)"
    )
    telegram_webhook_secret: SecretStr | None = Field(None, description="Generated when unset")
    telegram_api_url: str = Field(TELEGRAM, description="Telegram's Bot API server")
    telegram_rate: Rate = Field(25, description="Messages a second to Telegram, over all people")
    whatsapp_phone_number_id: Digits | None = Field(
        None, description="Id of the sending number, as Meta shows it (not the number); unset: WhatsApp is off"
    )
    whatsapp_business_account_id: Digits | None = Field(
        None, description="Id of the WhatsApp Business Account that holds number and templates"
    )
    whatsapp_access_token: SecretStr | None = Field(
        None, description="Of a system user with whatsapp_business_messaging and whatsapp_business_management"
    )
    whatsapp_app_secret: SecretStr | None = Field(
        None, description="Of the app at Meta; proves that a webhook is Meta's"
    )
    whatsapp_verify_token: SecretStr | None = Field(
        None, description="Made up by you, and typed at Meta where the webhook is set"
    )
    whatsapp_api_url: str = Field(
        "https://graph.facebook.com/v25.0", description="Meta's Graph API server, with its version"
    )
    whatsapp_rate: Rate = Field(70, description="Messages a second to WhatsApp, over all people")
    whatsapp_prompt: Literal["tap", "direct"] = Field(
        "tap",
        description="The question of the day outside the 24-hour window: tap (a template whose button opens the chat) "
        "or direct (the question itself as a template, where it fits)",
    )
    webchat: Literal["on", "off"] | None = Field(
        None, description="Browser chat; on when HTTP_HOST is loopback, else off"
    )
    min_group: Annotated[int, Field(ge=5)] = Field(
        10, description="Smallest group whose numbers are shown; never under 5"
    )

    @model_validator(mode="before")
    @classmethod
    def _same_port(cls, given: Any) -> Any:
        """Whoever changes the port alone is told, and sends people, the address that works."""
        port = str(given.get("http_port") or "")
        is_port = port.isdecimal() and 0 < int(port) < 65536
        return given | {"public_url": f"{LOCAL}:{port}"} if is_port and "public_url" not in given else given

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value is not None:
            config_checks.check_database(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as fault:  # OSError: "America" is a folder
            raise ValueError("expected an IANA time zone such as America/Mexico_City") from fault
        return value

    @field_validator("public_url", "telegram_api_url", "whatsapp_api_url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # a port that is no number, half an IPv6 address
            is_address = False
        if not is_address or parts.query or parts.fragment:
            raise ValueError("expected http(s)://host[:port]")
        return value.rstrip("/")

    @field_validator("telegram_bot_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and ":" not in value.get_secret_value():
            raise ValueError("expected <number>:<letters>, as @BotFather gives it")
        return value

    @field_validator("whatsapp_access_token", "whatsapp_app_secret", "whatsapp_verify_token")
    @classmethod
    def _word(cls, value: SecretStr | None) -> SecretStr | None:
        """They travel in headers and addresses."""
        if value is not None and not all("!" <= sign <= "~" for sign in value.get_secret_value()):
            raise ValueError("expected letters, digits and signs of ASCII without blanks")
        return value

    @field_validator(WHATSAPP[-1])
    @classmethod
    def _all_or_none(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """At the last of the five, so that it is told together with every other mistake; a wrong one is not missing."""
        given = info.data | {WHATSAPP[-1]: value}
        missing = [name for name in WHATSAPP if given.get(name, name) is None]
        if 0 < len(missing) < len(WHATSAPP):
            says = f"not set; WhatsApp needs all {len(WHATSAPP)} of its ids and secrets, or none"
            raise PydanticCustomError("missing_beside", "{says}", {"says": says, "missing": missing})
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        """Telegram brings updates to https addresses only: told here, not by a refusal an hour later."""
        if self.telegram_mode == "webhook" and not self.public_url.startswith("https://"):
            raise ValueError(
                f"TELEGRAM_MODE: webhook needs PUBLIC_URL to begin with https:// (seen: {self.public_url!r})"
            )
        takes = self.telegram_bot_token is not None and self.telegram_by_webhook
        is_telegram_itself = self.telegram_api_url == TELEGRAM  # a Bot API server of one's own brings them anywhere
        if takes and is_telegram_itself and not config_checks.is_for_telegram(self.public_url):
            raise ValueError(
                f"PUBLIC_URL: Telegram cannot bring updates there (seen: {self.public_url!r}); expected a public host "
                "and port 443, 80, 88 or 8443; or set TELEGRAM_MODE=polling"
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
        return init_settings, env_settings, _FromFiles(settings_cls, dotenv_settings), dotenv_settings

    @property
    def database(self) -> str:
        """The database's address."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.as_posix()}/integra.db"

    @property
    def has_webchat(self) -> bool:
        return self.webchat == "on" or (self.webchat is None and self.http_host in LOOPBACK)

    @property
    def has_whatsapp(self) -> bool:
        return self.whatsapp_access_token is not None

    @property
    def telegram_by_webhook(self) -> bool:
        if self.telegram_mode is None:
            return self.public_url.startswith("https://")
        return self.telegram_mode == "webhook"


class _FromFiles(PydanticBaseSettingsSource):
    """`NAME_FILE=/run/secrets/name`, in the environment or in `.env`: the value is what the file holds."""

    def __init__(self, settings_cls: type[BaseSettings], dotenv: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        written = dotenv.env_vars if isinstance(dotenv, DotEnvSettingsSource) else {}
        named = {name.upper(): path for name, path in written.items()} | dict(os.environ)
        self._paths = {name: named.get(f"{name.upper()}_FILE") for name in settings_cls.model_fields}

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        path = self._paths[field_name]
        return (Path(path).read_text(encoding="utf-8").strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        faults = []
        for name, path in self._paths.items():
            try:
                found[name] = self.get_field_value(None, name)[0]
            except (OSError, UnicodeDecodeError) as fault:
                faults.append(f"{name.upper()}_FILE: cannot read {path!r} ({type(fault).__name__})")
        if faults:
            raise WrongSetting("\n".join(faults))
        return {name: value for name, value in found.items() if value}


def load(**given: Any) -> Settings:
    """The settings in force; `given` goes before the environment.

    Raises WrongSetting with a line for each setting that cannot be used.
    """
    try:
        return Settings(**given)
    except ValidationError as fault:
        raise WrongSetting(
            "\n".join(line for error in fault.errors(include_url=False) for line in _told(error))
        ) from None


def _told(error: Any) -> list[str]:
    """One line for each setting that a fault is about."""
    says = error["msg"].removeprefix("Value error, ")
    if missing := error.get("ctx", {}).get("missing"):  # seen was another setting's value
        return [f"{name.upper()}: {says}" for name in missing]
    if not error["loc"]:  # about several together: it names them itself, and what was seen would be all of them
        return [says]
    name = str(error["loc"][0]).upper()
    secret = "TOKEN" in name or "SECRET" in name or name == "DATABASE_URL"
    seen = "" if secret else f" (seen: {error['input']!r})"
    return [f"{name}: {says}{seen}"]


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys that this house made for itself; none of them opens a confidential query."""

    route: bytes  # encrypts chat addresses of open cases
    inbox: bytes  # encrypts updates while they wait
    audit: bytes
    csrf: bytes
    webhook: str  # what Telegram shows us to prove that it is Telegram


def load_secrets(folder: Path) -> Secrets:
    """Read the generated keys, making those that are missing, with mode 600.

    Raises WrongSetting when the folder cannot be used.
    """
    place = folder / "secrets"
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys = {name: _key(place / name) for name in ("route", "inbox", "audit", "csrf")}
        webhook = _key(place / "webhook").hex()
    except OSError as fault:
        raise WrongSetting(f"DATA_DIR: cannot use {str(folder)!r} ({fault.strerror})") from fault
    return Secrets(**keys, webhook=webhook)


def _key(path: Path) -> bytes:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        made = secrets.token_bytes(32)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        return made
    if len(found) != 32:
        raise WrongSetting(f"DATA_DIR: {path.name!r} in secrets/ is damaged: {len(found)} bytes, expected 32")
    return found
