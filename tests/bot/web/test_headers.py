"""What every answer of the assembled site says to browsers, whatever the route, the method and the fault."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from bot.channels.webchat import visitors
from bot.web import server
from content.library import Library
from storage.confidential import officers, sessions
from storage.confidential.officers import OfficerState
from tests.bot.web.http_site import Site
from tests.cast import Clock
from tests.product import Product, running
from tests.serving import served

PUBLIC_URL = "https://integra.example"
A_YEAR = "max-age=31536000"
NO_HTTP = {
    "no method": b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03\r\n\r\n",
    "another protocol": b"GET / SMTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in a header's name": b"GET / HTTP/1.1\r\nHost: x\r\nb\xffd: 1\r\n\r\n",
    "a null in a header": b"GET / HTTP/1.1\r\nHost: x\r\nCookie: a\x00b\r\n\r\n",
    "two lengths": b"POST /c/cases HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a long line": b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes that no page expects": b"GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: }\xef\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n",
}


@pytest.fixture
async def product(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Product]:
    """The whole product with both webhooks and the browser chat, behind an https PUBLIC_URL."""
    settings = {"public_url": PUBLIC_URL, "webchat": "on", "telegram_webhook_secret": "telegram-Secret"}
    async with running(sqlite_url, tmp_path, library, clock, **settings) as product:
        yield product


def paths(site: web.Application) -> list[str]:
    """All paths of the site, with something in place of what varies."""
    resources = {route.resource for route in site.router.routes() if route.resource is not None}
    return sorted({re.sub(r"\{[^}]*\}", "x", resource.canonical) for resource in resources})


VARIANTS: tuple[dict[str, str], ...] = ({}, {"Expect": "pancakes"}, {"Content-Encoding": "gzip"})
STATIC = (
    *("/static/console/console.js", "/static/console/console.css", "/static/letterbox/letterbox.js"),
    *("/static/public/chat.js", "/static/public/mark.svg", "/static/vendor/htmx/htmx.min.js"),
)
OTHERS = ("/nowhere", "/c/", "/console/nowhere", "/static/public/", "/static/public/../server.py", "/%00", "/%FF")


def missing(headers: Mapping[str, str]) -> set[str]:
    """What an answer does not say, or says wrongly."""
    wanted = {
        "nosniff": headers.get("X-Content-Type-Options") == "nosniff",
        "https": headers.get("Strict-Transport-Security") == A_YEAR,
        "cache": headers.get("Cache-Control") in ("no-store", "no-cache"),
    }
    return {name for name, is_there in wanted.items() if not is_there}


async def session_of(product: Product) -> str:
    async with product.app.database.write() as tx:
        token = await officers.invite(tx, "carmen@ueipci.example", "Carmen Ríos", "officer", None, product.clock())
        officer = await officers.sign_up(tx, token, "salt", "hash", OfficerState.ACTIVE, product.clock())
        return await sessions.begin(tx, product.app.secrets.session, officer, "totp", product.clock())


@pytest.mark.attack
async def test_every_answer_says_how_it_is_read_and_kept(product: Product) -> None:
    cookies = f"{visitors.COOKIE}={visitors.new_cookie(product.app.secrets.chat)}; session={await session_of(product)}"
    asked: dict[str, int] = {}
    faults: dict[str, set[str]] = {}
    async with ClientSession() as browser:
        for path in (*paths(product.app.web), *STATIC, *OTHERS):
            for method in ("GET", "HEAD", "POST", "DELETE", "BREW"):
                for headers in VARIANTS if method == "POST" else ({"Cookie": cookies},):
                    url = URL(product.address + path, encoded=True)
                    async with browser.request(method, url, headers=headers, allow_redirects=False) as answer:
                        asked[f"{method} {path} {headers}"] = answer.status
                        if fault := missing(answer.headers):
                            faults[f"{method} {path} {[*headers]}"] = fault
    assert faults == {}
    statuses = set(asked.values())
    assert {200, 303, 401, 403, 404, 405, 415, 417} <= statuses, statuses
    assert max(statuses) < 500
    assert {path.split(" ")[1] for path, status in asked.items() if status == 200} >= {*STATIC, "/c", "/chat/events"}


@pytest.mark.attack
async def test_what_is_no_http_gets_the_same_headers_and_nothing_of_it_back(caplog: pytest.LogCaptureFixture) -> None:
    async with served(server.create_app()) as address:
        for name, sent in NO_HTTP.items():
            url = URL(address)
            reader, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(sent)
            head, _, body = (await reader.read()).decode("latin-1").partition("\r\n\r\n")
            writer.close()
            status, *lines = head.split("\r\n")
            expected = "417" if b"Expect" in sent else "400"
            assert status.split()[1] == expected, name
            assert missing(dict(line.split(": ", 1) for line in lines)) == {"https"}, name
            assert body == f"{expected}\n", name
    assert [record for record in caplog.records if record.name == "aiohttp.server"] == []


async def test_a_page_without_its_database_answers_with_the_same_headers(without_database: Site) -> None:
    for path in ("/metrics", "/health/ready"):
        async with without_database.client.get(path) as answer:
            assert answer.status == 503
            assert missing(answer.headers) <= {"https"}


@pytest.mark.parametrize(
    ("public_url", "is_https"),
    [
        ("https://integra.example", True),
        ("https://integra.example:8443", True),
        ("http://integra.example", False),
        ("http://127.0.0.1:8080", False),
        ("https://localhost:8443", False),  # other programs on this machine may have no https
        ("", False),
    ],
)
def test_browsers_are_held_to_https_where_the_public_url_is(public_url: str, is_https: bool) -> None:
    answer = web.Response()
    server.complete(answer, public_url)
    assert answer.headers.get("Strict-Transport-Security") == (A_YEAR if is_https else None)


async def test_a_fault_of_ours_answers_500_with_the_same_headers_and_logs_no_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(request: web.Request) -> web.Response:
        raise ZeroDivisionError

    app = server.create_app()
    app.router.add_get("/broken", broken)
    async with served(app) as address, ClientSession() as browser, browser.get(f"{address}/broken") as answer:
        assert answer.status == 500
        assert missing(answer.headers) == {"https"}
        assert await answer.text() == "500\n"
    (record,) = (record for record in caplog.records if record.name == "aiohttp.server")
    assert record.getMessage() == "Error handling request"
    assert record.exc_info is not None
