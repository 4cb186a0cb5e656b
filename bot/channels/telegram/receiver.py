"""How Telegram's updates reach the inbox, by long polling or by webhook: kept first, acknowledged afterwards."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

import structlog
from aiohttp import web

from bot.channels import webhook
from bot.channels.channel import ChannelError, Throttled
from bot.channels.events import PlatformEvent, UnreadableEvent
from bot.channels.telegram.client import PollingConflict, TokenRevoked
from bot.channels.telegram.parser import NAME, Untranslatable, update_key
from bot.channels.webhook import NO_KEY, EventStore, read_body
from handlers.message import Update
from storage.database import DatabaseUnavailable

PATH = "/webhooks/telegram"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header
BODY_LIMIT = 1024 * 1024
LONGEST_PAUSE = 30.0

log = structlog.get_logger()
Sleep = Callable[[float], Awaitable[None]]


class UpdateParser(Protocol):
    """The bot, as far as a webhook needs it."""

    def parse(self, raw: object) -> Update | None: ...


class Source(UpdateParser, Protocol):
    """The bot, as far as polling needs it."""

    async def fetch(self, offset: int | None) -> list[Any]: ...


async def poll(telegram: Source, inbox: EventStore, *, sleep: Sleep = asyncio.sleep) -> None:
    """Take updates for ever. Ends only by cancellation, or by TokenRevoked: then no waiting helps.

    A fetch with an offset confirms everything before it, so it comes after the keeping. Once it was answered
    with nothing the offset is dropped: after a quiet week Telegram goes on with a random, perhaps lower number.
    """
    offset: int | None = None
    pauses = Pauses()
    while True:
        try:
            batch = await telegram.fetch(offset)
            await store_all(batch, telegram, inbox)
        except TokenRevoked:
            raise
        except (ChannelError, DatabaseUnavailable) as fault:
            await sleep(pauses.after(fault))
            continue
        keys = [int(key) for key in map(update_key, batch) if key]
        if batch and not keys:  # nothing of it can be confirmed: it would come again at once
            await sleep(pauses.after(Untranslatable("no update_id")))
            continue
        pauses.reset()
        offset = max(keys) + 1 if keys else None


class Pauses:
    """How long to wait after a failure: 1, 2, 4 ... 30 seconds, or what was asked for; each kind is told once."""

    def __init__(self) -> None:
        self._next = 1.0
        self._told = ""

    def reset(self) -> None:
        if self._told:
            log.info("telegram_polling_again")
        self._next, self._told = 1.0, ""

    def after(self, fault: Exception) -> float:
        kind = type(fault).__name__
        if kind != self._told:
            self._told = kind
            if isinstance(fault, PollingConflict):
                log.error(
                    "telegram_contested",
                    hint="a second program polls with this token, or a webhook is set: stop the other one",
                )
            else:
                log.warning("telegram_polling_failed", kind=kind, reason=str(fault))
        pause, self._next = self._next, min(self._next * 2, LONGEST_PAUSE)
        return max(pause, fault.retry_after) if isinstance(fault, Throttled) else pause


async def store_all(batch: Iterable[object], telegram: UpdateParser, inbox: EventStore) -> None:
    """Keep updates as they came, in one transaction. One that cannot be kept never stops the others.

    Raises DatabaseUnavailable: nothing must be acknowledged.
    """
    await webhook.store_all([arrival for raw in batch if (arrival := _read(raw, telegram)) is not None], inbox)


def _read(raw: object, telegram: UpdateParser) -> PlatformEvent | None:
    try:
        return telegram.parse(raw)
    except Untranslatable as fault:
        key = update_key(raw) or NO_KEY
        log.warning("telegram_update_unreadable", key=key, fault=str(fault))
        return UnreadableEvent(NAME, key, str(fault))


def attach(app: web.Application, telegram: UpdateParser, inbox: EventStore, secret: str) -> None:
    """Add the webhook. Anything but 200 makes Telegram repeat: only what may yet succeed is answered so."""
    if not secret:
        raise ValueError("a webhook without a secret would take updates from anybody")
    expected = secret.encode()

    async def receive(request: web.Request) -> web.Response:
        shown = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(shown, expected):
            return _refuse(403, "secret")
        body = await read_body(request, BODY_LIMIT)
        if body is None:
            return _refuse(413, "size")
        try:
            raw = json.loads(body)
        except (ValueError, RecursionError):
            raw = None
        if not isinstance(raw, dict):
            return _refuse(400, "not a JSON object")
        arrival = _read(raw, telegram)
        press = arrival.press if isinstance(arrival, Update) else ""
        if isinstance(arrival, Update) and press:
            arrival = replace(arrival, press="")
        try:
            await webhook.store_all([arrival] if arrival is not None else [], inbox)
        except DatabaseUnavailable:
            return _refuse(503, "database")
        return _acknowledged(press) if press else web.Response()

    app.router.add_post(PATH, receive)


def _acknowledged(press: str) -> web.Response:
    """The phone stops waiting at once: the call comes along with the answer to the webhook, and tells nothing back.

    Source: Bot API, "Making requests when getting updates".
    """
    return web.json_response({"method": "answerCallbackQuery", "callback_query_id": press})


def _refuse(status: int, kind: str) -> web.Response:
    log.warning("telegram_webhook_refused", status=status, kind=kind)
    return web.Response(status=status)
