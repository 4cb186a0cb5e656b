"""A platform that keeps count: takes every message in both tongues, says so a moment later, and tells receipts.

Each person here is sent one prompt and gets one reply, to the one word that they say or to the one button that they
press; what was pressed on Telegram is brought up to date besides. Who, and which of these, names a delivery. What
WhatsApp's half took is told as delivered. Words, presses and receipts are brought to the product's webhooks again and
again until they are acknowledged.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from time import time
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.channels.telegram.receiver import PATH, SECRET_HEADER
from tests.fakes import whatsapp_webhooks as webhooks
from tests.fakes.telegram import TOKEN
from tests.fakes.whatsapp_chats import shown
from tests.fakes.whatsapp_webhooks import Identity

PROMPT_PREFIX = "prompt"  # how the text of every prompt begins, and of nothing else
WORD = "ayuda"  # what everybody says who presses nothing
WEBHOOK_SECRET = "secret-of-the-counter"
TELEGRAM, WHATSAPP = "telegram", "whatsapp"
LONGEST = 0.02  # seconds from having taken a message to saying so, at most
AGAIN = 0.05  # seconds until a platform repeats what was not acknowledged
AT_ONCE = 8  # words and receipts on their way
LEAD = 50  # so many words more than deliveries: people go on talking all the time
FIRST_TEXT_UPDATE, FIRST_PRESS_UPDATE = (
    700_000_000,
    800_000_000,
)  # Telegram's numbers of words and of presses begin here
Values = dict[str, Any]


class DeliveryPart(StrEnum):
    """Which of a person's deliveries."""

    PROMPT = "prompt"
    REPLY = "reply"
    EDIT = "edit"  # the pressed message is brought up to date


@dataclass(frozen=True, slots=True)
class ExpectedDelivery:
    """One delivery: to whom, and which of theirs."""

    channel: str
    address: str
    part: DeliveryPart


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody who is sent a prompt, and says a word or, where `choice` is one, presses a button."""

    channel: str
    address: str
    choice: str = ""

    def expected_deliveries(self) -> list[ExpectedDelivery]:
        """All that they are to get."""
        is_edited = self.choice and self.channel == TELEGRAM
        parts = (
            (DeliveryPart.PROMPT, DeliveryPart.REPLY, DeliveryPart.EDIT)
            if is_edited
            else (DeliveryPart.PROMPT, DeliveryPart.REPLY)
        )
        return [ExpectedDelivery(self.channel, self.address, part) for part in parts]


class CountingPlatform:
    """Use as `async with`; `taken` is how often each letter was, and `product` where the webhooks are."""

    def __init__(self, product: str) -> None:
        self.product = product
        self.accepted: Counter[ExpectedDelivery] = Counter()
        self.acknowledged_updates = 0  # of people and presses, so far acknowledged
        self.peak_concurrency = 0  # calls that were under way at once, at most
        self._under_way = 0
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

    async def wait_for_accepted(self, count: int) -> None:
        """Wait until so many letters were taken."""
        while len(self.accepted) < count:
            await self._changed.wait()

    async def wait_until_read(self) -> None:
        """Wait until all that was written to us before has been read: whoever wrote it may be dead."""
        async with self._session.get(f"{self.url}/bot{TOKEN}/getMe") as answer:
            await answer.read()

    async def wait_for_acknowledgements(self) -> None:
        """Wait until the product has taken in all that was to be brought."""
        await self._posts.join()

    # ------------------------------------------------------------ taking

    async def _take(self, letter: ExpectedDelivery) -> int:
        """At once and for good; that it was is said a moment later."""
        self._number += 1
        number = self._number
        self.accepted[letter] += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self._under_way += 1
        self.peak_concurrency = max(self.peak_concurrency, self._under_way)
        try:
            await asyncio.sleep(random.uniform(0, LONGEST))  # the platform's own time
        finally:  # whoever asked may be dead
            self._under_way -= 1
        return number

    async def _bot_api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if method not in ("sendMessage", "editMessageText"):
            user = {"id": 1, "is_bot": True, "first_name": "b", "username": "integra_prueba_bot"}
            return web.json_response({"ok": True, "result": user if method == "getMe" else True})
        values = await (request.json() if request.content_type == "application/json" else request.post())
        part = DeliveryPart.EDIT if method == "editMessageText" else _part(str(values["text"]))
        letter = ExpectedDelivery(TELEGRAM, str(values["chat_id"]), part)
        number = await self._take(letter)
        chat = {"id": int(letter.address), "type": "private"}
        return web.json_response({"ok": True, "result": {"message_id": number, "date": int(time()), "chat": chat}})

    async def _messages(self, request: web.Request) -> web.Response:
        body = await request.json()
        letter = ExpectedDelivery(WHATSAPP, body["recipient"], _part(shown(body)[0]))
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

    def start_sending(self, people: Iterable[Participant]) -> None:
        """Everybody says their word or presses their button, in step with what is delivered."""
        self._tasks.append(asyncio.create_task(self._talk(list(people))))

    async def _talk(self, people: list[Participant]) -> None:
        for place, person in enumerate(people):
            await self.wait_for_accepted(place - LEAD)
            at = int(time())
            if person.channel == WHATSAPP:
                said = webhooks.incoming(identity(person.address), _message(person, at))
                self._tell(webhooks.body("messages", said, at), 1)
            else:
                self._post(PATH, {SECRET_HEADER: WEBHOOK_SECRET}, json.dumps(_update(place, person, at)).encode(), 1)

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
            self.acknowledged_updates += words
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


def _part(text: str) -> DeliveryPart:
    return DeliveryPart.PROMPT if text.startswith(PROMPT_PREFIX) else DeliveryPart.REPLY


def _message(person: Participant, at: int) -> Values:
    """As WhatsApp tells it."""
    known = {"id": f"wamid.IN.{person.address}", "timestamp": str(at)}
    if not person.choice:
        return known | {"type": "text", "text": {"body": WORD}}
    pressed = {"type": "button_reply", "button_reply": {"id": person.choice, "title": "A"}}
    return known | {"type": "interactive", "interactive": pressed}


def _update(number: int, person: Participant, at: int) -> Values:
    """As Telegram tells it."""
    who = int(person.address)
    user = {"id": who, "is_bot": False, "first_name": "Ana", "language_code": "es"}
    chat = {"id": who, "type": "private", "first_name": "Ana"}
    message = {"message_id": number + 1, "date": at, "chat": chat, "text": PROMPT_PREFIX}
    if not person.choice:
        return {"update_id": FIRST_TEXT_UPDATE + number, "message": message | {"from": user, "text": WORD}}
    query = {"id": str(4_000_000_000 + number), "from": user, "message": message, "chat_instance": "1"}
    return {"update_id": FIRST_PRESS_UPDATE + number, "callback_query": query | {"data": person.choice}}
