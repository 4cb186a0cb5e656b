"""The letterbox: one page for everybody, and the requests by which browsers submit and fetch sealed letters.

Sets no cookies, repeats nothing of a request in a response or a log. Bodies hold ciphertext; errors name only a kind.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from markupsafe import Markup

from bot.json_body import parse_json
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES
from bot.web.requests import BodyTooLarge, is_same_origin, read_body, work_context
from bot.web.templating import HEADERS, STATIC, html_response
from handlers.casework import letters
from storage.confidential import sealing, wire_format
from storage.database import DatabaseUnavailable

RENDERED_PAGE = web.AppKey("letterbox_page", str)
ASSETS = {
    "letterbox": ("letterbox.css", "letterbox.js", "page.js", "thread.js", "write.js"),
    "sealing": ("encoding.js", "hpke.js", "sealing.js", "words.es.txt"),
}
"""The files of the page, by folder below bot/static; nothing else in those folders is served."""

routes = web.RouteTableDef()


def attach(app: web.Application) -> None:
    """Add the letterbox to the server; PAGES and LIBRARY must be set."""
    app[RENDERED_PAGE] = render(app)
    app.router.add_routes(routes)


def render(app: web.Application) -> str:
    """Return the page, which holds both languages: the same bytes for every request."""
    phrases = app[LIBRARY].phrases

    def phrase(key: str, *blanks: str) -> Markup:
        """A phrase in both languages; its blanks stay as `{name}`, to be filled in the browser."""
        values = {name: "{" + name + "}" for name in blanks}
        texts = ((language, phrases.plain(language, f"letterbox.{key}", values)) for language in ("es", "en"))
        return Markup("").join(Markup('<span lang="{}">{}</span>').format(*text) for text in texts)

    title = phrases.plain("es", "letterbox.title", {})
    return app[PAGES].render("letterbox.html", "es", phrase=phrase, title=title)


# ---------------------------------------------------------------- the page


@routes.get("/c", name="letterbox")
async def show(request: web.Request) -> web.Response:
    """Respond with the page rendered at the start."""
    return html_response(request.app[RENDERED_PAGE])


@routes.get("/static/{folder:letterbox|sealing}/{file}", name="letterbox_asset")
async def asset(request: web.Request) -> web.StreamResponse:
    """Respond with one of ASSETS, or 404."""
    folder, file = request.match_info["folder"], request.match_info["file"]
    if file not in ASSETS[folder]:
        raise web.HTTPNotFound
    # Revalidated on every use: a page never runs with the scripts of another release.
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(STATIC / folder / file, headers=headers)


@routes.get("/c/keys")
async def keys(request: web.Request) -> web.Response:
    """Respond with the signed list of readers and today's local date; 404 while the letterbox is closed."""
    try:
        async with request.app[DATABASE].read() as tx:
            current = await letters.current_readers(tx)
    except DatabaseUnavailable:
        return _json_response({"error": "unavailable"}, 503)
    if current is None:
        return _json_response({"error": "closed"}, 404)
    return _json_response({"body": current[0].body, "signature": current[0].signature, "day": _today(request)})


# ---------------------------------------------------------------- letters


@routes.post("/c/cases")
async def submit_case(request: web.Request) -> web.Response:
    """Accept a new case and spend its one-time link; no other request spends links."""
    try:
        submission = letters.parse_submission(await _json_body(request))
        async with request.app[DATABASE].write() as tx:
            due_on = await letters.accept(work_context(request, tx), submission)
    except _HANDLED_ERRORS as error:
        return _error_response(error)
    return _json_response({"due_on": due_on.isoformat()}, 201)


@routes.post("/c/thread")
async def thread(request: web.Request) -> web.Response:
    """Respond with all letters of the case that the locator, derived from the eight words, names."""
    try:
        body = wire_format.fields(await _json_body(request), "locator", "thread")
        locator = wire_format.string(body["locator"], "locator")
        async with request.app[DATABASE].read() as tx:
            content = await letters.thread(tx, locator)
    except _HANDLED_ERRORS as error:
        return _error_response(error)
    return _json_response({**content, "today": _today(request)})


@routes.post("/c/letters")
async def reply(request: web.Request) -> web.Response:
    """Accept a further letter from the asker."""
    try:
        body = wire_format.fields(await _json_body(request), "locator letter", "reply")
        locator = wire_format.string(body["locator"], "locator")
        async with request.app[DATABASE].write() as tx:
            await letters.reply(work_context(request, tx), locator, body["letter"])
    except _HANDLED_ERRORS as error:
        return _error_response(error)
    return _json_response({}, 201)


# ---------------------------------------------------------------- request bodies and responses


class _RejectedRequest(Exception):
    """A request that is not a JSON request of our own page; `status` and `error` go into the response."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


_HANDLED_ERRORS = (
    _RejectedRequest,
    letters.SubmissionRefused,
    wire_format.Malformed,
    sealing.Altered,
    DatabaseUnavailable,
)


async def _json_body(request: web.Request) -> object:
    """Return the parsed JSON body of a same-origin request. Raises _RejectedRequest."""
    if not is_same_origin(request):
        raise _RejectedRequest(403, "origin")
    if request.content_type != "application/json":
        raise _RejectedRequest(415, "type")
    try:
        return parse_json(await read_body(request))
    except BodyTooLarge:
        raise _RejectedRequest(413, "size") from None
    except ValueError:
        raise _RejectedRequest(422, "json") from None


def _error_response(error: Exception) -> web.Response:
    match error:
        case _RejectedRequest():
            return _json_response({"error": error.error}, error.status)
        case letters.SubmissionRefused(reason="thread"):
            return _json_response({"error": "thread"}, 404)
        case letters.SubmissionRefused():
            return _json_response({"error": error.reason}, 409)
        case wire_format.Malformed():
            return _json_response({"error": "shape", "field": str(error)}, 422)
        case sealing.Altered():
            return _json_response({"error": "altered"}, 409)
        case _:
            return _json_response({"error": "unavailable"}, 503)


def _json_response(content: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(content, status=status, headers=HEADERS)


def _today(request: web.Request) -> str:
    now: datetime = request.app[CLOCK]()
    return now.astimezone(request.app[INSTALLATION].timezone).date().isoformat()
