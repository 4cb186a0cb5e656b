"""The Telegram channel: sends parcels as Bot API calls and fetches updates; `receiver` stores them."""

import html
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import structlog
import telegram
from telegram.constants import ParseMode
from telegram.error import BadRequest

from bot.channels.channel import Refused, Throttled
from bot.channels.telegram.client import AiohttpRequest, TokenRevoked, errors_translated, refusal_kind
from bot.channels.telegram.parser import NAME, parse
from content.limits import CHOICE_BYTES
from handlers.message import BOLD, ITALIC, UNBOLD, UNITALIC, Action, Parcel, Update, format_emphasis, strip_emphasis
from storage.queue.claims import RecipientRateLimit

API_URL = "https://api.telegram.org"
MENU_COMMANDS = (
    "start", "hoy", "consulta", "avance", "constancia", "hora", "pausa", "idioma", "misdatos", "baja", "ayuda",
)  # fmt: skip
"""The bot's command menu, in order; the commands are the same in both languages, their descriptions are not."""
ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")
FALLBACK_LANGUAGE = "es"
POLL_SECONDS = 25

# Limits of the Bot API; the library checks none of them.
MAX_TEXT = 4096
MAX_NOTE = 200
MAX_BUTTONS = 100
MAX_IN_A_ROW = 8

NO_PREVIEW = {"link_preview_options": {"is_disabled": True}}

RECIPIENT_RATE_LIMIT = RecipientRateLimit(16, 8.0)
"""Rate limit of one chat: about one message per second, short bursts pass.

An answer takes two calls: an edit and a message. Source: Bots FAQ."""

_TAGS = {BOLD: "<b>", UNBOLD: "</b>", ITALIC: "<i>", UNITALIC: "</i>"}

log = structlog.get_logger()
# At INFO the library logs requests, at DEBUG every text.
logging.getLogger("telegram").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Webhook:
    """The URL to which Telegram posts updates, and the secret that it sends along."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class PendingUpdates:
    """State of the webhook as Telegram reports it: updates not yet delivered, and the last delivery error."""

    count: int
    last_error_at: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True)
class ProfileTexts:
    """The bot's texts outside the chat in one language: before Start, on the profile, in the command menu."""

    description: str = ""
    short_description: str = ""
    menu: Sequence[tuple[str, str]] = ()  # command, description

    @classmethod
    def of(cls, phrases: Mapping[str, str]) -> "ProfileTexts":
        """From the section `telegram` of the message catalogs in one language."""
        return cls(
            phrases["description"],
            phrases["short_description"],
            [(command, phrases["menu." + command]) for command in MENU_COMMANDS],
        )


class Telegram:
    """One bot. Implements Channel; polling and the webhook are in `receiver`."""

    name = NAME

    def __init__(
        self,
        token: str,
        api_url: str = API_URL,
        *,
        profile_texts: Mapping[str, ProfileTexts] | None = None,
        webhook: Webhook | None = None,
    ) -> None:
        if not token:
            raise TokenRevoked("no token")
        self._base = f"{api_url.rstrip('/')}/bot"
        self._token = token
        self._request = AiohttpRequest(token)
        self._bot = telegram.Bot(token, base_url=self._base, request=self._request, get_updates_request=self._request)
        self._profile_texts = dict(profile_texts or {})
        self._webhook = webhook

    async def start(self) -> None:
        """Check the token, set or delete the webhook, and set the command menus and descriptions.

        Raises TokenRevoked; Refused when Telegram does not accept the webhook's URL (sending still works); Throttled or
        Unreachable when a retry may succeed. A menu or description that Telegram does not accept now is logged and
        skipped: the chat works without it.
        """
        await errors_translated(self._set_receiving_mode())
        for language, texts in self._profile_texts.items():
            codes = ("", language) if language == FALLBACK_LANGUAGE else (language,)
            for code in codes:
                try:
                    await errors_translated(self._set_profile(texts, code or None))
                except TokenRevoked:
                    raise
                except (Throttled, Refused) as error:
                    log.warning("telegram_menu_not_set", language=code, reason=str(error))

    async def _set_receiving_mode(self) -> None:
        await self._bot.get_me()  # raises when the token is not valid
        if self._webhook is None:
            await self._bot.delete_webhook()
        else:
            await self._bot.set_webhook(
                self._webhook.url,
                secret_token=self._webhook.secret,
                allowed_updates=ALLOWED_UPDATES,
                max_connections=40,
            )

    async def pending_updates(self) -> PendingUpdates:
        """Ask Telegram for the state of the webhook. Raises the channel's errors."""
        info = await errors_translated(self._bot.get_webhook_info())
        return PendingUpdates(
            info.pending_update_count, info.last_error_date, (info.last_error_message or "").lower()[:80]
        )

    async def _set_profile(self, texts: ProfileTexts, code: str | None) -> None:
        await self._bot.set_my_commands(texts.menu, language_code=code)
        await self._bot.set_my_description(texts.description, language_code=code)
        await self._bot.set_my_short_description(texts.short_description, language_code=code)

    async def close(self) -> None:
        await self._request.shutdown()

    def parse(self, raw: object) -> Update | None:
        """Parse one update; see `parser.parse`, which needs no bot."""
        return parse(raw)

    async def fetch(self, offset: int | None, *, seconds: int = POLL_SECONDS) -> list[Any]:
        """Long-poll for updates and return them as raw JSON. The offset confirms all updates before it.

        Raw on purpose: the library parses a batch as a whole, and one update that it cannot parse would hide
        all the others for ever. Raises the channel's errors, also PollingConflict.
        """
        return await errors_translated(self._fetch(offset, seconds))

    async def _fetch(self, offset: int | None, seconds: int) -> list[Any]:
        query = {"timeout": str(seconds), "allowed_updates": json.dumps(ALLOWED_UPDATES)}
        if offset is not None:
            query["offset"] = str(offset)
        payload = await self._request.retrieve(
            f"{self._base}{self._token}/getUpdates?{urlencode(query)}", read_timeout=seconds + 10
        )
        batch = self._request.parse_json_payload(payload)["result"]
        if not isinstance(batch, list):
            raise TypeError("not a list")
        return batch

    async def send(self, parcel: Parcel) -> str:
        """Deliver one parcel and return the message's identifier. Raises the channel's errors and nothing else."""
        return await errors_translated(self._send(parcel))

    async def _send(self, parcel: Parcel) -> str:
        match parcel.action:
            case Action.SEND:
                return await self._send_message(parcel)
            case Action.REPLACE:
                return await self._edit_message(parcel)
            case Action.ACKNOWLEDGE:
                await self._answer_callback_query(parcel)
            case Action.ERASE:
                await self._delete_message(parcel)
        return ""

    async def _call(self, method: str, fields: Mapping[str, object]) -> Any:
        return await self._request.call(f"{self._base}{self._token}/{method}", fields)

    async def _send_message(self, parcel: Parcel) -> str:
        message = await self._call("sendMessage", {"chat_id": _chat_id(parcel.address)} | _message_fields(parcel))
        return str(message["message_id"])

    async def _edit_message(self, parcel: Parcel) -> str:
        """Edit the message; where it cannot be edited, send it as a new one."""
        if not parcel.ref.isdecimal():
            return await self._send_message(parcel)
        target = {"chat_id": _chat_id(parcel.address), "message_id": int(parcel.ref)}
        try:
            await self._call("editMessageText", target | _message_fields(parcel))
        except BadRequest as error:
            kind = refusal_kind(error)
            if kind.startswith("message is not modified"):
                return parcel.ref
            if not kind.startswith(("message to edit not found", "message can't be edited", "message_id_invalid")):
                raise
            return await self._send_message(parcel)
        return parcel.ref

    async def _answer_callback_query(self, parcel: Parcel) -> None:
        note = strip_emphasis(parcel.text)[:MAX_NOTE]
        try:
            text = {"text": note} if note else {}
            await self._call("answerCallbackQuery", {"callback_query_id": parcel.press} | text)
        except BadRequest as error:
            # Too late, or answered already: the Telegram app stopped waiting by itself.
            if not refusal_kind(error).startswith(("query is too old", "query_id_invalid")):
                raise

    async def _delete_message(self, parcel: Parcel) -> None:
        if not parcel.ref.isdecimal():
            return
        try:
            target = {"chat_id": _chat_id(parcel.address), "message_id": int(parcel.ref)}
            await self._call("deleteMessage", target)
        except BadRequest as error:
            # Deleted already, or older than 48 hours: nothing more can be done about it.
            ignored = ("message to delete", "message can't be deleted", "message_id_invalid")
            if not refusal_kind(error).startswith(ignored):
                raise


def markup(text: str) -> str:
    """Rendered text as Telegram's HTML: escaped first, then the emphasis marks become tags."""
    words = strip_emphasis(text)
    if not words.strip():
        raise Refused("empty text")
    if len(words) > MAX_TEXT:
        raise Refused("text too long")
    return format_emphasis(html.escape(text, quote=False), _TAGS)


def _message_fields(parcel: Parcel) -> dict[str, object]:
    """Text and buttons as fields of a Bot API call."""
    text, keyboard = markup(parcel.text), _keyboard(parcel)
    fields: dict[str, object] = {"text": text, "parse_mode": ParseMode.HTML.value, **NO_PREVIEW}
    return fields | {"reply_markup": {"inline_keyboard": keyboard}} if keyboard else fields


def _keyboard(parcel: Parcel) -> list[list[dict[str, str]]]:
    rows = [row for row in parcel.rows if row]
    if any(len(row) > MAX_IN_A_ROW for row in rows) or sum(map(len, rows)) > MAX_BUTTONS:
        raise Refused("too many buttons")
    if any(len(button.choice.encode()) > CHOICE_BYTES for row in rows for button in row):
        raise Refused(f"button over {CHOICE_BYTES} bytes")
    return [
        [
            {"text": strip_emphasis(button.label)}
            | ({"callback_data": button.choice} if button.choice else {})
            | ({"url": button.url} if button.url else {})
            for button in row
        ]
        for row in rows
    ]


def _chat_id(address: str) -> int:
    try:
        return int(address)
    except ValueError:
        raise Refused("the address is not a chat id") from None
