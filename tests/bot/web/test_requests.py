"""Every route that changes something: requests of other sites' pages are refused, and bodies over their limit."""

import asyncio
import gzip
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession, web
from aiohttp.http_parser import DeflateBuffer
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from yarl import URL

from bot.channels.telegram import receiver as telegram_receiver
from bot.channels.webchat import visitors
from bot.channels.whatsapp import webhook as whatsapp_webhook
from bot.console import site
from bot.web import requests, server
from bot.web.app_keys import INSTALLATION
from bot.web.requests import MAX_BODY, is_same_origin
from content.library import Library
from handlers.context import Installation
from storage.confidential import officers, sessions
from storage.confidential.officers import OfficerState
from storage.confidential.protocol import lists
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.notebooks import seal_notebook
from tests.cast import Clock
from tests.fakes.unit import Keyholder, Unit, new_id
from tests.imports import files, place
from tests.product import Product, running
from tests.serving import served

PUBLIC_URL = "https://integra.example"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
WEBHOOKS = {telegram_receiver.PATH: telegram_receiver.BODY_LIMIT, whatsapp_webhook.PATH: whatsapp_webhook.BODY_LIMIT}
"""Routes that a platform's secret or signature opens instead of a page of ours, with their limits in bytes."""
LIMITS = {**WEBHOOKS, **site.BODY_LIMITS}
"""Routes with a limit of their own, in bytes."""
OPENED = {telegram_receiver.PATH: telegram_receiver.SECRET_HEADER, whatsapp_webhook.PATH: "X-Hub-Signature-256"}

ATTACKS: dict[str, dict[str, str]] = {
    "another site": {"Origin": "https://elsewhere.example"},
    "a sandboxed frame": {"Origin": "null"},
    "an empty origin": {"Origin": ""},
    "another port": {"Origin": f"{PUBLIC_URL}:8443"},
    "another scheme": {"Origin": "http://integra.example"},
    "a sibling subdomain": {"Origin": "https://otra.integra.example"},
    "a parent domain": {"Origin": "https://example"},
    "a name that begins like ours": {"Origin": f"{PUBLIC_URL}.elsewhere.example"},
    "a name that ends like ours": {"Origin": "https://notintegra.example"},
    "another port of this machine": {"Origin": "http://127.0.0.1:1"},
    "another scheme of this machine": {"Origin": "https://127.0.0.1:80", "Host": "127.0.0.1:80"},
    "a name made to resolve to us": {"Origin": "http://elsewhere.example", "Host": "elsewhere.example"},
    "an address that only begins like loopback": {"Origin": "http://127.0.0.1.nip.io", "Host": "127.0.0.1.nip.io"},
    "a forged host of this machine": {"Origin": "http://localhost:8080", "Host": "localhost:8080"},
    "a forged host that is ours, without https": {"Origin": "http://integra.example", "Host": "integra.example"},
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "an unknown relation": {"Sec-Fetch-Site": "other"},
    "cross-site, with our origin": {"Sec-Fetch-Site": "cross-site", "Origin": PUBLIC_URL},
    "another site, typed": {"Sec-Fetch-Site": "none", "Origin": "https://elsewhere.example"},
}
OWN: dict[str, dict[str, str]] = {
    "a program": {},
    "our page": {"Sec-Fetch-Site": "same-origin", "Origin": PUBLIC_URL},
    "our page in an older browser": {"Origin": PUBLIC_URL},
    "our page without an origin": {"Sec-Fetch-Site": "same-origin"},
    "a typed address": {"Sec-Fetch-Site": "none"},
    "behind a proxy": {"Origin": PUBLIC_URL, "Host": "10.0.0.7:8080"},
}


@dataclass
class Visitor:
    """A browser with the cookies of a chat and of a signed-in officer, and the console's token."""

    product: Product
    web: ClientSession
    officer: str

    def routes(self) -> list[tuple[str, str]]:
        """Method and path of all routes of the built server that may change something."""
        routes = [(route.method, route.resource) for route in self.product.app.web.router.routes()]
        return sorted(
            (method, re.sub(r"\{[^}]*\}", "x", resource.canonical))
            for method, resource in routes
            if method not in SAFE_METHODS and resource is not None
        )

    async def post(
        self, method: str, path: str, headers: dict[str, str], data: IO[bytes] | AsyncIterator[bytes] | None = None
    ) -> tuple[int, str]:
        """Status and body of a request that is complete but for `headers`; its own body is an empty object."""
        async with self.product.app.database.write() as tx:
            session = await sessions.begin(
                tx, self.product.app.secrets.session, self.officer, "totp", self.product.clock()
            )
        key = self.product.app.secrets.csrf
        csrf = hmac.new(key, b"gate|browser", hashlib.sha256).hexdigest()
        chat = visitors.new_cookie(self.product.app.secrets.chat)
        cookies = f"{visitors.COOKIE}={chat}; {site.SESSION_COOKIE}={session}; {site.GATE_COOKIE}=browser"
        given = {"Content-Type": "application/json", "X-CSRF": csrf, "Cookie": cookies} | headers
        url = self.product.address + path
        async with self.web.request(method, url, data=data or b"{}", headers=given, allow_redirects=False) as response:
            return response.status, await response.text()

    async def leave(self, sent: bytes) -> None:
        """Send the beginning of a request and close the connection; return once the server has closed its side."""
        url = URL(self.product.address)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(sent)
        writer.write_eof()
        await reader.read()
        writer.close()


@pytest.fixture
async def visitor(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Visitor]:
    """A visitor of the whole product, with both webhooks and the browser chat, behind PUBLIC_URL."""
    settings = {"public_url": PUBLIC_URL, "webchat": "on", "telegram_webhook_secret": "telegram-Secret"}
    async with running(sqlite_url, tmp_path, library, clock, **settings) as product, ClientSession() as client:
        async with product.app.database.write() as tx:
            token = await officers.invite(tx, "carmen@ueipci.example", "Carmen Ríos", "officer", None, clock())
            officer_id = await officers.sign_up(tx, token, "salt", "hash", OfficerState.ACTIVE, clock())
        yield Visitor(product, client, officer_id)


async def test_all_kinds_of_pages_are_among_the_routes(visitor: Visitor) -> None:
    routes = visitor.routes()
    assert {path.split("/")[1] for _, path in routes} == {"c", "chat", "console", "webhooks"}
    assert {path for _, path in routes} > set(WEBHOOKS)
    assert len(routes) >= 13


# ---------------------------------------------------------------- origin


@pytest.mark.attack
@pytest.mark.parametrize("headers", ATTACKS.values(), ids=ATTACKS.keys())
async def test_no_page_of_another_origin_can_change_anything(visitor: Visitor, headers: dict[str, str]) -> None:
    answers = {path: await visitor.post(method, path, headers) for method, path in visitor.routes()}
    reached = {path: status for path, (status, _) in answers.items() if path not in WEBHOOKS and status != 403}
    assert reached == {}
    assert not any(value in text for value in headers.values() if len(value) > 4 for _, text in answers.values())


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN.keys())
async def test_our_own_pages_and_programs_are_admitted(visitor: Visitor, headers: dict[str, str]) -> None:
    answers = {path: (await visitor.post(method, path, headers))[0] for method, path in visitor.routes()}
    assert {path: status for path, status in answers.items() if path not in WEBHOOKS and status in (401, 403)} == {}


@pytest.mark.attack
@pytest.mark.parametrize("headers", ATTACKS.values(), ids=ATTACKS.keys())
async def test_no_page_of_another_origin_can_follow_a_chat(visitor: Visitor, headers: dict[str, str]) -> None:
    assert (await visitor.post("GET", "/chat/events", headers))[0] == 403


def request_with(public_url: str, *headers: tuple[str, str]) -> web.Request:
    app = web.Application()
    app[INSTALLATION] = Installation(
        ZoneInfo("America/Mexico_City"), public_url, bytes(32), min_group=10, draw_key=bytes(32)
    )
    return make_mocked_request("POST", "/", CIMultiDict(headers), app=app)


@pytest.mark.parametrize(
    ("public_url", "origin", "is_own"),
    [
        ("https://integra.example", "https://integra.example", True),
        ("https://integra.example", "https://integra.example:443", False),
        ("https://integra.example:8443", "https://integra.example:8443", True),
        ("https://integra.example:8443", "https://integra.example", False),
        ("https://xn--ntegra-2va.example", "https://xn--ntegra-2va.example", True),
        ("https://xn--ntegra-2va.example", "https://íntegra.example", False),
        ("https://integra.example", "https://integra.example/", False),
        ("https://integra.example", "https://user@integra.example", False),
        ("http://[::1]:8080", "http://[::1]:8080", True),
    ],
)
def test_the_public_url_is_compared_as_browsers_write_origins(public_url: str, origin: str, is_own: bool) -> None:
    assert is_same_origin(request_with(public_url, ("Host", "10.0.0.7"), ("Origin", origin))) is is_own


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("localhost", True),
        ("localhost:9000", True),
        ("integra.localhost:80", True),
        ("127.0.0.1:8080", True),
        ("127.8.8.8", True),
        ("[::1]:8080", True),
        ("10.0.0.7:8080", False),
        ("0.0.0.0:8080", False),
        ("[::2]:8080", False),
        ("notlocalhost", False),
        ("localhost.elsewhere.example", False),
        ("localhost:1@elsewhere.example", False),
        ("", False),
        ("[", False),
        ("127.0.0.1:99999", False),
        ("127.0.0.1:x", False),
        ("a b", False),
    ],
)
def test_a_host_is_believed_on_loopback_only_and_nowhere_else(host: str, is_own: bool) -> None:
    headers = ("Host", host), ("Origin", f"http://{host}")
    assert is_same_origin(request_with("http://127.0.0.1:8080", *headers)) is is_own
    for public_url in (PUBLIC_URL, "http://integra.example", "http://10.0.0.7:8080"):
        assert not is_same_origin(request_with(public_url, *headers)) or public_url == f"http://{host}"


@pytest.mark.parametrize("name", ["Origin", "Sec-Fetch-Site"])
def test_of_repeated_headers_all_must_be_ours(name: str) -> None:
    own, foreign = {"Origin": (PUBLIC_URL, "null"), "Sec-Fetch-Site": ("same-origin", "cross-site")}[name]
    assert is_same_origin(request_with(PUBLIC_URL, (name, own), (name, own)))
    for values in ((own, foreign), (foreign, own)):
        assert not is_same_origin(request_with(PUBLIC_URL, *((name, value) for value in values)))


# ---------------------------------------------------------------- body limit


async def in_parts(body: bytes) -> AsyncIterator[bytes]:
    """The body in chunks, sent without a Content-Length."""
    for start in range(0, len(body), 16 * 1024):
        yield body[start : start + 16 * 1024]


@pytest.mark.attack
@pytest.mark.parametrize("form", ["with a length", "in chunks"])
async def test_a_body_over_its_limit_is_refused_by_every_route(visitor: Visitor, form: str) -> None:
    answers = {}
    for method, path in visitor.routes():
        headers = {OPENED[path]: "telegram-Secret"} if path in OPENED else {}
        body = b" " * (LIMITS.get(path, MAX_BODY) + 1)
        data = in_parts(body) if "chunks" in form else BytesIO(body)
        answers[path] = (await visitor.post(method, path, headers, data))[0]
    assert {path: status for path, status in answers.items() if status != 413} == {}


@pytest.mark.attack
@pytest.mark.parametrize("coding", ["gzip", "deflate", "GZIP", "br", "nonsense"])
async def test_a_compressed_body_is_refused_by_every_route(visitor: Visitor, coding: str) -> None:
    for method, path in [*visitor.routes(), ("POST", "/nowhere")]:
        headers = {OPENED[path]: "telegram-Secret"} if path in OPENED else {}
        body = BytesIO(gzip.compress(b"{}"))
        status, _ = await visitor.post(method, path, headers | {"Content-Encoding": coding}, body)
        assert status == 415, path


@pytest.mark.attack
@pytest.mark.parametrize("path", ["/health/live", "/nowhere"])
async def test_a_compressed_body_is_never_decompressed(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp would read it to the end after the answer: a megabyte of zeros in gzip is a gigabyte of work."""
    decompressed: list[bytes] = []
    monkeypatch.setattr(DeflateBuffer, "feed_data", lambda _, data, *__: decompressed.append(data))
    body, headers = gzip.compress(b"0" * 100_000), {"Content-Encoding": "gzip"}
    async with (
        served(server.create_app()) as address,
        ClientSession() as session,
        session.post(address + path, data=body, headers=headers) as response,
    ):
        assert response.status == 415
    assert decompressed == []


@pytest.mark.parametrize(
    "sent", [b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"], ids=["length", "chunks"]
)
async def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_error_of_ours(
    visitor: Visitor, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for method, path in visitor.routes():
        opened = f"{OPENED[path]}: telegram-Secret\r\n" if path in OPENED else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{opened}"
        await visitor.leave(head.encode() + sent)
    assert [record for record in caplog.records if record.name == "aiohttp.server"] == []


@pytest.mark.parametrize("form", ["with a length", "in chunks"])
async def test_a_body_of_exactly_its_limit_is_read(visitor: Visitor, form: str) -> None:
    answers = {}
    for method, path in visitor.routes():
        headers = {OPENED[path]: "telegram-Secret"} if path in OPENED else {}
        body = json.dumps({"x": ""}).encode().ljust(LIMITS.get(path, MAX_BODY))
        data = in_parts(body) if "chunks" in form else BytesIO(body)
        answers[path] = (await visitor.post(method, path, headers, data))[0]
    assert {path: status for path, status in answers.items() if status in (413, 500)} == {}


def test_nothing_else_reads_the_body_of_a_request() -> None:
    reads = re.compile(r"request\.(read|text|json|post|multipart|content(?!_))\b")
    found = {place(path) for path in files("bot") if reads.search(path.read_text(encoding="utf-8"))}
    assert found == {place(Path(requests.__file__))}


def test_a_notebook_of_2500_cases_and_the_longest_list_may_be_posted() -> None:
    unit, dora = Unit.with_recovery_key(), Keyholder("Dora Luna")
    unit.next_list([dora])
    longest = unit.next_list([Keyholder(f"Oficial número {number}") for number in range(197)])
    assert len(unit.chain.by_id) == 200
    assert len(json.dumps(longest)) <= site.BODY_LIMITS["/console/keys"]
    asker, hashed = unit.point, encode(bytes(32))
    entry = {"lane": "talk", "first": hashed, "asker": asker, "seq": 30_000, "last": hashed}
    notebook: Any = {
        "v": 2,
        "id": dora.id,
        "version": 1,
        "unit": unit.point,
        "list": lists.pin_of(longest["list"]),
        "cases": [{"case": case, **entry} for case in sorted(new_id() for _ in range(2500))],
        "passkeys": [],
    }
    body = {"version": 10_000_000, "box": seal_notebook(bytes(32), notebook)}
    assert len(json.dumps(body)) <= site.BODY_LIMITS["/console/notebook"]
