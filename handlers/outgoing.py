"""The way out: render messages in the recipient's language and put them into the outbox."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from content import limits
from content.library import Library
from content.text import Text
from handlers.capabilities import FULL_CAPABILITIES, Capabilities
from handlers.context import WorkContext
from handlers.message import (
    BOLD,
    ITALIC,
    UNBOLD,
    UNITALIC,
    Action,
    Button,
    Message,
    Parcel,
    RenderedButton,
    RenderedTemplate,
    TemplateMessage,
    Value,
    strip_emphasis,
)
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, NewDelivery

PRESS_LIFETIME = timedelta(seconds=60)  # a platform stops waiting for the acknowledgement of a press

_encode = json.JSONEncoder(ensure_ascii=False).encode
_COMMAND = re.compile(r"(?<![\w/.}])/([a-z]{3,})\b")


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address on a channel and the language of its user."""

    channel: str
    address: str
    language: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """What caused the messages: an update, a scheduled prompt, news of a case.

    `key` is the idempotency key of the cause; the deliveries' own keys derive from it, so that handling the same cause
    twice sends nothing twice. A delivery is due at once and dropped after `deadline` (None: never).
    """

    key: str
    kind: DeliveryKind
    deadline: datetime | None = None


async def enqueue(
    work: WorkContext, recipient: Recipient, trigger: Trigger, messages: Sequence[Message], *, ref: str = ""
) -> None:
    """Render messages and add them to the outbox; `ref` is the sent message that one of them may replace."""
    await outbox.add(work.tx, deliveries(work, recipient, trigger, messages, ref=ref))


def deliveries(
    work: WorkContext, recipient: Recipient, trigger: Trigger, messages: Sequence[Message], *, ref: str = ""
) -> list[NewDelivery]:
    """Render messages for the recipient's channel as deliveries for the outbox; parameters as of `enqueue`."""
    capabilities = work.installation.capabilities(recipient.channel)
    parcels = []
    for message in messages:
        if message.refreshes and not capabilities.can_edit:
            continue
        action = Action.REPLACE if message.replaces and ref and capabilities.can_edit else Action.SEND
        target = ref if action is Action.REPLACE else ""
        parcels.append(render(work.library, recipient, message, action, target, capabilities))
    if capabilities.joins_messages:
        parcels = _joined(parcels, capabilities.max_buttons)
    return _deliveries(work, recipient, trigger, parcels, "say")


def acknowledgement(work: WorkContext, recipient: Recipient, trigger: Trigger, press: str) -> list[NewDelivery]:
    """Acknowledge a button press, which ends the loading indicator in the user's app."""
    signal = Trigger(trigger.key, DeliveryKind.SIGNAL, work.now + PRESS_LIFETIME)
    return _deliveries(work, recipient, signal, [Parcel(recipient.address, Action.ACKNOWLEDGE, press=press)], "ack")


def erasure(work: WorkContext, recipient: Recipient, trigger: Trigger, ref: str) -> list[NewDelivery]:
    """Delete the user's own message `ref` from the chat."""
    signal = Trigger(trigger.key, DeliveryKind.SIGNAL, trigger.deadline)
    return _deliveries(work, recipient, signal, [Parcel(recipient.address, Action.ERASE, ref=ref)], "erase")


def _deliveries(
    work: WorkContext, recipient: Recipient, trigger: Trigger, parcels: Sequence[Parcel], verb: str
) -> list[NewDelivery]:
    """The idempotency key is the trigger's key, the verb, and from the second parcel on its index."""
    return [
        NewDelivery(
            key=f"{trigger.key}:{verb}{index or ''}",
            channel=recipient.channel,
            address=recipient.address,
            kind=trigger.kind,
            body=pack(parcel),
            due_at=work.now,
            deadline=trigger.deadline,
            prompt_id=parcel.prompt_id or None,
        )
        for index, parcel in enumerate(parcels)
    ]


# ---------------------------------------------------------------- rendering


def render(
    library: Library,
    recipient: Recipient,
    message: Message,
    action: Action,
    ref: str = "",
    capabilities: Capabilities = FULL_CAPABILITIES,
) -> Parcel:
    """Render a message in the recipient's language; a text or label over its limit is cut and ends in an ellipsis.

    Raises content.phrases.UnknownPhrase, which only a missing phrase (a defect that the tests find) can cause.
    """
    language = recipient.language
    phrase = library.phrases.template(language, message.key)
    if capabilities.typed_commands:
        typed = library.phrases.section(language, "typed")
        phrase = _COMMAND.sub(lambda found: f"«{typed[found[1]]}»" if found[1] in typed else found[0], phrase)
    text = _fill(phrase, message.values, language)
    rows = tuple(tuple(_button(library, language, button) for button in row) for row in message.buttons)
    limit = limits.TEXT_WITH_BUTTONS if rows else limits.TEXT
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    template = (
        None
        if message.template_message is None or capabilities.reply_window is None
        else _template(library, language, message.template_message)
    )
    menu = library.phrases.plain(language, "button.menu", {}) if capabilities.has_menus and rows else ""
    rows = tuple(row for row in rows if row)
    return Parcel(recipient.address, action, text, rows, ref, template=template, prompt_id=message.prompt_id, menu=menu)


def _button(library: Library, language: str, button: Button) -> RenderedButton:
    values = {name: _as_text(value, language) for name, value in button.values.items()}
    label = library.phrases.plain(language, button.key, values)
    if len(label) > limits.BUTTON_LABEL:
        label = label[: limits.BUTTON_LABEL - 1] + "…"
    return RenderedButton(label, button.choice, button.url, _as_text(button.hint, language), button.is_optional)


def _template(library: Library, language: str, message: TemplateMessage) -> RenderedTemplate:
    template = library.templates[message.template]
    values = template.filled(language, message.values)
    return RenderedTemplate(template.name, template.code(language), values, message.choices)


def _fill(phrase: str, values: Mapping[str, Value], language: str) -> str:
    """Replace ** and __ by emphasis marks, then fill the placeholders: a value can bring no emphasis of its own."""
    for sign, start, end in (("**", BOLD, UNBOLD), ("__", ITALIC, UNITALIC)):
        parts = phrase.split(sign)
        phrase = "".join(
            part if index == 0 else (start if index % 2 else end) + part for index, part in enumerate(parts)
        )
    return phrase.format(**{name: _as_text(value, language) for name, value in values.items()})


def _as_text(value: Value, language: str) -> str:
    text = value.in_language(language) if isinstance(value, Text) else str(value)
    return strip_emphasis(text)


def _joined(parcels: Sequence[Parcel], max_buttons: int) -> list[Parcel]:
    """Join parcels into as few as text length and `max_buttons` allow; all buttons stay, below the joined text."""
    found: list[Parcel] = []
    for parcel in parcels:
        last = found[-1] if found else None
        text = f"{last.text}\n\n{parcel.text}" if last else ""
        rows = (*last.rows, *parcel.rows) if last else ()
        if last is None or len(text) > limits.TEXT or sum(map(len, rows)) > max_buttons:
            found.append(parcel)
        else:
            template, menu = last.template or parcel.template, last.menu or parcel.menu
            prompt_id = last.prompt_id or parcel.prompt_id
            found[-1] = replace(last, text=text, rows=rows, template=template, prompt_id=prompt_id, menu=menu)
    return found


# ---------------------------------------------------------------- the outbox's format


def pack(parcel: Parcel) -> str:
    """Encode a parcel as the body of a delivery: a JSON array; the other fields are the delivery's columns."""
    rows = [
        [[button.label, button.choice, button.url, button.hint, button.is_optional] for button in row]
        for row in parcel.rows
    ]
    template = asdict(parcel.template) if parcel.template else None
    fields = [parcel.action, parcel.text, rows, parcel.ref, parcel.press, template, parcel.menu]
    return _encode(fields)


def unpack(address: str, key: str, body: str, number: int = 0) -> Parcel:
    """Decode the body of a delivery, also one that an older version stored."""
    action, text, rows, ref, press, *more = json.loads(body)
    template, menu = more or (None, "")  # a body stored before an upgrade has fewer fields
    buttons = tuple(tuple(RenderedButton(*fields) for fields in row) for row in rows)
    if template is not None:
        template = RenderedTemplate(**template | {name: tuple(template[name]) for name in ("values", "choices")})
    return Parcel(address, Action(action), text, buttons, ref, press, key, number, template, menu=menu)
