"""Parse Dummy's events, without I/O; the words of long texts are dropped."""

from typing import Any

from bot.channels.events import (
    ErrorMeaning,
    PlatformEvent,
    Receipt,
    UnreadableEvent,
    UnreadablePayload,
)
from bot.channels.text import parse_typed
from bot.channels.webhook import NO_KEY
from handlers.message import Update, UpdateKind
from storage.queue.receipts import DeliveryStatus
from tests.fakes.dummy_channel.channel import NAME

STATUSES = {"arrived": DeliveryStatus.DELIVERED, "lost": DeliveryStatus.FAILED}
MAX_ID = 64  # characters


def parse(payload: object) -> list[PlatformEvent]:
    """The events of one webhook request, in their order; one that cannot be read is set aside by itself."""
    events = payload.get("events") if isinstance(payload, dict) else None
    if not isinstance(events, list):
        return [UnreadableEvent(NAME, NO_KEY, "no list of events")]
    return [_event(raw) for raw in events]


def _event(raw: object) -> PlatformEvent:
    key = _field(raw, "id") if isinstance(raw, dict) else ""
    fault = ""
    try:
        if not isinstance(raw, dict) or not key:
            raise UnreadablePayload("no id")
        return _receipt(key, raw) if "status" in raw else _update(key, raw)
    except UnreadablePayload as error:
        fault = str(error)
    return UnreadableEvent(NAME, key or NO_KEY, fault)


def _update(key: str, raw: dict[str, Any]) -> Update:
    """What a person did: they typed a text, or chose the reply of a number."""
    address = _field(raw, "from")
    if not address:
        raise UnreadablePayload("no sender")
    if choice := _field(raw, "reply"):
        return Update(NAME, key, address, UpdateKind.CHOICE, choice=choice, ref=_field(raw, "message"))
    text = raw.get("text")
    if not isinstance(text, str):
        return Update(NAME, key, address, UpdateKind.ATTACHMENT)
    kind, command, typed = parse_typed(text)
    return Update(NAME, key, address, kind, text=typed, command=command)


def _receipt(key: str, raw: dict[str, Any]) -> Receipt:
    status = STATUSES.get(_field(raw, "status"))
    if status is None:
        raise UnreadablePayload("unknown status")
    reference = raw.get("reference")
    number = reference if isinstance(reference, int) and not isinstance(reference, bool) else 0
    meaning = ErrorMeaning.RECIPIENT_GONE if status is DeliveryStatus.FAILED else ErrorMeaning.OUR_FAULT
    return Receipt(NAME, key, _field(raw, "message"), status, number, meaning=meaning)


def _field(raw: dict[str, Any], name: str) -> str:
    """A text of at most MAX_ID characters; empty for everything else."""
    value = raw.get(name)
    return value if isinstance(value, str) and len(value) <= MAX_ID else ""
