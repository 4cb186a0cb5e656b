"""What we say, as the Cloud API wants it: text, reply buttons, a list, or an approved template; pure.

Sizes: WhatsApp Cloud API, page of each kind of message (platforms: text 4,096; reply buttons 3 of 20 characters below
1,024; a list of 10 rows of 24 and 72 below 4,096).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.channels.channel import Refused
from handlers.message import (
    BOLD,
    ITALIC,
    UNBOLD,
    UNITALIC,
    Parcel,
    RenderedButton,
    RenderedTemplate,
    format_emphasis,
    strip_emphasis,
)

MAX_TEXT = 4096
MAX_WITH_BUTTONS = 1024
MAX_BUTTONS = 3
MAX_BUTTON = 20
MAX_ROWS = 10
MAX_ROW_TITLE = 24
MAX_ROW_ABOUT = 72
MAX_ROW_ID = 200

Body = dict[str, Any]

_SCOPED = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_PHONE = re.compile(r"\+[0-9]{7,15}")
_SIGNS = {BOLD: "*", UNBOLD: "*", ITALIC: "_", UNITALIC: "_"}


def is_scoped(address: str) -> bool:
    """Whether an address is a business-scoped user id, e.g. MX.13491208655302741918."""
    return _SCOPED.fullmatch(address) is not None


def free(parcel: Parcel) -> Body:
    """The message as it goes to somebody who was heard within the window. Raises Refused."""
    links = [key for row in parcel.rows for key in row if key.url]
    text = format_emphasis(parcel.text, _SIGNS).strip()
    text = "\n\n".join([text, *(f"{strip_emphasis(key.label)}:\n{key.url}" for key in links)])
    if not text.strip() or len(text) > MAX_TEXT:
        raise Refused("text empty or too long")
    given = [key for row in parcel.rows for key in row if key.choice]
    needed = _distinct(key for key in given if not key.is_optional)
    keys = _distinct([*needed, *(key for key in given if key.is_optional)])
    keys.sort(key=given.index)
    keys = keys if len(keys) <= MAX_ROWS else needed
    fits = len(text) <= MAX_WITH_BUTTONS
    for shown in (keys, needed):
        if shown and fits and len(shown) <= MAX_BUTTONS:
            return _addressed(parcel, "interactive", _reply_buttons(text, shown))
    if not needed:
        return _addressed(parcel, "text", {"body": text, "preview_url": False})
    return _addressed(parcel, "interactive", _list(text, keys, parcel.menu))


def template(parcel: Parcel, opening: RenderedTemplate) -> Body:
    """The template that goes to somebody who has been silent."""
    components: list[Body] = []
    if opening.values:
        values = [{"type": "text", "text": value} for value in opening.values]
        components.append({"type": "body", "parameters": values})
    for place, choice in enumerate(opening.choices):
        payload = [{"type": "payload", "payload": choice}]
        components.append({"type": "button", "sub_type": "quick_reply", "index": str(place), "parameters": payload})
    named: Body = {"name": opening.template, "language": {"code": opening.code}}
    return _addressed(parcel, "template", named | ({"components": components} if components else {}))


def _addressed(parcel: Parcel, kind: str, content: Mapping[str, Any]) -> Body:
    """With both kinds of address `to` would win, so there is one: the scoped id where there is one."""
    if is_scoped(parcel.address):
        whom = {"recipient": parcel.address}
    elif _PHONE.fullmatch(parcel.address):
        whom = {"to": parcel.address}
    else:
        raise Refused("an address that is none")
    body: Body = {"messaging_product": "whatsapp", "recipient_type": "individual", **whom, "type": kind, kind: content}
    return body | ({"biz_opaque_callback_data": str(parcel.number)} if parcel.number else {})


def _reply_buttons(text: str, keys: Sequence[RenderedButton]) -> Body:
    buttons = [{"type": "reply", "reply": {"id": key.choice, "title": _cut(key.label, MAX_BUTTON)}} for key in keys]
    return {"type": "button", "body": {"text": text}, "action": {"buttons": buttons}}


def _list(text: str, keys: Sequence[RenderedButton], menu: str) -> Body:
    if len(keys) > MAX_ROWS or not menu:
        raise Refused("more buttons than a list has rows")
    rows = [_row(key) for key in keys]
    action = {"button": _cut(menu, MAX_BUTTON), "sections": [{"rows": rows}]}
    return {"type": "list", "body": {"text": text}, "action": action}


def _row(key: RenderedButton) -> Body:
    if len(key.choice) > MAX_ROW_ID:
        raise Refused("a choice too long for a row")
    row = {"id": key.choice, "title": _cut(key.label, MAX_ROW_TITLE)}
    return row | ({"description": _cut(key.hint, MAX_ROW_ABOUT)} if key.hint else {})


def _distinct(keys: Any) -> list[RenderedButton]:
    """Titles and ids are unique within a message: of two that read the same the first stays."""
    found: dict[str, RenderedButton] = {}
    for key in keys:
        if key.choice not in {one.choice for one in found.values()}:
            found.setdefault(key.label, key)
    return list(found.values())


def _cut(text: str, most: int) -> str:
    words = " ".join(strip_emphasis(text).split())
    return words if len(words) <= most else words[: most - 1] + "…"
