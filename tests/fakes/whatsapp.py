"""A fake WhatsApp Cloud API (Graph API) on loopback that refuses what the real one refuses, and fails on request.

Simulated: sending text, interactive and template messages, read receipts and typing indicators, listing and creating
templates, the phone number's information, and signed webhooks for messages, statuses, templates and account events.
Checked: token, ids, message bodies (whatsapp_rules.py: limits of Meta's documentation and, where present, their JSON
schema), templates (whatsapp_templates.py), the 24-hour window, the messaging limit and the pair rate limit
(whatsapp_chats.py). Refusals have Meta's status, code and details and are listed in `refusals`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.cast import Clock
from tests.fakes import whatsapp_webhooks as webhooks
from tests.fakes.whatsapp_chats import ChatMessage, Label, Person, World, shown
from tests.fakes.whatsapp_rules import Refusal, Values, json_object, read_message
from tests.fakes.whatsapp_templates import Templates
from tests.fakes.whatsapp_webhooks import APP_SECRET, BUSINESS_ACCOUNT_ID, DISPLAY_NUMBER, PHONE_NUMBER_ID, VERIFY_TOKEN

__all__ = [
    "ACCESS_TOKEN",
    "APP_SECRET",
    "BUSINESS_ACCOUNT_ID",
    "DISPLAY_NUMBER",
    "PHONE_NUMBER_ID",
    "VERIFY_TOKEN",
    "FakeWhatsApp",
    "Fault",
]

ACCESS_TOKEN = "EAAFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake"
VERSION = "v25.0"
UPDATES_IN_A_POST = 1000
TIERS = {250: "TIER_250", 2000: "TIER_2K", 10_000: "TIER_10K", 100_000: "TIER_100K", None: "TIER_UNLIMITED"}

Understood = tuple[str, Values, Callable[[Values], Values]]
"""A parsed request: method name, values, and the function that executes it."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Fault:
    """A failure injected into the next `times` requests of a method; with `done` they take effect all the same.

    With only `latency` set, the normal response is delayed.
    """

    method: str
    times: int = 1
    code: int = 0  # Meta's error code
    status: int = 0
    body: bytes | None = None  # response body, sent unchanged
    reset: bool = False
    hang: asyncio.Event | None = None
    latency: float = 0  # seconds
    done: bool = False
    met: asyncio.Event = field(default_factory=asyncio.Event)  # set when a request met the fault

    @property
    def is_only_slow(self) -> bool:
        return not (self.code or self.status or self.body is not None or self.reset or self.hang)


class FakeWhatsApp:
    """Use as `async with FakeWhatsApp() as whatsapp`; then `whatsapp.url` is the API's address, with its version.

    Names of methods in `calls`, `refusals` and `fail`: messages (send), read (read receipt and typing indicator),
    templates (list), create (a template), number.
    """

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self.now: Callable[[], datetime] = now or Clock()
        self.world = World(self.push, lambda: self.now())
        self.templates = Templates(self.push, lambda: self.now())
        self.messaging_limit: int | None = 2000
        self.quality = "GREEN"
        self.pair_rate = True
        self.auto_statuses = False  # queue statuses sent and delivered for each accepted message
        self.pending: list[Values] = []  # webhook bodies waiting for `deliver`
        self.calls: list[tuple[str, Values]] = []  # method and values of every valid request
        self.refusals: list[str] = []  # every refused request: method, code, details
        self.faults: list[Fault] = []
        self._changed = asyncio.Event()
        self._hanging: list[asyncio.Event] = []
        app = web.Application()
        templates = f"/{VERSION}/{{account}}/message_templates"
        app.router.add_post(f"/{VERSION}/{{number}}/messages", self._route("messages", self._read_message))
        app.router.add_post(templates, self._route("create", self._read_template))
        app.router.add_get(templates, self._route("templates", self._read_list))
        app.router.add_get(f"/{VERSION}/{{number}}", self._route("number", self._read_number))
        app.router.add_route("*", "/{tail:.*}", self._route("nothing", self._read_nothing))
        self._server = TestServer(app)

    async def __aenter__(self) -> "FakeWhatsApp":
        await self._server.start_server(access_log=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        for hanging in self._hanging:
            hanging.set()
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url(f"/{VERSION}"))

    # Control by tests

    def person(self, phone: str = "5214771000001", user_id: str = "MX.1001", has_username: bool = False) -> Person:
        """The simulated user with this phone number and business-scoped id, created if new."""
        found = (person for person in self.world.people if (person.phone, person.user_id) == (phone, user_id))
        return next(found, None) or self.world.person(phone, user_id, has_username)

    def fail(self, method: str, **how: Any) -> Fault:
        """Make the next requests of a method fail, e.g. `fail("messages", code=131056, times=3)`."""
        fault = Fault(method, **how)
        self.faults.append(fault)
        return fault

    async def called(self, method: str, times: int = 1) -> None:
        """Wait until a method was called `times` times."""
        while sum(name == method for name, _ in self.calls) < times:
            await self._changed.wait()

    def approve(self, name: str, language: str) -> None:
        self.templates.change(name, language, "APPROVED")

    def reject(self, name: str, language: str, reason: str = "TAG_CONTENT_MISMATCH") -> None:
        self.templates.change(name, language, "REJECTED", reason)

    def pause(self, name: str, language: str) -> None:
        self.templates.change(name, language, "PAUSED")

    def disable(self, name: str, language: str) -> None:
        self.templates.change(name, language, "DISABLED")

    def set_messaging_limit(self, recipients: int | None) -> None:
        """Change the messaging limit and queue a `business_capability_update`; None means unlimited."""
        self.messaging_limit = recipients
        value = -1 if recipients is None else recipients
        self.push("business_capability_update", {"max_daily_conversations_per_business": value})

    # Webhooks

    def push(self, field: str, value: Values) -> None:
        """Queue a webhook with one change, e.g. `push("account_update", {"event": "DISABLED_UPDATE"})`."""
        self.pending.append(webhooks.body(field, value, int(self.now().timestamp())))
        self._notify()

    def push_fault(self, code: int) -> None:
        """Queue an error that concerns the phone number as a whole."""
        self.push("messages", webhooks.fault(code))

    async def report(self, message: ChatMessage, status: str, code: int | None = None) -> None:
        """Queue a status of a message: sent, delivered, read or failed (with its code)."""
        self._report(message, status, code)

    def _report(self, message: ChatMessage, status: str, code: int | None = None) -> None:
        who = message.person.identity if message.is_by_id else self._by_number(message.person)
        at = int(self.now().timestamp())
        by_id, tracker, category = message.is_by_id, message.tracker, message.category
        value = webhooks.status(
            who, message.wamid, status, at, by_id=by_id, tracker=tracker, category=category, code=code
        )
        self.push("messages", value)

    async def deliver(self, url: str, *, batch: bool = False, copies: int = 1, attempts: int = 3) -> list[int]:
        """Post pending webhooks to the product at `url`, each until 2xx; return the response statuses.

        With `batch` all in one body (at most a thousand updates), with `copies` each several times. Stops at a body
        that got no 2xx after `attempts`; it and later ones stay pending.
        """
        size = UPDATES_IN_A_POST if batch else 1
        seen: list[int] = []
        async with aiohttp.ClientSession() as session:
            while self.pending:
                bodies = self.pending[:size]
                posted = webhooks.batched(bodies) if batch else bodies[0]
                for _ in range(copies):
                    answers = [await webhooks.post(session, url, webhooks.raw(posted))]
                    while not 200 <= answers[-1] < 300 and len(answers) < attempts:
                        answers.append(await webhooks.post(session, url, webhooks.raw(posted)))
                    seen += answers
                    if not 200 <= answers[-1] < 300:
                        return seen
                del self.pending[: len(bodies)]
        return seen

    @staticmethod
    def _by_number(person: Person) -> webhooks.Identity:
        """Identity for statuses of messages addressed by number: it includes the number, even with a username."""
        return webhooks.Identity(person.phone, person.user_id, person.name, person.username)

    def _notify(self) -> None:
        """Wake all tasks that wait for a change; the next change gets a new event."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # Messages

    def _send(self, body: Values) -> Values:
        person = self.world.find(body)
        text, labels, category = self._content(body)
        if category == "authentication" and not body.get("to"):
            raise Refusal(131062)
        if not person.is_open and category == "service":
            raise Refusal(131047, "More than 24 hours have passed since the customer last replied to this number")
        if category == "marketing" and person.has_stopped_marketing:
            raise Refusal(131050)
        if self.pair_rate:
            person.spend()
        if not person.is_open:
            self.world.count(person, self.messaging_limit)
        message = ChatMessage(self.world.next_id(), text, self.now(), True, person, labels, body, category)
        return self._accept(message)

    def _accept(self, message: ChatMessage) -> Values:
        person, body = message.person, message.body
        if not person.has_blocked:
            person.messages.append(message)
            person.shows_typing = False
        if self.auto_statuses:
            for status in ("sent",) if person.has_blocked else ("sent", "delivered"):
                self._report(message, status)
        given = body.get("to") or body["recipient"]
        contact = {"input": given, **({"user_id": given} if message.is_by_id else {"wa_id": person.phone})}
        reference = {"id": message.wamid} | ({"message_status": "accepted"} if message.template else {})
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [reference]}

    def _content(self, body: Values) -> tuple[str, list[Label], str]:
        """Text, buttons and category of a message body."""
        if body["type"] == "template":
            wanted = body["template"]
            template = self.templates.for_sending(wanted["name"], wanted["language"]["code"])
            return *template.filled(wanted.get("components", [])), template.category.lower()
        return *shown(body), "service"

    def _mark_read(self, body: Values) -> Values:
        for person in self.world.people:
            if any(message.wamid == body["message_id"] and not message.is_from_bot for message in person.messages):
                person.marked.append(body["message_id"])
                person.shows_typing = "typing_indicator" in body
                return {"success": True}
        raise Refusal(131009, "message_id: no message of a user")

    # HTTP server

    async def _read_message(self, request: web.Request) -> Understood:
        _check_id(request.match_info["number"], PHONE_NUMBER_ID)
        body = read_message(await _json(request))
        if "status" in body:
            return "read", body, self._mark_read
        return "messages", body, self._send

    async def _read_template(self, request: web.Request) -> Understood:
        _check_id(request.match_info["account"], BUSINESS_ACCOUNT_ID)
        return "create", json_object(await _json(request), "body"), self.templates.create

    async def _read_list(self, request: web.Request) -> Understood:
        _check_id(request.match_info["account"], BUSINESS_ACCOUNT_ID)
        url = str(request.url.with_query(None))
        return "templates", dict(request.query), lambda query: self.templates.page(query, url)

    async def _read_number(self, request: web.Request) -> Understood:
        _check_id(request.match_info["number"], PHONE_NUMBER_ID)
        return "number", dict(request.query), self._number

    async def _read_nothing(self, request: web.Request) -> Understood:
        raise Refusal(100, f"Unknown path components: {request.path}")

    def _number(self, query: Values) -> Values:
        known: Values = {
            "verified_name": "Integra",
            "display_phone_number": "+52 477 000 0000",
            "quality_rating": self.quality,
            "throughput": {"level": "STANDARD"},
            "whatsapp_business_manager_messaging_limit": TIERS.get(self.messaging_limit, "TIER_NOT_SET"),
        }
        fields = query.get("fields", "verified_name,display_phone_number,quality_rating").split(",")
        return {name: known[name] for name in fields if name in known} | {"id": PHONE_NUMBER_ID}

    def _route(self, method: str, read: Callable[[web.Request], Awaitable[Understood]]) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            name = method
            try:
                _check_token(request)
                name, values, work = await read(request)
                self.calls.append((name, values))
                self._notify()
                fault = next((fault for fault in self.faults if fault.method == name), None)
                if fault is not None:
                    return await self._break(request, fault, lambda: work(values))
                return web.json_response(work(values))
            except Refusal as refusal:
                self.refusals.append(f"{name}: {refusal}")
                return web.json_response(refusal.answer(), status=refusal.status)

        return serve

    async def _break(self, request: web.Request, fault: Fault, work: Callable[[], Values]) -> web.StreamResponse:
        fault.times -= 1
        if fault.times == 0:
            self.faults.remove(fault)
        result = work() if fault.done or fault.is_only_slow else {}
        fault.met.set()
        if fault.hang is not None:
            self._hanging.append(fault.hang)  # so that __aexit__ releases it
            await fault.hang.wait()
        await asyncio.sleep(fault.latency)
        if fault.reset or fault.hang is not None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault.body is not None:
            return web.Response(status=fault.status or 200, body=fault.body)
        if fault.is_only_slow:
            return web.json_response(result)
        refusal = Refusal(fault.code or 131000, status=fault.status)
        return web.json_response(refusal.answer(), status=refusal.status)


def _check_token(request: web.Request) -> None:
    if "access_token" in request.query:
        raise Refusal(190, "this fake accepts the token in the header only, as URLs are logged")
    if request.headers.get("Authorization") != f"Bearer {ACCESS_TOKEN}":
        raise Refusal(190, "Invalid OAuth access token - Cannot parse access token")


def _check_id(requested: str, expected: str) -> None:
    if requested != expected:
        raise Refusal(100, f"Unsupported request. Object with ID '{requested}' does not exist", subcode=33)


async def _json(request: web.Request) -> Any:
    if request.content_type != "application/json":
        raise Refusal(100, "this fake accepts JSON only")
    try:
        return await request.json()
    except ValueError:
        raise Refusal(100, "The body is not JSON") from None
