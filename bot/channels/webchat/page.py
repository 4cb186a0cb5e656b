"""HTTP handlers of the browser chat: the transcript page, posts, and the stream of changes."""

import asyncio
import hashlib
import json
import re
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.channels.webchat.channel import NAME, ChangeFeed, ChangeSubscription, decrypted, parse_number
from bot.channels.webchat.form import (
    RejectedForm,
    SubmittedAction,
    own_bubble_body,
    parse_action,
    read_fields,
    submission_key,
)
from bot.channels.webchat.rendering import BubbleView, bubble_view
from bot.web.app_keys import CLOCK, DATABASE, INBOX, INSTALLATION, LIBRARY, PAGES
from bot.web.assets import VERSION, add_assets
from bot.web.requests import is_same_origin
from bot.web.templating import HEADERS, preferred_language, remember_language
from handlers.message import MAX_SHORT_TEXT, Update, UpdateKind
from storage.channels import transcripts
from storage.database import DatabaseUnavailable

COOKIE = "chat"
YEAR = 365 * 24 * 3600
SHOWN, SHOWN_ALL = 80, 1000
"""Number of bubbles on the page by default, and when earlier messages are requested."""

MENU_COMMANDS = ("hoy", "consulta", "avance", "hora", "pausa", "idioma", "misdatos", "baja", "ayuda")
CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as in enrolment links of other channels
SECRET = re.compile(r"[A-Za-z0-9_-]{22}")  # 128 bits


@dataclass(frozen=True, slots=True)
class PageTiming:
    """Timeouts and rate limits of the page; tests shorten and lengthen them."""

    reply_timeout: float = 3.0  # seconds that a form without scripts waits for the reply
    reply_gap: float = 0.25  # seconds without a further message after which a reply counts as complete
    post_limit: int = 20  # rate limit of one chat: at most this many posts ...
    post_window: float = 10.0  # ... in this many seconds
    heartbeat: float = 15.0  # seconds between two signs of life on the event stream
    poll_interval: float = 1.0  # seconds; on PostgreSQL another process may have written to the chat
    monotonic: Callable[[], float] = time.monotonic  # seconds, for the rate limit


TIMING = web.AppKey("webchat_timing", PageTiming)
CHANGES = web.AppKey("webchat_changes", ChangeFeed)
RECENT_POSTS = web.AppKey("webchat_recent_posts", dict[str, deque[float]])
routes = web.RouteTableDef()


def attach(app: web.Application) -> None:
    """Add the chat to the server. Set CHANGES to the channel's own feed before, so that replies appear at once."""
    app.setdefault(TIMING, PageTiming())
    app.setdefault(CHANGES, ChangeFeed())
    app[RECENT_POSTS] = {}
    add_assets(app)
    app.router.add_routes(routes)
    app.on_shutdown.append(_close)


async def _close(app: web.Application) -> None:
    app[CHANGES].close()


# ---------------------------------------------------------------- the page


@routes.get("/chat", name="chat")
async def show_transcript(request: web.Request) -> web.Response:
    """The transcript page; on a first visit, a button to start with."""
    secret = _secret(request)
    bubbles: Sequence[transcripts.TranscriptMessage] = ()
    revision, is_cut = 0, False
    if secret:
        limit = SHOWN_ALL if "all" in request.query else SHOWN
        async with request.app[DATABASE].read() as tx:
            revision = await transcripts.newest_revision(tx, chat_address(secret))
            bubbles = await transcripts.latest(tx, chat_address(secret), limit + 1)
        is_cut, bubbles = len(bubbles) > limit and limit == SHOWN, bubbles[-limit:]
    code = request.query.get("code", "")
    response = request.app[PAGES].response(
        "chat.html",
        preferred_language(request),
        bubbles=_bubble_views(request, bubbles),
        revision=revision,
        is_cut=is_cut,
        code=code if CODE.fullmatch(code) else "",
        lacks_cookie="cookie" in request.query and not secret,
        commands=MENU_COMMANDS,
        limit=MAX_SHORT_TEXT,
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
    # Without it browsers send "Origin: null" with our own forms, as they would from another site's page.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _secret(request: web.Request) -> str:
    secret = request.cookies.get(COOKIE, "")
    return secret if SECRET.fullmatch(secret) else ""


def chat_address(secret: str) -> str:
    """The chat's address, derived from the cookie, which itself is never stored."""
    return "w" + hashlib.sha256(b"webchat|" + secret.encode()).hexdigest()[:32]


def _bubble_views(request: web.Request, bubbles: Sequence[transcripts.TranscriptMessage]) -> list[BubbleView]:
    timezone = request.app[INSTALLATION].timezone
    box, now = request.app[INBOX].box, request.app[CLOCK]()
    return [bubble_view(bubble, *decrypted(bubble.body, box), now, timezone) for bubble in bubbles]


# ---------------------------------------------------------------- posts


@routes.post("/chat/say", name="chat-say")
async def receive_post(request: web.Request) -> web.Response:
    """Store what the user submitted and show it in their chat; a form is redirected back to the page."""
    wants_json = request.content_type == "application/json"
    try:
        address = _authorized_address(request)
        fields = await read_fields(request)
        action = parse_action(fields)
        if action is not None:
            before = await _store_action(request, address, action, fields)
            if not wants_json:
                await _await_reply(request.app, address, before)
        if wants_json:
            after = parse_number(fields.get("after", "")) or 0
            return web.json_response(await _changes_since(request, address, after), headers=HEADERS)
    except RejectedForm as refusal:
        return _error_response(request, refusal.status, refusal.key, wants_json)
    except DatabaseUnavailable:
        return _error_response(request, 503, "webchat.sorry_away", wants_json)
    raise web.HTTPSeeOther("/chat#end")


def _authorized_address(request: web.Request) -> str:
    """Address of the posting chat. Raises RejectedForm: cross-origin, without cookie, or over the rate limit."""
    if not is_same_origin(request):
        raise RejectedForm(403, "webchat.sorry_elsewhere")
    secret = _secret(request)
    if not secret:
        if request.content_type != "application/json":
            raise web.HTTPSeeOther("/chat?cookie=missing")
        raise RejectedForm(403, "webchat.sorry_cookie")
    address = chat_address(secret)
    if not _is_within_rate_limit(request.app, address):
        raise RejectedForm(429, "webchat.sorry_fast")
    return address


def _is_within_rate_limit(app: web.Application, address: str) -> bool:
    timing, posts, now = app[TIMING], app[RECENT_POSTS], app[TIMING].monotonic()
    if len(posts) > 1000:  # forget chats without recent posts
        for idle in [chat for chat, times in posts.items() if times[-1] < now - timing.post_window]:
            del posts[idle]
    times = posts.setdefault(address, deque(maxlen=timing.post_limit))
    if len(times) == timing.post_limit and times[0] > now - timing.post_window:
        return False
    times.append(now)
    return True


async def _store_action(request: web.Request, address: str, action: SubmittedAction, fields: Mapping[str, str]) -> int:
    """Store the action as an update; return the chat's revision before the reply, or -1 for a repetition."""
    app = request.app
    key = submission_key(address, action, fields.get("once") or secrets.token_urlsafe(16))
    ref, before = await _add_own_bubble(app, address, action, key)
    is_choice = action.kind is UpdateKind.CHOICE
    update = Update(
        NAME,
        key,
        address,
        action.kind,
        text=action.text,
        command=action.command,
        choice=action.choice,
        language=preferred_language(request),
        ref=ref,
        press=key if is_choice else "",
    )
    return before if await app[INBOX].store([update]) else -1


async def _add_own_bubble(app: web.Application, address: str, action: SubmittedAction, key: str) -> tuple[str, int]:
    """Add the user's own bubble; return its id and the chat's revision.

    It is stored before the update that refers to it: a repetition after a crash between the two finds it by its token.
    A press adds none, as in other messengers: the reply often replaces the message that carried the button, and the
    bubble would be shown below the reply to it.
    """
    if action.kind is UpdateKind.CHOICE:
        async with app[DATABASE].read() as tx:
            return action.ref, await transcripts.newest_revision(tx, address)
    async with app[DATABASE].write() as tx:
        now = app[CLOCK]()
        body = own_bubble_body(action, app[INBOX].box, now)
        own = await transcripts.add(tx, address, f"mine:{key}", body, now, is_mine=True)
        before = await transcripts.newest_revision(tx, address)
    app[CHANGES].notify(address)
    return str(own), before


async def _await_reply(app: web.Application, address: str, before: int) -> None:
    """Wait until the chat has a newer revision than `before` and nothing more follows, or until the reply timeout."""
    loop, timing, changes = asyncio.get_running_loop(), app[TIMING], app[CHANGES]
    end = loop.time() + timing.reply_timeout
    with changes.subscribe(address) as subscription:
        while (left := end - loop.time()) > 0 and not changes.is_closed:
            async with app[DATABASE].read() as tx:
                if await transcripts.newest_revision(tx, address) > before:
                    break
            await subscription.wait(min(left, timing.poll_interval))
        while (left := end - loop.time()) > 0 and await subscription.wait(min(left, timing.reply_gap)):
            pass


def _error_response(request: web.Request, status: int, key: str, wants_json: bool) -> web.Response:
    app, language = request.app, preferred_language(request)
    if wants_json:
        sorry = app[LIBRARY].phrases.plain(language, key, {})
        return web.json_response({"sorry": sorry}, status=status, headers=HEADERS)
    return app[PAGES].response("chat_sorry.html", language, status=status, key=key, version=app[VERSION])


# ---------------------------------------------------------------- changes while the page is open


@routes.get("/chat/events", name="chat-events")
async def stream_changes(request: web.Request) -> web.StreamResponse:
    """Server-sent events: all changes of the chat after a revision."""
    secret = _secret(request)
    if not secret or not is_same_origin(request):
        raise web.HTTPForbidden()
    after = parse_number(request.headers.get("Last-Event-ID", "") or request.query.get("after", "")) or 0
    response = web.StreamResponse(headers={**HEADERS, "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    response.charset = "utf-8"
    await response.prepare(request)
    ends = suppress(ConnectionError, DatabaseUnavailable)  # the page was closed, or will reconnect by itself
    with request.app[CHANGES].subscribe(chat_address(secret)) as subscription, ends:
        await _write_changes(request, response, subscription, chat_address(secret), after)
    return response


async def _write_changes(
    request: web.Request, response: web.StreamResponse, subscription: ChangeSubscription, address: str, after: int
) -> None:
    app, loop = request.app, asyncio.get_running_loop()
    pause = app[TIMING].heartbeat if app[DATABASE].is_sqlite else app[TIMING].poll_interval
    written_at = float("-inf")  # write at once: some browsers report the stream as open only after the first bytes
    while not app[CHANGES].is_closed and request.transport and not request.transport.is_closing():
        changes = await _changes_since(request, address, after)
        if changes["bubbles"] or changes["reset"]:
            after, written_at = changes["revision"], loop.time()
            await response.write(f"id: {after}\ndata: {json.dumps(changes)}\n\n".encode())
        elif loop.time() - written_at >= app[TIMING].heartbeat:
            written_at = loop.time()
            await response.write(b":\n\n")
        await subscription.wait(pause)


async def _changes_since(request: web.Request, address: str, after: int) -> dict[str, Any]:
    async with request.app[DATABASE].read() as tx:
        newest = await transcripts.newest_revision(tx, address)
        changed = await transcripts.since(tx, address, after, SHOWN_ALL)
    once = secrets.token_urlsafe(12)
    render, language = request.app[PAGES].render, preferred_language(request)
    bubbles = [
        {"id": view.id, "html": render("chat_bubble.html", language, bubble=view, once=once)}
        for view in _bubble_views(request, changed)
    ]
    revision = changed[-1].revision if changed else newest
    return {"revision": revision, "bubbles": bubbles, "reset": newest < after}  # reset: the chat was emptied
