"""A fake of both platforms that counts accepted messages, for tests that kill or overlap processes of the product.

It accepts every message of the Bot API and the Graph API and responds after a random delay; it validates nothing (see
telegram.py and whatsapp.py for fakes that do). Each participant gets one prompt and one reply to the command they type
or the button they press; on Telegram the pressed message is edited as well. A delivery is identified by its address
and which of these it is. For WhatsApp a receipt "delivered" follows each message. Typed commands, presses and receipts
are posted to the product's webhooks and retried until they are acknowledged.
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

PROMPT_PREFIX = "prompt"  # the text of every prompt, and of nothing else, starts with it
COMMAND = "ayuda"  # typed by participants who press no button
WEBHOOK_SECRET = "secret-of-the-counting-platform"
TELEGRAM, WHATSAPP = "telegram", "whatsapp"
MAX_RESPONSE_SECONDS = 0.02  # delay between accepting a message and responding
RETRY_SECONDS = 0.05  # delay before a webhook is posted again
CONCURRENT_POSTS = 8  # webhook posts in flight
LEAD = 50  # participants may act this many ahead of accepted deliveries, so that updates arrive all the time
FIRST_TEXT_UPDATE, FIRST_PRESS_UPDATE = 700_000_000, 800_000_000  # first update_id of each kind
Values = dict[str, Any]


class DeliveryPart(StrEnum):
    """Which of a participant's deliveries."""

    PROMPT = "prompt"
    REPLY = "reply"
    EDIT = "edit"  # of the message whose button was pressed


@dataclass(frozen=True, slots=True)
class ExpectedDelivery:
    """One delivery that a participant should get."""

    channel: str
    address: str
    part: DeliveryPart


@dataclass(frozen=True, slots=True)
class Participant:
    """A simulated user who gets a prompt and types a command or, with a `choice`, presses a button."""

    channel: str
    address: str
    choice: str = ""

    def expected_deliveries(self) -> list[ExpectedDelivery]:
        """All deliveries that this participant should get."""
        parts = [DeliveryPart.PROMPT, DeliveryPart.REPLY]
        if self.choice and self.channel == TELEGRAM:
            parts.append(DeliveryPart.EDIT)
        return [ExpectedDelivery(self.channel, self.address, part) for part in parts]


class CountingPlatform:
    """Use as `async with`; `product` is the base URL of the product's webhooks, `accepted` counts each delivery."""

    def __init__(self, product: str) -> None:
        self.product = product
        self.accepted: Counter[ExpectedDelivery] = Counter()
        self.acknowledged_updates = 0  # typed commands and presses; without receipts
        self.peak_concurrency = 0  # highest number of API calls in flight
        self._in_flight = 0
        self._number = 0
        self._changed = asyncio.Event()
        self._posts: asyncio.Queue[tuple[str, dict[str, str], bytes, int]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", self._bot_api)
        app.router.add_post("/v25.0/{number}/messages", self._messages)
        app.router.add_get("/v25.0/{account}/message_templates", self._account)
        app.router.add_get("/v25.0/{number}", self._account)
        self._server = TestServer(app)

    async def __aenter__(self) -> "CountingPlatform":
        await self._server.start_server(access_log=None)
        self._session = aiohttp.ClientSession()
        self._tasks = [asyncio.create_task(self._deliver_posts()) for _ in range(CONCURRENT_POSTS)]
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
        """Wait until this many different deliveries were accepted."""
        while len(self.accepted) < count:
            await self._changed.wait()

    async def wait_until_read(self) -> None:
        """Wait until requests sent before have been read, also those of processes that were killed since."""
        async with self._session.get(f"{self.url}/bot{TOKEN}/getMe") as answer:
            await answer.read()

    async def wait_for_acknowledgements(self) -> None:
        """Wait until the product has acknowledged every queued webhook post."""
        await self._posts.join()

    # ------------------------------------------------------------ APIs

    async def _accept(self, delivery: ExpectedDelivery) -> int:
        """Count a delivery at once, then respond after a delay; returns its message number."""
        self._number += 1
        number = self._number
        self.accepted[delivery] += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self._in_flight += 1
        self.peak_concurrency = max(self.peak_concurrency, self._in_flight)
        try:
            await asyncio.sleep(random.uniform(0, MAX_RESPONSE_SECONDS))  # simulated latency of the platform
        finally:  # the client may have been killed
            self._in_flight -= 1
        return number

    async def _bot_api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if method not in ("sendMessage", "editMessageText"):
            user = {"id": 1, "is_bot": True, "first_name": "b", "username": "integra_prueba_bot"}
            return web.json_response({"ok": True, "result": user if method == "getMe" else True})
        values = await (request.json() if request.content_type == "application/json" else request.post())
        part = DeliveryPart.EDIT if method == "editMessageText" else _part(str(values["text"]))
        delivery = ExpectedDelivery(TELEGRAM, str(values["chat_id"]), part)
        number = await self._accept(delivery)
        chat = {"id": int(delivery.address), "type": "private"}
        return web.json_response({"ok": True, "result": {"message_id": number, "date": int(time()), "chat": chat}})

    async def _messages(self, request: web.Request) -> web.Response:
        body = await request.json()
        delivery = ExpectedDelivery(WHATSAPP, body["recipient"], _part(shown(body)[0]))
        who, wamid, at = identity(delivery.address), f"wamid.{delivery.address}.{self._number}", int(time())
        tracker = body["biz_opaque_callback_data"]
        receipt = webhooks.status(
            who, wamid, "delivered", at, by_id=True, tracker=tracker, category="service", code=None
        )
        self._post_whatsapp(webhooks.body("messages", receipt, at), 0)
        await self._accept(delivery)
        return web.json_response({"messaging_product": "whatsapp", "messages": [{"id": wamid}]})

    async def _account(self, _: web.Request) -> web.Response:
        """The list of templates, or the phone number."""
        return web.json_response({"data": [], "display_phone_number": webhooks.DISPLAY_NUMBER})

    # ------------------------------------------------------------ webhooks

    def start_sending(self, participants: Iterable[Participant]) -> None:
        """Let the participants type or press, one after the other, at most LEAD ahead of accepted deliveries."""
        self._tasks.append(asyncio.create_task(self._send_updates(list(participants))))

    async def _send_updates(self, participants: list[Participant]) -> None:
        for number, person in enumerate(participants):
            await self.wait_for_accepted(number - LEAD)
            at = int(time())
            if person.channel == WHATSAPP:
                value = webhooks.incoming(identity(person.address), _whatsapp_message(person, at))
                self._post_whatsapp(webhooks.body("messages", value, at), 1)
            else:
                self._post(
                    PATH, {SECRET_HEADER: WEBHOOK_SECRET}, json.dumps(_telegram_update(number, person, at)).encode(), 1
                )

    def _post_whatsapp(self, posted: Values, updates: int) -> None:
        content = webhooks.raw(posted)
        self._post(webhooks.PATH, {"X-Hub-Signature-256": webhooks.signature(content)}, content, updates)

    def _post(self, path: str, headers: dict[str, str], content: bytes, updates: int) -> None:
        self._posts.put_nowait((path, headers | {"Content-Type": "application/json"}, content, updates))

    async def _deliver_posts(self) -> None:
        while True:
            path, headers, content, updates = await self._posts.get()
            is_acknowledged = False
            while not is_acknowledged:
                is_acknowledged = await self._try_post(path, headers, content)
            self.acknowledged_updates += updates
            self._posts.task_done()

    async def _try_post(self, path: str, headers: dict[str, str], content: bytes) -> bool:
        try:
            async with self._session.post(self.product + path, data=content, headers=headers) as answer:
                is_acknowledged = answer.status == 200
        except aiohttp.ClientError:  # no process is listening
            is_acknowledged = False
        if not is_acknowledged:
            await asyncio.sleep(RETRY_SECONDS)  # simulated latency of the platform
        return is_acknowledged


def identity(address: str) -> Identity:
    """The identity of a WhatsApp user, derived from the business-scoped id."""
    return Identity(f"521477{int(address[3:]):07d}", address, "Ana")


def _part(text: str) -> DeliveryPart:
    return DeliveryPart.PROMPT if text.startswith(PROMPT_PREFIX) else DeliveryPart.REPLY


def _whatsapp_message(person: Participant, at: int) -> Values:
    """The message object of a WhatsApp webhook."""
    known = {"id": f"wamid.IN.{person.address}", "timestamp": str(at)}
    if not person.choice:
        return known | {"type": "text", "text": {"body": COMMAND}}
    pressed = {"type": "button_reply", "button_reply": {"id": person.choice, "title": "A"}}
    return known | {"type": "interactive", "interactive": pressed}


def _telegram_update(number: int, person: Participant, at: int) -> Values:
    """The update object of the Bot API."""
    who = int(person.address)
    user = {"id": who, "is_bot": False, "first_name": "Ana", "language_code": "es"}
    chat = {"id": who, "type": "private", "first_name": "Ana"}
    message = {"message_id": number + 1, "date": at, "chat": chat, "text": PROMPT_PREFIX}
    if not person.choice:
        return {"update_id": FIRST_TEXT_UPDATE + number, "message": message | {"from": user, "text": COMMAND}}
    query = {"id": str(4_000_000_000 + number), "from": user, "message": message, "chat_instance": "1"}
    return {"update_id": FIRST_PRESS_UPDATE + number, "callback_query": query | {"data": person.choice}}
