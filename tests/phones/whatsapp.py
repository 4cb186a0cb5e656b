"""A phone with WhatsApp on it: a person's side of a journey, against the fake Graph API."""

import re
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from tests.fakes.whatsapp import FakeWhatsApp
from tests.fakes.whatsapp_chats import Person

Settle = Callable[[], Awaitable[None]]

GREETING, CODE_WORD = "hola", "ALTA"  # what the product's wa.me links type for the person
ADDRESS = re.compile(r"(\w+://\S+)")
MARKS = re.compile(r"(?<![\w*_])([*_])(\S(?:[^\n]*?\S)?)\1(?![\w*_])")


class WhatsAppPhone:
    """What a person does and reads. After each act the product is given the time to handle everything that waits."""

    def __init__(self, fake: FakeWhatsApp, settle: Settle, person: Person | None = None) -> None:
        self._settle = settle
        self.person = person or fake.person()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away: the chat is the fake's."""

    async def start(self, code: str = "") -> None:
        """Open the link and send what it has typed."""
        await self.type(f"{CODE_WORD} {code}" if code else GREETING)

    async def type(self, text: str) -> None:
        self.person.say(text)
        await self._settle()

    async def tap(self, label: str) -> None:
        """Press the newest button or row with this label, or with one that begins so; AssertionError tells what
        is there."""
        self.person.press(label)
        await self._settle()

    async def look(self) -> None:
        """A chat on a phone shows by itself what came."""

    def messages(self) -> list[str]:
        """What the bot has said, in plain words."""
        return [plain(note.text) for note in self.person.read()]

    def own(self) -> list[str]:
        """What the person's own messages show: what was typed, and the label of each button that was pressed."""
        return [note.text for note in self.person.messages if not note.is_from_bot]

    def buttons(self) -> list[str]:
        """The labels below the newest message that has some: buttons, or the rows of its list."""
        for note in reversed(self.person.read()):
            if note.labels:
                return [label.text for label in note.labels]
        return []

    def url(self, label: str) -> str:
        """The address below these words in the newest message that has one so, or that such a button opens."""
        for said in reversed(self.messages()):
            if found := re.search(rf"{re.escape(label)}\S*:\s*(https?://\S+)", said):
                return found[1]
        _, button = self.person.button(label)
        assert button.url, f"{label!r} opens no page"
        return button.url


def plain(text: str) -> str:
    """As a phone shows it: bold and italic have no signs around them. Signs within words and addresses stay."""
    pieces = ADDRESS.split(text)
    pieces[::2] = [_unmarked(piece) for piece in pieces[::2]]
    return "".join(pieces)


def _unmarked(text: str) -> str:
    while (shown := MARKS.sub(r"\2", text)) != text:
        text = shown
    return text
