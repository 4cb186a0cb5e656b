"""What a channel receives from its platform: updates of users, delivery receipts, and events about our account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from handlers.message import Update
from storage.queue.receipts import DeliveryStatus


class UnreadablePayload(Exception):
    """A payload that cannot be parsed; the exception's text is the kind of fault and never quotes content."""


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """An event that a channel could not parse: its key and the kind of fault are stored, never its content."""

    channel: str
    key: str
    fault: str


class ErrorMeaning(StrEnum):
    """What follows from a refusal or a failed delivery; a channel maps the error codes of its platform to these."""

    BACK_OFF = "back_off"  # rate limit or temporary fault: everything sent with this credential waits and is retried
    RECIPIENT_THROTTLED = "recipient_throttled"  # too many messages to this recipient: only they wait
    WINDOW_CLOSED = "window_closed"  # outside the recipient's 24-hour reply window: a template instead
    RECIPIENT_GONE = "recipient_gone"  # not reached now, which may pass: tried again for two weeks
    NOT_TODAY = "not_today"  # the platform limits marketing to this recipient: not before 24 hours
    NO_MARKETING = "no_marketing"  # the recipient stopped marketing: none until they resume it
    UNDELIVERABLE = "undeliverable"  # this message will not arrive, and the next may
    TEMPLATE_STOPPED = "template_stopped"  # the template is not accepted: deliveries that need it wait
    OUR_FAULT = "our_fault"  # our own fault: no retry helps
    UNKNOWN = "unknown"  # no table knows the code: it refuses this message, and several in a row pause their kind
    NUMBER_PAUSED = "number_paused"  # the whole number pauses for an hour, and an administrator should look at it
    CHANNEL_STOPPED = "channel_stopped"  # the credential or the account: an administrator must act


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
    code: int = 0  # of the error, as the platform numbers it; for the log
    meaning: ErrorMeaning = ErrorMeaning.OUR_FAULT  # of a failed delivery


class AccountEventKind(StrEnum):
    """Topic of an account event, with the fields that it has."""

    TEMPLATE = "template"  # fields: name, language (the platform's code), status
    TEMPLATE_CATEGORY = "template_category"  # fields: name, language, category
    TEMPLATE_QUALITY = "template_quality"  # fields: name, language, quality
    LIMIT = "limit"  # fields: people, a text of `channel_facts.recipient_limit_text`
    ACCOUNT = "account"  # fields: event; restricted, disabled ...
    FAULT = "fault"  # fields: code; an error that concerns the whole account


class AccountEffect(StrEnum):
    """What an account event means for sending."""

    NONE = "none"
    STOP = "stop"  # nothing is sent until an administrator acts
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """Something the platform reports about our own account, never about a user."""

    channel: str
    key: str
    topic: AccountEventKind
    fields: Mapping[str, str] = field(default_factory=dict)
    at: int = 0  # Unix seconds
    effect: AccountEffect = AccountEffect.NONE


PlatformEvent = Update | Receipt | AccountEvent | UnreadableEvent
