"""A Graph API on loopback that refuses whatever the real one would refuse, and fails on command."""

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
from tests.fakes.whatsapp_rules import Refusal, Values, read_message, thing
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
"""A request: its method, what it holds, and what is to be done with that."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `times` requests of a method; `done` means that the work was done all the same.

    With nothing but `latency` the answer comes as ever, only later.
    """

    method: str
    times: int = 1
    code: int = 0  # of Meta's list
    status: int = 0
    body: bytes | None = None  # sent as it is
    reset: bool = False
    hang: asyncio.Event | None = None
    latency: float = 0  # seconds
    done: bool = False
    met: asyncio.Event = field(default_factory=asyncio.Event)  # set when a request ran into it

    @property
    def is_only_slow(self) -> bool:
        return not (self.code or self.status or self.body is not None or self.reset or self.hang)


class FakeWhatsApp:
    """Use as `async with FakeWhatsApp() as whatsapp`; then `whatsapp.url` is the API's address, with its version.

    Methods in `calls`, `refusals` and `fail`: messages (a sending), read (read receipt and typing), templates (the
    list), create (a template), number.
    """

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self.now: Callable[[], datetime] = now or Clock()
        self.world = World(self.push, lambda: self.now())
        self.templates = Templates(self.push, lambda: self.now())
        self.messaging_limit: int | None = 2000
        self.quality = "GREEN"
        self.pair_rate = True
        self.auto_statuses = False  # sent and delivered, for each message that is taken
        self.pending: list[Values] = []  # bodies that wait for `deliver`
        self.calls: list[tuple[str, Values]] = []  # every request that was understood
        self.refusals: list[str] = []  # every error that a request brought on itself: method, code, details
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

    # What tests do

    def person(self, phone: str = "5214771000001", user_id: str = "MX.1001", has_username: bool = False) -> Person:
        known = (one for one in self.world.people if (one.phone, one.user_id) == (phone, user_id))
        return next(known, None) or self.world.person(phone, user_id, has_username)

    def fail(self, method: str, **how: Any) -> Fault:
        """Let the next requests of a method meet a fault, e.g. `fail("messages", code=131056, times=3)`."""
        fault = Fault(method, **how)
        self.faults.append(fault)
        return fault

    async def called(self, method: str, times: int = 1) -> None:
        """Wait until a method was called so often."""
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

    def set_messaging_limit(self, people: int | None) -> None:
        """Another messaging limit, told by the webhook `business_capability_update`; None: without limit."""
        self.messaging_limit = people
        told = -1 if people is None else people
        self.push("business_capability_update", {"max_daily_conversations_per_business": told})

    # Webhooks

    def push(self, field: str, value: Values) -> None:
        """Queue a webhook with one change, e.g. `push("account_update", {"event": "DISABLED_UPDATE"})`."""
        self.pending.append(webhooks.body(field, value, int(self.now().timestamp())))
        self._notify()

    def push_fault(self, code: int) -> None:
        """An error that concerns the whole number."""
        self.push("messages", webhooks.fault(code))

    async def report(self, note: ChatMessage, fate: str, code: int | None = None) -> None:
        """Queue what became of a message: sent, delivered, read or failed (with its code)."""
        self._report(note, fate, code)

    def _report(self, note: ChatMessage, fate: str, code: int | None = None) -> None:
        who = note.person.identity if note.is_by_id else self._by_number(note.person)
        at = int(self.now().timestamp())
        by_id, tracker, category = note.is_by_id, note.tracker, note.category
        value = webhooks.status(who, note.wamid, fate, at, by_id=by_id, tracker=tracker, category=category, code=code)
        self.push("messages", value)

    async def deliver(self, url: str, *, batch: bool = False, copies: int = 1, attempts: int = 3) -> list[int]:
        """Post what waits to the product at `url`, each again until 2xx; give the statuses answered.

        With `batch` all in one body (a thousand updates at most), with `copies` each so often. What was not taken
        after `attempts` goes on waiting, and what stands behind it too.
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
        """Who was written to by number is told by number, username or not."""
        return webhooks.Identity(person.phone, person.user_id, person.name, person.username)

    def _notify(self) -> None:
        """Wake whoever waits for a change; the next change has an event of its own."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # Saying

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
        note = ChatMessage(self.world.next_id(), text, self.now(), True, person, labels, body, category)
        return self._taken(note)

    def _taken(self, note: ChatMessage) -> Values:
        person, body = note.person, note.body
        if not person.has_blocked:
            person.messages.append(note)
            person.shows_typing = False
        if self.auto_statuses:
            for fate in ("sent",) if person.has_blocked else ("sent", "delivered"):
                self._report(note, fate)
        given = body.get("to") or body["recipient"]
        contact = {"input": given, **({"user_id": given} if note.is_by_id else {"wa_id": person.phone})}
        message = {"id": note.wamid} | ({"message_status": "accepted"} if note.template else {})
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}

    def _content(self, body: Values) -> tuple[str, list[Label], str]:
        """Text, buttons and category."""
        if body["type"] == "template":
            wanted = body["template"]
            template = self.templates.for_sending(wanted["name"], wanted["language"]["code"])
            return *template.filled(wanted.get("components", [])), template.category.lower()
        return *shown(body), "service"

    def _mark(self, body: Values) -> Values:
        for person in self.world.people:
            if any(note.wamid == body["message_id"] and not note.is_from_bot for note in person.messages):
                person.marked.append(body["message_id"])
                person.shows_typing = "typing_indicator" in body
                return {"success": True}
        raise Refusal(131009, "message_id: no message of a person")

    # The server

    async def _read_message(self, request: web.Request) -> Understood:
        _there(request.match_info["number"], PHONE_NUMBER_ID)
        body = read_message(await _json(request))
        if "status" in body:
            return "read", body, self._mark
        return "messages", body, self._send

    async def _read_template(self, request: web.Request) -> Understood:
        _there(request.match_info["account"], BUSINESS_ACCOUNT_ID)
        return "create", thing(await _json(request), "body"), self.templates.create

    async def _read_list(self, request: web.Request) -> Understood:
        _there(request.match_info["account"], BUSINESS_ACCOUNT_ID)
        url = str(request.url.with_query(None))
        return "templates", dict(request.query), lambda query: self.templates.page(query, url)

    async def _read_number(self, request: web.Request) -> Understood:
        _there(request.match_info["number"], PHONE_NUMBER_ID)
        return "number", dict(request.query), self._number

    async def _read_nothing(self, request: web.Request) -> Understood:
        raise Refusal(100, f"Unknown path components: {request.path}")

    def _number(self, query: Values) -> Values:
        there: Values = {
            "verified_name": "Integra",
            "display_phone_number": "+52 477 000 0000",
            "quality_rating": self.quality,
            "throughput": {"level": "STANDARD"},
            "whatsapp_business_manager_messaging_limit": TIERS.get(self.messaging_limit, "TIER_NOT_SET"),
        }
        fields = query.get("fields", "verified_name,display_phone_number,quality_rating").split(",")
        return {name: there[name] for name in fields if name in there} | {"id": PHONE_NUMBER_ID}

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
            self._hanging.append(fault.hang)  # so that closing releases it
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
        raise Refusal(190, "this fake takes the token in its header only: addresses are written to logs")
    if request.headers.get("Authorization") != f"Bearer {ACCESS_TOKEN}":
        raise Refusal(190, "Invalid OAuth access token - Cannot parse access token")


def _there(asked: str, wanted: str) -> None:
    if asked != wanted:
        raise Refusal(100, f"Unsupported request. Object with ID '{asked}' does not exist", subcode=33)


async def _json(request: web.Request) -> Any:
    if request.content_type != "application/json":
        raise Refusal(100, "this fake takes JSON only")
    try:
        return await request.json()
    except ValueError:
        raise Refusal(100, "The body is no JSON") from None
