"""The letterbox: one page for everybody, and the few requests by which browsers hand in and fetch sealed letters.

No cookies, nothing of a request in an answer or a log; what is sent is ciphertext, what is refused is named by kind.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from markupsafe import Markup

from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES
from bot.web.templating import HEADERS, STATIC, html
from handlers.casework import letters
from storage.confidential import sealing, wire_format
from storage.database import DatabaseUnavailable

MAX_BODY = 64 * 1024
PAGE = web.AppKey("letterbox_page", str)
ASSETS = {
    "letterbox": ("letterbox.css", "letterbox.js", "page.js", "thread.js", "write.js"),
    "sealing": ("encoding.js", "hpke.js", "sealing.js", "words.es.txt"),
}
"""What the page consists of, by folder below bot/static; nothing else is served there."""

routes = web.RouteTableDef()


def attach(app: web.Application) -> None:
    """Add the letterbox to the server; PAGES and LIBRARY must be set."""
    app[PAGE] = render(app)
    app.router.add_routes(routes)


def render(app: web.Application) -> str:
    """The page with both languages in it: the same bytes for everybody, whoever asks."""
    phrases = app[LIBRARY].phrases

    def say(key: str, *blanks: str) -> Markup:
        """A phrase in both languages; its blanks stay as they are, to be filled in the browser."""
        values = {name: "{" + name + "}" for name in blanks}
        both = ((language, phrases.plain(language, f"letterbox.{key}", values)) for language in ("es", "en"))
        return Markup("").join(Markup('<span lang="{}">{}</span>').format(*one) for one in both)

    return app[PAGES].render("letterbox.html", "es", say=say, title=phrases.plain("es", "letterbox.title", {}))


# ---------------------------------------------------------------- the page


@routes.get("/c", name="letterbox")
async def show(request: web.Request) -> web.Response:
    return html(request.app[PAGE])


@routes.get("/static/{folder:letterbox|sealing}/{file}", name="letterbox_asset")
async def asset(request: web.Request) -> web.StreamResponse:
    folder, file = request.match_info["folder"], request.match_info["file"]
    if file not in ASSETS[folder]:
        raise web.HTTPNotFound
    # Asked for anew each time: a page never runs with the scripts of another release.
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(STATIC / folder / file, headers=headers)


@routes.get("/c/keys")
async def keys(request: web.Request) -> web.Response:
    """The signed list of readers, and the calendar day here; 404 while the letterbox is closed."""
    try:
        async with request.app[DATABASE].read() as tx:
            current = await letters.current_readers(tx)
    except DatabaseUnavailable:
        return _answer({"error": "unavailable"}, 503)
    if current is None:
        return _answer({"error": "closed"}, 404)
    return _answer({"body": current[0].body, "signature": current[0].signature, "day": _today(request)})


# ---------------------------------------------------------------- letters


@routes.post("/c/cases")
async def hand_in(request: web.Request) -> web.Response:
    """A new case; the link is spent here and nowhere else."""
    try:
        posting = letters.parse_submission(await _body(request))
        async with request.app[DATABASE].write() as tx:
            due_on = await letters.accept(tx, request.app[INSTALLATION], posting, request.app[CLOCK]())
    except _FAULTS as fault:
        return _refusal(fault)
    return _answer({"due_on": due_on.isoformat()}, 201)


@routes.post("/c/thread")
async def thread(request: web.Request) -> web.Response:
    """All letters of the case that eight words lead to."""
    try:
        body = wire_format.fields(await _body(request), "locator", "thread")
        locator = wire_format.string(body["locator"], "locator")
        async with request.app[DATABASE].read() as tx:
            content = await letters.thread(tx, locator)
    except _FAULTS as fault:
        return _refusal(fault)
    return _answer({**content, "today": _today(request)})


@routes.post("/c/letters")
async def reply(request: web.Request) -> web.Response:
    """A further letter of the asker's."""
    try:
        body = wire_format.fields(await _body(request), "locator letter", "reply")
        locator = wire_format.string(body["locator"], "locator")
        async with request.app[DATABASE].write() as tx:
            await letters.reply(tx, request.app[INSTALLATION], locator, body["letter"], request.app[CLOCK]())
    except _FAULTS as fault:
        return _refusal(fault)
    return _answer({}, 201)


# ---------------------------------------------------------------- in and out


class _Unwelcome(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


_FAULTS = (_Unwelcome, letters.SubmissionRefused, wire_format.Malformed, sealing.Altered, DatabaseUnavailable)


async def _body(request: web.Request) -> object:
    """The JSON of a request from our own page. Raises _Unwelcome."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise _Unwelcome(403, "origin")
    origin = request.headers.get("Origin")
    if origin is not None and not _is_ours(request, origin):
        raise _Unwelcome(403, "origin")
    if request.content_type != "application/json":
        raise _Unwelcome(415, "type")
    if (request.content_length or 0) > MAX_BODY:
        raise _Unwelcome(413, "size")
    raw = bytearray()
    async for chunk in request.content.iter_chunked(16 * 1024):
        raw += chunk
        if len(raw) > MAX_BODY:
            raise _Unwelcome(413, "size")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise _Unwelcome(422, "json") from None


def _is_ours(request: web.Request, origin: str) -> bool:
    public = urlsplit(request.app[INSTALLATION].public_url)
    return origin in (f"{public.scheme}://{public.netloc}", f"{request.scheme}://{request.host}")


def _refusal(fault: Exception) -> web.Response:
    match fault:
        case _Unwelcome():
            return _answer({"error": fault.error}, fault.status)
        case letters.SubmissionRefused(reason="thread"):
            return _answer({"error": "thread"}, 404)
        case letters.SubmissionRefused():
            return _answer({"error": fault.reason}, 409)
        case wire_format.Malformed():
            return _answer({"error": "shape", "field": str(fault)}, 422)
        case sealing.Altered():
            return _answer({"error": "altered"}, 409)
        case _:
            return _answer({"error": "unavailable"}, 503)


def _answer(content: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(content, status=status, headers=HEADERS)


def _today(request: web.Request) -> str:
    now: datetime = request.app[CLOCK]()
    return now.astimezone(request.app[INSTALLATION].timezone).date().isoformat()
