"""`/metrics`: who may read it, and in which of Prometheus' formats; the numbers are in `metric_families`."""

import hmac
from collections.abc import Callable

from aiohttp import web
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bot.loopback import is_loopback
from bot.web import metric_families
from bot.web.app_keys import DATABASE
from bot.web.requests import host_of, work_context

METRICS_TOKEN = web.AppKey("metrics_token", str)
"""The bearer token for requests that do not come from loopback."""

routes = web.RouteTableDef()


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Respond with all metrics; 403 unless the request comes from loopback or carries the token."""
    if not _may_read(request):
        raise web.HTTPForbidden
    app = request.app
    async with app[DATABASE].read() as tx:
        readings = await metric_families.read(work_context(request, tx))
    encode, content_type = _encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(readings), headers={"Content-Type": content_type})


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """The format that the client accepts, with its content type: OpenMetrics, or Prometheus' text for all others."""
    try:
        return choose_encoder(accept)
    except TypeError:  # of the library, for a version that is no number
        return choose_encoder("")


def _may_read(request: web.Request) -> bool:
    token = request.app[METRICS_TOKEN]
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), token.encode()):
        return True
    # Behind a reverse proxy every request comes from loopback: a forwarded request needs the token. So does one to a
    # name that is not loopback's: a page can have made its own name resolve to this machine (DNS rebinding).
    is_forwarded = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"))
    return is_loopback(request.remote or "") and is_loopback(host_of(request)) and not is_forwarded
