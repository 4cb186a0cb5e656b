"""What the webhooks share: a body is read within its limit; all that came is kept before it is acknowledged."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import structlog
from aiohttp import web

from bot.channels.events import PlatformEvent, UnreadableEvent
from storage.database import DatabaseUnavailable

NO_KEY = "none"
"""The key of something that has none: there can be no second of it worth keeping."""

log = structlog.get_logger()


class EventStore(Protocol):
    """The inbox, as far as a channel needs it."""

    async def store(self, arrivals: Iterable[PlatformEvent]) -> int: ...


async def read_body(request: web.Request, limit: int) -> bytes | None:
    """The body, or None when it has more than `limit` bytes (which may differ from the application's limit)."""
    body = bytearray()
    if (request.content_length or 0) > limit:
        return None
    async for part in request.content.iter_any():
        body += part
        if len(body) > limit:
            return None
    return bytes(body)


async def store_all(arrivals: Sequence[PlatformEvent], inbox: EventStore) -> None:
    """Keep what came in one transaction. One that cannot be kept never stops the others: it is set aside.

    Raises DatabaseUnavailable: nothing must be acknowledged.
    """
    if not arrivals:
        return
    fault = ""
    try:
        await inbox.store(arrivals)
    except DatabaseUnavailable:
        raise
    except Exception as failure:  # one of them is poison; the transaction took the others down with it
        fault = type(failure).__name__
    if fault:
        log.error("batch_not_kept", channel=arrivals[0].channel, kind=fault, count=len(arrivals))
        for arrival in arrivals:
            await _keep_alone(arrival, inbox)


async def _keep_alone(arrival: PlatformEvent, inbox: EventStore) -> None:
    fault = ""
    for attempt in (arrival, UnreadableEvent(arrival.channel, arrival.key, "not kept")):
        try:
            await inbox.store([attempt])
            return
        except DatabaseUnavailable:
            raise
        except Exception as failure:
            fault = type(failure).__name__
            # Without the key, which stands in the row set aside: WhatsApp's spell the person's number in base64.
            log.error("arrival_not_kept", channel=arrival.channel, what=type(attempt).__name__, kind=fault)
    # Not even a key of ours can be written: the fault is not the arrival's, and it must come again.
    raise DatabaseUnavailable(fault)
