"""HTTP handlers of the browser chat: the transcript page, posts, and the stream of changes."""

import asyncio
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from aiohttp import web

from bot.channels.webchat import pending_news
from bot.channels.webchat.channel import NAME, ChangeFeed, ChangeSubscription, decrypted, parse_number
from bot.channels.webchat.form import (
    RejectedForm,
    SubmittedAction,
    own_bubble_body,
    parse_action,
    read_fields,
    submission_key,
)
from bot.channels.webchat.rendering import BubbleView, bubble_view, tree_of
from bot.channels.webchat.visitors import (
    CAPS,
    COOKIE,
    COOKIE_KEY,
    VisitorCaps,
    chat_address,
    new_cookie,
    secret_of,
    take_chat,
    take_enrolment,
    take_post,
)
from bot.web.app_keys import CLOCK, DATABASE, INBOX, INSTALLATION, LIBRARY, PAGES
from bot.web.assets import VERSION, add_assets
from bot.web.requests import is_same_origin
from bot.web.templating import HEADERS, preferred_language, remember_language
from bot.web.windows import seconds_until
from handlers.account import enroll
from handlers.message import MAX_SHORT_TEXT, Update, UpdateKind
from storage.channels import transcripts
from storage.database import DatabaseUnavailable

YEAR = 365 * 24 * 3600
SHOWN, SHOWN_ALL = 80, 1000
"""Number of bubbles on the page by default, and when earlier messages are requested."""

MENU_COMMANDS = ("hoy", "consulta", "avance", "hora", "pausa", "idioma", "misdatos", "baja", "ayuda")
CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as in enrolment links of other channels


@dataclass(frozen=True, slots=True)
class PageTiming:
    """Timeouts of the page; tests shorten and lengthen them."""

    reply_timeout: float = 3.0  # seconds that a form without scripts waits for the reply
    reply_gap: float = 0.25  # seconds without a further message after which a reply counts as complete
    heartbeat: float = 15.0  # seconds between two signs of life on the event stream
    poll_interval: float = 1.0  # seconds; on PostgreSQL another process may have written to the chat


TIMING = web.AppKey("webchat_timing", PageTiming)
CHANGES = web.AppKey("webchat_changes", ChangeFeed)
routes = web.RouteTableDef()


def attach(app: web.Application) -> None:
    """Add the chat to the server; COOKIE_KEY must be set.

    Set CHANGES to the channel's own feed before, so that replies appear at once.
    """
    app.setdefault(TIMING, PageTiming())
    app.setdefault(CHANGES, ChangeFeed())
    app.setdefault(CAPS, VisitorCaps())
    add_assets(app)
    app.router.add_routes(routes)
    app.on_shutdown.append(_close)


async def _close(app: web.Application) -> None:
    app[CHANGES].close()


# ---------------------------------------------------------------- the page


@routes.get("/chat", name="chat")
async def show_transcript(request: web.Request) -> web.Response:
    """The transcript page; on a first visit, a button to start with."""
    secret = secret_of(request)
    bubbles: Sequence[transcripts.TranscriptMessage] = ()
    revision, is_cut, has_news = 0, False, False
    if secret:
        limit = SHOWN_ALL if "all" in request.query else SHOWN
        async with request.app[DATABASE].read() as tx:
            revision = await transcripts.newest_revision(tx, chat_address(secret))
            bubbles = await transcripts.latest(tx, chat_address(secret), limit + 1)
            has_news = await pending_news.are_waiting(request.app, tx, chat_address(secret))
        is_cut, bubbles = len(bubbles) > limit and limit == SHOWN, bubbles[-limit:]
    code = request.query.get("code", "")
    response = request.app[PAGES].response(
        "chat.html",
        preferred_language(request),
        bubbles=_bubble_views(request, bubbles),
        revision=revision,
        is_cut=is_cut,
        has_news=has_news,
        code=code if CODE.fullmatch(code) else "",
        lacks_cookie="cookie" in request.query and not secret,
        commands=MENU_COMMANDS,
        limit=MAX_SHORT_TEXT,
        once=secrets.token_urlsafe(12),
        version=request.app[VERSION],
    )
    return _with_cookies(request, response, "" if secret else new_cookie(request.app[COOKIE_KEY]))


def _with_cookies(request: web.Request, response: web.Response, cookie: str) -> web.Response:
    if cookie:
        is_secure = request.secure or request.app[INSTALLATION].public_url.startswith("https:")
        response.set_cookie(COOKIE, cookie, max_age=YEAR, path="/chat", httponly=True, samesite="Lax", secure=is_secure)
    remember_language(request, response)
    # Without it browsers send "Origin: null" with our own forms, as they would from another site's page.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _bubble_views(request: web.Request, bubbles: Sequence[transcripts.TranscriptMessage]) -> list[BubbleView]:
    timezone = request.app[INSTALLATION].timezone
    box, now = request.app[INBOX].box, request.app[CLOCK]()
    return [bubble_view(bubble, *decrypted(bubble.body, box), now, timezone) for bubble in bubbles]


# ---------------------------------------------------------------- posts


@routes.post("/chat/say", name="chat-say")
async def receive_post(request: web.Request) -> web.Response:
    """Store what the user submitted and show it in their chat; a form is redirected back to the page."""
    wants_json = request.content_type == "application/json"
    fields: Mapping[str, str] = {}
    try:
        address = _authorized_address(request)
        fields = await read_fields(request)
        take_post(request, address)
        action = parse_action(fields)
        if action is not None:
            await _take(request, address, action)
            before = await _store_action(request, address, action, fields)
            if not wants_json:
                await _await_reply(request.app, address, before)
        if wants_json:
            after = parse_number(fields.get("after", "")) or 0
            return web.json_response(await _changes_since(request, address, after), headers=HEADERS)
    except RejectedForm as refusal:
        return _error_response(request, refusal, wants_json, fields)
    except DatabaseUnavailable:
        return _error_response(request, RejectedForm(503, "webchat.sorry_away"), wants_json, fields)
    raise web.HTTPSeeOther("/chat#end")


def _authorized_address(request: web.Request) -> str:
    """Address of the posting chat. Raises RejectedForm: cross-origin, or without a cookie of ours."""
    if not is_same_origin(request):
        raise RejectedForm(403, "webchat.sorry_elsewhere")
    secret = secret_of(request)
    if not secret:
        if request.content_type != "application/json":
            raise web.HTTPSeeOther("/chat?cookie=missing")
        raise RejectedForm(403, "webchat.sorry_cookie")
    return chat_address(secret)


async def _take(request: web.Request, address: str, action: SubmittedAction) -> None:
    """Count what the action begins. Raises RejectedForm, DatabaseUnavailable."""
    async with request.app[DATABASE].read() as tx:
        is_new = not await transcripts.newest_revision(tx, address)
    if is_new:
        take_chat(request)
    if enroll.is_enrolment(action.choice):
        take_enrolment(request)


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


def _error_response(
    request: web.Request, refusal: RejectedForm, wants_json: bool, fields: Mapping[str, str]
) -> web.Response:
    """Say why, and from when it may be tried again; a page without scripts gives back what was typed."""
    app, language, at = request.app, preferred_language(request), refusal.at
    local = at.astimezone(app[INSTALLATION].timezone) if at else None
    values = {"at": f"{local:%H:%M}"} if local else {}
    if wants_json:
        content = {"sorry": app[LIBRARY].phrases.plain(language, refusal.key, values)}
        content |= {"at": at.astimezone(UTC).isoformat()} if at else {}
        response = web.json_response(content, status=refusal.status, headers=HEADERS)
    else:
        shown = {"key": refusal.key, "values": values, "typed": fields.get("text", ""), "version": app[VERSION]}
        response = app[PAGES].response("chat_sorry.html", language, status=refusal.status, **shown)
    if at:
        response.headers["Retry-After"] = seconds_until(at, app[CLOCK]())
    return response


@routes.post("/chat/news", name="chat-news")
async def read_news(request: web.Request) -> web.Response:
    """Go to the letterbox; the page says no more that there are news."""
    try:
        address = _authorized_address(request)
        await read_fields(request)
        await pending_news.clear(request.app, address)
    except RejectedForm as refusal:
        return _error_response(request, refusal, wants_json=False, fields={})
    except DatabaseUnavailable:
        return _error_response(request, RejectedForm(503, "webchat.sorry_away"), wants_json=False, fields={})
    raise web.HTTPSeeOther(f"/c#l={preferred_language(request)}")


# ---------------------------------------------------------------- changes while the page is open


@routes.get("/chat/events", name="chat-events")
async def stream_changes(request: web.Request) -> web.StreamResponse:
    """Server-sent events: all changes of the chat after a revision."""
    secret = secret_of(request)
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
    period = pending_news.period(app[CLOCK]())
    while not app[CHANGES].is_closed and request.transport and not request.transport.is_closing():
        changes = await _changes_since(request, address, after)
        if changes["bubbles"] or changes["reset"]:
            after, written_at = changes["revision"], loop.time()
            await response.write(f"id: {after}\ndata: {json.dumps(changes)}\n\n".encode())
        elif loop.time() - written_at >= app[TIMING].heartbeat:
            written_at = loop.time()
            await response.write(b":\n\n")
        if period != (current := pending_news.period(app[CLOCK]())):
            period = current
            if await pending_news.have_come(app, address):
                await response.write(b"event: news\ndata: come\n\n")
        await subscription.wait(pause)


async def _changes_since(request: web.Request, address: str, after: int) -> dict[str, Any]:
    async with request.app[DATABASE].read() as tx:
        newest = await transcripts.newest_revision(tx, address)
        changed = await transcripts.since(tx, address, after, SHOWN_ALL)
    once = secrets.token_urlsafe(12)
    render, language = request.app[PAGES].render, preferred_language(request)
    bubbles = [
        {"id": view.id, "tree": tree_of(render("chat_bubble.html", language, bubble=view, once=once))}
        for view in _bubble_views(request, changed)
    ]
    revision = changed[-1].revision if changed else newest
    return {"revision": revision, "bubbles": bubbles, "reset": newest < after}  # reset: the chat was emptied
