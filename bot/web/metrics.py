"""`/metrics` in Prometheus' text format: gauges read from the database, correct with any number of processes."""

import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from ipaddress import ip_address

from aiohttp import web

from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY
from handlers.administration import channel_status
from handlers.administration.channel_status import TemplateReach
from storage.channels import channel_facts
from storage.queue import backlog, rate_limits, updates
from storage.queue.rate_limits import RateLimitStatus

RECENT = timedelta(minutes=10)  # how far back finished deliveries are counted
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

RATE_LIMITS_USE_DATABASE_CLOCK = web.AppKey("rate_limits_use_database_clock", bool)
"""Whether slots of the rate limits are counted by the database's clock (PostgreSQL) or by CLOCK."""

METRICS_TOKEN = web.AppKey("metrics_token", str)
"""The bearer token for requests that do not come from loopback."""

Sample = tuple[str, float | str]
"""Labels as they are printed (or none) and a value."""

routes = web.RouteTableDef()


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Respond with all metrics; 403 unless the request comes from loopback or carries the token."""
    if not _may_read(request):
        raise web.HTTPForbidden
    now = request.app[CLOCK]()
    async with request.app[DATABASE].read() as tx:
        counts = await backlog.counts(tx, now - RECENT)
        postponed = await backlog.count_delayed(tx, now)
        outbox_age = await backlog.oldest_delivery_age(tx, now)
        stored_updates = await updates.count_waiting(tx)
        stopped = sorted(await channel_facts.stopped(tx))
        not_receiving = sorted(await channel_facts.not_receiving(tx))
        reaches = await channel_status.template_reaches(tx, request.app[LIBRARY], request.app[INSTALLATION], now)
        limits_by_channel = await rate_limits.statuses(tx, None if request.app[RATE_LIMITS_USE_DATABASE_CLOCK] else now)
        inbox_age = await backlog.oldest_update_age(tx, now)
        expired = await backlog.count_expired_leases(tx, now)
    by_state = [(_labels(channel=name, state=state), number) for (name, state), number in sorted(counts.items())]
    postponed_by_channel = [(_labels(channel=name), number) for name, number in sorted(postponed.items())]
    lines = [
        *_gauge("deliveries", "Deliveries: open ones, and those finished in the last ten minutes.", by_state),
        *_gauge("outbox_age_seconds", "How long the oldest due delivery has been waiting.", [("", outbox_age)]),
        *_gauge("outbox_delayed", "Deliveries postponed to a retry or to a later hour.", postponed_by_channel),
        *_gauge("inbox_waiting", "Updates that are stored and not handled yet.", [("", stored_updates)]),
        *_gauge(
            "channel_stopped",
            "Channels stopped until an administrator acts: credential or account refused.",
            _one_each(stopped),
        ),
        *_gauge("channel_not_receiving", "Channels that receive no updates.", _one_each(not_receiving)),
        *_gauge("inbox_age_seconds", "How long the oldest update has been waiting.", [("", inbox_age)]),
        *_gauge(
            "leases_expired",
            "Deliveries whose worker died or is too slow: claimed again.",
            [("", expired)],
        ),
        *_rate_limit_metrics(limits_by_channel),
        *_reach_metrics(reaches),
    ]
    return web.Response(body=("\n".join(lines) + "\n").encode(), headers={"Content-Type": TEXT_FORMAT})


def _one_each(channels: Iterable[str]) -> list[Sample]:
    return [(_labels(channel=channel), 1) for channel in channels]


def _rate_limit_metrics(limits_by_channel: Sequence[RateLimitStatus]) -> Iterator[str]:
    """How fast each credential may send."""
    labels = [_labels(channel=limit.channel) for limit in limits_by_channel]

    def samples(value: Callable[[RateLimitStatus], float]) -> list[Sample]:
        return [(label, value(limit)) for label, limit in zip(labels, limits_by_channel, strict=True)]

    ahead, held = samples(lambda limit: limit.ahead), samples(lambda limit: limit.held)
    factors, refusals = samples(lambda limit: limit.factor), samples(lambda limit: limit.refusals)
    yield from _gauge("rate_limit_ahead_seconds", "Seconds until the next free slot.", ahead)
    yield from _gauge("rate_limit_held_seconds", "Seconds until sending may resume after a rate-limit refusal.", held)
    yield from _gauge("rate_limit_backoff_factor", "Back-off factor: how many times slower than allowed.", factors)
    yield from _metric("counter", "refusals_total", "Messages that the platform refused as too fast.", refusals)


def _reach_metrics(reaches: Sequence[TemplateReach]) -> Iterator[str]:
    """Channels where recipients outside the reply window can be reached by templates only."""
    quotas = [(_labels(channel=reach.channel), reach.people) for reach in reaches]
    waiting = [(labels, counts.waiting) for labels, counts in quotas]
    limits = [(labels, "+Inf" if counts.limit is None else counts.limit) for labels, counts in quotas]
    used = [(labels, counts.used) for labels, counts in quotas]
    stopped = [
        (_labels(channel=reach.channel, name=template.name, code=template.code), 1)
        for reach in reaches
        for template in reach.stopped
    ]
    yield from _gauge("recipients_deferred", "Recipients whose prompt waits; they are planned first.", waiting)
    yield from _gauge(
        "recipients_limit", "Recipients outside the reply window allowed in 24 hours; +Inf: no limit.", limits
    )
    yield from _gauge("recipients_used", "Recipients outside the reply window written to in 24 hours.", used)
    yield from _gauge("template_stopped", "Templates of ours that may not be sent.", stopped)


def _gauge(name: str, help: str, samples: Sequence[Sample]) -> Iterator[str]:
    """A value that goes up and down."""
    return _metric("gauge", name, help, samples)


def _metric(kind: str, name: str, help: str, samples: Sequence[Sample]) -> Iterator[str]:
    """The lines of one metric in Prometheus' text format."""
    yield f"# HELP integra_{name} {help}"
    yield f"# TYPE integra_{name} {kind}"
    yield from (f"integra_{name}{labels} {value}" for labels, value in samples)


def _labels(**given: str) -> str:
    return "{" + ",".join(f'{name}="{value.translate(ESCAPES)}"' for name, value in given.items()) + "}"


def _may_read(request: web.Request) -> bool:
    token = request.app[METRICS_TOKEN]
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if hmac.compare_digest(shown.encode(), token.encode()):
        return True
    try:
        # Behind a reverse proxy every request comes from loopback: a forwarded request needs the token.
        return ip_address(request.remote or "").is_loopback and "X-Forwarded-For" not in request.headers
    except ValueError:
        return False
