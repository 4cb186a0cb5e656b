"""Simulated Telegram users: the messages of their chat with the bot, and the updates that their actions cause."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

BOT = {"id": 7_000_000_001, "is_bot": True, "first_name": "Integra", "username": "integra_prueba_bot"}
Queue = Callable[[str, dict[str, Any]], int]


PHOTO = [{"file_id": "AgACAg", "file_unique_id": "AQAD", "width": 90, "height": 67}]


@dataclass(slots=True)
class ChatMessage:
    """One message in its current version."""

    number: int
    chat: dict[str, Any]
    author: dict[str, Any]
    date: int
    content: dict[str, Any]  # text and entities, or a sticker, a photo ...
    rows: list[list[dict[str, Any]]] = field(default_factory=list)
    edited: int = 0

    @property
    def text(self) -> str:
        return str(self.content.get("text", ""))

    @property
    def is_from_bot(self) -> bool:
        return bool(self.author["is_bot"])

    def raw(self) -> dict[str, Any]:
        """The message as the Bot API represents it."""
        raw = {"message_id": self.number, "date": self.date, "chat": self.chat, "from": self.author, **self.content}
        if self.edited:
            raw["edit_date"] = self.edited
        if self.rows:
            raw["reply_markup"] = {"inline_keyboard": self.rows}
        return raw


@dataclass(slots=True)
class Press:
    """A press of a button; `at` is the server time."""

    person: "Person"
    at: int
    answered: bool = False


@dataclass(slots=True)
class World:
    """State of the server: clock, last ids, users and presses."""

    queue: Queue
    clock: Callable[[], float] = lambda: 1_763_820_000.0  # Unix seconds
    ahead: int = 0  # seconds that the server's clock was advanced by the test
    last_message: int = 100
    last_press: int = 4_000_000_000_000_000
    people: dict[int, "Person"] = field(default_factory=dict)
    presses: dict[str, Press] = field(default_factory=dict)

    @property
    def now(self) -> int:
        return int(self.clock()) + self.ahead

    def person(self, number: int, language: str) -> "Person":
        person = Person(self, number, language)
        self.people[number] = person
        return person

    def next_message(self) -> int:
        self.last_message += 1
        return self.last_message


class Person:
    """A user with a private chat with the bot; each action queues an update and returns its update_id."""

    def __init__(self, world: World, number: int, language: str) -> None:
        self._world = world
        self._number = number
        self.user: dict[str, Any] = {"id": number, "is_bot": False, "first_name": "Persona"}
        if language:
            self.user["language_code"] = language
        self.chat: dict[str, Any] = {"id": number, "type": "private", "first_name": "Persona"}
        self.messages: list[ChatMessage] = []
        self.toasts: list[str] = []  # texts shown by answers to presses
        self.has_started = False
        self.has_blocked = False
        self.is_deactivated = False

    @property
    def id(self) -> int:
        return self._number

    def start(self, code: str = "") -> int:
        return self.say(f"/start {code}".rstrip())

    def say(self, text: str, quoting: ChatMessage | None = None) -> int:
        content: dict[str, Any] = {"text": text}
        if quoting is not None:
            content["reply_to_message"] = quoting.raw()
        if text.startswith("/"):
            content["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]
        return self.send(content)

    def send(self, content: Mapping[str, Any]) -> int:
        """Send a message with any content, e.g. `{"location": {...}}`."""
        self.has_started = True
        if self.has_blocked:
            self.unblock()
        message = ChatMessage(self._world.next_message(), self.chat, self.user, self._world.now, dict(content))
        self.messages.append(message)
        return self._world.queue("message", message.raw())

    def send_sticker(self) -> int:
        sticker = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
        return self.send({"sticker": {"file_id": "CAADAg", "file_unique_id": "AgAD", **sticker}})

    def send_album(self, pictures: int) -> None:
        """Send an album: one message per picture, with a common media_group_id."""
        for _ in range(pictures):
            self.send({"photo": PHOTO, "media_group_id": "13579246801234567"})

    def send_photo(self, caption: str = "") -> int:
        return self.send({"photo": PHOTO, "caption": caption} if caption else {"photo": PHOTO})

    def send_voice(self) -> int:
        return self.send({"voice": {"file_id": "AwACAg", "file_unique_id": "AgADw", "duration": 3}})

    def edit(self, number: int, text: str) -> int:
        message = self.message(number)
        assert message is not None, "no such message"
        assert not message.is_from_bot, "users edit only their own messages"
        message.content, message.edited = {"text": text}, self._world.now
        return self._world.queue("edited_message", message.raw())

    def button(self, label: str) -> tuple[ChatMessage, dict[str, Any]]:
        """The newest button with this label, else with one that starts with it. Fails if there is none."""
        buttons = [(message, button) for message in reversed(self.messages) for row in message.rows for button in row]
        for fits in (str.__eq__, str.startswith):
            for message, button in buttons:
                if fits(button["text"], label):
                    return message, button
        labels = [button["text"] for _, button in buttons]
        raise AssertionError(f"no button {label!r}; there are {labels}; last read: {self.last_text()!r}")

    def press(self, label: str) -> int:
        message, button = self.button(label)
        assert "callback_data" in button, f"{label!r} opens a page"
        return self.forge(button["callback_data"], message)

    def forge(self, data: str | None, message: ChatMessage | None = None, **extra: Any) -> int:
        """Press with any data; without `message` on one that is too old for Telegram to show to bots."""
        self._world.last_press += 1
        press = str(self._world.last_press)
        self._world.presses[press] = Press(self, self._world.now)
        query: dict[str, Any] = {"id": press, "from": self.user, "chat_instance": "-42", **extra}
        if data is not None:
            query["data"] = data
        if "inline_message_id" not in extra:
            old = {"message_id": 3, "date": 0, "chat": self.chat}
            query["message"] = message.raw() if message is not None else old
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
        return next((message for message in self.messages if message.number == number), None)

    def read(self) -> list[ChatMessage]:
        """The bot's messages in their current version, oldest first."""
        return [message for message in self.messages if message.is_from_bot]

    def last_text(self) -> str:
        messages = self.read()
        return messages[-1].text if messages else ""
