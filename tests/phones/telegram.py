"""A phone with Telegram on it: a person's side of a journey, against the fake Bot API."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from tests.fakes.telegram import FakeTelegram

Settle = Callable[[], Awaitable[None]]


class TelegramPhone:
    """What a person does and reads. After each act the product is given the time to handle everything that waits."""

    def __init__(self, fake: FakeTelegram, settle: Settle, *, number: int = 100_001, language: str = "es") -> None:
        self._settle = settle
        self.person = fake.person(number, language)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away: the chat is the fake's."""

    async def start(self, code: str = "") -> None:
        """Open the deep link and press Start."""
        self.person.start(code)
        await self._settle()

    async def type(self, text: str) -> None:
        self.person.say(text)
        await self._settle()

    async def tap(self, label: str) -> None:
        """Press the newest button with this label, or with one that begins so; AssertionError tells what is there."""
        self.person.press(label)
        await self._settle()

    async def look(self) -> None:
        """A chat on a phone shows by itself what came."""

    def messages(self) -> list[str]:
        """What the bot has said, as it stands in the chat now."""
        return [note.text for note in self.person.read()]

    def own(self) -> list[str]:
        """What the person's own messages show; those that were taken out of the chat are gone."""
        return [note.text for note in self.person.messages if not note.is_from_bot]

    def buttons(self) -> list[str]:
        """The labels below the newest message that has some."""
        for note in reversed(self.person.read()):
            if note.rows:
                return [button["text"] for row in note.rows for button in row]
        return []

    def url(self, label: str) -> str:
        """The address that a button opens."""
        _, button = self.person.button(label)
        assert "url" in button, f"{label!r} opens no page"
        return str(button["url"])
