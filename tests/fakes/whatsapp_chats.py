"""The people on the other side of the fake WhatsApp: what they read, what they do, and when they may be written to."""

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

WINDOW = timedelta(hours=24)  # from the person's last word; also the span in which people are counted
BURST, REFILL = 45, timedelta(seconds=6)  # messages to one person
IMAGE = {"mime_type": "image/jpeg", "sha256": "SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=", "id": "1003383421387256"}


@dataclass(frozen=True, slots=True)
class Label:
    """A button, or a row of a list. `kind` is what a press becomes: button_reply, list_reply, button; or url."""

    text: str
    kind: str
    id: str = ""  # what comes back
    description: str = ""
    url: str = ""


@dataclass(slots=True)
class ChatMessage:
    """One message of a chat; nothing can change or remove it."""

    wamid: str
    text: str
    at: datetime
    is_from_bot: bool
    person: "Person"
    labels: list[Label] = field(default_factory=list)
    body: Values = field(default_factory=dict)  # as it was sent; empty for the person's own
    category: str = "service"  # or the template's, in lower case

    @property
    def is_by_id(self) -> bool:
        """Whether it was addressed by the business-scoped id; with both, the number counts."""
        return not self.body.get("to")

    @property
    def template(self) -> str:
        return str(self.body.get("template", {}).get("name", ""))

    @property
    def tracker(self) -> str:
        return str(self.body.get("biz_opaque_callback_data", ""))


@dataclass(slots=True)
class World:
    """What the platform knows: the clock, the numbers already given, who is there and who was written to."""

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
        """Whom a body is addressed to. Raises Refusal."""
        to = same_phone(str(body["to"])) if body.get("to") else ""
        if to == same_phone(DISPLAY_NUMBER):
            raise Refusal(131021)
        for person in self.people:
            is_meant = same_phone(person.phone) == to if to else person.user_id == body["recipient"]
            if is_meant and not person.has_left:
                return person
        raise Refusal(131026, "Receiver is incapable of receiving this message")

    def count(self, person: "Person", limit: int | None) -> None:
        """Unique people outside their window in a moving day. Raises Refusal."""
        since = self.now() - WINDOW
        self.opened = [(at, one) for at, one in self.opened if at > since]
        reached = {id(one) for _, one in self.opened}
        if limit is not None and id(person) not in reached and len(reached) >= limit:
            raise Refusal(131048, f"{limit} people in 24 hours")
        self.opened.append((self.now(), person))

    def next_id(self) -> str:
        """Like the real ones: base64, with signs that an address must escape."""
        self.last_message += 1
        noise = hashlib.sha256(str(self.last_message).encode()).digest()[:25]
        return f"wamid.HBgN{base64.b64encode(noise).decode()}"


class Person:
    """Somebody with WhatsApp; each act becomes a webhook and gives the id of its message."""

    def __init__(self, world: World, phone: str, user_id: str, has_username: bool) -> None:
        self._world = world
        self.phone = phone
        self.user_id = user_id  # empty: as before business-scoped ids
        self.name = "Ana"
        self.username = "@ana.perez" if has_username else ""
        self.messages: list[ChatMessage] = []
        self.marked: list[str] = []  # own messages shown as read
        self.shows_typing = False
        self.has_blocked = False  # what is sent is taken, and never arrives
        self.has_left = False  # no longer on WhatsApp
        self.has_stopped_marketing = False
        self.last_word: datetime | None = None
        self._tokens: float = BURST
        self._filled = world.now()

    @property
    def identity(self) -> Identity:
        """A username hides the number."""
        return Identity("" if self.username else self.phone, self.user_id, self.name, self.username)

    @property
    def is_open(self) -> bool:
        return self.last_word is not None and self._world.now() - self.last_word < WINDOW

    def spend(self) -> None:
        """One message of what this pair may exchange. Raises Refusal."""
        now = self._world.now()
        self._tokens = min(BURST, self._tokens + (now - self._filled) / REFILL)
        self._filled = now
        if self._tokens < 1:
            raise Refusal(131056, "Too many messages sent from this phone number to the same phone number")
        self._tokens -= 1

    def read(self) -> list[ChatMessage]:
        """What the bot has said."""
        return [note for note in self.messages if note.is_from_bot]

    def last_text(self) -> str:
        said = self.read()
        return said[-1].text if said else ""

    # What a person does

    def say(self, text: str) -> str:
        return self.send("text", {"body": text}, shown=text)

    def send_image(self, caption: str = "") -> str:
        return self.send("image", IMAGE | ({"caption": caption} if caption else {}), shown=caption)

    def send(self, kind: str, content: Values, *, shown: str = "", context: str = "") -> str:
        """Anything else that a message may be, e.g. `send("sticker", {...})`; `context` is the message it answers."""
        now = self._world.now()
        self.last_word = now
        note = ChatMessage(self._world.next_id(), shown, now, False, self)
        self.messages.append(note)
        message: Values = {"context": {"from": DISPLAY_NUMBER, "id": context}} if context else {}
        message |= {"id": note.wamid, "timestamp": str(int(now.timestamp())), "type": kind, kind: content}
        self._world.queue("messages", webhooks.incoming(self.identity, message))
        return note.wamid

    def button(self, label: str) -> tuple[ChatMessage, Label]:
        """The newest button or row with this label, or with a label or description that begins so."""
        there = [(note, one) for note in reversed(self.messages) for one in note.labels]
        for fits in (_is_called, _begins_so, _is_described_so):
            for note, one in there:
                if fits(one, label):
                    return note, one
        labels = [one.text for _, one in there]
        raise AssertionError(f"no button {label!r}; there are {labels}; last read: {self.last_text()!r}")

    def press(self, label: str) -> str:
        note, one = self.button(label)
        assert one.kind != "url", f"{label!r} opens a page"
        return self.forge(one.id, one.kind, one.text, note.wamid, one.description)

    def forge(
        self, id: str, kind: str = "button_reply", label: str = "A", context: str = "", description: str = ""
    ) -> str:
        """A press with any content; without a context, as it is sometimes missing."""
        if kind == "button":
            return self.send("button", {"payload": id, "text": label}, shown=label, context=context)
        reply = {"id": id, "title": label} | ({"description": description} if description else {})
        return self.send("interactive", {"type": kind, kind: reply}, shown=label, context=context)

    def change_number(self, phone: str, user_id: str = "", *, also_as_user_id_update: bool = False) -> str:
        """A system message; `also_as_user_id_update` adds the field `user_id_update`, which names both ids."""
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
    """One spelling: blanks and signs away, our own country in front where there is no `+`, and no `1` after 52."""
    digits = re.sub(r"\D", "", written)
    if not written.lstrip().startswith("+") and len(digits) <= 10:
        digits = f"52{digits}"
    return re.sub(r"^521(\d{10})$", r"52\1", digits)


def shown(body: Mapping[str, Any]) -> tuple[str, list[Label]]:
    """What a person sees of a free-form message: its text and its buttons."""
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


def _is_called(label: Label, text: str) -> bool:
    return label.text == text


def _begins_so(label: Label, text: str) -> bool:
    return label.text.startswith(text)


def _is_described_so(label: Label, text: str) -> bool:
    return label.description.startswith(text)
