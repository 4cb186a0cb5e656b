"""A fake of Dummy: an API that takes messages, its people, and a webhook to which it posts what they do."""

import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

TOKEN, SECRET = "token-of-dummy", "secret-of-dummy"
PATH, SECRET_HEADER = "/webhooks/dummy", "X-Dummy-Secret"
MAX_TEXT, MAX_REPLIES = 4096, 30
FIELDS = {"to": str, "text": str, "replies": list, "reference": int}
NUMBERED = re.compile(r"^(\d+)\) (.+)$", re.MULTILINE)


@dataclass
class Phone:
    """One person's chat. What they do is queued for the webhook."""

    address: str
    platform: "FakeDummy"
    texts: list[str] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)  # of the newest text that has some, by label
    is_gone: bool = False

    def type(self, text: str) -> None:
        self.platform.queue({"from": self.address, "text": text})

    def receive(self, text: str, replies: list[str]) -> None:
        self.texts.append(text)
        if replies:
            labels = [label for _, label in NUMBERED.findall(text)][-len(replies) :]
            self.replies = dict(zip(labels, replies, strict=True))

    def choose(self, label: str) -> None:
        """Type the number of the reply whose label is or begins with `label`."""
        found = [reply for shown, reply in self.replies.items() if shown.startswith(label)]
        assert found, f"no reply {label!r}; there are {list(self.replies)}"
        self.platform.queue({"from": self.address, "reply": found[0]})


class FakeDummy:
    """The platform. `token` is the one it accepts, `refusals` what it refused for another reason."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.phones: dict[str, Phone] = {}
        self.pending: list[dict[str, Any]] = []
        self.refusals: list[str] = []
        self.lost: set[str] = set()  # addresses to which messages are lost after they were accepted
        self._number = 0
        app = web.Application()
        app.router.add_get("/account", self._account)
        app.router.add_post("/messages", self._take)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        self.url = str(self._server.make_url("")).rstrip("/")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.close()

    def phone(self, address: str = "ana") -> Phone:
        return self.phones.setdefault(address, Phone(address, self))

    def queue(self, event: dict[str, Any]) -> None:
        self._number += 1
        self.pending.append({"id": f"event {self._number}"} | event)

    async def deliver(self, address: str, secret: str = SECRET) -> int:
        """Post all pending events to the product at `address`; return its status. They stay pending but after a 200."""
        events = list(self.pending)
        async with (
            ClientSession(headers={SECRET_HEADER: secret}) as session,
            session.post(f"{address}{PATH}", json={"events": events}) as response,
        ):
            status = response.status
        if status == 200:
            del self.pending[: len(events)]
        return status

    # ------------------------------------------------------------ the API

    async def _account(self, request: web.Request) -> web.Response:
        return web.json_response({"name": "Integra"}) if self._is_ours(request) else web.Response(status=401)

    async def _take(self, request: web.Request) -> web.Response:
        if not self._is_ours(request):
            return web.Response(status=401)
        body = await request.json()
        fault = _fault(body)
        if fault or body["to"] not in self.phones:
            self.refusals.append(fault or "unknown recipient")
            return web.Response(status=400)
        phone = self.phones[body["to"]]
        if phone.is_gone:
            return web.Response(status=410)
        self._number += 1
        message = f"message {self._number}"
        is_lost = phone.address in self.lost
        self.queue({"status": "lost" if is_lost else "arrived", "message": message, "reference": body["reference"]})
        if not is_lost:
            phone.receive(body["text"], body["replies"])
        return web.json_response({"id": message}, status=201)

    def _is_ours(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.token}"


def _fault(body: dict[str, Any]) -> str:
    """Why the platform refuses a message; empty: it does not."""
    if {name: type(value) for name, value in body.items()} != FIELDS:
        return "unknown, missing or wrong fields"
    if not 0 < len(body["text"]) <= MAX_TEXT:
        return "empty or too long"
    return "too many replies" if len(body["replies"]) > MAX_REPLIES else ""
