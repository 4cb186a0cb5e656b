"""The way out: every message is put into the person's language here, and into the outbox."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from content import limits
from content.library import Library
from content.text import Text
from handlers.capabilities import FULL_CAPABILITIES, Capabilities
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
    plain,
)
from storage.database import Transaction
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, NewDelivery

PRESS_LIFETIME = timedelta(seconds=60)  # a platform stops waiting for the acknowledgement of a press

_encode = json.JSONEncoder(ensure_ascii=False).encode
_COMMAND = re.compile(r"(?<![\w/.}])/([a-z]{3,})\b")


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is spoken to: an address and the language that is read there."""

    channel: str
    address: str
    language: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why something is said: `key` makes each delivery unique, so that the same occasion never speaks twice."""

    key: str
    kind: DeliveryKind
    now: datetime
    deadline: datetime | None = None


async def say(
    tx: Transaction,
    library: Library,
    listener: Listener,
    occasion: Occasion,
    messages: Sequence[Message],
    *,
    ref: str = "",
    capabilities: Capabilities = FULL_CAPABILITIES,
) -> None:
    """Put messages into words and into the outbox; `ref` is the message that one of them may replace."""
    await outbox.add(tx, said(library, listener, occasion, messages, ref=ref, capabilities=capabilities))


def said(
    library: Library,
    listener: Listener,
    occasion: Occasion,
    messages: Sequence[Message],
    *,
    ref: str = "",
    capabilities: Capabilities = FULL_CAPABILITIES,
) -> list[NewDelivery]:
    """Messages in words, for the outbox."""
    parcels = []
    for message in messages:
        if message.refreshes and not capabilities.edits:
            continue
        act = Action.REPLACE if message.replaces and ref and capabilities.edits else Action.SAY
        parcels.append(render(library, listener, message, act, ref if act is Action.REPLACE else "", capabilities))
    return _new(listener, occasion, _joined(parcels, capabilities.buttons) if capabilities.joins else parcels, "say")


def acknowledged(listener: Listener, occasion: Occasion, press: str) -> list[NewDelivery]:
    """The press of a button was received: without this the person's phone keeps waiting."""
    short = Occasion(occasion.key, DeliveryKind.SIGNAL, occasion.now, occasion.now + PRESS_LIFETIME)
    return _new(listener, short, [Parcel(listener.address, Action.ACKNOWLEDGE, press=press)], "ack")


def erased(listener: Listener, occasion: Occasion, ref: str) -> list[NewDelivery]:
    """The person's own message is taken out of the chat."""
    signal = Occasion(occasion.key, DeliveryKind.SIGNAL, occasion.now, occasion.deadline)
    return _new(listener, signal, [Parcel(listener.address, Action.ERASE, ref=ref)], "erase")


def _new(listener: Listener, occasion: Occasion, parcels: Sequence[Parcel], verb: str) -> list[NewDelivery]:
    return [
        NewDelivery(
            key=f"{occasion.key}:{verb}{place or ''}",
            channel=listener.channel,
            address=listener.address,
            kind=occasion.kind,
            body=pack(parcel),
            due_at=occasion.now,
            deadline=occasion.deadline,
        )
        for place, parcel in enumerate(parcels)
    ]


# ---------------------------------------------------------------- into words


def render(
    library: Library,
    listener: Listener,
    message: Message,
    act: Action,
    ref: str = "",
    capabilities: Capabilities = FULL_CAPABILITIES,
) -> Parcel:
    """A message in the listener's words.

    Raises content.phrases.UnknownPhrase: a fault of ours that tests find.
    """
    language = listener.language
    template = library.phrases.template(language, message.key)
    if capabilities.typed_commands:
        typed = library.phrases.section(language, "typed")
        template = _COMMAND.sub(lambda found: f"«{typed[found[1]]}»" if found[1] in typed else found[0], template)
    text = _fill(template, message.values, language)
    rows = tuple(tuple(_key(library, language, button) for button in row) for row in message.buttons)
    limit = limits.TEXT_WITH_BUTTONS if rows else limits.TEXT
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    opening = (
        None
        if message.template_message is None or capabilities.window is None
        else _opening(library, language, message.template_message)
    )
    menu = library.phrases.plain(language, "button.menu", {}) if capabilities.menus and rows else ""
    return Parcel(listener.address, act, text, tuple(row for row in rows if row), ref, opening=opening, menu=menu)


def _key(library: Library, language: str, button: Button) -> RenderedButton:
    values = {name: _word(value, language) for name, value in button.values.items()}
    label = library.phrases.plain(language, button.key, values)
    if len(label) > limits.BUTTON_LABEL:
        label = label[: limits.BUTTON_LABEL - 1] + "…"
    return RenderedButton(label, button.choice, button.url, _word(button.hint, language), button.is_aside)


def _opening(library: Library, language: str, template_message: TemplateMessage) -> RenderedTemplate:
    template = library.templates[template_message.template]
    return RenderedTemplate(
        template.name,
        template.code(language),
        template.filled(language, template_message.values),
        template_message.choices,
    )


def _fill(template: str, values: Mapping[str, Value], language: str) -> str:
    for mark, opening, closing in (("**", BOLD, UNBOLD), ("__", ITALIC, UNITALIC)):
        parts = template.split(mark)
        template = "".join(
            part if place == 0 else (opening if place % 2 else closing) + part for place, part in enumerate(parts)
        )
    return template.format(**{name: _word(value, language) for name, value in values.items()})


def _word(value: Value, language: str) -> str:
    text = value.in_language(language) if isinstance(value, Text) else str(value)
    return plain(text)


def _joined(parcels: Sequence[Parcel], most: int) -> list[Parcel]:
    """As few parcels as their texts allow: the buttons of all that became one, `most` of them, stand below it."""
    found: list[Parcel] = []
    for parcel in parcels:
        last = found[-1] if found else None
        whole = f"{last.text}\n\n{parcel.text}" if last else ""
        rows = (*last.rows, *parcel.rows) if last else ()
        if last is None or len(whole) > limits.TEXT or sum(map(len, rows)) > most:
            found.append(parcel)
        else:
            opening, menu = last.opening or parcel.opening, last.menu or parcel.menu
            found[-1] = replace(last, text=whole, rows=rows, opening=opening, menu=menu)
    return found


# ---------------------------------------------------------------- as the outbox keeps it


def pack(parcel: Parcel) -> str:
    """A parcel as the outbox keeps it."""
    rows = [[[key.label, key.choice, key.url, key.hint, key.is_aside] for key in row] for row in parcel.rows]
    opening = asdict(parcel.opening) if parcel.opening else None
    fields = [parcel.act, parcel.text, rows, parcel.ref, parcel.press, opening, parcel.menu]
    return _encode(fields)


def unpack(address: str, key: str, body: str, number: int = 0) -> Parcel:
    """The parcel of a delivery."""
    act, text, rows, ref, press, *more = json.loads(body)
    opening, menu = more or (None, "")  # what waited through an upgrade has fewer fields
    keys = tuple(tuple(RenderedButton(*fields) for fields in row) for row in rows)
    if opening is not None:
        opening = RenderedTemplate(**opening | {name: tuple(opening[name]) for name in ("values", "choices")})
    return Parcel(address, Action(act), text, keys, ref, press, key, number, opening, menu)
