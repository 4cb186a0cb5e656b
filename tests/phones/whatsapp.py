"""A phone with WhatsApp: the servant's side of a journey, against the fake Graph API."""

import re
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from tests.fakes.whatsapp import FakeWhatsApp
from tests.fakes.whatsapp_chats import Person

Settle = Callable[[], Awaitable[None]]

GREETING, CODE_WORD = "hola", "ALTA"  # the text that the product's wa.me links prefill
URL = re.compile(r"(\w+://\S+)")
MARKS = re.compile(r"(?<![\w*_])([*_])(\S(?:[^\n]*?\S)?)\1(?![\w*_])")


class WhatsAppPhone:
    """What a servant does and reads. After each action the product handles everything that waits."""

    def __init__(self, fake: FakeWhatsApp, settle: Settle, person: Person | None = None) -> None:
        self._settle = settle
        self.person = person or fake.person()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the chat belongs to the fake."""

    async def start(self, code: str = "") -> None:
        """Open the link and send the prefilled text."""
        await self.type(f"{CODE_WORD} {code}" if code else GREETING)

    async def type(self, text: str) -> None:
        self.person.say(text)
        await self._settle()

    async def tap(self, label: str) -> None:
        """Press the newest button or row whose label is or begins with `label`; AssertionError lists the
        buttons that are there."""
        self.person.press(label)
        await self._settle()

    async def look(self) -> None:
        """Nothing to do: a chat on a phone shows new messages by itself."""

    def messages(self) -> list[str]:
        """The texts of the bot's messages, without formatting marks."""
        return [plain(note.text) for note in self.person.read()]

    def own(self) -> list[str]:
        """The texts of the servant's own messages: typed texts, and the labels of pressed buttons."""
        return [note.text for note in self.person.messages if not note.is_from_bot]

    def buttons(self) -> list[str]:
        """The labels below the newest message that has some: buttons, or the rows of its list."""
        for note in reversed(self.person.read()):
            if note.labels:
                return [label.text for label in note.labels]
        return []

    def url(self, label: str) -> str:
        """The URL after this label in the newest message that has one, or that a button with this label opens."""
        for text in reversed(self.messages()):
            if found := re.search(rf"{re.escape(label)}\S*:\s*(https?://\S+)", text):
                return found[1]
        _, button = self.person.button(label)
        assert button.url, f"{label!r} opens no page"
        return button.url


def plain(text: str) -> str:
    """The text as a phone shows it: without the marks of bold and italic; marks within words and URLs stay."""
    pieces = URL.split(text)
    pieces[::2] = [_unmarked(piece) for piece in pieces[::2]]
    return "".join(pieces)


def _unmarked(text: str) -> str:
    while (shown := MARKS.sub(r"\2", text)) != text:
        text = shown
    return text
