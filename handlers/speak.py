"""The way out: every message is put into the person's language here, and into the outbox."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from content import limits
from content.library import Library
from content.text import Text
from handlers.message import BOLD, ITALIC, UNBOLD, UNITALIC, Act, Button, Key, Message, Parcel, Value
from storage import outbox
from storage.database import Transaction
from storage.outbox import Kind, New

PRESS_LIFETIME = timedelta(seconds=60)  # a platform stops waiting for the acknowledgement of a press

_MARKS = str.maketrans("", "", BOLD + UNBOLD + ITALIC + UNITALIC)


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
    kind: Kind
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
) -> None:
    """Put messages into words and into the outbox; `ref` is the message that one of them may replace."""
    parcels = []
    for message in messages:
        act = Act.REPLACE if message.replaces and ref else Act.SAY
        parcels.append(render(library, listener, message, act, ref if act is Act.REPLACE else ""))
    await _send(tx, listener, occasion, parcels, "say")


async def acknowledge(tx: Transaction, listener: Listener, occasion: Occasion, press: str) -> None:
    """The press of a button was received: without this the person's phone keeps waiting."""
    short = Occasion(occasion.key, occasion.kind, occasion.now, occasion.now + PRESS_LIFETIME)
    await _send(tx, listener, short, [Parcel(listener.address, Act.ACKNOWLEDGE, press=press)], "ack")


async def erase(tx: Transaction, listener: Listener, occasion: Occasion, ref: str) -> None:
    """The person's own message is taken out of the chat."""
    await _send(tx, listener, occasion, [Parcel(listener.address, Act.ERASE, ref=ref)], "erase")


async def _send(tx: Transaction, listener: Listener, occasion: Occasion, parcels: Sequence[Parcel], verb: str) -> None:
    await outbox.add(
        tx,
        [
            New(
                key=f"{occasion.key}:{verb}{place or ''}",
                channel=listener.channel,
                address=listener.address,
                kind=occasion.kind,
                body=pack(parcel),
                due_at=occasion.now,
                deadline=occasion.deadline,
            )
            for place, parcel in enumerate(parcels)
        ],
    )


def render(library: Library, listener: Listener, message: Message, act: Act, ref: str = "") -> Parcel:
    """A message in the listener's words.

    Raises content.phrases.UnknownPhrase: a fault of ours that tests find.
    """
    language = listener.language
    text = _fill(library.phrases.template(language, message.key), message.values, language)
    rows = tuple(tuple(_key(library, language, button) for button in row) for row in message.buttons)
    limit = limits.TEXT_WITH_BUTTONS if rows else limits.TEXT
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return Parcel(listener.address, act, text, tuple(row for row in rows if row), ref)


def _key(library: Library, language: str, button: Button) -> Key:
    values = {name: _word(value, language) for name, value in button.values.items()}
    label = library.phrases.plain(language, button.key, values)
    if len(label) > limits.BUTTON_LABEL:
        label = label[: limits.BUTTON_LABEL - 1] + "…"
    return Key(label, button.choice, button.url, _word(button.hint, language))


def _fill(template: str, values: Mapping[str, Value], language: str) -> str:
    for mark, opening, closing in (("**", BOLD, UNBOLD), ("__", ITALIC, UNITALIC)):
        parts = template.split(mark)
        template = "".join(
            part if place == 0 else (opening if place % 2 else closing) + part for place, part in enumerate(parts)
        )
    return template.format(**{name: _word(value, language) for name, value in values.items()})


def _word(value: Value, language: str) -> str:
    text = value.in_language(language) if isinstance(value, Text) else str(value)
    return text.translate(_MARKS)


def pack(parcel: Parcel) -> str:
    """A parcel as the outbox keeps it."""
    rows = [[[key.label, key.choice, key.url, key.hint] for key in row] for row in parcel.rows]
    return json.dumps([parcel.act, parcel.text, rows, parcel.ref, parcel.press], ensure_ascii=False)


def unpack(address: str, key: str, body: str) -> Parcel:
    """The parcel of a delivery."""
    act, text, rows, ref, press = json.loads(body)
    keys = tuple(tuple(Key(*fields) for fields in row) for row in rows)
    return Parcel(address, Act(act), text, keys, ref, press, token=key)
