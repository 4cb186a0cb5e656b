"""Network backend of python-telegram-bot, and the translation of the library's errors into the channel's."""

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    TelegramError,
)
from telegram.request import BaseRequest, RequestData

from bot.channels import http_client
from bot.channels.channel import (
    Blocked,
    ChannelError,
    NotReached,
    Refused,
    Stopped,
    Throttled,
    UnknownRefusal,
    Unreachable,
)
from bot.channels.http_client import HttpClient, NoResponse
from bot.json_body import parse_object

T = TypeVar("T")

THROTTLED_SECONDS = 5.0
"""Wait after a 429 without `retry_after` (it happens: Bot API, "ResponseParameters" are optional)."""

BLOCKED = ("bot was blocked by the user", "user_is_blocked")
"""Descriptions of a 403 or 400: the recipient does not want us to write."""

NOT_REACHED = (
    "chat not found",
    "peer_id_invalid",
    "user is deactivated",
    "input_user_deactivated",
    "user not found",
    "bot can't initiate conversation",
)
"""Descriptions of a 403 or 400 that concern the recipient, not the message: there is no one at the address now."""

FAULTY_CONTENT = (
    "can't parse",
    "message text is empty",
    "text must be non-empty",
    "message is too long",
    "message_too_long",
    "entities_too_long",
    "message is not modified",
    "message to edit not found",
    "message can't be edited",
    "message to delete not found",
    "message can't be deleted",
    "message_id_invalid",
    "query is too old",
    "query_id_invalid",
    "button_data_invalid",
    "button_url_invalid",
    "button_type_invalid",
    "inline keyboard button",
    "inline_keyboard_",
    "reply markup is too long",
    "reply_markup_",
    "wrong http url",
    "wrong type of the web page content",
)
"""Descriptions of a 400 that concern this one message; those that are in no table may concern all."""


class TokenRevoked(Stopped):
    """The token itself is refused (401, 404): the whole channel must stop, and an administrator must act."""


class PollingConflict(Unreachable):
    """Another consumer receives this bot's updates: a second poller, or a webhook that is still set (409)."""


class RateLimited(TelegramError):
    """A 429, with the wait that Telegram asked for or our default."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("Too many requests")
        self.retry_after = retry_after


class Unanswered(NetworkError):
    """NoResponse as an error of the library, which hides all errors but its own."""

    def __init__(self, failure: NoResponse) -> None:
        super().__init__(failure.kind)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class JsonFields:
    """Fields of a call, serialized as they are; stands in for the library's own RequestData."""

    fields: Mapping[str, object]
    contains_files: bool = False


class AiohttpRequest(BaseRequest):
    """Network backend of python-telegram-bot, over aiohttp instead of httpx.

    The URL of every request contains the bot's token. No error that leaves this class quotes it.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._http = HttpClient()

    @property
    def read_timeout(self) -> float | None:
        return http_client.READ_SECONDS

    async def initialize(self) -> None:
        """Nothing to do: the first request opens the session."""

    async def shutdown(self) -> None:
        await self._http.close()

    async def call(self, url: str, fields: Mapping[str, object]) -> Any:
        """Call a method with its fields as JSON and return its raw result. Raises the library's errors.

        Used for every message: building the library's objects, and parsing responses into them, takes several
        times as long as the request itself.
        """
        return await self.post(url, cast(RequestData, JsonFields(fields)))

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: object = BaseRequest.DEFAULT_NONE,
        write_timeout: object = BaseRequest.DEFAULT_NONE,
        connect_timeout: object = BaseRequest.DEFAULT_NONE,
        pool_timeout: object = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """One request. Raises RateLimited and Unanswered; BaseRequest itself raises errors for other refusals."""
        seconds = float(read_timeout) if isinstance(read_timeout, int | float) else None
        fields = request_data.fields if isinstance(request_data, JsonFields) else None
        form = request_data.json_parameters if request_data is not None and fields is None else None
        try:
            status, payload = await self._http.exchange(method, url, json=fields, form=form, read_seconds=seconds)
        except NoResponse as error:
            raise Unanswered(error) from None
        if status == 429:
            raise RateLimited(_retry_after(payload))
        if status >= 500:
            raise Unanswered(NoResponse.of_status(status))
        if status >= 300:
            payload = payload.replace(self._token, b"[token]")
        return status, payload

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Like the original, but payloads that cannot be parsed are not written to the log."""
        body = parse_object(payload)
        if body is None:
            raise TelegramError("The response is not a JSON object")
        return body


async def errors_translated(call: Awaitable[T]) -> T:
    """Await a call of the library and return its result; any failure is raised as one of the channel's errors.

    A function and not a context manager, which would chain the cause by itself: the texts of causes quote what was
    sent, and at times the URL with the token.
    """
    failure: ChannelError
    try:
        return await call
    except ChannelError as error:
        failure = error
    except TelegramError as error:
        failure = channel_error_for(error)
    except Exception as error:  # a response in a shape that the library cannot parse
        failure = Unreachable(f"unreadable response: {type(error).__name__}", in_doubt=True)
    failure.__context__ = None
    raise failure


def channel_error_for(error: TelegramError) -> ChannelError:
    """Translate an error of python-telegram-bot (BadRequest is also a NetworkError: it is matched first)."""
    match error:
        case RateLimited():
            return Throttled(error.retry_after)
        case Unanswered():
            return Unreachable(error.failure.kind, in_doubt=error.failure.in_doubt)
        case InvalidToken():
            return TokenRevoked("Telegram refuses the bot's token")
        case Forbidden():
            return _refusal(refusal_kind(error))
        case Conflict():
            return PollingConflict("another program receives this bot's updates", in_doubt=False)
        case ChatMigrated():
            return Refused("the address became a group")
        case BadRequest():
            return _refusal(refusal_kind(error))
        case NetworkError():
            return Unreachable("unexpected status", in_doubt=False)
    return Unreachable("unreadable response", in_doubt=True)


def _refusal(kind: str) -> ChannelError:
    """The channel's error for a 400 or 403 of this kind."""
    if kind.startswith(BLOCKED):
        return Blocked(kind)
    if kind.startswith(NOT_REACHED):
        return NotReached(kind)
    return Refused(kind) if kind.startswith(FAULTY_CONTENT) else UnknownRefusal(kind)


def refusal_kind(error: TelegramError) -> str:
    """The kind of a 400 or 403: its description up to where Telegram begins to quote what it was sent."""
    description = error.message.removeprefix("Forbidden: ")
    return re.split(r"[:\"<(]| '", description, maxsplit=1)[0].strip().lower()[:80]


def _retry_after(payload: bytes) -> float:
    try:
        seconds = (parse_object(payload) or {})["parameters"]["retry_after"]
    except (LookupError, TypeError):
        return THROTTLED_SECONDS
    is_valid = isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0
    return float(seconds) if is_valid else THROTTLED_SECONDS
