"""The channels' HTTP client: which failures leave a doubt, and that none of them quotes a URL, a header or a body."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs

import pytest
from aiohttp.test_utils import unused_port

from bot.channels import http_client
from bot.channels.http_client import HttpClient, NoResponse
from tests.imports import files, place

SECRET = "7000000001:hunter2hunter2"
Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


@asynccontextmanager
async def server(connection: Connection) -> AsyncIterator[str]:
    """A server that treats every connection in this way; yields a URL with a secret in it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await connection(reader, writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    yield f"http://{host}:{port}/bot{SECRET}/sendMessage"
    listening.close()


async def request_of(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    """Headers, by their lower-case names, and body of one request."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return headers, await reader.readexactly(int(headers.get("content-length", 0)))


def responding(raw: bytes) -> Connection:
    """Reads the request and writes these bytes."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(raw)
        await writer.drain()

    return connection


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.transport.abort()


async def closed_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def silent_after(raw: bytes) -> Connection:
    """Writes these bytes and then nothing until the client closes the connection."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(raw)
        await reader.read()

    return connection


async def failure(http: HttpClient, url: str, **headers: str) -> NoResponse:
    """Exchange with a secret in URL, query, header and body; the failure quotes none of it."""
    with pytest.raises(NoResponse) as raised:
        await http.exchange(
            "POST", url, query={"token": SECRET}, json={"text": SECRET}, headers={"Authorization": SECRET} | headers
        )
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(raised.value.args)
    assert SECRET not in shown
    assert "127.0.0.1" not in shown
    assert raised.value.__cause__ is raised.value.__context__ is None
    return raised.value


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
ANSWERS: list[tuple[str, Connection, bool]] = [
    ("closed at once", closed_at_once, True),
    ("reset after the request", reset, True),
    ("silence", silent_after(b""), True),
    ("silence within the head", silent_after(b"HTTP/1.1 20"), True),
    ("silence within the body", silent_after(HEAD + b"12345"), True),
    ("closed within the body", responding(HEAD + b"12345"), True),
    ("another protocol", responding(b"SSH-2.0 " + SECRET.encode() + b"\r\n\r\n"), True),
    ("an invalid header", responding(b"HTTP/1.1 200 OK\r\n (" + SECRET.encode() + b"\r\n\r\n"), True),
    (
        "an invalid compression",
        responding(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + HEAD[17:] + b"1234567890"),
        True,
    ),
]


@pytest.mark.parametrize(("connection", "in_doubt"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
async def test_a_request_that_was_sent_may_have_been_carried_out(
    http: HttpClient, monkeypatch: pytest.MonkeyPatch, connection: Connection, in_doubt: bool
) -> None:
    monkeypatch.setattr(http_client, "READ_SECONDS", 0.05)
    async with server(connection) as url:
        assert (await failure(http, url)).in_doubt is in_doubt


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:{{port}}/{SECRET}",
        f"http://127.0.0.1:99999/{SECRET}",
        f"http://[::1/{SECRET}",
        f"http:///{SECRET}",
        f"{SECRET}",
        f"gopher://127.0.0.1/{SECRET}",
        f"http://{'x' * 70}.invalid/{SECRET}",
    ],
)
async def test_a_request_that_was_never_sent_leaves_no_doubt(http: HttpClient, url: str) -> None:
    assert not (await failure(http, url.format(port=unused_port()))).in_doubt


async def test_a_header_that_cannot_be_sent_is_no_response(http: HttpClient) -> None:
    async with server(silent_after(b"")) as url:
        await failure(http, url, Authorization=f"Bearer {SECRET}\r\nX: y")


async def test_a_connection_that_is_not_accepted_in_time_leaves_no_doubt(
    http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(http_client, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    fault = await failure(http, "http://127.0.0.1:1/x")
    assert (fault.kind, fault.in_doubt) == ("ConnectionTimeoutError", False)


@pytest.mark.parametrize("status", [200, 204, 302, 400, 429, 500, 504])
async def test_any_status_is_returned_and_no_redirect_is_followed(http: HttpClient, status: int) -> None:
    raw = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".encode()
    async with server(responding(raw)) as url:
        assert await http.exchange("GET", url) == (status, b"")


@pytest.mark.parametrize(("status", "in_doubt"), [(302, False), (400, False), (500, False), (502, False), (504, True)])
def test_of_statuses_only_a_gateways_timeout_leaves_doubt(status: int, in_doubt: bool) -> None:
    fault = NoResponse.of_status(status)
    assert (fault.kind, fault.in_doubt) == (f"status {status}", in_doubt)


async def test_json_and_forms_are_sent_as_such_and_cookies_are_not_returned(http: HttpClient) -> None:
    seen: list[tuple[dict[str, str], bytes]] = []

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await request_of(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\n{}")

    async with server(connection) as url:
        assert await http.exchange("POST", url, json={"text": "año \ud83d"}) == (200, b"{}")
        assert await http.exchange("POST", url, form={"text": "año & más"}) == (200, b"{}")
    (json_headers, as_json), (form_headers, as_form) = seen
    assert (json_headers["content-type"], json.loads(as_json)) == ("application/json", {"text": "año \ud83d"})
    assert form_headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(as_form.decode()) == {"text": ["año & más"]}
    assert "cookie" not in form_headers


def test_no_other_module_opens_a_client_session() -> None:
    found = [place(path) for path in files() if "ClientSession" in path.read_text(encoding="utf-8")]
    assert found == ["bot/channels/http_client.py"]
