"""The people on the other side of the fake Telegram: what they see in their chat, and what they do there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

BOT = {"id": 7_000_000_001, "is_bot": True, "first_name": "Integra", "username": "integra_prueba_bot"}
Queue = Callable[[str, dict[str, Any]], int]


PHOTO = [{"file_id": "AgACAg", "file_unique_id": "AQAD", "width": 90, "height": 67}]


@dataclass(slots=True)
class ChatMessage:
    """One message as it stands in a chat now."""

    number: int
    chat: dict[str, Any]
    dispatcher: dict[str, Any]
    date: int
    content: dict[str, Any]  # text and entities, or a sticker, a photo ...
    rows: list[list[dict[str, Any]]] = field(default_factory=list)
    edited: int = 0

    @property
    def text(self) -> str:
        return str(self.content.get("text", ""))

    @property
    def is_from_bot(self) -> bool:
        return bool(self.dispatcher["is_bot"])

    def raw(self) -> dict[str, Any]:
        """As the Bot API gives it."""
        raw = {"message_id": self.number, "date": self.date, "chat": self.chat, "from": self.dispatcher, **self.content}
        if self.edited:
            raw["edit_date"] = self.edited
        if self.rows:
            raw["reply_markup"] = {"inline_keyboard": self.rows}
        return raw


@dataclass(slots=True)
class Press:
    """A button that was pressed and waits for its answer."""

    person: "Person"
    at: int
    answered: bool = False


@dataclass(slots=True)
class World:
    """What the server knows: the clock, the numbers already given, and who is there."""

    queue: Queue
    now: int = 1_763_820_000
    last_message: int = 100
    last_press: int = 4_000_000_000_000_000
    people: dict[int, "Person"] = field(default_factory=dict)
    presses: dict[str, Press] = field(default_factory=dict)

    def person(self, number: int, language: str) -> "Person":
        person = Person(self, number, language)
        self.people[number] = person
        return person

    def next_message(self) -> int:
        self.last_message += 1
        return self.last_message


class Person:
    """Somebody with a phone and a private chat with the bot; each act becomes an update and gives its number."""

    def __init__(self, world: World, number: int, language: str) -> None:
        self._world = world
        self._number = number
        self.user: dict[str, Any] = {"id": number, "is_bot": False, "first_name": "Persona"}
        if language:
            self.user["language_code"] = language
        self.chat: dict[str, Any] = {"id": number, "type": "private", "first_name": "Persona"}
        self.messages: list[ChatMessage] = []
        self.toasts: list[str] = []  # what answers to presses showed for a moment
        self.has_started = False
        self.has_blocked = False
        self.is_deactivated = False

    @property
    def id(self) -> int:
        return self._number

    def start(self, code: str = "") -> int:
        return self.say(f"/start {code}".rstrip())

    def say(self, text: str) -> int:
        content: dict[str, Any] = {"text": text}
        if text.startswith("/"):
            content["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]
        return self.send(content)

    def send(self, content: Mapping[str, Any]) -> int:
        """Anything else that a message may hold, e.g. `{"location": {...}}`."""
        self.has_started = True
        if self.has_blocked:
            self.unblock()
        note = ChatMessage(self._world.next_message(), self.chat, self.user, self._world.now, dict(content))
        self.messages.append(note)
        return self._world.queue("message", note.raw())

    def send_sticker(self) -> int:
        sticker = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
        return self.send({"sticker": {"file_id": "CAADAg", "file_unique_id": "AgAD", **sticker}})

    def send_album(self, pictures: int) -> None:
        """Several pictures at once: as many messages with one mark."""
        for _ in range(pictures):
            self.send({"photo": PHOTO, "media_group_id": "13579246801234567"})

    def send_photo(self, caption: str = "") -> int:
        return self.send({"photo": PHOTO, "caption": caption} if caption else {"photo": PHOTO})

    def send_voice(self) -> int:
        return self.send({"voice": {"file_id": "AwACAg", "file_unique_id": "AgADw", "duration": 3}})

    def edit(self, number: int, text: str) -> int:
        note = self.message(number)
        assert note is not None, "no such message"
        assert not note.is_from_bot, "people edit their own messages"
        note.content, note.edited = {"text": text}, self._world.now
        return self._world.queue("edited_message", note.raw())

    def button(self, label: str) -> tuple[ChatMessage, dict[str, Any]]:
        """The newest button with this label, or with a label that begins so."""
        there = [(note, button) for note in reversed(self.messages) for row in note.rows for button in row]
        for fits in (str.__eq__, str.startswith):
            for note, button in there:
                if fits(button["text"], label):
                    return note, button
        labels = [button["text"] for _, button in there]
        raise AssertionError(f"no button {label!r}; there are {labels}; last read: {self.last_text()!r}")

    def press(self, label: str) -> int:
        note, button = self.button(label)
        assert "callback_data" in button, f"{label!r} opens a page"
        return self.forge(button["callback_data"], note)

    def forge(self, data: str | None, note: ChatMessage | None = None, **extra: Any) -> int:
        """A press with any data; without a note, on a message that Telegram no longer shows to bots."""
        self._world.last_press += 1
        press = str(self._world.last_press)
        self._world.presses[press] = Press(self, self._world.now)
        query: dict[str, Any] = {"id": press, "from": self.user, "chat_instance": "-42", **extra}
        if data is not None:
            query["data"] = data
        if "inline_message_id" not in extra:
            old = {"message_id": 3, "date": 0, "chat": self.chat}
            query["message"] = note.raw() if note is not None else old
        return self._world.queue("callback_query", query)

    def block(self) -> int:
        self.has_blocked = True
        return self._membership("member", "kicked")

    def unblock(self) -> int:
        self.has_blocked = False
        return self._membership("kicked", "member")

    def _membership(self, before: str, after: str) -> int:
        def member(status: str) -> dict[str, Any]:
            return {"status": status, "user": BOT, **({"until_date": 0} if status == "kicked" else {})}

        change = {"chat": self.chat, "from": self.user, "date": self._world.now}
        return self._world.queue(
            "my_chat_member", {**change, "old_chat_member": member(before), "new_chat_member": member(after)}
        )

    def message(self, number: int) -> ChatMessage | None:
        return next((note for note in self.messages if note.number == number), None)

    def read(self) -> list[ChatMessage]:
        """What the bot has said, as it stands now."""
        return [note for note in self.messages if note.is_from_bot]

    def last_text(self) -> str:
        said = self.read()
        return said[-1].text if said else ""
