"""The letterbox: one page for everybody, and the requests by which browsers submit and fetch sealed letters.

Sets no cookies, repeats nothing of a request in a response or a log. Bodies hold ciphertext; errors name only a kind.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from markupsafe import Markup

from bot.json_body import parse_json
from bot.web import scripts
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES
from bot.web.compressed import Compressed
from bot.web.network import network_of
from bot.web.requests import BodyTooLarge, is_same_origin, read_body, work_context
from bot.web.templating import HEADERS
from bot.web.windows import Later, Windows, later, later_on, take
from handlers import caps
from handlers.casework import letters, trust
from handlers.casework.posting import LetterRefused, TooManyLetters
from handlers.context import WorkContext
from storage.confidential.protocol.errors import Malformed, ProtocolError
from storage.confidential.unit_trust import BrokenTrustFile
from storage.database import DatabaseUnavailable

RENDERED_PAGES: web.AppKey[dict[tuple[str, bool], "Rendered"]] = web.AppKey("letterbox_pages")


class LetterboxCaps:
    """How often networks may post, and how many first letters there are of one network and of all."""

    def __init__(self, persons: int = caps.PERSONS) -> None:
        self.posts = Windows(persons * caps.POSTS_A_MINUTE, 60)
        self.first_letters = Windows(persons * caps.FIRST_LETTERS_AN_HOUR, 3600)
        self.all_first_letters = Windows(caps.ALL_FIRST_LETTERS_AN_HOUR, 3600)


CAPS = web.AppKey("letterbox_caps", LetterboxCaps)

routes = web.RouteTableDef()


@dataclass(frozen=True)
class Rendered:
    """The page in Spanish, and its English: a list of texts in the order in which they stand on the page."""

    page: Compressed
    english: Compressed
    tag: str  # of the English of this very page, which names it


def attach(app: web.Application) -> None:
    """Add the letterbox to the server; PAGES and LIBRARY must be set."""
    app[RENDERED_PAGES] = {}
    app.setdefault(CAPS, LetterboxCaps())
    render(app, "", is_trial=False)  # a broken template or phrase stops the start
    app.router.add_routes(routes)


def render(app: web.Application, pin: str, *, is_trial: bool) -> Rendered:
    """Render the page, which holds the unit's pin: the same bytes for every request."""
    phrases = app[LIBRARY].phrases
    english: list[str] = []

    def text(language: str, key: str, blanks: Sequence[str] = ()) -> str:
        """A phrase whose blanks stay as `{name}`, to be filled in the browser."""
        return phrases.plain(language, f"letterbox.{key}", {name: "{" + name + "}" for name in blanks})

    def phrase(key: str, *blanks: str) -> Markup:
        """A phrase in Spanish; its English is kept for who asks for it."""
        english.append(text("en", key, blanks))
        return Markup('<span lang="es">{}</span>').format(text("es", key, blanks))

    def draw(tag: str) -> str:
        english.clear()
        values = {"title": text("es", "title"), "unit": pin, "is_trial": is_trial, "english": tag}
        return app[PAGES].render("letterbox.html", "es", phrase=phrase, text=text, **values)

    draw("")
    kept = Compressed(json.dumps(english, ensure_ascii=False).encode(), "application/json")
    tag = kept.tag.strip('"')
    return Rendered(Compressed(draw(tag).encode(), "text/html"), kept, tag)


# ---------------------------------------------------------------- the page


@routes.get("/c", name="letterbox")
async def show(request: web.Request) -> web.Response:
    """Respond with the page, which is rendered once for the unit that this installation has adopted."""
    return _rendered(request).page.response(request, HEADERS)


@routes.get("/c/english/{tag}")
async def english(request: web.Request) -> web.Response:
    """Respond with the English of the page that names this tag; 404 once another page is served."""
    rendered = _rendered(request)
    if request.match_info["tag"] != rendered.tag:
        return _json_response({"error": "tag"}, 404)
    return rendered.english.response(request, HEADERS)


def _rendered(request: web.Request) -> Rendered:
    pages = request.app[RENDERED_PAGES]
    kind = _pin(request), request.app[INSTALLATION].unit.adopts_itself
    if kind not in pages:
        pin, is_trial = kind
        pages[kind] = render(request.app, pin, is_trial=is_trial)
    return pages[kind]


@routes.get("/static/letterbox/{file}", name="letterbox_asset")
async def asset(request: web.Request) -> web.Response:
    """Respond with the page's script or style sheet, or 404."""
    return scripts.asset("letterbox", request)


def _pin(request: web.Request) -> str:
    """The adopted unit's pin; empty while none is adopted or its file is damaged: the letterbox is closed then."""
    try:
        return request.app[INSTALLATION].unit.pin()
    except BrokenTrustFile:
        return ""


@routes.get("/c/keys")
async def keys(request: web.Request) -> web.Response:
    """Respond with the signed list of readers and today's local date; 404 while the letterbox is closed."""
    try:
        async with request.app[DATABASE].read() as tx:
            work = work_context(request, tx)
            known = await trust.in_force(tx, work.installation.unit, work.today)
    except DatabaseUnavailable:
        return _json_response({"error": "unavailable"}, 503)
    except trust.Closed as closed:
        return _json_response({"error": "closed", "reason": closed.reason}, 404)
    return _json_response({"list": known.lists[-1], "day": work.today.isoformat()})


# ---------------------------------------------------------------- letters


@routes.post("/c/cases")
async def submit_case(request: web.Request) -> web.Response:
    """Accept a new case and spend its one-time link; no other request spends links."""
    try:
        submission = letters.parse_submission(await _json_body(request))
        _take_first_letter(request)
        async with request.app[DATABASE].write() as tx:
            due_on = await letters.accept(work_context(request, tx), submission)
    except _HANDLED_ERRORS as error:
        return _error_response(request, error)
    request.app[CAPS].all_first_letters.try_take("", request.app[CLOCK]())
    return _json_response({"due_on": due_on.isoformat()}, 201)


def _take_first_letter(request: web.Request) -> None:
    """Count a first letter of this network; of all, only those count that arrive, or anybody could use them up.

    Raises Later.
    """
    now, counted = request.app[CLOCK](), request.app[CAPS]
    if at := counted.all_first_letters.full_until("", now):
        raise Later(at)
    take(counted.first_letters, network_of(request), now)


@routes.post("/c/thread")
async def thread(request: web.Request) -> web.Response:
    """Respond with all letters of the case that the locator, derived from the eight words, names."""
    try:
        locator = letters.parse_locator(await _json_body(request))
    except _HANDLED_ERRORS as error:
        return _error_response(request, error)
    try:
        async with request.app[DATABASE].read() as tx:
            work = work_context(request, tx)
            content = await letters.thread(work, locator)
    except Malformed:  # a stored row is none of the protocol's
        return _json_response({"error": "altered"}, 409)
    except _HANDLED_ERRORS as error:
        return _error_response(request, error)
    return _json_response({**content, "today": work.today.isoformat()})


@routes.post("/c/letters")
async def reply(request: web.Request) -> web.Response:
    """Accept a further letter from the asker, with the box that remembers it."""
    return await _store(request, letters.reply)


@routes.post("/c/seen")
async def seen(request: web.Request) -> web.Response:
    """Accept the asker's box alone, after they read something new."""
    return await _store(request, letters.remember)


async def _store(request: web.Request, store: Callable[[WorkContext, Any], Awaitable[None]]) -> web.Response:
    try:
        body = await _json_body(request)
        async with request.app[DATABASE].write() as tx:
            await store(work_context(request, tx), body)
    except _HANDLED_ERRORS as error:
        return _error_response(request, error)
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
    Later,
    LetterRefused,
    TooManyLetters,
    trust.Closed,
    ProtocolError,
    DatabaseUnavailable,
)


async def _json_body(request: web.Request) -> object:
    """Count a post of this network; return the parsed JSON body of a same-origin request.

    Raises _RejectedRequest, Later.
    """
    if not is_same_origin(request):
        raise _RejectedRequest(403, "origin")
    if request.content_type != "application/json":
        raise _RejectedRequest(415, "type")
    take(request.app[CAPS].posts, network_of(request), request.app[CLOCK]())
    try:
        return parse_json(await read_body(request))
    except BodyTooLarge:
        raise _RejectedRequest(413, "size") from None
    except ValueError:
        raise _RejectedRequest(422, "json") from None


def _error_response(request: web.Request, error: Exception) -> web.Response:
    match error:
        case Later():
            return later(error.at, request.app[CLOCK]())
        case TooManyLetters():
            return later_on(request, error.day)
        case _RejectedRequest():
            return _json_response({"error": error.error}, error.status)
        case LetterRefused(reason="thread"):
            return _json_response({"error": "thread"}, 404)
        case LetterRefused():
            return _json_response({"error": error.reason}, 409)
        case trust.Closed():
            return _json_response({"error": "closed", "reason": error.reason}, 409)
        case ProtocolError():
            return _json_response({"error": "shape", "field": error.reason}, 422)
        case _:
            return _json_response({"error": "unavailable"}, 503)


def _json_response(content: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(content, status=status, headers=HEADERS)
