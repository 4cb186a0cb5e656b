"""The web server's frame: health, metrics, the privacy notice; the pages and webhooks attach themselves to it."""

import hmac
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from aiohttp import web

from bot.appkeys import CLOCK, DATABASE, PAGES
from bot.pages import language_of
from storage import channels, outbox, updates
from storage.database import DatabaseUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY = 1024 * 1024
LATE = 300.0  # seconds that a due delivery may wait before we call ourselves unready

METRICS_TOKEN = web.AppKey("metrics_token", str)

routes = web.RouteTableDef()


def new() -> web.Application:
    """An application with the common middleware; whoever builds it sets the shared keys."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_kind_refusals])
    app.add_routes(routes)
    return app


@web.middleware
async def _kind_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A database that is away is told so that the caller repeats."""
    try:
        return await handler(request)
    except DatabaseUnavailable:
        raise web.HTTPServiceUnavailable(
            text="The database is away; please repeat.\n", headers={"Retry-After": "5"}
        ) from None


@routes.get("/health/live")
async def live(_: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"live": True})


@routes.get("/health/ready")
async def ready(request: web.Request) -> web.Response:
    """The database answers, no channel was stopped, and what is due leaves in time."""
    try:
        async with request.app[DATABASE].read() as tx:
            oldest = await outbox.oldest_waiting(tx, request.app[CLOCK]())
            waiting = await updates.count_waiting(tx)
            stopped = sorted(await channels.stopped(tx))
    except DatabaseUnavailable:
        return web.json_response({"ready": False, "reason": "database"}, status=503)
    reason = "channel" if stopped else ("outbox" if oldest > LATE else "")
    state = {"ready": not reason, "reason": reason, "stopped": stopped, "outbox_age": oldest, "inbox": waiting}
    return web.json_response(state, status=503 if reason else 200)


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Gauges out of the database, so that they are right with any number of processes. Loopback or token only."""
    if not _may_measure(request):
        raise web.HTTPForbidden
    async with request.app[DATABASE].read() as tx:
        counts = await outbox.counts(tx)
        oldest = await outbox.oldest_waiting(tx, request.app[CLOCK]())
        waiting = await updates.count_waiting(tx)
        stopped = sorted(await channels.stopped(tx))
    lines = [
        "# HELP integra_deliveries Deliveries by channel and state.",
        "# TYPE integra_deliveries gauge",
        *(
            f'integra_deliveries{{channel="{channel}",state="{state}"}} {number}'
            for (channel, state), number in sorted(counts.items())
        ),
        "# HELP integra_outbox_age_seconds How long the oldest due delivery has been waiting.",
        "# TYPE integra_outbox_age_seconds gauge",
        f"integra_outbox_age_seconds {oldest}",
        "# HELP integra_inbox_waiting Updates that are stored and not handled yet.",
        "# TYPE integra_inbox_waiting gauge",
        f"integra_inbox_waiting {waiting}",
        "# HELP integra_channel_stopped Channels whose credential was refused.",
        "# TYPE integra_channel_stopped gauge",
        *(f'integra_channel_stopped{{channel="{name}"}} 1' for name in stopped),
    ]
    return web.Response(text="\n".join(lines) + "\n", content_type="text/plain", charset="utf-8")


def _may_measure(request: web.Request) -> bool:
    token = request.app[METRICS_TOKEN]
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if hmac.compare_digest(shown.encode(), token.encode()):
        return True
    try:
        # Behind a proxy everybody comes from loopback: a forwarded request needs the token.
        return ip_address(request.remote or "").is_loopback and "X-Forwarded-For" not in request.headers
    except ValueError:
        return False


@routes.get("/privacidad")
async def privacy(request: web.Request) -> web.Response:
    """The whole privacy notice (LGPDP, article 21)."""
    return request.app[PAGES].response("privacy.html", language_of(request))
