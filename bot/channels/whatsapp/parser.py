"""What WhatsApp sends, put into our own words: pure, never raises, and one broken item costs no other."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import structlog

from bot.channels.events import AccountEvent, AccountEventKind, DeliveryStatus, PlatformEvent, Receipt, UnreadableEvent
from bot.channels.telegram.parser import Untranslatable, clean
from bot.channels.webhook import NO_KEY
from bot.channels.whatsapp.fields import (
    PRINTABLE,
    USER,
    Contacts,
    address_of,
    digest_of,
    inner,
    hashed_key,
    members,
    moment,
    needed,
    needed_key,
    number,
    phone_of,
    said,
    user_of,
    word,
)
from handlers.message import SHORT_TEXT, Update, UpdateKind

NAME = "whatsapp"
LONGEST_SENTENCE = 2_000  # of a system message, in characters
MAX_BUTTON_BYTES = 64

# What needs no answer, and changes nothing of ours.
_SILENT = ("reaction", "unreaction", "edit", "revoke", "request_welcome")
_MOVES = ("user_changed_number", "customer_changed_number", "user_changed_user_id")
_FATES = {
    "sent": DeliveryStatus.SENT,
    "failed": DeliveryStatus.FAILED,
    "delivered": DeliveryStatus.DELIVERED,
    "read": DeliveryStatus.READ,
    "played": DeliveryStatus.READ,
}
_WISHES = {"stop": "stop", "resume": "resume", "signup": "resume"}
_TEMPLATES = {  # field -> topic, our name of what is told, WhatsApp's
    "message_template_status_update": (AccountEventKind.TEMPLATE, "status", "event"),
    "template_category_update": (AccountEventKind.TEMPLATE_CATEGORY, "category", "new_category"),
    "message_template_quality_update": (AccountEventKind.TEMPLATE_QUALITY, "quality", "new_quality_score"),
}
_ACCOUNT = (  # our name of what is told besides the event, and where it stands
    ("restrictions", "restriction_info", "restriction_type"),
    ("ban", "ban_info", "waba_ban_state"),
)

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@\w{1,64})?(?:\s+(.*))?", re.DOTALL)
# Read from its end: what comes before is the person's own name, and a name may say anything.
_CHANGED = re.compile(rf".*\bchanged from ({USER.pattern}) to ({USER.pattern})\.?", re.DOTALL)
_PEOPLE = re.compile(r"(?:TIER_)?(?:(UNLIMITED|-1)|([0-9]{1,9})(K?))")

log = structlog.get_logger()


def parse(body: object, number_id: str = "") -> list[PlatformEvent]:
    """Everything a webhook's body holds, in its order; what is ignored on purpose leaves nothing.

    With `number_id` the messages and receipts of the account's other numbers are left out. Ignored are groups,
    reactions, edited and deleted messages, and every field and status that we know no use for. A broken item is an
    Untranslated of its own: its key where it has one, and the kind of the fault.
    """
    arrivals: list[PlatformEvent] = []
    left_out = 0
    for change in _changes(body):
        if change is None:
            arrivals.append(UnreadableEvent(NAME, NO_KEY, "no change"))
            continue
        if change.is_of_another_number(number_id):
            left_out += sum(1 for _ in change.items())
        else:
            read = (_alone(change, *item) for item in change.items())
            arrivals += (arrival for arrival in read if arrival is not None)
    if left_out:
        log.info("whatsapp_of_another_number", count=left_out)
    return arrivals


@dataclass(frozen=True)
class _Change:
    """One change of an entry: what its items share."""

    entry: str
    time: int
    field: str
    value: dict[str, Any]

    def items(self) -> "Iterator[tuple[_Read, object, int]]":
        """How each is read, the item, and its place in its list."""
        for name, read in _FIELDS.get(self.field, ()):
            raws = members(self.value, name) if name else (self.value,)
            yield from ((read, raw, place) for place, raw in enumerate(raws))

    def is_of_another_number(self, number_id: str) -> bool:
        if not number_id or self.field != "messages":
            return False
        shown = self.value.get("metadata")
        shown = word(shown.get("phone_number_id")) if isinstance(shown, dict) else ""
        return shown not in ("", number_id)

    @cached_property
    def digest(self) -> str:
        words = json.dumps([self.entry, self.time, self.field, self.value], sort_keys=True, separators=(",", ":"))
        return digest_of(words)

    @cached_property
    def contacts(self) -> Contacts:
        raws = members(self.value, "contacts")
        pairs = [(user_of(raw.get("user_id")), phone_of(raw.get("wa_id"))) for raw in raws if isinstance(raw, dict)]
        speaking = len(members(self.value, "messages")) + len(members(self.value, "user_preferences"))
        return Contacts(pairs, is_lone=len(raws) == len(pairs) == speaking == 1)


_Read = Callable[[dict[str, Any], _Change, int], PlatformEvent | None]


def _changes(body: object) -> Iterator[_Change | None]:
    """The changes of all entries; None for each that cannot be one."""
    for entry in members(body, "entry"):
        for raw in members(entry, "changes"):
            yield _change(entry, raw)


def _change(entry: object, raw: object) -> _Change | None:
    if not isinstance(entry, dict) or not isinstance(raw, dict) or not isinstance(field := raw.get("field"), str):
        return None
    value = raw.get("value") if field in _FIELDS else {}
    if not isinstance(value, dict):
        return None
    return _Change(word(entry.get("id")), moment(entry.get("time")), field, value)


def _alone(change: _Change, read: _Read, raw: object, place: int) -> PlatformEvent | None:
    if not isinstance(raw, dict):
        return UnreadableEvent(NAME, NO_KEY, "not an object")
    try:
        return read(raw, change, place)
    except Untranslatable as broken:
        fault = str(broken)
    except Exception as broken:  # a shape that nobody thought of, or one too deep to be walked
        fault = type(broken).__name__
    return UnreadableEvent(NAME, hashed_key(word(raw.get("id"))) or NO_KEY, fault)


# ---------------------------------------------------------------- what people do


def _message(raw: dict[str, Any], change: _Change, _: int) -> Update | None:
    kind = raw.get("type")
    if kind in _SILENT or raw.get("group_id") is not None:
        return None
    if kind == "system":
        return _move(raw)
    user, phone = change.contacts.complete(user_of(raw.get("from_user_id")), phone_of(raw.get("from")))
    did, command, text, choice = _deed(raw)
    return Update(
        channel=NAME,
        key=needed_key(raw),
        address=address_of(user, phone),
        kind=did,
        text=text,
        command=command,
        choice=choice,
        at=moment(raw.get("timestamp")),
        alias=phone,
    )


def _deed(raw: dict[str, Any]) -> tuple[UpdateKind, str, str, str]:
    """Kind, command, words and choice of a message. Of whatever is neither text nor button nothing is kept."""
    kind = raw.get("type")
    chosen: object = None
    if kind == "text":
        return *_typed(inner(raw, "text").get("body")), ""
    if kind == "button":  # a quick reply of a template
        chosen = inner(raw, "button").get("payload")
    elif kind == "interactive":
        reply = inner(raw, "interactive")  # may be missing: its place is taken by `errors` then
        chosen = inner(reply, "button_reply").get("id") or inner(reply, "list_reply").get("id")
    if not (choice := word(chosen)):
        return UpdateKind.ATTACHMENT, "", "", ""
    return UpdateKind.CHOICE, "", "", choice if len(choice) <= MAX_BUTTON_BYTES and PRINTABLE.fullmatch(choice) else ""


def _typed(body: object) -> tuple[UpdateKind, str, str]:
    """Kind, command and words of a typed text; what is long loses its words here, before anything is stored."""
    if not isinstance(body, str):
        raise Untranslatable("a text that is none")
    if len(body) > 4 * SHORT_TEXT or len(text := clean(body)) > SHORT_TEXT:
        return UpdateKind.LONG_TEXT, "", ""
    if command := _COMMAND.fullmatch(text):
        return UpdateKind.COMMAND, command[1].lower(), (command[2] or "").strip()
    return UpdateKind.TEXT, "", text


def _move(raw: dict[str, Any]) -> Update | None:
    """Somebody changed their number, and with it perhaps the user id. Other system messages are ignored."""
    system = inner(raw, "system")
    if system.get("type") not in _MOVES:
        return None
    user, phone = user_of(raw.get("from_user_id")), phone_of(raw.get("from"))
    new_user, new_phone = user_of(system.get("user_id")), phone_of(system.get("wa_id") or system.get("new_wa_id"))
    if system["type"] == "user_changed_user_id" and user in ("", new_user):
        told_user, told_new_user = _changed(system.get("body"))
        if new_user in ("", told_new_user):
            user, new_user = told_user, told_new_user
    if user == new_user and phone:  # the new id already: then the old number tells who it was
        user = ""
    if not new_user and not new_phone:
        raise Untranslatable("no new address")
    address = address_of(user, phone)
    moved_to = new_user or ("" if user else new_phone)
    if moved_to in ("", address) and new_phone in ("", phone):
        return None  # 52 and 521 are one number
    return Update(
        channel=NAME,
        key=needed_key(raw),
        address=address,
        kind=UpdateKind.MOVED,
        at=moment(raw.get("timestamp")),
        alias=phone,
        moved_to="" if moved_to == address else moved_to,
        moved_alias=new_phone,
    )


def _changed(body: object) -> tuple[str, str]:
    """The old and the new user id as the sentence of a system message tells them; empty where it does not."""
    told = _CHANGED.fullmatch(body) if isinstance(body, str) and len(body) <= LONGEST_SENTENCE else None
    return (told[1], told[2]) if told else ("", "")


def _preference(raw: dict[str, Any], change: _Change, _: int) -> Update | None:
    value = word(raw.get("value"))
    wish = _WISHES.get(value)
    if raw.get("category") != "marketing_messages" or wish is None:
        return None
    user, phone = change.contacts.complete(user_of(raw.get("user_id")), phone_of(raw.get("wa_id")))
    address, at = address_of(user, phone), moment(raw.get("timestamp"))
    # It has no identifier of its own. Hashed, as no phone may stand in a key.
    key = f"p:{digest_of(f'{address} {value} {at}')}"
    return Update(NAME, key, address, UpdateKind.PREFERENCE, choice=wish, at=at, alias=phone)


def _new_user_id(raw: dict[str, Any], _: _Change, __: int) -> Update | None:
    """The same news as a system message of the kind user_changed_user_id, in a field of its own."""
    told = inner(raw, "user_id")
    old, new, phone = user_of(told.get("previous")), user_of(told.get("current")), phone_of(raw.get("wa_id"))
    if not old or not new:
        raise Untranslatable("no new address")
    key = f"m:{digest_of(f'{old} {new}')}"
    return Update(NAME, key, old, UpdateKind.MOVED, at=moment(raw.get("timestamp")), moved_to=new, moved_alias=phone)


# ---------------------------------------------------------------- what became of what we sent


def _status(raw: dict[str, Any], _: _Change, __: int) -> Receipt | None:
    status, ref = raw.get("status"), word(raw.get("id"))
    if not isinstance(status, str) or not ref:
        raise Untranslatable("no status" if ref else "no id")
    if raw.get("recipient_type") == "group" or status not in _FATES:
        return None
    errors = [one for one in members(raw, "errors") if isinstance(one, dict)]
    return Receipt(
        channel=NAME,
        key=hashed_key(f"{ref}:{status}"),
        ref=hashed_key(ref),
        status=_FATES[status],
        number=number(raw.get("biz_opaque_callback_data"), digits=18),
        at=moment(raw.get("timestamp")),
        code=number(errors[0].get("code")) if errors else 0,
    )


# ---------------------------------------------------------------- what is told about ourselves


def _fault(raw: dict[str, Any], change: _Change, place: int) -> AccountEvent:
    if not (code := needed(raw, "code")).isdecimal():
        raise Untranslatable("a code that is none")
    return _bulletin(change, place, AccountEventKind.FAULT, code=code)


def _template(raw: dict[str, Any], change: _Change, place: int) -> AccountEvent:
    topic, ours, theirs = _TEMPLATES[change.field]
    told = {"name": "message_template_name", "language": "message_template_language", ours: theirs}
    return _bulletin(change, place, topic, **{name: needed(raw, member) for name, member in told.items()})


def _limit(raw: dict[str, Any], change: _Change, place: int) -> AccountEvent | None:
    told = raw.get("max_daily_conversations_per_business")
    if told is None:  # as it was called while the limit was each number's own
        told = raw.get("max_daily_conversation_per_phone")
    if told is None:
        return None
    if not (people := _PEOPLE.fullmatch(word(told).upper())):
        raise Untranslatable("a limit that is none")
    unlimited, count, thousands = people.groups()
    most = -1 if unlimited else int(count) * (1000 if thousands else 1)
    return _bulletin(change, place, AccountEventKind.LIMIT, people=str(most))


def _account(raw: dict[str, Any], change: _Change, place: int) -> AccountEvent:
    told = {"event": needed(raw, "event")}
    for name, part, member in _ACCOUNT:
        parts = (one for one in members(raw, part) if isinstance(one, dict))
        words = [said(value) for one in parts for value in members(one, member)]
        if any(words):
            told[name] = said(",".join(filter(None, words)))
    return _bulletin(change, place, AccountEventKind.ACCOUNT, **told)


def _bulletin(change: _Change, place: int, topic: AccountEventKind, **fields: str) -> AccountEvent:
    return AccountEvent(NAME, f"b:{digest_of(f'{change.digest} {place}')}", topic, fields, change.time)


_FIELDS: dict[str, tuple[tuple[str, _Read], ...]] = {
    "messages": (("messages", _message), ("statuses", _status), ("errors", _fault)),
    "user_preferences": (("user_preferences", _preference),),
    "user_id_update": (("user_id_update", _new_user_id),),
    **dict.fromkeys(_TEMPLATES, (("", _template),)),
    "business_capability_update": (("", _limit),),
    "phone_number_quality_update": (("", _limit),),
    "account_update": (("", _account),),
}
"""The fields that we read: the lists in them, or `""` where the value itself is the item."""
