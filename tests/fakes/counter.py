"""A platform that keeps count: takes every message in both tongues, says so a moment later, and tells receipts.

Each person here is sent one prompt, says one word and gets one reply to it: who and which of the two names a delivery.
What WhatsApp's half took is told as delivered. Words and receipts are brought to the product's webhooks again and again
until they are acknowledged.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from time import time
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.channels.telegram_intake import PATH, SECRET_HEADER
from tests.fakes import whatsapp_webhooks as webhooks
from tests.fakes.whatsapp_chats import shown
from tests.fakes.whatsapp_webhooks import Identity

PROMPT = "prompt"  # how the text of every prompt begins, and of nothing else
SECRET = "secret-of-the-counter"
TELEGRAM, WHATSAPP = "telegram", "whatsapp"
LONGEST = 0.02  # seconds from having taken a message to saying so, at most
AGAIN = 0.05  # seconds until a platform repeats what was not acknowledged
AT_ONCE = 8  # words and receipts on their way
LEAD = 50  # so many words more than deliveries: people go on talking all the time
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivery: to whom, and whether it is their prompt or the reply to their word."""

    channel: str
    address: str
    is_prompt: bool


class CountingPlatform:
    """Use as `async with`; `taken` is how often each letter was, and `product` where the webhooks are."""

    def __init__(self, product: str) -> None:
        self.product = product
        self.taken: Counter[Letter] = Counter()
        self.words = 0  # of people, so far acknowledged
        self._number = 0
        self._changed = asyncio.Event()
        self._posts: asyncio.Queue[tuple[str, dict[str, str], bytes, int]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", self._bot_api)
        app.router.add_post("/v25.0/{number}/messages", self._messages)
        app.router.add_get("/v25.0/{account}/message_templates", self._told)
        app.router.add_get("/v25.0/{number}", self._told)
        self._server = TestServer(app)

    async def __aenter__(self) -> "CountingPlatform":
        await self._server.start_server(access_log=None)
        self._session = aiohttp.ClientSession()
        self._tasks = [asyncio.create_task(self._bring()) for _ in range(AT_ONCE)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    async def reached(self, count: int) -> None:
        """Wait until so many letters were taken."""
        while len(self.taken) < count:
            await self._changed.wait()

    async def acknowledged(self) -> None:
        """Wait until the product has taken in all that was to be brought."""
        await self._posts.join()

    # ------------------------------------------------------------ taking

    async def _take(self, letter: Letter) -> int:
        """At once and for good; that it was is said a moment later."""
        self._number += 1
        number = self._number
        self.taken[letter] += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        await asyncio.sleep(random.uniform(0, LONGEST))  # the platform's own time
        return number

    async def _bot_api(self, request: web.Request) -> web.Response:
        if request.match_info["method"] != "sendMessage":
            user = {"id": 1, "is_bot": True, "first_name": "b", "username": "integra_prueba_bot"}
            return web.json_response({"ok": True, "result": user if request.match_info["method"] == "getMe" else True})
        values = await (request.json() if request.content_type == "application/json" else request.post())
        letter = Letter(TELEGRAM, str(values["chat_id"]), str(values["text"]).startswith(PROMPT))
        number = await self._take(letter)
        chat = {"id": int(letter.address), "type": "private"}
        return web.json_response({"ok": True, "result": {"message_id": number, "date": int(time()), "chat": chat}})

    async def _messages(self, request: web.Request) -> web.Response:
        body = await request.json()
        letter = Letter(WHATSAPP, body["recipient"], shown(body)[0].startswith(PROMPT))
        who, wamid, at = identity(letter.address), f"wamid.{letter.address}.{self._number}", int(time())
        tracker = body["biz_opaque_callback_data"]
        told = webhooks.status(who, wamid, "delivered", at, by_id=True, tracker=tracker, category="service", code=None)
        self._tell(webhooks.body("messages", told, at), 0)
        await self._take(letter)
        return web.json_response({"messaging_product": "whatsapp", "messages": [{"id": wamid}]})

    async def _told(self, _: web.Request) -> web.Response:
        """Templates, or the number."""
        return web.json_response({"data": [], "display_phone_number": webhooks.DISPLAY_NUMBER})

    # ------------------------------------------------------------ telling

    def listen(self, people: Iterable[tuple[str, str]]) -> None:
        """Everybody (channel and address) says their word, in step with what is delivered."""
        self._tasks.append(asyncio.create_task(self._talk(list(people))))

    async def _talk(self, people: list[tuple[str, str]]) -> None:
        for place, (channel, address) in enumerate(people):
            await self.reached(place - LEAD)
            at = int(time())
            if channel == WHATSAPP:
                message = {"id": f"wamid.IN.{address}", "timestamp": str(at), "type": "text", "text": {"body": "ayuda"}}
                self._tell(webhooks.body("messages", webhooks.incoming(identity(address), message), at), 1)
            else:
                self._post(PATH, {SECRET_HEADER: SECRET}, json.dumps(_update(place, int(address), at)).encode(), 1)

    def _tell(self, posted: Values, words: int) -> None:
        content = webhooks.raw(posted)
        self._post(webhooks.PATH, {"X-Hub-Signature-256": webhooks.signature(content)}, content, words)

    def _post(self, path: str, headers: dict[str, str], content: bytes, words: int) -> None:
        self._posts.put_nowait((path, headers | {"Content-Type": "application/json"}, content, words))

    async def _bring(self) -> None:
        while True:
            path, headers, content, words = await self._posts.get()
            is_taken = False
            while not is_taken:
                is_taken = await self._brought(path, headers, content)
            self.words += words
            self._posts.task_done()

    async def _brought(self, path: str, headers: dict[str, str], content: bytes) -> bool:
        try:
            async with self._session.post(self.product + path, data=content, headers=headers) as answer:
                is_taken = answer.status == 200
        except aiohttp.ClientError:  # nobody is there
            is_taken = False
        if not is_taken:
            await asyncio.sleep(AGAIN)  # the platform's own time
        return is_taken


def identity(address: str) -> Identity:
    """Who somebody on WhatsApp is, by their scoped id."""
    return Identity(f"521477{int(address[3:]):07d}", address, "Ana")


def _update(number: int, person: int, at: int) -> Values:
    user = {"id": person, "is_bot": False, "first_name": "Ana", "language_code": "es"}
    chat = {"id": person, "type": "private", "first_name": "Ana"}
    message = {"message_id": number + 1, "date": at, "chat": chat, "from": user, "text": "ayuda"}
    return {"update_id": 700_000_000 + number, "message": message}
