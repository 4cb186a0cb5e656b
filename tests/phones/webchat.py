"""A phone with the browser chat on it: a person's side of a journey, through the pages without scripts."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from aiohttp import ClientSession, CookieJar

from tests.phones.webchat_page import ChatPage, ShownBubble, ShownKey

Settle = Callable[[], Awaitable[None]]


class WebchatPhone:
    """What a person does and reads. After each act the product is given the time to handle everything that waits.

    `address` is where the server listens (`http://127.0.0.1:8080`). What came by itself is seen after `look`.
    """

    def __init__(self, address: str, settle: Settle, *, language: str = "es") -> None:
        self._address = address.rstrip("/")
        self._settle = settle
        self._language = language
        self._page = ChatPage("")

    async def __aenter__(self) -> Self:
        jar = CookieJar(unsafe=True)  # the tests' server has a number for a name
        self.session = ClientSession(cookie_jar=jar, headers={"Accept-Language": self._language})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    async def start(self, code: str = "") -> None:
        """Open the link and press Start."""
        await self._open({"code": code} if code else {})
        await self.post({"command": self._page.start or f"start {code}".strip()})

    async def type(self, text: str) -> None:
        await self.look()
        await self.post({"text": text})

    async def tap(self, label: str) -> None:
        """Press the newest button with this label, or with one that begins so; AssertionError tells what is there."""
        await self.look()
        bubble, key = self._find(label)
        assert key.choice, f"{label!r} opens a page"
        await self.post({"choice": key.choice, "ref": bubble.id})

    async def look(self) -> None:
        """Load the page again."""
        await self._open({})

    def messages(self) -> list[str]:
        """What the product has said, as it stood in the chat at the last act or look."""
        return [bubble.text for bubble in self._page.bubbles if not bubble.is_mine]

    def own(self) -> list[str]:
        """What the person's own bubbles show."""
        return [bubble.text for bubble in self._page.bubbles if bubble.is_mine]

    def buttons(self) -> list[str]:
        """The labels below the newest message that has some."""
        newest = next((bubble for bubble in reversed(self._page.bubbles) if bubble.keys), None)
        return [key.label for key in newest.keys] if newest else []

    def url(self, label: str) -> str:
        """The address that a button opens."""
        _, key = self._find(label)
        assert key.url, f"{label!r} opens no page"
        return key.url

    async def post(self, fields: dict[str, str]) -> None:
        """Send a form as the page would, let the product work, and look."""
        if not self._page.once:
            await self.look()
        form = {"once": self._page.once} | fields
        async with self.session.post(f"{self._address}/chat/say", data=form, allow_redirects=False) as answer:
            assert answer.status == 303, f"the chat answered {answer.status}"
        await self._settle()
        await self.look()

    async def _open(self, query: dict[str, str]) -> None:
        async with self.session.get(f"{self._address}/chat", params=query | {"all": "1"}) as answer:
            assert answer.status == 200, f"the chat answered {answer.status}"
            self._page = ChatPage(await answer.text())

    def _find(self, label: str) -> tuple[ShownBubble, ShownKey]:
        there = [(bubble, key) for bubble in reversed(self._page.bubbles) for key in bubble.keys]
        for fits in (str.__eq__, str.startswith):
            for bubble, key in there:
                if fits(key.label, label):
                    return bubble, key
        raise AssertionError(f"no button {label!r}; there are {[key.label for _, key in there]}")
