"""Receive Telegram's updates by long polling or webhook: they are stored first and acknowledged afterwards."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

import structlog
from aiohttp import web

from bot.channels import webhook
from bot.channels.channel import ChannelError, Throttled
from bot.channels.events import PlatformEvent, UnreadableEvent, UnreadablePayload
from bot.channels.telegram.client import PollingConflict, TokenRevoked
from bot.channels.telegram.parser import NAME, update_key
from bot.channels.webhook import NO_KEY, EventStore, WebhookRefused
from handlers.message import Update
from storage.database import DatabaseUnavailable

PATH = "/webhooks/telegram"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header
BODY_LIMIT = 1024 * 1024
MAX_BACKOFF_SECONDS = 30.0

log = structlog.get_logger()
Sleep = Callable[[float], Awaitable[None]]


class UpdateParser(Protocol):
    """The part of the bot that a webhook needs."""

    def parse(self, raw: object) -> Update | None: ...


class UpdateSource(UpdateParser, Protocol):
    """The part of the bot that polling needs."""

    async def fetch(self, offset: int | None) -> list[Any]: ...


async def _unrecorded() -> None:
    """Record no contact."""


async def poll(
    telegram: UpdateSource,
    inbox: EventStore,
    confirm_contact: Callable[[], Awaitable[None]] = _unrecorded,
    *,
    sleep: Sleep = asyncio.sleep,
) -> None:
    """Poll for updates for ever. Ends only by cancellation, or by TokenRevoked: then no retry helps.

    A fetch with an offset confirms everything before it, so it is made after the updates are stored. After an empty
    response the offset is dropped: after a week without updates Telegram continues with a random, perhaps lower id.
    """
    offset: int | None = None
    backoff = PollingBackoff()
    while True:
        try:
            batch = await telegram.fetch(offset)
            await confirm_contact()  # before the updates are stored: how they are dated depends on it
            await parse_and_store(batch, telegram, inbox)
        except TokenRevoked:
            raise
        except (ChannelError, DatabaseUnavailable) as error:
            await sleep(backoff.seconds_after(error))
            continue
        keys = [int(key) for key in map(update_key, batch) if key]
        if batch and not keys:  # nothing in it can be confirmed: it would be returned again at once
            await sleep(backoff.seconds_after(UnreadablePayload("no update_id")))
            continue
        backoff.reset()
        offset = max(keys) + 1 if keys else None


class PollingBackoff:
    """Exponential back-off after a failure: 1, 2, 4 ... 30 seconds, or what a 429 asked for.

    Each kind of failure is logged once until polling has recovered.
    """

    def __init__(self) -> None:
        self._next = 1.0
        self._logged_kind = ""

    def reset(self) -> None:
        if self._logged_kind:
            log.info("telegram_polling_recovered")
        self._next, self._logged_kind = 1.0, ""

    def seconds_after(self, error: Exception) -> float:
        """Log the failure, if it is of a new kind, and return how long to wait before the next poll."""
        kind = type(error).__name__
        if kind != self._logged_kind:
            self._logged_kind = kind
            if isinstance(error, PollingConflict):
                log.error(
                    "telegram_polling_conflict",
                    hint="a second program polls with this token, or a webhook is set: stop the other one",
                )
            else:
                log.warning("telegram_polling_failed", kind=kind, reason=str(error))
        seconds, self._next = self._next, min(self._next * 2, MAX_BACKOFF_SECONDS)
        return max(seconds, error.retry_after) if isinstance(error, Throttled) else seconds


async def parse_and_store(batch: Iterable[object], telegram: UpdateParser, inbox: EventStore) -> None:
    """Parse raw updates and store them in one transaction. One that cannot be stored never stops the others.

    Raises DatabaseUnavailable: nothing must be acknowledged.
    """
    await webhook.store_all([event for raw in batch if (event := _parse_event(raw, telegram)) is not None], inbox)


def _parse_event(raw: object, telegram: UpdateParser) -> PlatformEvent | None:
    try:
        return telegram.parse(raw)
    except UnreadablePayload as error:
        key = update_key(raw) or NO_KEY
        log.warning("telegram_update_unreadable", key=key, fault=str(error))
        return UnreadableEvent(NAME, key, str(error))


def attach(app: web.Application, telegram: UpdateParser, inbox: EventStore, secret: str) -> None:
    """Add the webhook to the server.

    Telegram repeats a request after any status but 200: another status is returned only where a repetition may
    succeed, or to requests that are not Telegram's.
    """
    if not secret:
        raise ValueError("a webhook without a secret would accept updates from anybody")
    expected = secret.encode()

    async def receive(request: web.Request) -> web.Response:
        given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            raise WebhookRefused(403, "secret")
        body = await webhook.read_limited(request, BODY_LIMIT)
        event = _parse_event(webhook.json_object(body), telegram)
        press = event.press if isinstance(event, Update) else ""
        if isinstance(event, Update) and press:
            event = replace(event, press="")  # acknowledged here, so no acknowledgement goes into the outbox
        await webhook.store_all([event] if event is not None else [], inbox)
        return _press_acknowledgement(press) if press else web.Response()

    app.router.add_post(PATH, webhook.refusing(NAME, receive))


def _press_acknowledgement(press: str) -> web.Response:
    """Acknowledge a press at once: the Bot API call is made by the webhook's response, and its result is not returned.

    Source: Bot API, "Making requests when getting updates".
    """
    return web.json_response({"method": "answerCallbackQuery", "callback_query_id": press})
