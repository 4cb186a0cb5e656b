"""A phone with the browser chat: the servant's side of a journey, through the pages without scripts."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from aiohttp import ClientSession, CookieJar

from tests.phones.webchat_page import ChatPage, ShownBubble, ShownButton

Settle = Callable[[], Awaitable[None]]


class WebchatPhone:
    """What a servant does and reads. After each action the product handles everything that waits.

    `url` is where the server listens (`http://127.0.0.1:8080`). Messages that arrive later are seen after `look`.
    """

    def __init__(self, url: str, settle: Settle, *, language: str = "es") -> None:
        self._url = url.rstrip("/")
        self._settle = settle
        self._language = language
        self._page = ChatPage("")

    async def __aenter__(self) -> Self:
        jar = CookieJar(unsafe=True)  # the tests' server is addressed by its IP number
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
        """Press the newest button whose label is or begins with `label`; AssertionError lists the buttons there."""
        await self.look()
        bubble, button = self._find(label)
        assert button.choice, f"{label!r} opens a page"
        await self.post({"choice": button.choice, "ref": bubble.id})

    async def look(self) -> None:
        """Load the page again."""
        await self._open({})

    def messages(self) -> list[str]:
        """The texts of the product's messages, as the page showed them at the last action or look."""
        return [bubble.text for bubble in self._page.bubbles if not bubble.is_mine]

    def own(self) -> list[str]:
        """The texts of the servant's own bubbles."""
        return [bubble.text for bubble in self._page.bubbles if bubble.is_mine]

    def buttons(self) -> list[str]:
        """The labels below the newest message that has some."""
        newest = next((bubble for bubble in reversed(self._page.bubbles) if bubble.buttons), None)
        return [button.label for button in newest.buttons] if newest else []

    def url(self, label: str) -> str:
        """The URL that a button opens."""
        _, button = self._find(label)
        assert button.url, f"{label!r} opens no page"
        return button.url

    async def post(self, fields: dict[str, str]) -> None:
        """Send a form as the page would, let the product handle it, and look."""
        if not self._page.once:
            await self.look()
        form = {"once": self._page.once} | fields
        async with self.session.post(f"{self._url}/chat/say", data=form, allow_redirects=False) as response:
            assert response.status == 303, f"the chat answered {response.status}"
        await self._settle()
        await self.look()

    async def _open(self, query: dict[str, str]) -> None:
        async with self.session.get(f"{self._url}/chat", params=query | {"all": "1"}) as response:
            assert response.status == 200, f"the chat answered {response.status}"
            self._page = ChatPage(await response.text())

    def _find(self, label: str) -> tuple[ShownBubble, ShownButton]:
        shown = [(bubble, button) for bubble in reversed(self._page.bubbles) for button in bubble.buttons]
        for matches in (str.__eq__, str.startswith):
            for bubble, button in shown:
                if matches(button.label, label):
                    return bubble, button
        raise AssertionError(f"no button {label!r}; there are {[button.label for _, button in shown]}")
