"""The Graph API client against a server on loopback: requests, refusals, and that no secret is revealed."""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from bot.channels import http_client
from bot.channels.http_client import NoResponse
from bot.channels.whatsapp.client import Graph, GraphError

TOKEN = "EAAGhunter2hunter2"
NUMBER, ACCOUNT = "106540352242922", "102290129340398"
WORDS = "palabras de una persona"
PHONE = "+524771234567"
MESSAGE = {"messaging_product": "whatsapp", "to": PHONE, "type": "text", "text": {"body": WORDS}}
Response = Callable[[web.Request], web.StreamResponse]


class Meta:
    """Returns the responses that the test queued, and records the requests."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        self.headers: list[dict[str, str]] = []
        self.responses: list[Response] = []
        self.held: asyncio.Event | None = None  # responses wait for it
        self.url = ""

    def respond(self, body: Any, status: int = 200, **headers: str) -> None:
        """Queue a response, as JSON; bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.responses.append(lambda _: web.Response(body=raw, status=status, headers=headers))

    def refuse(self, status: int = 400, **error: Any) -> None:
        self.respond({"error": {"message": f"(#1) {WORDS} {TOKEN}", "fbtrace_id": "AbC"} | error}, status)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.seen.append((request.method, request.path, dict(request.query), json.loads(raw) if raw else None))
        self.headers.append(dict(request.headers))
        if self.held is not None:
            await self.held.wait()
        return self.responses.pop(0)(request)


@pytest.fixture
async def meta() -> AsyncIterator[Meta]:
    meta = Meta()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", meta.handle)
    async with TestServer(app) as server:
        meta.url = str(server.make_url("/v25.0"))
        yield meta


@pytest.fixture
async def graph(meta: Meta) -> AsyncIterator[Graph]:
    graph = Graph(TOKEN, meta.url, NUMBER, ACCOUNT)
    yield graph
    await graph.close()


async def refusal(graph: Graph) -> GraphError:
    with pytest.raises(GraphError) as raised:
        await graph.post_message(MESSAGE)
    assert_no_secret(raised.value)
    return raised.value


async def no_response(graph: Graph) -> NoResponse:
    with pytest.raises(NoResponse) as raised:
        await graph.post_message(MESSAGE)
    assert_no_secret(raised.value)
    return raised.value


def assert_no_secret(fault: BaseException) -> None:
    """Neither the error nor its cause quotes a secret, a text, a phone number or a URL."""
    shown = "".join(traceback.format_exception(fault)) + repr(fault) + repr(fault.args)
    for secret in (TOKEN, WORDS, PHONE, "127.0.0.1", NUMBER):
        assert secret not in shown
    assert fault.__cause__ is None
    assert fault.__context__ is None


# ---------------------------------------------------------------- requests


async def test_a_message_is_posted_for_the_number_with_the_token_in_a_header(meta: Meta, graph: Graph) -> None:
    meta.respond({"messaging_product": "whatsapp", "messages": [{"id": "wamid.1"}]})
    assert await graph.post_message(MESSAGE) == {"messaging_product": "whatsapp", "messages": [{"id": "wamid.1"}]}
    assert meta.seen == [("POST", f"/v25.0/{NUMBER}/messages", {}, MESSAGE)]
    assert meta.headers[0]["Authorization"] == f"Bearer {TOKEN}"
    assert meta.headers[0]["User-Agent"] == "integra"
    assert meta.headers[0]["Content-Type"] == "application/json"


async def test_the_number_is_requested_with_the_fields_that_the_channel_needs(meta: Meta, graph: Graph) -> None:
    meta.respond({"display_phone_number": "+52 477 123 4567", "quality_rating": "GREEN"})
    assert (await graph.number())["quality_rating"] == "GREEN"
    ((method, path, query, body),) = meta.seen
    assert (method, path, body) == ("GET", f"/v25.0/{NUMBER}", None)
    assert query == {
        "fields": "display_phone_number,verified_name,quality_rating,"
        "whatsapp_business_manager_messaging_limit,throughput"
    }


async def test_a_template_is_created_in_the_account(meta: Meta, graph: Graph) -> None:
    meta.respond({"id": "1", "status": "PENDING", "category": "UTILITY"})
    assert (await graph.create_template({"name": "uno"}))["status"] == "PENDING"
    assert meta.seen == [("POST", f"/v25.0/{ACCOUNT}/message_templates", {}, {"name": "uno"})]


def page(*names: str, after: str = "", more: bool = False) -> dict[str, Any]:
    paging = {"cursors": {"before": "b", "after": after}} | ({"next": "https://elsewhere.example"} if more else {})
    return {"data": [{"name": name} for name in names], "paging": paging}


async def test_templates_are_read_to_the_last_page(meta: Meta, graph: Graph) -> None:
    meta.respond(page("uno", "dos", after="c1", more=True))
    meta.respond(page("tres", after="c2", more=True))
    meta.respond(page("cuatro", after="c3"))
    assert [template["name"] for template in await graph.templates()] == ["uno", "dos", "tres", "cuatro"]
    assert [query.get("after") for _, _, query, _ in meta.seen] == [None, "c1", "c2"]
    assert {path for _, path, _, _ in meta.seen} == {f"/v25.0/{ACCOUNT}/message_templates"}
    assert all("components" in query["fields"] and query["limit"] == "100" for _, _, query, _ in meta.seen)


async def test_a_circle_of_pages_ends(meta: Meta, graph: Graph) -> None:
    for after in ("c1", "c2", "c1"):
        meta.respond(page(after, after=after, more=True))
    assert len(await graph.templates()) == 3


@pytest.mark.parametrize("paging", [None, [], {}, {"next": "x"}, {"next": "x", "cursors": []}, {"next": 1}])
async def test_a_page_without_a_cursor_is_the_last(meta: Meta, graph: Graph, paging: object) -> None:
    meta.respond({"data": [{"name": "uno"}, "?"], "paging": paging})
    assert await graph.templates() == [{"name": "uno"}]


async def test_a_list_that_is_not_a_list_is_no_response(meta: Meta, graph: Graph) -> None:
    meta.respond({"data": "?"})
    with pytest.raises(NoResponse, match="unreadable response"):
        await graph.templates()


async def test_cookies_are_not_stored_and_redirects_not_followed(meta: Meta, graph: Graph) -> None:
    meta.respond({"id": "1"}, 200, **{"Set-Cookie": "a=b; Path=/"})
    await graph.number()
    meta.respond(b"", 302, Location=f"{meta.url}/elsewhere")
    fault = await no_response(graph)
    assert (fault.kind, fault.in_doubt) == ("status 302", False)
    assert len(meta.seen) == 2
    assert "Cookie" not in meta.headers[1]


async def test_a_closed_client_can_be_used_again(meta: Meta, graph: Graph) -> None:
    for _ in range(2):
        meta.respond({"id": "1"})
        await graph.number()
        await graph.close()
        await graph.close()


# ---------------------------------------------------------------- refusals

REFUSED = [
    (400, {"code": 131047}, (131047, 0, "")),
    (400, {"code": 100, "error_subcode": 2388293, "type": "OAuthException"}, (100, 2388293, "OAuthException")),
    (401, {"code": 190, "error_subcode": 463, "type": "OAuthException"}, (190, 463, "OAuthException")),
    (401, {"code": 0, "type": "AuthException"}, (0, 0, "AuthException")),
    (429, {"code": 130429}, (130429, 0, "")),
    (500, {"code": 131000}, (131000, 0, "")),
    (504, {"code": 2}, (2, 0, "")),
    (200, {"code": 131026}, (131026, 0, "")),
    (400, {"code": "368", "error_subcode": "7"}, (368, 7, "")),
    (400, {"code": 1, "error_subcode": None, "type": f"{WORDS}!"}, (1, 0, "")),
    (400, {"code": 1, "error_subcode": True, "type": 7}, (1, 0, "")),
]


@pytest.mark.parametrize(("status", "error", "expected"), REFUSED, ids=lambda value: str(value)[:40])
async def test_a_refusal_is_identified_by_its_codes(
    meta: Meta, graph: Graph, status: int, error: dict[str, Any], expected: tuple[int, int, str]
) -> None:
    meta.refuse(status, **error, error_data={"details": f"{WORDS} {TOKEN}"}, error_user_msg=WORDS)
    fault = await refusal(graph)
    assert (fault.status, fault.code, fault.subcode, fault.kind) == (status, *expected)
    assert fault.detail == ""
    assert str(fault) == f"code {expected[0]}, subcode {expected[1]}, status {status}"


async def test_metas_detail_about_a_template_is_for_the_administrator_and_contains_no_token(
    meta: Meta, graph: Graph
) -> None:
    refused: dict[str, Any] = {
        "error_user_title": "Leading\nparams",
        "error_user_msg": f"Not {TOKEN}",
        "error_data": {"details": "x"},
    }
    for call in (graph.templates, graph.number, lambda: graph.create_template({"name": "uno"})):
        meta.refuse(code=100, **refused)
        with pytest.raises(GraphError) as raised:
            await call()
        assert raised.value.detail == "Leading params: Not [token]: x"
        assert_no_secret(raised.value)
    assert TOKEN not in raised.value.detail


@pytest.mark.parametrize("more", [{}, {"error_data": "{}", "error_user_msg": 7}, {"error_data": {"details": None}}])
async def test_a_refusal_may_have_no_detail(meta: Meta, graph: Graph, more: dict[str, Any]) -> None:
    meta.refuse(code=100, **more)
    with pytest.raises(GraphError) as raised:
        await graph.create_template({})
    assert raised.value.detail == ""


# ---------------------------------------------------------------- no usable response

UNUSABLE = [
    (500, b"<html>", "status 500", False),
    (502, b"", "status 502", False),
    (503, {"error": {"message": WORDS}}, "status 503", False),
    (504, b"<html>", "status 504", True),
    (404, b"<html>", "status 404", False),
    (407, {"error": "proxy"}, "status 407", False),
    (400, {"error": {"code": "?"}}, "status 400", False),
    (400, {"error": {"code": True}}, "status 400", False),
    (200, b"<html>", "unreadable response", True),
    (200, b"", "unreadable response", True),
    (200, b"[" * 100_000, "unreadable response", True),
    (200, b"\xff", "unreadable response", True),
    (200, [1], "unreadable response", True),
]


@pytest.mark.parametrize(("status", "body", "kind", "in_doubt"), UNUSABLE, ids=lambda value: str(value)[:30])
async def test_an_unusable_response_leaves_doubt_where_the_request_may_have_been_carried_out(
    meta: Meta, graph: Graph, status: int, body: Any, kind: str, in_doubt: bool
) -> None:
    meta.respond(body, status)
    fault = await no_response(graph)
    assert (fault.kind, fault.in_doubt) == (kind, in_doubt)


async def test_a_refused_connection_leaves_no_doubt() -> None:
    graph = Graph(TOKEN, f"http://127.0.0.1:{unused_port()}", NUMBER, ACCOUNT)
    fault = await no_response(graph)
    assert (fault.kind, fault.in_doubt) == ("ClientConnectorError", False)
    await graph.close()


async def test_an_invalid_url_leaves_no_doubt() -> None:
    graph = Graph(TOKEN, "http://[::1", NUMBER, ACCOUNT)
    fault = await no_response(graph)
    assert (fault.kind, fault.in_doubt) == ("InvalidUrlClientError", False)
    await graph.close()


async def test_a_broken_connection_leaves_doubt(meta: Meta, graph: Graph) -> None:
    def abort(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    meta.responses.append(abort)
    fault = await no_response(graph)
    assert fault.in_doubt
    assert fault.kind in ("ServerDisconnectedError", "ClientOSError")


async def test_a_missing_response_leaves_doubt(meta: Meta, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "READ_SECONDS", 0.05)
    meta.held = asyncio.Event()
    meta.respond({})
    fault = await no_response(graph)
    assert fault.in_doubt
    assert "Timeout" in fault.kind
    meta.held.set()


async def test_nothing_secret_is_logged(meta: Meta, graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        meta.respond({"messages": []})
        await graph.post_message(MESSAGE)
        meta.refuse(400, code=131047, error_data={"details": WORDS})
        await refusal(graph)
        meta.respond(b"<html>", 502)
        await no_response(graph)
    for secret in (TOKEN, WORDS, PHONE):
        assert secret not in caplog.text


async def test_its_representation_contains_no_token(graph: Graph) -> None:
    assert TOKEN not in f"{graph} {graph!r}"
