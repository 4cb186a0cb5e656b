"""What a channel receives from its platform: updates of users, delivery receipts, and events about our account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from handlers.message import Update


class UnreadablePayload(Exception):
    """A payload that cannot be parsed; the text is the kind of the fault, never content."""


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """Something that a channel could not parse: stored by its key and the kind of the fault, never its content."""

    channel: str
    key: str
    fault: str


class DeliveryStatus(StrEnum):
    """Status of a delivery that the platform had accepted, from the least to the most that is known."""

    SENT = "sent"  # it left the platform
    FAILED = "failed"  # it will not arrive; `Receipt.code` is the reason
    DELIVERED = "delivered"  # it is on the recipient's device
    READ = "read"  # read receipt: the recipient opened (or played) it


@dataclass(frozen=True, slots=True)
class Receipt:
    """A status report about one delivery. Receipts arrive in any order, repeatedly, up to a week late.

    `number` is our delivery's id, which was sent along with it (0: the platform did not return it), `ref` the
    platform's identifier of the message.
    """

    channel: str
    key: str
    ref: str
    status: DeliveryStatus
    number: int = 0
    at: int = 0  # Unix seconds
    code: int = 0  # of the fault, as the platform numbers it


class AccountEventKind(StrEnum):
    """Topic of an account event, with the fields that it has."""

    TEMPLATE = "template"  # fields: name, language (the platform's code), status
    TEMPLATE_CATEGORY = "template_category"  # fields: name, language, category
    TEMPLATE_QUALITY = "template_quality"  # fields: name, language, quality
    LIMIT = "limit"  # fields: people (recipients of templates per 24 hours; -1: unlimited)
    ACCOUNT = "account"  # fields: event; restricted, disabled ...
    FAULT = "fault"  # fields: code; a fault that concerns the whole account


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """Something the platform reports about our own account, never about a user."""

    channel: str
    key: str
    topic: AccountEventKind
    fields: Mapping[str, str] = field(default_factory=dict)
    at: int = 0


PlatformEvent = Update | Receipt | AccountEvent | UnreadableEvent
