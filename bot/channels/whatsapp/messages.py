"""Build Cloud API messages from parcels: text, reply buttons, a list, or an approved template; pure.

Sizes: WhatsApp Cloud API, page of each message type (text 4,096; 3 reply buttons of 20 characters below 1,024; a list
of 10 rows of 24 and 72 characters below 4,096).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.channels.channel import Refused
from bot.channels.whatsapp.fields import UNRECORDED
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
MAX_ROW_DESCRIPTION = 72
MAX_ROW_ID = 200

Body = dict[str, Any]

_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_PHONE = re.compile(r"\+[0-9]{7,15}")
_EMPHASIS_MARKS = {BOLD: "*", UNBOLD: "*", ITALIC: "_", UNITALIC: "_"}


def is_user_id(address: str) -> bool:
    """Whether an address is a business-scoped user id, e.g. MX.13491208655302741918."""
    return _USER_ID.fullmatch(address) is not None


def free_form(parcel: Parcel) -> Body:
    """The message within the reply window. Raises Refused.

    Links are written below the text. Buttons marked `is_optional` are left out where there is no room for them.
    """
    links = [button for row in parcel.rows for button in row if button.url]
    text = format_emphasis(parcel.text, _EMPHASIS_MARKS).strip()
    text = "\n\n".join([text, *(f"{strip_emphasis(button.label)}:\n{button.url}" for button in links)])
    if not text.strip() or len(text) > MAX_TEXT:
        raise Refused("text empty or too long")
    choices = [button for row in parcel.rows for button in row if button.choice]
    required = _distinct(button for button in choices if not button.is_optional)
    buttons = _distinct([*required, *(button for button in choices if button.is_optional)])
    buttons.sort(key=choices.index)
    buttons = buttons if len(buttons) <= MAX_ROWS else required
    fits = len(text) <= MAX_WITH_BUTTONS
    for shown in (buttons, required):
        if shown and fits and len(shown) <= MAX_BUTTONS:
            return _addressed(parcel, "interactive", _reply_buttons(text, shown))
    if not required:
        return _addressed(parcel, "text", {"body": text, "preview_url": False})
    return _addressed(parcel, "interactive", _list(text, buttons, parcel.menu))


def template(parcel: Parcel, rendered: RenderedTemplate) -> Body:
    """The template that is sent outside the reply window."""
    components: list[Body] = []
    if rendered.values:
        values = [{"type": "text", "text": value} for value in rendered.values]
        components.append({"type": "body", "parameters": values})
    for index, choice in enumerate(rendered.choices):
        payload = [{"type": "payload", "payload": choice}]
        components.append({"type": "button", "sub_type": "quick_reply", "index": str(index), "parameters": payload})
    content: Body = {"name": rendered.template, "language": {"code": rendered.code}}
    return _addressed(parcel, "template", content | ({"components": components} if components else {}))


def _addressed(parcel: Parcel, kind: str, content: Mapping[str, Any]) -> Body:
    """Add the envelope. Only one recipient field is set, as `to` takes precedence where both are given."""
    if is_user_id(parcel.address):
        recipient = {"recipient": parcel.address}
    elif _PHONE.fullmatch(parcel.address):
        recipient = {"to": parcel.address}
    else:
        raise Refused("the address is neither a user id nor a phone number")
    body: Body = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **recipient,
        "type": kind,
        kind: content,
    }
    tracker = UNRECORDED if parcel.leaves_no_row else str(parcel.number or "")
    return body | ({"biz_opaque_callback_data": tracker} if tracker else {})


def _reply_buttons(text: str, shown: Sequence[RenderedButton]) -> Body:
    buttons = [
        {"type": "reply", "reply": {"id": button.choice, "title": _cut(button.label, MAX_BUTTON)}} for button in shown
    ]
    return {"type": "button", "body": {"text": text}, "action": {"buttons": buttons}}


def _list(text: str, shown: Sequence[RenderedButton], menu: str) -> Body:
    if len(shown) > MAX_ROWS or not menu:
        raise Refused("more buttons than a list has rows")
    rows = [_row(button) for button in shown]
    action = {"button": _cut(menu, MAX_BUTTON), "sections": [{"rows": rows}]}
    return {"type": "list", "body": {"text": text}, "action": action}


def _row(button: RenderedButton) -> Body:
    if len(button.choice) > MAX_ROW_ID:
        raise Refused("a choice too long for a row")
    row = {"id": button.choice, "title": _cut(button.label, MAX_ROW_TITLE)}
    description = _cut(button.hint, MAX_ROW_DESCRIPTION)
    return row | ({"description": description} if description else {})


def _distinct(buttons: Iterable[RenderedButton]) -> list[RenderedButton]:
    """Titles and ids must be unique within a message: the first of several with the same title or id is used."""
    by_label: dict[str, RenderedButton] = {}
    for button in buttons:
        if button.choice not in {known.choice for known in by_label.values()}:
            by_label.setdefault(button.label, button)
    return list(by_label.values())


def _cut(text: str, limit: int) -> str:
    words = " ".join(strip_emphasis(text).split())
    return words if len(words) <= limit else words[: limit - 1] + "…"
