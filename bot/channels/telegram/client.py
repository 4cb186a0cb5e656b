"""How requests reach the Bot API, over one aiohttp session, and what its failures mean to us."""

import json
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import aiohttp
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

from bot.channels.channel import Blocked, ChannelError, Refused, Stopped, Throttled, Unreachable

T = TypeVar("T")

_encode = json.JSONEncoder(ensure_ascii=False).encode

JSON = {"Content-Type": "application/json"}
CONNECT_SECONDS = 10.0
READ_SECONDS = 15.0
THROTTLED_SECONDS = 5.0
"""How long to wait after a 429 that does not say it (it happens: Bot API, "ResponseParameters" are optional)."""

RECIPIENT_GONE = ("chat not found", "peer_id_invalid", "user is deactivated", "user not found")
"""400s that speak of the person, not of the message: nobody is there to be written to."""


class TokenRevoked(Stopped):
    """The credential itself is refused (401, 404): the whole channel must stop, and a person must act."""


class PollingConflict(Unreachable):
    """Somebody else takes this bot's updates: a second poller, or a webhook that is still set (409)."""


class RateLimited(TelegramError):
    """A 429, with the wait that Telegram asked for or our own."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("Too many requests")
        self.retry_after = retry_after


class NoResponse(NetworkError):
    """No usable answer; `in_doubt` says that the work may have been done all the same."""

    def __init__(self, kind: str, *, in_doubt: bool) -> None:
        super().__init__(kind)
        self.kind = kind
        self.in_doubt = in_doubt


@dataclass(frozen=True, slots=True)
class JsonFields:
    """Fields of a call as they are, in the place of the library's own collection of parameters."""

    fields: Mapping[str, object]
    contains_files: bool = False

    def payload(self) -> bytes:
        return _encode(self.fields).encode()


class AiohttpRequest(BaseRequest):
    """python-telegram-bot's door to the network, over aiohttp instead of httpx.

    The address of every request contains the bot's token, and some errors of HTTP libraries quote addresses:
    none of those errors leaves this class, only the name of its kind.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float | None:
        return READ_SECONDS

    async def initialize(self) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # whoever sends knows how many are under way
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "integra"},
            )

    async def shutdown(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(self, url: str, fields: Mapping[str, object]) -> Any:
        """A method with plain fields, as JSON; gives its result as it came.

        The road of every message: building the library's objects, and reading its answers into them, takes several
        times what the way itself does. Failures are the library's, as ever.
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
        """One exchange. Raises TooFast and NoAnswer; other refusals are told apart by BaseRequest."""
        seconds = float(read_timeout) if isinstance(read_timeout, int | float) else READ_SECONDS
        if isinstance(request_data, JsonFields):
            content: dict[str, Any] = {"data": request_data.payload(), "headers": JSON}
        else:
            content = {"data": request_data.json_parameters if request_data else None}
        status, payload = await self._exchange(method, url, content, seconds)
        if status == 429:
            raise RateLimited(_retry_after(payload))
        if status >= 500:
            # A gateway that gave up waiting cannot know whether the work was done.
            raise NoResponse(f"status {status}", in_doubt=status == 504)
        if status >= 300:
            payload = payload.replace(self._token, b"[token]")
        return status, payload

    async def _exchange(self, method: str, url: str, content: Mapping[str, Any], seconds: float) -> tuple[int, bytes]:
        await self.initialize()
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(connect=CONNECT_SECONDS, sock_read=seconds)
        failure: NoResponse
        try:
            async with self._session.request(method, url, **content, timeout=timeout, allow_redirects=False) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError, aiohttp.InvalidURL) as fault:
            failure = NoResponse(type(fault).__name__, in_doubt=False)
        except TimeoutError as fault:
            failure = NoResponse(type(fault).__name__, in_doubt=True)
        except (aiohttp.ClientError, OSError) as fault:
            failure = NoResponse(type(fault).__name__, in_doubt=True)
        # Raised outside the handlers: the error it comes from, which may quote the address, is not chained.
        raise failure

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Like the original, which writes what it cannot read to the log; ours does not."""
        try:
            answer = json.loads(payload)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise TelegramError("An answer that is not a JSON object")
        return answer


async def errors_translated(work: Awaitable[T]) -> T:
    """The result of some work with the library; every failure of it becomes one of the channel's, and no other.

    A function and no context manager, which would chain the cause by itself: the texts of causes quote what was
    sent, and at times the address with the token.
    """
    failure: ChannelError
    try:
        return await work
    except ChannelError as fault:
        failure = fault
    except TelegramError as fault:
        failure = channel_error_for(fault)
    except Exception as fault:  # an answer in a shape that the library cannot read
        failure = Unreachable(f"unreadable answer: {type(fault).__name__}", in_doubt=True)
    failure.__context__ = None
    raise failure


def channel_error_for(fault: TelegramError) -> ChannelError:
    """What an error of python-telegram-bot says to a sender (BadRequest is also a NetworkError: it goes first)."""
    match fault:
        case RateLimited():
            return Throttled(fault.retry_after)
        case NoResponse():
            return Unreachable(fault.kind, in_doubt=fault.in_doubt)
        case InvalidToken():
            return TokenRevoked("Telegram refuses the bot's token")
        case Forbidden():
            return Blocked("the person blocked the bot or is gone")
        case Conflict():
            return PollingConflict("another program takes this bot's updates", in_doubt=False)
        case ChatMigrated():
            return Refused("the address became a group")
        case BadRequest():
            kind = refusal_kind(fault)
            return Blocked(kind) if kind.startswith(RECIPIENT_GONE) else Refused(kind)
        case NetworkError():
            return Unreachable("unexpected status", in_doubt=False)
    return Unreachable("unreadable answer", in_doubt=True)


def refusal_kind(fault: TelegramError) -> str:
    """The kind of a 400: its description up to where Telegram begins to quote what it was sent."""
    return re.split(r"[:\"<(]| '", fault.message, maxsplit=1)[0].strip().lower()[:80]


def _retry_after(payload: bytes) -> float:
    try:
        seconds = json.loads(payload)["parameters"]["retry_after"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return THROTTLED_SECONDS
    is_a_wait = isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0
    return float(seconds) if is_a_wait else THROTTLED_SECONDS
