"""What reaches us from a platform: words of people (Update), and what the platform itself has to say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from handlers.message import Update


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """Something that a channel could not read: kept by its key and the kind of the fault, never its content."""

    channel: str
    key: str
    fault: str


class DeliveryStatus(StrEnum):
    """What became of a delivery that the platform had taken, from the least to the most that is known."""

    SENT = "sent"  # it left the platform
    FAILED = "failed"  # it will not arrive; `Receipt.code` says why
    DELIVERED = "delivered"  # it is on the person's device
    READ = "read"  # (or played) the person saw it


@dataclass(frozen=True, slots=True)
class Receipt:
    """A word about the fate of one delivery; in any order, repeated, a week late.

    `number` is our delivery's id as it went along (0: the platform did not give it back), `ref` the platform's
    identifier of the message.
    """

    channel: str
    key: str
    ref: str
    status: DeliveryStatus
    number: int = 0
    at: int = 0  # Unix seconds
    code: int = 0  # of the fault, as the platform numbers it


class AccountEventKind(StrEnum):
    """What a bulletin is about."""

    TEMPLATE = "template"  # fields: name, language (the platform's code), status
    TEMPLATE_CATEGORY = "template_category"  # fields: name, language, category
    TEMPLATE_QUALITY = "template_quality"  # fields: name, language, quality
    LIMIT = "limit"  # fields: people (a day; -1 without limit)
    ACCOUNT = "account"  # fields: event; restricted, disabled ...
    FAULT = "fault"  # fields: code; a fault that concerns the whole account


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """Something the platform tells about ourselves: never about a person."""

    channel: str
    key: str
    topic: AccountEventKind
    fields: Mapping[str, str] = field(default_factory=dict)
    at: int = 0


PlatformEvent = Update | Receipt | AccountEvent | UnreadableEvent
