"""Shared by the webhooks: store all events before the request is acknowledged."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import structlog

from bot.channels.events import PlatformEvent, UnreadableEvent
from storage.database import DatabaseUnavailable

NO_KEY = "none"
"""Key of an event without an identifier: only the first such event is stored, a second would add nothing."""

log = structlog.get_logger()


class EventStore(Protocol):
    """The part of the inbox that webhooks and pollers need: store events of any kind (`bot/inbound/inbox.py`)."""

    async def store(self, events: Iterable[PlatformEvent]) -> int: ...


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
