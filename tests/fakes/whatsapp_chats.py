"""Simulated WhatsApp users: their chat, the webhooks of their actions, and the limits of writing to them."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.fakes import whatsapp_webhooks as webhooks
from tests.fakes.whatsapp_rules import Refusal, Values
from tests.fakes.whatsapp_webhooks import DISPLAY_NUMBER, Identity

Queue = Callable[[str, Values], None]

WINDOW = timedelta(hours=24)  # reply window after a user's last message; also the period of the messaging limit
BURST, REFILL = 45, timedelta(seconds=6)  # pair rate limit: messages to one user, and time for one more
IMAGE = {"mime_type": "image/jpeg", "sha256": "SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=", "id": "1003383421387256"}


@dataclass(frozen=True, slots=True)
class Label:
    """A button or list row. `kind` is the type of its press: button_reply, list_reply or button; or url for a link."""

    text: str
    kind: str
    id: str = ""  # returned by a press
    description: str = ""
    url: str = ""


@dataclass(slots=True)
class ChatMessage:
    """One message of a chat; messages cannot be edited or deleted."""

    wamid: str
    text: str
    at: datetime
    is_from_bot: bool
    person: "Person"
    labels: list[Label] = field(default_factory=list)
    body: Values = field(default_factory=dict)  # as sent by the product; empty for the user's own
    category: str = "service"  # or the template's category in lower case

    @property
    def is_by_id(self) -> bool:
        """Whether it was addressed by business-scoped id; if both are given, the number counts."""
        return not self.body.get("to")

    @property
    def template(self) -> str:
        return str(self.body.get("template", {}).get("name", ""))

    @property
    def tracker(self) -> str:
        return str(self.body.get("biz_opaque_callback_data", ""))


@dataclass(slots=True)
class World:
    """State of the platform: clock, last message id, users, and users written to outside their window."""

    queue: Queue
    now: Callable[[], datetime]
    people: list["Person"] = field(default_factory=list)
    last_message: int = 0
    opened: list[tuple[datetime, "Person"]] = field(default_factory=list)  # sent outside a window

    def person(self, phone: str, user_id: str, has_username: bool) -> "Person":
        person = Person(self, phone, user_id, has_username)
        self.people.append(person)
        return person

    def find(self, body: Mapping[str, Any]) -> "Person":
        """The user that a body is addressed to. Raises Refusal."""
        to = same_phone(str(body["to"])) if body.get("to") else ""
        if to == same_phone(DISPLAY_NUMBER):
            raise Refusal(131021)
        for person in self.people:
            matches = same_phone(person.phone) == to if to else person.user_id == body["recipient"]
            if matches and not person.has_left:
                return person
        raise Refusal(131026, "Receiver is incapable of receiving this message")

    def count(self, person: "Person", limit: int | None) -> None:
        """Count a user towards the messaging limit: unique users outside their window in 24 hours. Raises Refusal."""
        since = self.now() - WINDOW
        self.opened = [(at, user) for at, user in self.opened if at > since]
        reached = {id(user) for _, user in self.opened}
        if limit is not None and id(person) not in reached and len(reached) >= limit:
            raise Refusal(131048, f"{limit} recipients in 24 hours")
        self.opened.append((self.now(), person))

    def next_id(self) -> str:
        """A message id like the real ones: base64 with characters that must be escaped in URLs."""
        self.last_message += 1
        noise = hashlib.sha256(str(self.last_message).encode()).digest()[:25]
        return f"wamid.HBgN{base64.b64encode(noise).decode()}"


class Person:
    """A WhatsApp user; each action queues a webhook and returns the id of its message."""

    def __init__(self, world: World, phone: str, user_id: str, has_username: bool) -> None:
        self._world = world
        self.phone = phone
        self.user_id = user_id  # empty: as before business-scoped ids existed
        self.name = "Ana"
        self.username = "@ana.perez" if has_username else ""
        self.messages: list[ChatMessage] = []
        self.marked: list[str] = []  # ids of the user's messages shown as read
        self.shows_typing = False
        self.has_blocked = False  # messages are accepted but never arrive
        self.has_left = False  # no longer on WhatsApp
        self.has_stopped_marketing = False
        self.last_word: datetime | None = None
        self._tokens: float = BURST
        self._filled = world.now()

    @property
    def identity(self) -> Identity:
        """The user as webhooks identify them: a username hides the number."""
        return Identity("" if self.username else self.phone, self.user_id, self.name, self.username)

    @property
    def is_open(self) -> bool:
        """Whether the 24-hour reply window is open."""
        return self.last_word is not None and self._world.now() - self.last_word < WINDOW

    def spend(self) -> None:
        """Spend one message of the pair rate limit. Raises Refusal."""
        now = self._world.now()
        self._tokens = min(BURST, self._tokens + (now - self._filled) / REFILL)
        self._filled = now
        if self._tokens < 1:
            raise Refusal(131056, "Too many messages sent from this phone number to the same phone number")
        self._tokens -= 1

    def read(self) -> list[ChatMessage]:
        """The bot's messages, oldest first."""
        return [message for message in self.messages if message.is_from_bot]

    def last_text(self) -> str:
        messages = self.read()
        return messages[-1].text if messages else ""

    # Actions

    def say(self, text: str) -> str:
        return self.send("text", {"body": text}, shown=text)

    def send_image(self, caption: str = "") -> str:
        return self.send("image", IMAGE | ({"caption": caption} if caption else {}), shown=caption)

    def send(self, kind: str, content: Values, *, shown: str = "", context: str = "") -> str:
        """Send a message of any type, e.g. `send("sticker", {...})`; `context` is the id of the message replied to."""
        now = self._world.now()
        self.last_word = now
        sent = ChatMessage(self._world.next_id(), shown, now, False, self)
        self.messages.append(sent)
        message: Values = {"context": {"from": DISPLAY_NUMBER, "id": context}} if context else {}
        message |= {"id": sent.wamid, "timestamp": str(int(now.timestamp())), "type": kind, kind: content}
        self._world.queue("messages", webhooks.incoming(self.identity, message))
        return sent.wamid

    def button(self, label: str) -> tuple[ChatMessage, Label]:
        """The newest button or row with this label, else one whose label, else whose description, starts with it.

        Fails if there is none.
        """
        buttons = [(message, button) for message in reversed(self.messages) for button in message.labels]
        for matches in (_has_label, _label_starts_with, _description_starts_with):
            for message, button in buttons:
                if matches(button, label):
                    return message, button
        labels = [button.text for _, button in buttons]
        raise AssertionError(f"no button {label!r}; there are {labels}; last read: {self.last_text()!r}")

    def press(self, label: str) -> str:
        message, button = self.button(label)
        assert button.kind != "url", f"{label!r} opens a page"
        return self.forge(button.id, button.kind, button.text, message.wamid, button.description)

    def forge(
        self, id: str, kind: str = "button_reply", label: str = "A", context: str = "", description: str = ""
    ) -> str:
        """Press with any content; the context may be omitted, as it is sometimes missing."""
        if kind == "button":
            return self.send("button", {"payload": id, "text": label}, shown=label, context=context)
        reply = {"id": id, "title": label} | ({"description": description} if description else {})
        return self.send("interactive", {"type": kind, kind: reply}, shown=label, context=context)

    def change_number(self, phone: str, user_id: str = "", *, also_as_user_id_update: bool = False) -> str:
        """Change number and id, which queues a system message.

        With `also_as_user_id_update` the field `user_id_update`, which names both ids, is queued as well.
        """
        before, wamid = self.identity, self._world.next_id()
        self.phone, self.user_id = phone, user_id
        at = int(self._world.now().timestamp())
        self._world.queue("messages", webhooks.moved(before, self.identity, wamid, at))
        if also_as_user_id_update:
            self._world.queue("user_id_update", webhooks.new_user_id(before, self.identity, at))
        return wamid

    def stop_marketing(self) -> None:
        self._prefer("stop")

    def resume_marketing(self) -> None:
        self._prefer("resume")

    def _prefer(self, value: str) -> None:
        self.has_stopped_marketing = value == "stop"
        at = int(self._world.now().timestamp())
        self._world.queue("user_preferences", webhooks.preference(self.identity, value, at))


def same_phone(written: str) -> str:
    """Normalize a phone number: digits only, 52 added to national numbers without `+`, no `1` after 52."""
    digits = re.sub(r"\D", "", written)
    if not written.lstrip().startswith("+") and len(digits) <= 10:
        digits = f"52{digits}"
    return re.sub(r"^521(\d{10})$", r"52\1", digits)


def shown(body: Mapping[str, Any]) -> tuple[str, list[Label]]:
    """Text and buttons that a user sees of a free-form message."""
    if body["type"] == "text":
        return body["text"]["body"], []
    content = body["interactive"]
    parts = (content.get(part, {}).get("text", "") for part in ("header", "body", "footer"))
    return "\n".join(filter(None, parts)), _labels(content["action"])


def _labels(action: Mapping[str, Any]) -> list[Label]:
    if "buttons" in action:
        replies = [button["reply"] for button in action["buttons"]]
        return [Label(reply["title"], "button_reply", reply["id"]) for reply in replies]
    if "sections" in action:
        rows = [row for section in action["sections"] for row in section["rows"]]
        return [Label(row["title"], "list_reply", row["id"], row.get("description", "")) for row in rows]
    return [Label(action["parameters"]["display_text"], "url", url=action["parameters"]["url"])]


def _has_label(label: Label, text: str) -> bool:
    return label.text == text


def _label_starts_with(label: Label, text: str) -> bool:
    return label.text.startswith(text)


def _description_starts_with(label: Label, text: str) -> bool:
    return label.description.startswith(text)
