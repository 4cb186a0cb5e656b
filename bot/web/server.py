"""The web server's frame: health, metrics, the privacy notice; the pages and webhooks attach themselves to it."""

import hmac
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from ipaddress import ip_address

from aiohttp import web

from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES
from bot.web.templating import language_of
from handlers.administration import channel_status
from handlers.administration.channel_status import Reach
from storage import permissions
from storage.channels import channel_facts
from storage.database import DatabaseUnavailable
from storage.queue import backlog, rate_limits, updates
from storage.queue.rate_limits import Pace

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY = 1024 * 1024
LATE = 300.0  # seconds that a due delivery or an update may wait before we call ourselves unready
ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
RECENT = timedelta(minutes=10)  # how far back what ended is counted
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"

PACED_BY_DATABASE = web.AppKey("paced_by_database", bool)
METRICS_TOKEN = web.AppKey("metrics_token", str)

routes = web.RouteTableDef()


def create_app() -> web.Application:
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
    """The database answers and takes changes, no channel was stopped, and what is due, or arrived, is done in time.

    What else is to be known is told. Templates that may not be sent, people who wait, a channel on which nothing
    reaches us and what is put off after a failure leave us ready: no restart helps them.
    """
    now = request.app[CLOCK]()
    try:
        async with request.app[DATABASE].read() as tx:
            only_reads = await permissions.only_reads(tx)
            oldest = await backlog.oldest_waiting(tx, now)
            waiting = await updates.count_waiting(tx)
            oldest_update = await backlog.oldest_update(tx, now)
            stopped = sorted(await channel_facts.stopped(tx))
            deaf = sorted(await channel_facts.deaf(tx))
            put_off = await backlog.count_put_off(tx, now)
            reaches = await channel_status.reaches(tx, request.app[LIBRARY], request.app[INSTALLATION], now)
    except DatabaseUnavailable:
        return web.json_response({"ready": False, "reason": "database"}, status=503)
    reasons = {"database": only_reads, "channel": stopped, "outbox": oldest > LATE, "inbox": oldest_update > LATE}
    reason = next((name for name, is_so in reasons.items() if is_so), "")
    state = {
        "ready": not reason,
        "reason": reason,
        "stopped": stopped,
        "deaf": deaf,
        "outbox_age": oldest,
        "put_off": sum(put_off.values()),
        "inbox": waiting,
        "inbox_age": oldest_update,
        "templates": [str(template) for one in reaches for template in one.stopped],
        "waiting_people": sum(one.people.waiting for one in reaches),
    }
    return web.json_response(state, status=503 if reason else 200)


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Gauges out of the database, so that they are right with any number of processes. Loopback or token only."""
    if not _may_measure(request):
        raise web.HTTPForbidden
    now = request.app[CLOCK]()
    async with request.app[DATABASE].read() as tx:
        counts = await backlog.counts(tx, now - RECENT)
        put_off = await backlog.count_put_off(tx, now)
        oldest = await backlog.oldest_waiting(tx, now)
        waiting = await updates.count_waiting(tx)
        stopped = sorted(await channel_facts.stopped(tx))
        deaf = sorted(await channel_facts.deaf(tx))
        reaches = await channel_status.reaches(tx, request.app[LIBRARY], request.app[INSTALLATION], now)
        standing = await rate_limits.standing(tx, None if request.app[PACED_BY_DATABASE] else now)
        oldest_update = await backlog.oldest_update(tx, now)
        expired = await backlog.count_expired(tx, now)
    states = [(_labels(channel=name, state=state), number) for (name, state), number in sorted(counts.items())]
    later = [(_labels(channel=name), number) for name, number in sorted(put_off.items())]
    lines = [
        *_gauge("deliveries", "Deliveries: open ones, and what ended in the last ten minutes.", states),
        *_gauge("outbox_age_seconds", "How long the oldest due delivery has been waiting.", [("", oldest)]),
        *_gauge("outbox_put_off", "Deliveries that wait for another try, or for their hour.", later),
        *_gauge("inbox_waiting", "Updates that are stored and not handled yet.", [("", waiting)]),
        *_gauge("channel_stopped", "Channels whose credential was refused.", _ones(stopped)),
        *_gauge("channel_deaf", "Channels on which no updates reach us.", _ones(deaf)),
        *_gauge("inbox_age_seconds", "How long the oldest update has been waiting.", [("", oldest_update)]),
        *_gauge("leases_expired", "Deliveries whose worker died, or is too slow: they come back.", [("", expired)]),
        *_of_paces(standing),
        *_of_reaches(reaches),
    ]
    return web.Response(body=("\n".join(lines) + "\n").encode(), headers={"Content-Type": TEXT_FORMAT})


def _ones(names: Iterable[str]) -> list[tuple[str, float | str]]:
    return [(_labels(channel=name), 1) for name in names]


def _of_paces(standing: Sequence[Pace]) -> Iterator[str]:
    """The gauges of how fast each credential may speak."""
    labels = [_labels(channel=one.channel) for one in standing]

    def values(of: Callable[[Pace], float]) -> list[tuple[str, float | str]]:
        return [(label, of(one)) for label, one in zip(labels, standing, strict=True)]

    yield from _gauge("pace_ahead_seconds", "Until the next free slot.", values(lambda one: one.ahead))
    yield from _gauge("pace_held_seconds", "For which nothing leaves after a refusal.", values(lambda one: one.held))
    yield from _gauge("pace_slower", "How many times slower than allowed.", values(lambda one: one.factor))
    refusals = values(lambda one: one.refusals)
    yield from _gauge("refusals", "The same as integra_refusals_total, by its older name.", refusals)
    yield from _metric("counter", "refusals_total", "Times the platform said: too fast.", refusals)


def _of_reaches(reaches: Sequence[Reach]) -> Iterator[str]:
    """The gauges of channels where whoever has been silent is reached by templates only."""
    people = [(_labels(channel=one.channel), one.people) for one in reaches]
    waiting = [(labels, one.waiting) for labels, one in people]
    limits = [(labels, "+Inf" if one.limit is None else one.limit) for labels, one in people]
    used = [(labels, one.used) for labels, one in people]
    stops = [
        (_labels(channel=one.channel, name=template.name, code=template.code), 1)
        for one in reaches
        for template in one.stopped
    ]
    yield from _gauge("people_waiting", "People whose prompt waits; they are planned first.", waiting)
    yield from _gauge("people_limit", "Silent people who may be written to in 24 hours; +Inf: no limit.", limits)
    yield from _gauge("people_used", "Silent people who were written to in 24 hours.", used)
    yield from _gauge("template_stopped", "Templates of ours that may not be sent.", stops)


def _gauge(name: str, help: str, values: Sequence[tuple[str, float | str]]) -> Iterator[str]:
    """A value that goes up and down; each has its labels, or none."""
    return _metric("gauge", name, help, values)


def _metric(kind: str, name: str, help: str, values: Sequence[tuple[str, float | str]]) -> Iterator[str]:
    """One metric in Prometheus' text format."""
    yield f"# HELP integra_{name} {help}"
    yield f"# TYPE integra_{name} {kind}"
    yield from (f"integra_{name}{labels} {value}" for labels, value in values)


def _labels(**given: str) -> str:
    return "{" + ",".join(f'{name}="{value.translate(ESCAPED)}"' for name, value in given.items()) + "}"


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
