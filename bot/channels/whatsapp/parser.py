"""Parse WhatsApp's webhooks. Never raises: a broken item becomes an UnreadableEvent and does not affect the others."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import structlog

from bot.channels.events import (
    AccountEffect,
    AccountEvent,
    AccountEventKind,
    ErrorMeaning,
    PlatformEvent,
    Receipt,
    UnreadableEvent,
    UnreadablePayload,
)
from bot.channels.text import parse_choice, parse_typed
from bot.channels.webhook import NO_KEY
from bot.channels.whatsapp.errors import error_meaning
from bot.channels.whatsapp.fields import (
    NAME,
    UNRECORDED,
    USER_ID,
    Contacts,
    digest_of,
    hashed_key,
    items_of,
    label_of,
    messaging_limit,
    number_of,
    object_in,
    phone_of,
    required_address,
    required_key,
    required_label,
    text_of,
    timestamp_of,
    user_of,
)
from handlers.message import Update, UpdateKind
from storage.channels import channel_facts
from storage.queue.receipts import DeliveryStatus

MAX_SYSTEM_TEXT = 2_000  # of a system message, in characters

# Messages that need no answer and change nothing of ours.
_IGNORED_MESSAGES = ("reaction", "unreaction", "edit", "revoke", "request_welcome")
_ADDRESS_CHANGES = ("user_changed_number", "customer_changed_number", "user_changed_user_id")
_STATUSES = {
    "sent": DeliveryStatus.SENT,
    "failed": DeliveryStatus.FAILED,
    "delivered": DeliveryStatus.DELIVERED,
    "read": DeliveryStatus.READ,
    "played": DeliveryStatus.READ,
}
_PREFERENCES = {"stop": "stop", "resume": "resume", "signup": "resume"}
_TEMPLATE_EVENTS = {  # webhook field -> topic, our field, WhatsApp's field
    "message_template_status_update": (AccountEventKind.TEMPLATE, "status", "event"),
    "template_category_update": (AccountEventKind.TEMPLATE_CATEGORY, "category", "new_category"),
    "message_template_quality_update": (AccountEventKind.TEMPLATE_QUALITY, "quality", "new_quality_score"),
}
_ACCOUNT_DETAILS = (  # fields besides `event`: ours, WhatsApp's list, and the member of its items
    ("restrictions", "restriction_info", "restriction_type"),
    ("ban", "ban_info", "waba_ban_state"),
)

_STOPPING = ("ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED")
_RESUMING = ("ACCOUNT_RECONNECTED",)
_BANNED, _REINSTATED = "DISABLE", "REINSTATE"

# Matched from its end: what comes before is the user's own name, and a name may contain anything.
_CHANGED_USER_ID = re.compile(rf".*\bchanged from ({USER_ID.pattern}) to ({USER_ID.pattern})\.?", re.DOTALL)

log = structlog.get_logger()


def parse(body: object, number_id: str = "") -> list[PlatformEvent]:
    """Parse all items of a webhook's body, in their order; items ignored on purpose yield nothing.

    With `number_id` the messages and receipts of the account's other numbers are left out. Ignored are groups,
    reactions, edited and deleted messages, and every field and status that we do not use. A broken item yields an
    UnreadableEvent: its key where it has one, and the kind of the fault.
    """
    events: list[PlatformEvent] = []
    left_out = 0
    for change in _changes(body):
        if change is None:
            events.append(UnreadableEvent(NAME, NO_KEY, "no change"))
            continue
        if change.is_of_another_number(number_id):
            left_out += sum(1 for _ in change.items())
        else:
            parsed = (_parse_item(change, *item) for item in change.items())
            events += (event for event in parsed if event is not None)
    if left_out:
        log.info("whatsapp_other_number_ignored", count=left_out)
    return events


@dataclass(frozen=True)
class _Change:
    """One change of an entry: the context that its items share."""

    entry: str
    time: int
    field: str
    value: dict[str, Any]

    def items(self) -> "Iterator[tuple[_ItemParser, object, int]]":
        """For each item its parser, the item itself, and its index in its list."""
        for name, parser in _FIELDS.get(self.field, ()):
            raws = items_of(self.value, name) if name else (self.value,)
            yield from ((parser, raw, index) for index, raw in enumerate(raws))

    def is_of_another_number(self, number_id: str) -> bool:
        if not number_id or self.field != "messages":
            return False
        metadata = self.value.get("metadata")
        own_id = text_of(metadata.get("phone_number_id")) if isinstance(metadata, dict) else ""
        return own_id not in ("", number_id)

    @cached_property
    def digest(self) -> str:
        content = json.dumps([self.entry, self.time, self.field, self.value], sort_keys=True, separators=(",", ":"))
        return digest_of(content)

    @cached_property
    def contacts(self) -> Contacts:
        raws = items_of(self.value, "contacts")
        pairs = [(user_of(raw.get("user_id")), phone_of(raw.get("wa_id"))) for raw in raws if isinstance(raw, dict)]
        senders = len(items_of(self.value, "messages")) + len(items_of(self.value, "user_preferences"))
        return Contacts(pairs, is_single=len(raws) == len(pairs) == senders == 1)


_ItemParser = Callable[[dict[str, Any], _Change, int], PlatformEvent | None]


def _changes(body: object) -> Iterator[_Change | None]:
    """The changes of all entries; None for each that is malformed."""
    for entry in items_of(body, "entry"):
        for raw in items_of(entry, "changes"):
            yield _change(entry, raw)


def _change(entry: object, raw: object) -> _Change | None:
    if not isinstance(entry, dict) or not isinstance(raw, dict) or not isinstance(field := raw.get("field"), str):
        return None
    value = raw.get("value") if field in _FIELDS else {}
    if not isinstance(value, dict):
        return None
    return _Change(text_of(entry.get("id")), timestamp_of(entry.get("time")), field, value)


def _parse_item(change: _Change, parser: _ItemParser, raw: object, index: int) -> PlatformEvent | None:
    if not isinstance(raw, dict):
        return UnreadableEvent(NAME, NO_KEY, "not an object")
    try:
        return parser(raw, change, index)
    except UnreadablePayload as error:
        fault = str(error)
    except Exception as error:  # an unforeseen shape, or one nested too deeply to be walked
        fault = type(error).__name__
    return UnreadableEvent(NAME, hashed_key(text_of(raw.get("id"))) or NO_KEY, fault)


# ---------------------------------------------------------------- updates of users


def _message(raw: dict[str, Any], change: _Change, _: int) -> Update | None:
    message_type = raw.get("type")
    if message_type in _IGNORED_MESSAGES or raw.get("group_id") is not None:
        return None
    if message_type == "system":
        return _address_change(raw)
    user, phone = change.contacts.resolve(user_of(raw.get("from_user_id")), phone_of(raw.get("from")))
    kind, command, text, choice = _content(raw)
    return Update(
        channel=NAME,
        key=required_key(raw),
        address=required_address(user, phone),
        kind=kind,
        text=text,
        command=command,
        choice=choice,
        at=timestamp_of(raw.get("timestamp")),
        alias=phone,
        quoted=hashed_key(text_of(object_in(raw, "context").get("id"))) if kind is UpdateKind.TEXT else "",
    )


def _content(raw: dict[str, Any]) -> tuple[UpdateKind, str, str, str]:
    """Kind, command, text and choice of a message. Content that is neither text nor button is dropped."""
    message_type = raw.get("type")
    pressed: object = None
    if message_type == "text":
        return *parse_typed(_text_body(raw)), ""
    if message_type == "button":  # a quick reply of a template
        pressed = object_in(raw, "button").get("payload")
    elif message_type == "interactive":
        reply = object_in(raw, "interactive")  # may be missing: the message has `errors` instead
        pressed = object_in(reply, "button_reply").get("id") or object_in(reply, "list_reply").get("id")
    if not (choice := text_of(pressed)):
        return UpdateKind.ATTACHMENT, "", "", ""
    return UpdateKind.CHOICE, "", "", parse_choice(choice)


def _text_body(raw: dict[str, Any]) -> str:
    body = object_in(raw, "text").get("body")
    if not isinstance(body, str):
        raise UnreadablePayload("text is not a string")
    return body


def _address_change(raw: dict[str, Any]) -> Update | None:
    """A user changed their phone number, and with it perhaps their user id. Other system messages are ignored."""
    system = object_in(raw, "system")
    if system.get("type") not in _ADDRESS_CHANGES:
        return None
    user, phone = user_of(raw.get("from_user_id")), phone_of(raw.get("from"))
    new_user, new_phone = user_of(system.get("user_id")), phone_of(system.get("wa_id") or system.get("new_wa_id"))
    if system["type"] == "user_changed_user_id" and user in ("", new_user):
        text_user, text_new_user = _changed_user_ids(system.get("body"))
        if new_user in ("", text_new_user):
            user, new_user = text_user, text_new_user
    if user == new_user and phone:  # `from_user_id` is the new id already: the old number identifies the user
        user = ""
    if not new_user and not new_phone:
        raise UnreadablePayload("no new address")
    address = required_address(user, phone)
    moved_to = new_user or ("" if user else new_phone)
    if moved_to in ("", address) and new_phone in ("", phone):
        return None  # nothing changed: 52 and 521 are the same number
    return Update(
        channel=NAME,
        key=required_key(raw),
        address=address,
        kind=UpdateKind.MOVED,
        at=timestamp_of(raw.get("timestamp")),
        alias=phone,
        moved_to="" if moved_to == address else moved_to,
        moved_alias=new_phone,
    )


def _changed_user_ids(body: object) -> tuple[str, str]:
    """Old and new user id from the text of a system message; empty where it has another form."""
    ids = _CHANGED_USER_ID.fullmatch(body) if isinstance(body, str) and len(body) <= MAX_SYSTEM_TEXT else None
    return (ids[1], ids[2]) if ids else ("", "")


def _preference(raw: dict[str, Any], change: _Change, _: int) -> Update | None:
    value = text_of(raw.get("value"))
    choice = _PREFERENCES.get(value)
    if raw.get("category") != "marketing_messages" or choice is None:
        return None
    user, phone = change.contacts.resolve(user_of(raw.get("user_id")), phone_of(raw.get("wa_id")))
    address, at = required_address(user, phone), timestamp_of(raw.get("timestamp"))
    # It has no identifier of its own. Hashed, as no key may contain a phone number.
    key = f"p:{digest_of(f'{address} {value} {at}')}"
    return Update(NAME, key, address, UpdateKind.PREFERENCE, choice=choice, at=at, alias=phone)


def _user_id_update(raw: dict[str, Any], _: _Change, __: int) -> Update | None:
    """The same change as a system message of type user_changed_user_id reports, in a webhook field of its own."""
    ids = object_in(raw, "user_id")
    old, new, phone = user_of(ids.get("previous")), user_of(ids.get("current")), phone_of(raw.get("wa_id"))
    if not old or not new:
        raise UnreadablePayload("no new address")
    key = f"m:{digest_of(f'{old} {new}')}"
    at = timestamp_of(raw.get("timestamp"))
    return Update(NAME, key, old, UpdateKind.MOVED, at=at, moved_to=new, moved_alias=phone)


# ---------------------------------------------------------------- receipts


def _receipt(raw: dict[str, Any], _: _Change, __: int) -> Receipt | None:
    status, ref = raw.get("status"), text_of(raw.get("id"))
    if not isinstance(status, str) or not ref:
        raise UnreadablePayload("no status" if ref else "no id")
    is_unrecorded = raw.get("biz_opaque_callback_data") == UNRECORDED
    if is_unrecorded or raw.get("recipient_type") == "group" or status not in _STATUSES:
        return None
    errors = (error.get("code") for error in items_of(raw, "errors") if isinstance(error, dict))
    codes = [number_of(code) for code in errors if text_of(code).isdecimal()]
    is_known = _STATUSES[status] is DeliveryStatus.FAILED and codes  # no code is not code 0, which stops the channel
    return Receipt(
        channel=NAME,
        key=hashed_key(f"{ref}:{status}"),
        ref=hashed_key(ref),
        status=_STATUSES[status],
        number=number_of(raw.get("biz_opaque_callback_data"), digits=18),
        at=timestamp_of(raw.get("timestamp")),
        code=codes[0] if codes else 0,
        meaning=error_meaning(codes[0]) if is_known else ErrorMeaning.OUR_FAULT,
    )


# ---------------------------------------------------------------- events about our account


def _account_fault(raw: dict[str, Any], change: _Change, index: int) -> AccountEvent:
    if not (code := required_label(raw, "code")).isdecimal():
        raise UnreadablePayload("code is not a number")
    is_stopped = error_meaning(int(code)) is ErrorMeaning.CHANNEL_STOPPED
    event = _account_event(change, index, AccountEventKind.FAULT, code=code)
    return replace(event, effect=AccountEffect.STOP if is_stopped else AccountEffect.NONE)


def _template(raw: dict[str, Any], change: _Change, index: int) -> AccountEvent:
    topic, ours, theirs = _TEMPLATE_EVENTS[change.field]
    members = {"name": "message_template_name", "language": "message_template_language", ours: theirs}
    fields = {name: required_label(raw, member) for name, member in members.items()}
    return _account_event(change, index, topic, **fields)


def _messaging_limit(raw: dict[str, Any], change: _Change, index: int) -> AccountEvent | None:
    value = raw.get("max_daily_conversations_per_business")
    if value is None:  # its older name, from when each number had its own limit
        value = raw.get("max_daily_conversation_per_phone")
    if value is None:
        return None
    people = channel_facts.recipient_limit_text(messaging_limit(value))
    return _account_event(change, index, AccountEventKind.LIMIT, people=people)


def _account(raw: dict[str, Any], change: _Change, index: int) -> AccountEvent:
    fields = {"event": required_label(raw, "event")}
    for name, part, member in _ACCOUNT_DETAILS:
        details = (item for item in items_of(raw, part) if isinstance(item, dict))
        labels = [label_of(value) for item in details for value in items_of(item, member)]
        if any(labels):
            fields[name] = label_of(",".join(filter(None, labels)))
    event = _account_event(change, index, AccountEventKind.ACCOUNT, **fields)
    return replace(event, effect=_account_effect(fields["event"], fields.get("ban", "")))


def _account_effect(event: str, ban: str) -> AccountEffect:
    if ban == _REINSTATED or event in _RESUMING:
        return AccountEffect.RESUME
    return AccountEffect.STOP if ban == _BANNED or event in _STOPPING else AccountEffect.NONE


def _account_event(change: _Change, index: int, topic: AccountEventKind, **fields: str) -> AccountEvent:
    """It has no identifier of its own: the key is a digest of the whole change, and the item's index."""
    return AccountEvent(NAME, f"b:{digest_of(f'{change.digest} {index}')}", topic, fields, change.time)


_FIELDS: dict[str, tuple[tuple[str, _ItemParser], ...]] = {
    "messages": (("messages", _message), ("statuses", _receipt), ("errors", _account_fault)),
    "user_preferences": (("user_preferences", _preference),),
    "user_id_update": (("user_id_update", _user_id_update),),
    **dict.fromkeys(_TEMPLATE_EVENTS, (("", _template),)),
    "business_capability_update": (("", _messaging_limit),),
    "phone_number_quality_update": (("", _messaging_limit),),
    "account_update": (("", _account),),
}
"""The webhook fields that we read: the lists in them and their parsers, or `""` where the value itself is the item."""
