"""Incoming updates (Update) and outgoing messages (Message, Button, Parcel): the types shared with the channels."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from content.text import Text


class UpdateKind(StrEnum):
    """What the user or the platform did; each channel translates its platform's events into one of these."""

    COMMAND = "command"  # /start, /consulta ...; where users type commands, the same words without slash
    CHOICE = "choice"  # a button was pressed
    TEXT = "text"  # a text of at most MAX_SHORT_TEXT characters
    LONG_TEXT = "long_text"  # a longer text: its content was dropped before anything was stored
    ATTACHMENT = "attachment"  # sticker, photo, voice, contact, location ...: its content is not stored
    BLOCKED = "blocked"  # the user blocked us on this channel
    UNBLOCKED = "unblocked"  # the user unblocked us
    MOVED = "moved"  # the platform identifies the user by another address from now on (see `Update.moved_to`)
    PREFERENCE = "preference"  # the user set the platform's marketing preference: `choice` is stop or resume


MAX_SHORT_TEXT = 200
"""Characters of typed text that are read. A longer text may be confidential and is dropped unread."""


@dataclass(frozen=True, slots=True)
class Update:
    """One event of a channel, translated from the platform's format.

    `key` is the platform's own identifier, unique within the channel: an update with a known key is a duplicate.
    `address` identifies the chat on the channel. `ref` is the platform's identifier of the message that carried the
    pressed button, or of the text just typed; `press` is the identifier by which the press is acknowledged. `alias` is
    a second identifier that the platform may use for the same user (a phone number, for example). It may be missing,
    arrive later or change.
    """

    channel: str
    key: str
    address: str
    kind: UpdateKind
    text: str = ""  # the typed text, or what follows the command
    command: str = ""  # without slash, lower case
    choice: str = ""  # the payload that the button was sent with, e.g. "answer:1742:b"; never trusted
    language: str = ""  # the user's language as the platform reports it, e.g. "es-MX"; may be empty
    ref: str = ""
    press: str = ""
    album: str = ""  # same for all parts of one album, which get one reply together
    at: int = 0  # when it happened by the platform's clock, Unix seconds; 0: not reported
    received_at: float = 0.0  # when we stored it, Unix seconds; 0: not stored yet
    quoted: str = ""  # the platform's identifier of the message to which a typed text replies; empty: to none
    alias: str = ""
    moved_to: str = ""  # MOVED: the new address (empty: the old one stays valid) ...
    moved_alias: str = ""  # ... and the new alias, if known


Value = str | int | Text
"""A value for a placeholder of a phrase; never text that a user typed."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button below a message: `choice` is the payload returned when it is pressed; `url` opens a page instead.

    `key` is the phrase of the label (at most 20 characters once filled: the strictest channel's limit). `hint` is a
    longer text for screen readers and lists. `is_optional` marks a button that a channel may leave out when it has no
    room for it beside the others.
    """

    key: str
    choice: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    url: str = ""
    hint: Value = ""
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """What is sent instead of a message outside the channel's reply window, where only approved templates may be sent.

    `template` names a template of content/templates, `values` fill its variables, and `choices` are the payloads of
    its quick replies, in their order.
    """

    template: str
    values: Mapping[str, Value] = field(default_factory=dict)
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message to send: a phrase of content/messages, the values of its placeholders, and rows of buttons.

    `refreshes` marks a replacement without new information (the pressed message, brought up to date): a channel that
    cannot edit messages leaves it out.
    """

    key: str
    values: Mapping[str, Value] = field(default_factory=dict)
    buttons: tuple[tuple[Button, ...], ...] = ()
    replaces: bool = False  # edits the message whose button was pressed, where the channel can edit
    refreshes: bool = False
    template_message: TemplateMessage | None = None
    prompt_id: int = 0  # of the prompt whose question the message shows; 0: it shows none


class Action(StrEnum):
    """What a delivery does on the platform. The values are stored in the outbox."""

    SEND = "say"  # send a new message
    REPLACE = "replace"  # edit the message `ref`; a channel that cannot edit sends a new message
    ACKNOWLEDGE = "acknowledge"  # acknowledge the button press `press`
    ERASE = "erase"  # delete the user's own message `ref` from the chat, where the channel can


BOLD, UNBOLD, ITALIC, UNITALIC = "\ue000", "\ue001", "\ue002", "\ue003"
"""Emphasis marks of rendered text: private-use characters that no phrase or value can contain, so that a channel
escapes the text first and inserts its own markup afterwards."""

_EMPHASIS = re.compile("[\ue000-\ue003]")


def format_emphasis(text: str, signs: Mapping[str, str]) -> str:
    """Replace the emphasis marks of a rendered text; `signs` maps each of the four marks to the channel's markup.

    A regular expression, since `str.translate` looks up every non-ASCII character, which took a third of the time of
    sending a message.
    """
    return _EMPHASIS.sub(lambda found: signs[found[0]], text)


def strip_emphasis(text: str) -> str:
    """Remove all emphasis marks."""
    return _EMPHASIS.sub("", text)


@dataclass(frozen=True, slots=True)
class RenderedButton:
    """A rendered button: exactly one of `choice` and `url` is filled."""

    label: str
    choice: str = ""
    url: str = ""
    hint: str = ""
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class RenderedTemplate:
    """A rendered TemplateMessage: the template's name and platform language code, the values of its variables in
    their order (one line each), and the payloads of its quick replies."""

    template: str
    code: str
    values: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parcel:
    """A rendered message for one address: what a channel is asked to deliver.

    `text` holds the emphasis marks above and is at most 4,096 characters (1,024 with buttons; 4,096 with buttons too on
    a channel that joins messages). `template` is sent in its place where only a template may be sent.
    """

    address: str
    action: Action
    text: str = ""
    rows: tuple[tuple[RenderedButton, ...], ...] = ()
    ref: str = ""
    press: str = ""
    token: str = ""  # the delivery's idempotency key, for channels that detect duplicate sends by it
    number: int = 0  # the delivery's id, for channels that return it with every delivery status
    template: RenderedTemplate | None = None
    prompt_id: int = 0  # of the prompt whose question it shows; 0: it shows none
    menu: str = ""  # label that opens the menu of buttons, on channels that have menus
    leaves_no_row: bool = False  # the channel stores nothing about its recipient, who asked something confidentially
