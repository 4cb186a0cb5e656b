"""Shared by the webhooks: refuse what cannot be read, and store all events before the request is acknowledged."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import structlog
from aiohttp import web

from bot.channels.events import PlatformEvent, UnreadableEvent
from bot.json_body import parse_object
from bot.web.requests import BodyTooLarge, read_body
from storage.database import DatabaseUnavailable

NO_KEY = "none"
"""Key of an event without an identifier: only the first such event is stored, a second would add nothing."""

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.Response]]


class WebhookRefused(Exception):
    """A request that is not acknowledged: the status of the response, and the kind of fault for the log."""

    def __init__(self, status: int, kind: str) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind


class EventStore(Protocol):
    """The part of the inbox that webhooks and pollers need: store events of any kind (`bot/inbound/inbox.py`)."""

    async def store(self, events: Iterable[PlatformEvent]) -> int: ...


def refusing(channel: str, receive: Handler) -> Handler:
    """The handler of a route: what `receive` raises becomes a logged response that does not acknowledge.

    These are WebhookRefused, and DatabaseUnavailable (503: the platform must send again).
    """

    async def handle(request: web.Request) -> web.Response:
        try:
            return await receive(request)
        except WebhookRefused as error:
            status, kind = error.status, error.kind
        except DatabaseUnavailable:
            status, kind = 503, "database"
        log.warning("webhook_refused", channel=channel, status=status, kind=kind)
        return web.Response(status=status)

    return handle


async def read_limited(request: web.Request, limit: int) -> bytes:
    """The raw body, of at most `limit` bytes. Raises WebhookRefused."""
    try:
        return await read_body(request, limit)
    except BodyTooLarge:
        raise WebhookRefused(413, "size") from None


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises WebhookRefused."""
    value = parse_object(body)
    if value is None:
        raise WebhookRefused(400, "not a JSON object")
    return value


async def store_all(events: Sequence[PlatformEvent], inbox: EventStore) -> None:
    """Store the events in one transaction. An event that cannot be stored is set aside and never stops the others.

    Raises DatabaseUnavailable: nothing must be acknowledged.
    """
    if not events:
        return
    fault = ""
    try:
        await inbox.store(events)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # a poison event rolled back the whole transaction
        fault = type(error).__name__
    if fault:
        log.error("batch_not_stored", channel=events[0].channel, kind=fault, count=len(events))
        for event in events:
            await _store_alone(event, inbox)


async def _store_alone(event: PlatformEvent, inbox: EventStore) -> None:
    fault = ""
    for candidate in (event, UnreadableEvent(event.channel, event.key, "not stored")):
        try:
            await inbox.store([candidate])
            return
        except DatabaseUnavailable:
            raise
        except Exception as error:
            fault = type(error).__name__
            # The key is not logged: it is in the row set aside, and may contain a phone number in base64.
            log.error("event_not_stored", channel=event.channel, what=type(candidate).__name__, kind=fault)
    # Not even the bare key can be written: the fault is not in the event, and the platform must send it again.
    raise DatabaseUnavailable(fault)
