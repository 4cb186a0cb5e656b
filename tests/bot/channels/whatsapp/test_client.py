"""Meta's Graph API on loopback: what reaches it, what its refusals mean, and that nothing secret gets out."""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from bot.channels.whatsapp import client as whatsapp_client
from bot.channels.whatsapp.client import Graph, GraphError, NoResponse

TOKEN = "EAAGhunter2hunter2"
NUMBER, ACCOUNT = "106540352242922", "102290129340398"
WORDS = "palabras de una persona"
PHONE = "+524771234567"
MESSAGE = {"messaging_product": "whatsapp", "to": PHONE, "type": "text", "text": {"body": WORDS}}
Answer = Callable[[web.Request], web.StreamResponse]


class Meta:
    """Answers every request with what the test put there, and keeps what came."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[Answer] = []
        self.held: asyncio.Event | None = None  # answers wait for it
        self.url = ""

    def says(self, body: Any, status: int = 200, **headers: str) -> None:
        """The next answer, as JSON; bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append(lambda _: web.Response(body=raw, status=status, headers=headers))

    def refuses(self, status: int = 400, **error: Any) -> None:
        self.says({"error": {"message": f"(#1) {WORDS} {TOKEN}", "fbtrace_id": "AbC"} | error}, status)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.seen.append((request.method, request.path, dict(request.query), json.loads(raw) if raw else None))
        self.headers.append(dict(request.headers))
        if self.held is not None:
            await self.held.wait()
        return self.answers.pop(0)(request)


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
    with pytest.raises(GraphError) as told:
        await graph.post_message(MESSAGE)
    closed(told.value)
    return told.value


async def silence(graph: Graph) -> NoResponse:
    with pytest.raises(NoResponse) as told:
        await graph.post_message(MESSAGE)
    closed(told.value)
    return told.value


def closed(fault: BaseException) -> None:
    """Neither the error nor what it comes from quotes a secret, a text, a phone number or an address."""
    shown = "".join(traceback.format_exception(fault)) + repr(fault) + repr(fault.args)
    for secret in (TOKEN, WORDS, PHONE, "127.0.0.1", NUMBER):
        assert secret not in shown
    assert fault.__cause__ is None
    assert fault.__context__ is None


# ---------------------------------------------------------------- what reaches Meta


async def test_a_message_is_posted_by_the_number_with_the_token_in_a_header(meta: Meta, graph: Graph) -> None:
    meta.says({"messaging_product": "whatsapp", "messages": [{"id": "wamid.1"}]})
    assert await graph.post_message(MESSAGE) == {"messaging_product": "whatsapp", "messages": [{"id": "wamid.1"}]}
    assert meta.seen == [("POST", f"/v25.0/{NUMBER}/messages", {}, MESSAGE)]
    assert meta.headers[0]["Authorization"] == f"Bearer {TOKEN}"
    assert meta.headers[0]["User-Agent"] == "integra"
    assert meta.headers[0]["Content-Type"] == "application/json"


async def test_the_number_is_asked_for_what_the_channel_needs(meta: Meta, graph: Graph) -> None:
    meta.says({"display_phone_number": "+52 477 123 4567", "quality_rating": "GREEN"})
    assert (await graph.number())["quality_rating"] == "GREEN"
    ((method, path, query, body),) = meta.seen
    assert (method, path, body) == ("GET", f"/v25.0/{NUMBER}", None)
    assert query == {
        "fields": "display_phone_number,verified_name,quality_rating,"
        "whatsapp_business_manager_messaging_limit,throughput"
    }


async def test_a_template_is_created_in_the_account(meta: Meta, graph: Graph) -> None:
    meta.says({"id": "1", "status": "PENDING", "category": "UTILITY"})
    assert (await graph.create_template({"name": "uno"}))["status"] == "PENDING"
    assert meta.seen == [("POST", f"/v25.0/{ACCOUNT}/message_templates", {}, {"name": "uno"})]


def page(*names: str, after: str = "", more: bool = False) -> dict[str, Any]:
    paging = {"cursors": {"before": "b", "after": after}} | ({"next": "https://elsewhere.example"} if more else {})
    return {"data": [{"name": name} for name in names], "paging": paging}


async def test_templates_are_read_to_the_last_page(meta: Meta, graph: Graph) -> None:
    meta.says(page("uno", "dos", after="c1", more=True))
    meta.says(page("tres", after="c2", more=True))
    meta.says(page("cuatro", after="c3"))
    assert [one["name"] for one in await graph.templates()] == ["uno", "dos", "tres", "cuatro"]
    assert [query.get("after") for _, _, query, _ in meta.seen] == [None, "c1", "c2"]
    assert {path for _, path, _, _ in meta.seen} == {f"/v25.0/{ACCOUNT}/message_templates"}
    assert all("components" in query["fields"] and query["limit"] == "100" for _, _, query, _ in meta.seen)


async def test_pages_that_lead_back_end_somewhere(meta: Meta, graph: Graph) -> None:
    for after in ("c1", "c2", "c1"):
        meta.says(page(after, after=after, more=True))
    assert len(await graph.templates()) == 3


@pytest.mark.parametrize("paging", [None, [], {}, {"next": "x"}, {"next": "x", "cursors": []}, {"next": 1}])
async def test_a_page_without_a_cursor_is_the_last(meta: Meta, graph: Graph, paging: object) -> None:
    meta.says({"data": [{"name": "uno"}, "?"], "paging": paging})
    assert await graph.templates() == [{"name": "uno"}]


async def test_a_list_that_is_none_is_no_answer(meta: Meta, graph: Graph) -> None:
    meta.says({"data": "?"})
    with pytest.raises(NoResponse, match="unreadable answer"):
        await graph.templates()


async def test_cookies_are_not_kept_and_redirects_not_followed(meta: Meta, graph: Graph) -> None:
    meta.says({"id": "1"}, 200, **{"Set-Cookie": "a=b; Path=/"})
    await graph.number()
    meta.says(b"", 302, Location=f"{meta.url}/elsewhere")
    fault = await silence(graph)
    assert (fault.kind, fault.in_doubt) == ("status 302", False)
    assert len(meta.seen) == 2
    assert "Cookie" not in meta.headers[1]


async def test_closed_twice_it_opens_again(meta: Meta, graph: Graph) -> None:
    for _ in range(2):
        meta.says({"id": "1"})
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


@pytest.mark.parametrize(("status", "error", "told"), REFUSED, ids=lambda one: str(one)[:40])
async def test_a_refusal_is_told_by_its_codes(
    meta: Meta, graph: Graph, status: int, error: dict[str, Any], told: tuple[int, int, str]
) -> None:
    meta.refuses(status, **error, error_data={"details": f"{WORDS} {TOKEN}"}, error_user_msg=WORDS)
    fault = await refusal(graph)
    assert (fault.status, fault.code, fault.subcode, fault.kind) == (status, *told)
    assert fault.says == ""
    assert str(fault) == f"code {told[0]}, subcode {told[1]}, status {status}"


async def test_what_meta_says_of_a_template_is_for_the_administrator_and_holds_no_token(
    meta: Meta, graph: Graph
) -> None:
    refused: dict[str, Any] = {
        "error_user_title": "Leading\nparams",
        "error_user_msg": f"Not {TOKEN}",
        "error_data": {"details": "x"},
    }
    for call in (graph.templates, graph.number, lambda: graph.create_template({"name": "uno"})):
        meta.refuses(code=100, **refused)
        with pytest.raises(GraphError) as told:
            await call()
        assert told.value.says == "Leading params: Not [token]: x"
        closed(told.value)
    assert TOKEN not in told.value.says


@pytest.mark.parametrize("more", [{}, {"error_data": "{}", "error_user_msg": 7}, {"error_data": {"details": None}}])
async def test_a_refusal_may_say_nothing(meta: Meta, graph: Graph, more: dict[str, Any]) -> None:
    meta.refuses(code=100, **more)
    with pytest.raises(GraphError) as told:
        await graph.create_template({})
    assert told.value.says == ""


# ---------------------------------------------------------------- no usable answer

UNUSABLE = [
    (500, b"<html>", "status 500", False),
    (502, b"", "status 502", False),
    (503, {"error": {"message": WORDS}}, "status 503", False),
    (504, b"<html>", "status 504", True),
    (404, b"<html>", "status 404", False),
    (407, {"error": "proxy"}, "status 407", False),
    (400, {"error": {"code": "?"}}, "status 400", False),
    (400, {"error": {"code": True}}, "status 400", False),
    (200, b"<html>", "unreadable answer", True),
    (200, b"", "unreadable answer", True),
    (200, b"[" * 100_000, "unreadable answer", True),
    (200, b"\xff", "unreadable answer", True),
    (200, [1], "unreadable answer", True),
]


@pytest.mark.parametrize(("status", "body", "kind", "in_doubt"), UNUSABLE, ids=lambda one: str(one)[:30])
async def test_an_answer_that_cannot_be_used_says_whether_the_work_may_be_done(
    meta: Meta, graph: Graph, status: int, body: Any, kind: str, in_doubt: bool
) -> None:
    meta.says(body, status)
    fault = await silence(graph)
    assert (fault.kind, fault.in_doubt) == (kind, in_doubt)


async def test_where_nobody_listens_nothing_was_sent() -> None:
    graph = Graph(TOKEN, f"http://127.0.0.1:{unused_port()}", NUMBER, ACCOUNT)
    fault = await silence(graph)
    assert (fault.kind, fault.in_doubt) == ("ClientConnectorError", False)
    await graph.close()


async def test_an_address_that_is_none_sends_nothing() -> None:
    graph = Graph(TOKEN, "http://[::1", NUMBER, ACCOUNT)
    fault = await silence(graph)
    assert (fault.kind, fault.in_doubt) == ("InvalidUrlClientError", False)
    await graph.close()


async def test_a_connection_that_breaks_leaves_a_doubt(meta: Meta, graph: Graph) -> None:
    def breaks(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    meta.answers.append(breaks)
    fault = await silence(graph)
    assert fault.in_doubt
    assert fault.kind in ("ServerDisconnectedError", "ClientOSError")


async def test_an_answer_that_does_not_come_leaves_a_doubt(
    meta: Meta, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whatsapp_client, "READ_SECONDS", 0.05)
    meta.held = asyncio.Event()
    meta.says({})
    fault = await silence(graph)
    assert fault.in_doubt
    assert "Timeout" in fault.kind
    meta.held.set()


async def test_nothing_secret_is_logged(meta: Meta, graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        meta.says({"messages": []})
        await graph.post_message(MESSAGE)
        meta.refuses(400, code=131047, error_data={"details": WORDS})
        await refusal(graph)
        meta.says(b"<html>", 502)
        await silence(graph)
    for secret in (TOKEN, WORDS, PHONE):
        assert secret not in caplog.text


async def test_whoever_prints_it_sees_no_token(graph: Graph) -> None:
    assert TOKEN not in f"{graph} {graph!r}"
