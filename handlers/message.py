"""What reaches us (Update) and what we say (Message, Button): the only words shared with the channels."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from content.text import Text


class UpdateKind(StrEnum):
    """What a person did; a channel translates whatever its platform sends into one of these."""

    COMMAND = "command"  # /start, /consulta ...; on WhatsApp the same words without slash
    CHOICE = "choice"  # a button was pressed
    TEXT = "text"  # a short text, at most SHORT_TEXT characters
    LONG_TEXT = "long_text"  # a longer one: its words were dropped before anything was stored
    ATTACHMENT = "attachment"  # sticker, photo, voice, contact, place ...: nothing of it is kept
    BLOCKED = "blocked"  # the person does not want to be written to on this channel
    UNBLOCKED = "unblocked"  # the person came back
    MOVED = "moved"  # the platform knows the person by another address from now on (see `Update.moved_to`)
    PREFERENCE = "preference"  # the person told the platform what they want of us: `choice` is stop or resume


SHORT_TEXT = 200
"""Characters of typed text that are looked at; whatever is longer may be confidential and is dropped."""


@dataclass(frozen=True, slots=True)
class Update:
    """One thing that reached us, in our own words.

    `key` is the platform's own identifier, unique within the channel: an update with a known key is a
    repetition. `address` is where the person is on the channel. `ref` is the platform's identifier of the
    message that carried the pressed button, or of the text just typed; `press` is what a press is
    acknowledged by. `alias` is a second name under which the platform may speak of the same person, and which
    may be missing, come later or change (WhatsApp: the phone number beside the business-scoped id).
    """

    channel: str
    key: str
    address: str
    kind: UpdateKind
    text: str = ""  # the words typed, or what follows the command
    command: str = ""  # without slash, lower case
    choice: str = ""  # the button's own text of origin, e.g. "answer:1742:b"; never trusted
    language: str = ""  # what the platform says of the person's language, e.g. "es-MX"; may be empty
    ref: str = ""
    press: str = ""
    album: str = ""  # what came together with others carries the same mark, and gets one answer
    at: int = 0  # when it happened by the platform's clock, Unix seconds; 0: the platform did not say
    alias: str = ""
    moved_to: str = ""  # MOVED: the new address (empty: the old one stays) ...
    moved_alias: str = ""  # ... and the new alias, where it is known


Value = str | int | Text
"""What may fill a phrase: never text that a person typed."""


@dataclass(frozen=True, slots=True)
class Button:
    """A choice offered below a message: `choice` comes back when pressed, `url` opens a page instead.

    `key` names the phrase of the label (at most 20 characters once filled, WhatsApp's limit for buttons);
    `hint` is a longer text for screen readers and lists. `is_aside` marks a way that may be left out where a
    channel has no room for it beside the others.
    """

    key: str
    choice: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    url: str = ""
    hint: Value = ""
    is_aside: bool = False


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """What is said instead where a person may only be written to by an approved template (WhatsApp, outside the
    24 hours after their last word): a template of content/templates, what fills its variables, and what its
    quick replies bring back, in their order."""

    template: str
    values: Mapping[str, Value] = field(default_factory=dict)
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One thing we say: a phrase of content/messages, what fills it, and rows of buttons.

    `refreshes` marks a replacement that tells nothing new (the pressed message, brought up to date): a channel
    that cannot change what was sent leaves it out.
    """

    key: str
    values: Mapping[str, Value] = field(default_factory=dict)
    buttons: tuple[tuple[Button, ...], ...] = ()
    replaces: bool = False  # takes the place of the message whose button was pressed, where a channel can
    refreshes: bool = False
    template_message: TemplateMessage | None = None


class Action(StrEnum):
    """What a delivery does on the platform."""

    SAY = "say"  # a new message
    REPLACE = "replace"  # the message `ref` now reads so; a channel that cannot edit says it anew
    ACKNOWLEDGE = "acknowledge"  # the press `press` was received
    ERASE = "erase"  # the person's own message `ref` is taken out of the chat, where a channel can


BOLD, UNBOLD, ITALIC, UNITALIC = "\ue000", "\ue001", "\ue002", "\ue003"
"""How rendered text marks emphasis: private-use characters that no phrase or value can contain, so that a
channel escapes first and marks up afterwards."""

_EMPHASIS = re.compile("[\ue000-\ue003]")


def marked(text: str, signs: Mapping[str, str]) -> str:
    """A rendered text with its emphasis as a channel writes it; `signs` has one for each of the four marks.

    By an expression: `str.translate` looks up every character that is not ASCII, which took a third of a sending.
    """
    return _EMPHASIS.sub(lambda found: signs[found[0]], text)


def plain(text: str) -> str:
    """A text without any emphasis."""
    return _EMPHASIS.sub("", text)


@dataclass(frozen=True, slots=True)
class RenderedButton:
    """A rendered button: exactly one of `choice` and `url` is filled."""

    label: str
    choice: str = ""
    url: str = ""
    hint: str = ""
    is_aside: bool = False


@dataclass(frozen=True, slots=True)
class RenderedTemplate:
    """A rendered knock: name and platform language code of a template, the values of its variables in their order
    (one line each), and what its quick replies bring back."""

    template: str
    code: str
    values: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parcel:
    """A rendered message on its way to one address: what a channel is asked to deliver.

    `text` holds the emphasis marks above and is at most 4,096 characters (1,024 with buttons, but for a channel that
    joins messages: 4,096). `opening` is what goes in its place where only a template may.
    """

    address: str
    act: Action
    text: str = ""
    rows: tuple[tuple[RenderedButton, ...], ...] = ()
    ref: str = ""
    press: str = ""
    token: str = ""  # our delivery's key, for channels that can tell a repeated sending by it
    number: int = 0  # our delivery's id, for channels that give it back with every word about its fate
    opening: RenderedTemplate | None = None
    menu: str = ""  # what opens the menu of its buttons, on a channel that makes one
