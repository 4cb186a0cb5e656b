"""The console as a nested application: sessions, CSRF protection, request bodies, and the layout of every page."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from bot.console import throttle
from bot.console.queueing import Busy
from bot.web import scripts
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES, SECRETS
from bot.web.assets import add_folder
from bot.web.requests import MAX_BODY, BodyTooLarge, is_same_origin, read_body
from bot.web.templating import CONSOLE_HEADERS, preferred_language, remember_language
from bot.web.windows import Later
from handlers.casework import custody, trust
from handlers.casework.office import OfficerContext
from storage.confidential import sessions
from storage.confidential.officers import Officer
from storage.confidential.sessions import Session
from storage.database import DatabaseUnavailable, Transaction

SESSION_COOKIE = "session"
GATE_COOKIE = "gate"  # a random value that stays with the browser; the CSRF token of its pages is bound to it
GATE_SECONDS = 365 * 24 * 3600
PATH = "/console"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LINK_PATHS = frozenset(
    f"{PATH}/{page}"
    for page in (
        *("signup", "signup/begin", "custodian", "custodian/begin", "recovery"),
        *(f"recovery/{part}" for part in ("boxes", "rehearsals", "use", "cases", "letters", "unit-key")),
    )
)
"""The paths that a one-time link or the recovery key opens."""
PUBLIC_PATHS = LINK_PATHS | {f"{PATH}/{page}" for page in ("signin", "signin/begin", "lost", "lost/begin")}
"""The paths that need no session."""

SESSION: web.RequestKey[Session | None] = web.RequestKey("session")
GATE_VALUE: web.RequestKey[str] = web.RequestKey("gate")
BODY: web.RequestKey[bytes] = web.RequestKey("body")
NEEDS_CUSTODIANS: web.RequestKey[bool] = web.RequestKey("needs_custodians")

BODY_LIMITS = {f"{PATH}/notebook": 1024 * 1024, f"{PATH}/keys": 256 * 1024, f"{PATH}/succession": 256 * 1024}
"""Bytes that these pages accept instead: notebooks grow with the cases, lists with all readers there ever were."""


class OtherOfficer(Exception):
    """The page was made for an officer whose session another one has replaced in this browser."""


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Model = TypeVar("Model", bound=BaseModel)


class PostedModel(BaseModel):
    """A JSON body that a page of the console posts; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def mount(app: web.Application, routes: list[web.RouteTableDef]) -> None:
    """Add the console's pages and static files to the server's application."""

    async def redirect_to_root(request: web.Request) -> web.StreamResponse:
        raise web.HTTPSeeOther(f"{PATH}/")

    throttle.attach(app)
    console = web.Application(middlewares=[guard])
    for table in routes:
        console.add_routes(table)
    app.router.add_get(PATH, redirect_to_root)
    add_folder(app, "vendor")
    app.router.add_get("/static/console/{file}", asset)
    app.add_subapp(f"{PATH}/", console)


async def asset(request: web.Request) -> web.Response:
    """Respond with the console's script or style sheet, or 404."""
    return scripts.asset("console", request)


# ---------------------------------------------------------------- the middleware


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Require a session except for sign-in and sign-up; for every unsafe method also origin, CSRF token and body limit.

    Errors become a page or, for scripts, JSON.
    """
    gate = _cookie(request, GATE_COOKIE)[:64] or secrets.token_urlsafe(16)
    request[SESSION], request[GATE_VALUE] = None, gate
    try:
        request[SESSION] = await _session(request)
        if request.method not in SAFE_METHODS:
            if not is_same_origin(request):
                raise web.HTTPForbidden
            _check_csrf_token(request)
        if request.path not in PUBLIC_PATHS:
            _check_officer(request)
        if request.method not in SAFE_METHODS:
            request[BODY] = await read_body(request, BODY_LIMITS.get(request.path, MAX_BODY))
        is_counted = request.path in LINK_PATHS and request.method not in SAFE_METHODS
        response = await (throttle.counted(request, handler) if is_counted else handler(request))
    except (Later, Busy) as error:
        response = throttle.refusal(request, error)
    except DatabaseUnavailable:
        response = _error_response(request, 503)
    except BodyTooLarge:
        response = _error_response(request, 413)
    except OtherOfficer:
        response = conflict("officer")
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = _error_response(request, error.status)
    return _with_headers(request, response)


def _cookie(request: web.Request, name: str) -> str:
    """A cookie of ours; empty where there is none, or one that we never set."""
    value = request.cookies.get(name, "")
    return value if value.isascii() else ""


async def _session(request: web.Request) -> Session | None:
    token = _cookie(request, SESSION_COOKIE)
    if not token:
        return None
    now = current_time(request)
    database = request.config_dict[DATABASE]
    async with database.read() as tx:
        session = await sessions.by_token(tx, request.config_dict[SECRETS].session, token, now)
        if session and not session.factor and not request.config_dict[INSTALLATION].unit.adopts_itself:
            return None  # begun in a trial, without a second factor
        if session and session.officer.reads_cases:
            with suppress(trust.Closed):  # for the warning of the days that are left
                await trust.verified(tx, request.config_dict[INSTALLATION].unit)
            request[NEEDS_CUSTODIANS] = await custody.is_missing(officer_context(request, tx, session.officer))
    if session and now - session.seen_at > timedelta(seconds=sessions.TOUCH_SECONDS):
        async with database.write() as tx:
            await sessions.touch(tx, session.key, now)
    return session


def _check_csrf_token(request: web.Request) -> None:
    """Raise 403 unless the X-CSRF header is the token that the pages of this browser got.

    It is not bound to the session: signing in in one tab leaves the others able to send.
    """
    gate, given = _cookie(request, GATE_COOKIE)[:64], request.headers.get("X-CSRF", "").encode(errors="replace")
    if not gate or not hmac.compare_digest(given, csrf_token(request, gate).encode()):
        raise web.HTTPForbidden


def csrf_token(request: web.Request, gate: str) -> str:
    """Return the token that the pages of a browser send with every post."""
    key = request.config_dict[SECRETS].csrf
    return hmac.new(key, b"gate|" + gate.encode(), hashlib.sha256).hexdigest()


def _check_officer(request: web.Request) -> None:
    """Raise 401 without a session, OtherOfficer where it is not that of the officer whom the page was made for."""
    session = require_session(request)
    if request.headers.get("X-Officer", session.officer.id) != session.officer.id:
        raise OtherOfficer


def _with_headers(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    response.headers.update(CONSOLE_HEADERS)
    remember_language(request, response)
    if request.cookies.get(GATE_COOKIE) != request[GATE_VALUE] and request.method == "GET":
        set_cookie(request, response, GATE_COOKIE, request[GATE_VALUE], GATE_SECONDS)
    return response


def set_cookie(
    request: web.Request, response: web.StreamResponse, name: str, value: str, seconds: int | None = None
) -> None:
    """Set a cookie that no script reads and no other site sends; an empty `value` deletes it.

    Without `seconds` it ends with the browser.
    """
    secure = request.config_dict[INSTALLATION].public_url.startswith("https://")
    attributes: dict[str, Any] = {"path": PATH, "httponly": True, "samesite": "Strict", "secure": secure}
    if value:
        response.set_cookie(name, value, max_age=seconds, **attributes)
    else:
        response.del_cookie(name, **attributes)


# ---------------------------------------------------------------- helpers of the pages


def current_time(request: web.Request) -> datetime:
    """Return the time from the application's CLOCK."""
    now: datetime = request.config_dict[CLOCK]()
    return now


async def begin_session(request: web.Request, tx: Transaction, officer_id: str, factor: str = "") -> str:
    """Begin a session of an officer who has shown this second factor; return the cookie's value."""
    return await sessions.begin(tx, request.config_dict[SECRETS].session, officer_id, factor, current_time(request))


def with_session(request: web.Request, token: str) -> web.Response:
    """Return 201 with the cookie of a session that takes the place of the present one."""
    response = web.json_response({}, status=201)
    set_cookie(request, response, SESSION_COOKIE, token)
    return response


def require_session(request: web.Request) -> Session:
    """Return the session; raise 401."""
    session = request[SESSION]
    if session is None:
        raise web.HTTPUnauthorized
    return session


def require_officer(request: web.Request) -> Officer:
    """Return the signed-in officer; raise 401."""
    return require_session(request).officer


def require_reader(request: web.Request) -> Officer:
    """Return the signed-in officer if this officer may read queries; raise 401 or 403."""
    officer = require_officer(request)
    if not officer.reads_cases:
        raise web.HTTPForbidden
    return officer


def officer_context(request: web.Request, tx: Transaction, officer: Officer) -> OfficerContext:
    """Return the context in which the officer acts, for one transaction."""
    keys = request.config_dict
    return OfficerContext(tx, officer, keys[INSTALLATION], keys[SECRETS].audit, current_time(request))


def posted_json(request: web.Request, model: type[Model]) -> Model:
    """Return the validated JSON body, which the middleware has read; raise 415 or 422."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        return model.model_validate_json(request[BODY])
    except ValidationError:
        raise web.HTTPUnprocessableEntity from None


def conflict(error: str) -> web.Response:
    """Return 409: the posted data does not fit the stored data; `error` names the part."""
    return web.json_response({"error": error}, status=409)


# ---------------------------------------------------------------- pages


def page(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    """Render `templates/console/<template>` inside the console's layout."""
    language = preferred_language(request)
    session = request[SESSION]
    phrases = request.config_dict[LIBRARY].phrases
    layout: Mapping[str, object] = {
        "officer": session.officer if session else None,
        "csrf": csrf_token(request, request[GATE_VALUE]),
        "path": request.path,
        "phrases": json.dumps(phrases.section(language, "console.script"), ensure_ascii=False),
        "idle_minutes": sessions.IDLE_MINUTES,
        "days_left": _days_left(request, session),
        "is_trial": request.config_dict[INSTALLATION].unit.adopts_itself,
        "needs_custodians": request.get(NEEDS_CUSTODIANS, False),
    }
    return request.config_dict[PAGES].response(f"console/{template}", language, status=status, **layout, **values)


def _days_left(request: web.Request, session: Session | None) -> int | None:
    """Days until the list of readers expires, for readers and once they are few."""
    if session is None or not session.officer.reads_cases:
        return None
    installation = request.config_dict[INSTALLATION]
    today = current_time(request).astimezone(installation.timezone).date()
    left = trust.days_left(installation.unit, today)
    return None if left is None or left > trust.WARNED_BEFORE else left


def _error_response(request: web.Request, status: int) -> web.Response:
    if "application/json" in request.headers.get("Accept", "") or request.method not in SAFE_METHODS:
        return web.json_response({"error": str(status)}, status=status)
    if status == 401:
        return web.Response(status=303, headers={"Location": f"{PATH}/signin"})
    kind = {403: "forbidden", 404: "missing", 503: "away"}.get(status, "other")
    return page(request, "refused.html", status=status, kind=kind)
