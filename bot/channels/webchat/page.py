"""The page of the browser chat: shows what stands in a chat, takes in what the person does."""

import asyncio
import hashlib
import json
import re
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.channels.webchat.channel import NAME, ChangeFeed, ChangeSubscription, number, opened
from bot.channels.webchat.form import RejectedForm, SubmittedAction, key_of, own_body, read_fields, understand
from bot.channels.webchat.rendering import Face, face
from bot.web.app_keys import CLOCK, DATABASE, INBOX, INSTALLATION, LIBRARY, PAGES
from bot.web.assets import VERSION, add_assets
from bot.web.templating import HEADERS, preferred_language, remember_language
from handlers.message import SHORT_TEXT, Update, UpdateKind
from storage.channels import transcripts
from storage.database import DatabaseUnavailable

COOKIE = "chat"
YEAR = 365 * 24 * 3600
SHOWN, SHOWN_ALL = 80, 1000
"""Bubbles on the page at first, and when the earlier ones are asked for."""

COMMANDS = ("hoy", "consulta", "avance", "hora", "pausa", "idioma", "misdatos", "baja", "ayuda")
CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as in Telegram's deep links
SECRET = re.compile(r"[A-Za-z0-9_-]{22}")  # 128 bits


@dataclass(frozen=True, slots=True)
class PageTiming:
    """How the page behaves towards browsers; tests make it quicker and more patient."""

    patience: float = 3.0  # seconds that a form without scripts waits for the reply
    quiet: float = 0.25  # a reply of several messages is over when nothing came for so long
    posts: int = 20  # at most so many posts of one chat ...
    seconds: float = 10.0  # ... in so many seconds
    beat: float = 15.0  # an open page hears from us at least so often
    poll: float = 1.0  # on PostgreSQL another process may have written: look so often


TIMING = web.AppKey("webchat_manners", PageTiming)
CHANGES = web.AppKey("webchat_changes", ChangeFeed)
PACE = web.AppKey("webchat_pace", dict[str, deque[float]])
routes = web.RouteTableDef()


def attach(app: web.Application) -> None:
    """Add the chat to the server. Set CHANGES to the channel's own before, so that replies appear at once."""
    app.setdefault(TIMING, PageTiming())
    app.setdefault(CHANGES, ChangeFeed())
    app[PACE] = {}
    add_assets(app)
    app.router.add_routes(routes)
    app.on_shutdown.append(_close)


async def _close(app: web.Application) -> None:
    app[CHANGES].close()


# ---------------------------------------------------------------- the page


@routes.get("/chat", name="chat")
async def show(request: web.Request) -> web.Response:
    """The transcript; on a first visit, a button to start with."""
    secret = _secret(request)
    shown: Sequence[transcripts.Bubble] = ()
    revision, is_cut = 0, False
    if secret:
        limit = SHOWN_ALL if "all" in request.query else SHOWN
        async with request.app[DATABASE].read() as tx:
            revision = await transcripts.newest(tx, address_of(secret))
            shown = await transcripts.latest(tx, address_of(secret), limit + 1)
        is_cut, shown = len(shown) > limit and limit == SHOWN, shown[-limit:]
    code = request.query.get("code", "")
    response = request.app[PAGES].response(
        "chat.html",
        preferred_language(request),
        faces=_faces(request, shown),
        revision=revision,
        is_cut=is_cut,
        code=code if CODE.fullmatch(code) else "",
        lacks_cookie="cookie" in request.query and not secret,
        commands=COMMANDS,
        limit=SHORT_TEXT,
        once=secrets.token_urlsafe(12),
        version=request.app[VERSION],
    )
    return _with_cookies(request, response, "" if secret else secrets.token_urlsafe(16))


def _with_cookies(request: web.Request, response: web.Response, new_secret: str) -> web.Response:
    if new_secret:
        is_secure = request.secure or request.app[INSTALLATION].public_url.startswith("https:")
        response.set_cookie(
            COOKIE, new_secret, max_age=YEAR, path="/chat", httponly=True, samesite="Lax", secure=is_secure
        )
    remember_language(request, response)
    # Without it browsers send "Origin: null" with our own forms, which is what a stranger's page would send.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _secret(request: web.Request) -> str:
    secret = request.cookies.get(COOKIE, "")
    return secret if SECRET.fullmatch(secret) else ""


def address_of(secret: str) -> str:
    """The chat's address: the cookie itself is never stored."""
    return "w" + hashlib.sha256(b"webchat|" + secret.encode()).hexdigest()[:32]


def _faces(request: web.Request, shown: Sequence[transcripts.Bubble]) -> list[Face]:
    timezone = request.app[INSTALLATION].timezone
    box, now = request.app[INBOX].box, request.app[CLOCK]()
    return [face(bubble, opened(bubble.body, box), now, timezone) for bubble in shown]


# ---------------------------------------------------------------- what the person does


@routes.post("/chat/say", name="chat-say")
async def say(request: web.Request) -> web.Response:
    """Keep what the person did and show it in their chat; a form then goes back to the page."""
    wants_json = request.content_type == "application/json"
    try:
        address = _welcome(request)
        fields = await read_fields(request)
        deed = understand(fields)
        if deed is not None:
            before = await _record(request, address, deed, fields)
            if not wants_json:
                await _await_reply(request.app, address, before)
        if wants_json:
            after = number(fields.get("after", "")) or 0
            return web.json_response(await _news(request, address, after), headers=HEADERS)
    except RejectedForm as refusal:
        return _sorry(request, refusal.status, refusal.key, wants_json)
    except DatabaseUnavailable:
        return _sorry(request, 503, "webchat.sorry_away", wants_json)
    raise web.HTTPSeeOther("/chat#end")


def _welcome(request: web.Request) -> str:
    if not _is_same_origin(request):
        raise RejectedForm(403, "webchat.sorry_elsewhere")
    secret = _secret(request)
    if not secret:
        if request.content_type != "application/json":
            raise web.HTTPSeeOther("/chat?cookie=missing")
        raise RejectedForm(403, "webchat.sorry_cookie")
    address = address_of(secret)
    if not _is_in_pace(request.app, address):
        raise RejectedForm(429, "webchat.sorry_fast")
    return address


def _is_same_origin(request: web.Request) -> bool:
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    public = urlsplit(request.app[INSTALLATION].public_url)
    return origin is None or origin in (f"{request.scheme}://{request.host}", f"{public.scheme}://{public.netloc}")


def _is_in_pace(app: web.Application, address: str) -> bool:
    manners, pace, now = app[TIMING], app[PACE], asyncio.get_running_loop().time()
    if len(pace) > 1000:  # forget who has been quiet
        for quiet in [one for one, times in pace.items() if times[-1] < now - manners.seconds]:
            del pace[quiet]
    times = pace.setdefault(address, deque(maxlen=manners.posts))
    if len(times) == manners.posts and times[0] > now - manners.seconds:
        return False
    times.append(now)
    return True


async def _record(request: web.Request, address: str, deed: SubmittedAction, fields: Mapping[str, str]) -> int:
    """Keep the deed as an update; give the chat's revision before the reply, or -1 for a repetition."""
    app = request.app
    key = key_of(address, deed, fields.get("once") or secrets.token_urlsafe(16))
    ref, before = await _show_own(app, address, deed, key)
    is_choice = deed.kind is UpdateKind.CHOICE
    update = Update(
        NAME,
        key,
        address,
        deed.kind,
        text=deed.text,
        command=deed.command,
        choice=deed.choice,
        language=preferred_language(request),
        ref=ref,
        press=key if is_choice else "",
    )
    return before if await app[INBOX].keep([update]) else -1


async def _show_own(app: web.Application, address: str, deed: SubmittedAction, key: str) -> tuple[str, int]:
    """The person's own bubble, before the update that names it: a repetition after a crash between the two finds it.

    A press leaves none, as on a phone: the reply often takes the place of the message that carried the button,
    and what was pressed would stand below its own reply.
    """
    if deed.kind is UpdateKind.CHOICE:
        async with app[DATABASE].read() as tx:
            return deed.ref, await transcripts.newest(tx, address)
    async with app[DATABASE].write() as tx:
        body = own_body(deed, app[INBOX].box)
        own = await transcripts.add(tx, address, f"mine:{key}", body, app[CLOCK](), is_mine=True)
        before = await transcripts.newest(tx, address)
    app[CHANGES].tell(address)
    return str(own), before


async def _await_reply(app: web.Application, address: str, before: int) -> None:
    """Until something newer than `before` stands in the chat and nothing more follows, or patience ends."""
    loop, manners, changes = asyncio.get_running_loop(), app[TIMING], app[CHANGES]
    end = loop.time() + manners.patience
    with changes.listening(address) as bell:
        while (left := end - loop.time()) > 0 and not changes.is_closed:
            async with app[DATABASE].read() as tx:
                if await transcripts.newest(tx, address) > before:
                    break
            await bell.wait(min(left, manners.poll))
        while (left := end - loop.time()) > 0 and await bell.wait(min(left, manners.quiet)):
            pass


def _sorry(request: web.Request, status: int, key: str, wants_json: bool) -> web.Response:
    app, language = request.app, preferred_language(request)
    if wants_json:
        sorry = app[LIBRARY].phrases.plain(language, key, {})
        return web.json_response({"sorry": sorry}, status=status, headers=HEADERS)
    return app[PAGES].response("chat_sorry.html", language, status=status, key=key, version=app[VERSION])


# ---------------------------------------------------------------- what changes while the page is open


@routes.get("/chat/events", name="chat-events")
async def events(request: web.Request) -> web.StreamResponse:
    """Server-sent events: every change of the chat after a revision."""
    secret = _secret(request)
    if not secret or not _is_same_origin(request):
        raise web.HTTPForbidden()
    after = number(request.headers.get("Last-Event-ID", "") or request.query.get("after", "")) or 0
    response = web.StreamResponse(headers={**HEADERS, "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    response.charset = "utf-8"
    await response.prepare(request)
    gone = suppress(ConnectionError, DatabaseUnavailable)  # the page is closed, or will ask again by itself
    with request.app[CHANGES].listening(address_of(secret)) as bell, gone:
        await _stream(request, response, bell, address_of(secret), after)
    return response


async def _stream(
    request: web.Request, response: web.StreamResponse, bell: ChangeSubscription, address: str, after: int
) -> None:
    app, loop = request.app, asyncio.get_running_loop()
    pause = app[TIMING].beat if app[DATABASE].is_sqlite else app[TIMING].poll
    spoke_at = float("-inf")  # a first line at once: some browsers call the stream open only then
    while not app[CHANGES].is_closed and request.transport and not request.transport.is_closing():
        news = await _news(request, address, after)
        if news["bubbles"] or news["reset"]:
            after, spoke_at = news["revision"], loop.time()
            await response.write(f"id: {after}\ndata: {json.dumps(news)}\n\n".encode())
        elif loop.time() - spoke_at >= app[TIMING].beat:
            spoke_at = loop.time()
            await response.write(b":\n\n")
        await bell.wait(pause)


async def _news(request: web.Request, address: str, after: int) -> dict[str, Any]:
    async with request.app[DATABASE].read() as tx:
        newest = await transcripts.newest(tx, address)
        changed = await transcripts.since(tx, address, after, SHOWN_ALL)
    once = secrets.token_urlsafe(12)
    render, language = request.app[PAGES].render, preferred_language(request)
    shown = [
        {"id": one.id, "html": render("chat_bubble.html", language, face=one, once=once)}
        for one in _faces(request, changed)
    ]
    revision = changed[-1].revision if changed else newest
    return {"revision": revision, "bubbles": shown, "reset": newest < after}  # reset: the chat was emptied
