"""A fake Telegram Bot API on loopback that refuses what the real one refuses, and fails on request.

Simulated: getUpdates (long polling, offsets, one poller at a time), setWebhook and webhook deliveries with the secret
header, sending, editing and deleting messages, presses and their answers, menus and descriptions, blocked users.
Checked: methods, parameters, types and limits (telegram_facts.py, telegram_rules.py), HTML (telegram_html.py) and,
where present, the machine-readable Bot API description. Refusals have the real status and description and are listed
in `refusals`.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.fakes.telegram_chats import BOT, ChatMessage, Person, World
from tests.fakes.telegram_facts import (
    DELETABLE_SECONDS,
    PRESS_SECONDS,
    SECRET_HEADER,
    TEXT_LIMIT,
    UPDATE_KINDS,
    WEBHOOK_PORTS,
)
from tests.fakes.telegram_html import Unparsable, parse
from tests.fakes.telegram_rules import Refusal, bad, read_request, type_violation

TOKEN = "7000000001:AAFakeFakeFakeFakeFakeFakeFakeFakeFak"
Values = dict[str, Any]
Method = Callable[[Values], Coroutine[Any, Any, Any]]


@dataclass(slots=True)
class Fault:
    """A failure injected into one request; with `done` the request takes effect all the same."""

    method: str
    status: int = 0
    retry_after: int | None = None
    body: bytes | None = None  # response body, sent unchanged
    reset: bool = False
    hang: asyncio.Event | None = None
    done: bool = False
    met: asyncio.Event = field(default_factory=asyncio.Event)  # set when a request met the fault


class FakeTelegram:
    """Use as `async with FakeTelegram() as telegram`; then `telegram.url` is the API's address."""

    def __init__(self, token: str = TOKEN, now: Callable[[], datetime] | None = None) -> None:
        self.token = token
        self.world = World(self._queue)
        if now is not None:
            self.world.clock = lambda: now().timestamp()
        self.pending: list[Values] = []
        self.next_update = 870_000_001
        self.allowed: tuple[str, ...] = UPDATE_KINDS
        self.webhook: Values = {}
        self.last_failure: Values = {}  # last_error_* fields of getWebhookInfo; stay until changed
        self.tunnel = ""  # base URL that webhook posts are sent to instead of the https URL, e.g. http://127.0.0.1:8080
        self.menus: dict[str, list[tuple[str, str]]] = {}
        self.descriptions: dict[str, str] = {}
        self.short_descriptions: dict[str, str] = {}
        self.calls: list[tuple[str, Values]] = []  # method and parameters of every valid request
        self.refusals: list[str] = []  # method and description of every refused request
        self.faults: list[Fault] = []
        self._changed = asyncio.Event()
        self._poller = 0
        self._closing = False
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", self._serve)
        self._server = TestServer(app)

    async def __aenter__(self) -> "FakeTelegram":
        await self._server.start_server(access_log=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for fault in self.faults:
            if fault.hang is not None:
                fault.hang.set()
        self._notify()
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    # Control by tests

    def person(self, number: int = 100_001, language: str = "es") -> Person:
        """The simulated user with this id, created if new."""
        return self.world.people.get(number) or self.world.person(number, language)

    def advance(self, seconds: int) -> None:
        """Advance the server's clock, by which messages and presses expire."""
        self.world.ahead += seconds

    def fail(self, method: str, **how: Any) -> Fault:
        """Make the next request of a method fail, e.g. `fail("sendMessage", status=429, retry_after=3)`."""
        fault = Fault(method, **how)
        self.faults.append(fault)
        return fault

    def push(self, update: Values) -> int:
        """Queue an update unchanged and unchecked; returns its update_id, or 0."""
        self.pending.append(update)
        self._notify()
        return int(update.get("update_id", 0))

    async def drained(self) -> None:
        """Wait until every update is confirmed by a poller."""
        while self.pending:
            await self._changed.wait()

    async def changed(self) -> None:
        """Wait for the next request or update."""
        await self._changed.wait()

    async def called(self, method: str) -> None:
        """Wait until a method was called at least once."""
        while not any(name == method for name, _ in self.calls):
            await self._changed.wait()

    async def deliver(self, *, attempts: int = 3) -> list[int]:
        """Post pending updates to the webhook in order, each until 2xx; return the response statuses.

        Stops at an update that got no 2xx after `attempts`; it and later ones stay pending.
        """
        target = self.tunnel + urlsplit(self.webhook["url"]).path
        headers = {SECRET_HEADER: self.webhook["secret_token"]} if "secret_token" in self.webhook else {}
        seen: list[int] = []
        async with aiohttp.ClientSession() as session:
            while self.pending:
                for _ in range(attempts):
                    async with session.post(target, json=self.pending[0], headers=headers) as answer:
                        seen.append(answer.status)
                        if answer.ok:
                            await self._follow(await answer.read())
                    if answer.ok:
                        break
                else:
                    return seen
                self.pending.pop(0)
        return seen

    async def _follow(self, content: bytes) -> None:
        """Execute a method call in the response to a webhook post; its result is not reported to the caller."""
        if not content:
            return
        values = json.loads(content)
        method = values.pop("method")
        try:
            values = read_request(method, values)
            self.calls.append((method, values))
            await self._methods()[method](values)
        except Refusal as refusal:
            self.refusals.append(f"{method}: {refusal.description}")

    @property
    def unanswered(self) -> list[str]:
        """Ids of presses that were not answered, for which a phone shows a progress bar."""
        return [number for number, press in self.world.presses.items() if not press.answered]

    # Updates

    def _queue(self, kind: str, content: Values) -> int:
        number = self.next_update
        update = {"update_id": number, kind: content}
        fault = type_violation("Update", update)
        assert not fault, f"the fake created an invalid update: {fault}"
        self.next_update += 1
        if kind in self.allowed:
            self.push(update)
        return number

    def _notify(self) -> None:
        """Wake all tasks that wait for a change; the next change gets a new event."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _get_updates(self, values: Values) -> list[Values]:
        conflict = "terminated by other getUpdates request; make sure that only one bot instance is running"
        if self.webhook:
            conflict = (
                "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
            )
            raise Refusal(409, f"Conflict: {conflict}")
        self._poller += 1
        poller = self._poller
        self._confirm(values.get("offset", 0))
        self._allow(values)
        self._notify()
        try:
            async with asyncio.timeout(values.get("timeout", 0)):
                while not (self.pending or self._closing or poller != self._poller):
                    await self._changed.wait()
        except TimeoutError:
            return []
        if poller != self._poller:
            raise Refusal(409, f"Conflict: {conflict}")
        return self.pending[: values.get("limit", 100)]

    def _confirm(self, offset: int) -> None:
        if offset > 0:
            self.pending = [update for update in self.pending if update.get("update_id", offset) >= offset]
        elif offset < 0:
            self.pending = self.pending[offset:]

    def _allow(self, values: Values) -> None:
        if "allowed_updates" in values:
            self.allowed = tuple(values["allowed_updates"]) or UPDATE_KINDS

    async def _set_webhook(self, values: Values) -> bool:
        parts = urlsplit(values["url"])
        if values["url"]:
            if parts.scheme != "https":
                raise bad("bad webhook: An HTTPS URL must be provided for webhook")
            if (parts.port or 443) not in WEBHOOK_PORTS:
                raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        self._allow(values)
        self.webhook = values if values["url"] else {}
        self._drop(values)
        self._poller += 1
        self._notify()
        return True

    async def _delete_webhook(self, values: Values) -> bool:
        self.webhook = {}
        self._drop(values)
        return True

    def _drop(self, values: Values) -> None:
        if values.get("drop_pending_updates"):
            self.pending.clear()
            self._notify()

    # Messages

    async def _send_message(self, values: Values) -> Values:
        person = self._reachable(values["chat_id"])
        content = self._content(values)
        message = ChatMessage(self.world.next_message(), person.chat, BOT, self.world.now, content, _rows(values))
        person.messages.append(message)
        return message.raw()

    async def _edit_message(self, values: Values) -> Values:
        person = self._reachable(values.get("chat_id", 0))
        content, rows = self._content(values), _rows(values)
        message = person.message(values.get("message_id", 0))
        if message is None:
            raise bad("message to edit not found")
        if not message.is_from_bot:
            raise bad("message can't be edited")
        if (message.content, message.rows) == (content, rows):
            raise bad(
                "message is not modified: specified new message content and reply markup are exactly the same"
                " as a current content and reply markup of the message"
            )
        message.content, message.rows, message.edited = content, rows, self.world.now
        return message.raw()

    async def _delete_message(self, values: Values) -> bool:
        person = self._reachable(values["chat_id"])
        message = person.message(values["message_id"])
        if message is None:
            raise bad("message to delete not found")
        if self.world.now - message.date >= DELETABLE_SECONDS:
            raise bad("message can't be deleted for everyone")
        person.messages.remove(message)
        return True

    async def _answer_press(self, values: Values) -> bool:
        press = self.world.presses.get(values["callback_query_id"])
        if press is None or press.answered or self.world.now - press.at > PRESS_SECONDS:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        press.answered = True
        if values.get("text"):
            press.person.toasts.append(values["text"])
        return True

    def _reachable(self, chat: int) -> Person:
        person = self.world.people.get(chat)
        if person is None or not person.has_started:
            raise bad("chat not found")
        if person.is_deactivated:
            raise Refusal(403, "Forbidden: user is deactivated")
        if person.has_blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        return person

    @staticmethod
    def _content(values: Values) -> Values:
        text: str = values.get("text", "")
        entities: list[Values] = []
        if values.get("parse_mode") == "HTML":
            try:
                text, entities = parse(text)
            except Unparsable as fault:
                raise bad(f"can't parse entities: {fault}") from fault
        if not text.strip():
            raise bad("message text is empty")
        if len(text) > TEXT_LIMIT:
            raise bad("message is too long")
        return {"text": text.strip(), **({"entities": entities} if entities else {})}

    # Bot and webhook information

    async def _get_me(self, _: Values) -> Values:
        return {**BOT, "can_join_groups": False, "can_read_all_group_messages": False}

    async def _get_webhook_info(self, _: Values) -> Values:
        return {
            "url": self.webhook.get("url", ""),
            "has_custom_certificate": False,
            "pending_update_count": len(self.pending),
            **self.last_failure,
        }

    async def _set_commands(self, values: Values) -> bool:
        menu = [(command["command"], command["description"]) for command in values["commands"]]
        self.menus[values.get("language_code", "")] = menu
        return True

    async def _set_description(self, values: Values) -> bool:
        self.descriptions[values.get("language_code", "")] = values.get("description", "")
        return True

    async def _set_short_description(self, values: Values) -> bool:
        self.short_descriptions[values.get("language_code", "")] = values.get("short_description", "")
        return True

    # HTTP server

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        try:
            if request.match_info["token"] != self.token:
                raise Refusal(*((401, "Unauthorized") if ":" in request.match_info["token"] else (404, "Not Found")))
            values = read_request(method, await _parameters(request))
            self.calls.append((method, values))
            self._notify()
            work: Method = self._methods()[method]
            fault = next((fault for fault in self.faults if fault.method == method), None)
            if fault is not None:
                self.faults.remove(fault)
                return await self._break(request, fault, work, values)
            return web.json_response({"ok": True, "result": await work(values)})
        except Refusal as refusal:
            self.refusals.append(f"{method}: {refusal.description}")
            return _refused(refusal)

    def _methods(self) -> dict[str, Method]:
        return {
            "getMe": self._get_me,
            "getUpdates": self._get_updates,
            "getWebhookInfo": self._get_webhook_info,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "sendMessage": self._send_message,
            "editMessageText": self._edit_message,
            "deleteMessage": self._delete_message,
            "answerCallbackQuery": self._answer_press,
            "setMyCommands": self._set_commands,
            "setMyDescription": self._set_description,
            "setMyShortDescription": self._set_short_description,
        }

    async def _break(self, request: web.Request, fault: Fault, work: Method, values: Values) -> web.StreamResponse:
        result = await work(values) if fault.done else None
        fault.met.set()
        if fault.hang is not None:
            self.faults.append(fault)  # so that __aexit__ releases it
            await fault.hang.wait()
            self.faults.remove(fault)
        if fault.reset or fault.hang is not None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault.body is not None:
            return web.Response(status=fault.status or 200, body=fault.body)
        if fault.status == 429:
            parameters = {} if fault.retry_after is None else {"retry_after": fault.retry_after}
            return _refused(Refusal(429, "Too Many Requests: retry later", **parameters))
        if fault.status:
            return _refused(Refusal(fault.status, "Internal Server Error"))
        return web.json_response({"ok": True, "result": result})


def _rows(values: Values) -> list[list[Values]]:
    return list(values.get("reply_markup", {}).get("inline_keyboard", []))


async def _parameters(request: web.Request) -> Values:
    values: Values = dict(request.query)
    if request.content_type == "application/json":
        values |= await request.json()
    elif request.can_read_body:
        values |= await request.post()
    return values


def _refused(refusal: Refusal) -> web.Response:
    answer: Values = {"ok": False, "error_code": refusal.status, "description": refusal.description}
    if refusal.parameters:
        answer["parameters"] = refusal.parameters
    return web.Response(status=refusal.status, body=json.dumps(answer).encode(), content_type="application/json")
