"""The console as a nested application: who is signed in, what may be posted, and the frame around every page."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel, ValidationError

from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES, SECRETS
from bot.web.templating import HEADERS, STATIC, preferred_language
from handlers.casework.cases import Desk
from storage.confidential import officers
from storage.confidential.officers import Officer, Session
from storage.database import DatabaseUnavailable, Transaction

COOKIE = "session"
GATE = "gate"  # before somebody has signed in: what the page's CSRF token is bound to
PATH = "/console"
SAFE = ("GET", "HEAD", "OPTIONS")
OPEN = frozenset(f"{PATH}/{page}" for page in ("signin", "signin/begin", "signup", "signup/begin"))
"""What can be asked for without having signed in; everything else is closed."""

MAX_BODY = 64 * 1024
LANGUAGE_COOKIE_SECONDS = 365 * 24 * 3600

SESSION: web.RequestKey[Session | None] = web.RequestKey("session")
GATE_VALUE: web.RequestKey[str] = web.RequestKey("gate")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Posted = TypeVar("Posted", bound=BaseModel)


def nest(app: web.Application, routes: list[web.RouteTableDef]) -> None:
    """Add the console's pages and files to the server's application."""

    async def lead_on(request: web.Request) -> web.StreamResponse:
        raise web.HTTPSeeOther(f"{PATH}/")

    console = web.Application(middlewares=[guard])
    for table in routes:
        console.add_routes(table)
    app.router.add_get(PATH, lead_on)
    for folder in ("console", "vendor"):
        app.router.add_static(f"/static/{folder}", STATIC / folder)
    app.add_subapp(f"{PATH}/", console)


# ---------------------------------------------------------------- the guard


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Nothing passes without a session, save sign-in and sign-up; nothing is posted from elsewhere."""
    request[SESSION], request[GATE_VALUE] = None, request.cookies.get(GATE, "")[:64] or secrets.token_urlsafe(16)
    try:
        request[SESSION] = await _session(request)
        if request.method not in SAFE:
            _same_origin(request)
            _same_page(request)
        if request[SESSION] is None and request.path not in OPEN:
            raise web.HTTPUnauthorized
        response = await handler(request)
    except DatabaseUnavailable:
        response = _refusal(request, 503)
    except web.HTTPException as refusal:
        if refusal.status < 400:
            raise
        response = _refusal(request, refusal.status, refusal.text)
    return _dressed(request, response)


async def _session(request: web.Request) -> Session | None:
    token = request.cookies.get(COOKIE, "")
    if not token:
        return None
    now = now_of(request)
    database = request.config_dict[DATABASE]
    async with database.read() as tx:
        session = await officers.session(tx, token, now)
    if session and now - session.seen_at > timedelta(seconds=officers.TOUCH_SECONDS):
        async with database.write() as tx:
            await officers.touch(tx, session.key, now)
    return session


def _same_origin(request: web.Request) -> None:
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise web.HTTPForbidden
    origin = request.headers.get("Origin")
    if origin is not None:
        own = urlsplit(request.config_dict[INSTALLATION].public_url)
        if origin not in (f"{own.scheme}://{own.netloc}", f"{request.scheme}://{request.host}"):
            raise web.HTTPForbidden


def _same_page(request: web.Request) -> None:
    """The X-CSRF header is what one of our pages was given for this session, or for this gate before it."""
    shown = request.headers.get("X-CSRF", "").encode()
    if not any(hmac.compare_digest(shown, good.encode()) for good in _csrf_tokens(request)):
        raise web.HTTPForbidden


def _csrf_tokens(request: web.Request) -> list[str]:
    cookie, gate = request.cookies.get(COOKIE), request.cookies.get(GATE)
    # The cookie of a session that went idle counts too: an open page signs in again in place.
    bound = [csrf(request, officers.session_key(cookie))] if cookie else []
    return bound + ([csrf(request, "gate|" + gate[:64])] if gate else [])


def csrf(request: web.Request, session_key: str) -> str:
    """The token that pages of a session send along with whatever they post."""
    key = request.config_dict[SECRETS].csrf
    return hmac.new(key, session_key.encode(), hashlib.sha256).hexdigest()


def _dressed(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    response.headers.update(HEADERS)
    wish = request.query.get("lang")
    if wish in ("es", "en"):
        response.set_cookie("lang", wish, path="/", samesite="Lax", max_age=LANGUAGE_COOKIE_SECONDS)
    if request[SESSION] is None and request.cookies.get(GATE) != request[GATE_VALUE] and request.method == "GET":
        set_cookie(request, response, GATE, request[GATE_VALUE])
    return response


def set_cookie(request: web.Request, response: web.StreamResponse, name: str, value: str) -> None:
    """A cookie of the console: no script reads it, no other site sends it; `value` empty takes it away."""
    secure = request.config_dict[INSTALLATION].public_url.startswith("https://")
    rules: dict[str, Any] = {"path": PATH, "httponly": True, "samesite": "Strict", "secure": secure}
    if value:
        response.set_cookie(name, value, **rules)
    else:
        response.del_cookie(name, **rules)


# ---------------------------------------------------------------- what pages ask for


def now_of(request: web.Request) -> datetime:
    now: datetime = request.config_dict[CLOCK]()
    return now


def officer_of(request: web.Request) -> Officer:
    """Who is signed in; raises 401."""
    session = request[SESSION]
    if session is None:
        raise web.HTTPUnauthorized
    return session.officer


def reader_of(request: web.Request) -> Officer:
    """Who is signed in, if this person may read queries; raises 401, 403."""
    officer = officer_of(request)
    if not officer.reads_cases:
        raise web.HTTPForbidden
    return officer


def desk(request: web.Request, tx: Transaction, officer: Officer) -> Desk:
    """The officer's desk for one transaction."""
    installation = request.config_dict[INSTALLATION]
    return Desk(tx, officer, installation.timezone, request.config_dict[SECRETS].audit, now_of(request))


async def posted(request: web.Request, model: type[Posted]) -> Posted:
    """The JSON that was posted; raises 413, 415, 422."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    body = bytearray()
    async for chunk in request.content.iter_chunked(MAX_BODY):
        body += chunk
        if len(body) > MAX_BODY:
            raise web.HTTPRequestEntityTooLarge(max_size=MAX_BODY, actual_size=len(body))
    try:
        return model.model_validate_json(bytes(body))
    except ValidationError:
        raise web.HTTPUnprocessableEntity from None


def conflict(error: str) -> web.Response:
    """What was posted does not fit what is stored; `error` names the part."""
    return web.json_response({"error": error}, status=409)


# ---------------------------------------------------------------- pages


def page(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    """A page inside the console's frame. `values` may name `title`, a phrase's key."""
    language = preferred_language(request)
    session = request[SESSION]
    phrases = request.config_dict[LIBRARY].phrases
    frame: Mapping[str, object] = {
        "officer": session.officer if session else None,
        "csrf": csrf(request, session.key if session else "gate|" + request[GATE_VALUE]),
        "path": request.path,
        "phrases": json.dumps(phrases.section(language, "console.script"), ensure_ascii=False),
        "idle_minutes": officers.IDLE_MINUTES,
    }
    return request.config_dict[PAGES].response(f"console/{template}", language, status=status, **frame, **values)


def _refusal(request: web.Request, status: int, text: str | None = None) -> web.Response:
    if "application/json" in request.headers.get("Accept", "") or request.method not in SAFE:
        return web.json_response({"error": str(status)}, status=status)
    if status == 401:
        return web.Response(status=303, headers={"Location": f"{PATH}/signin"})
    kind = {403: "forbidden", 404: "missing", 503: "away"}.get(status, "other")
    return page(request, "refused.html", status=status, kind=kind)
