"""The HTTP application: how it runs, common middleware, health and metrics; pages and webhooks attach themselves."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.loopback import is_loopback
from bot.web import connections, health, metrics
from bot.web.app_keys import INSTALLATION
from bot.web.requests import MAX_BODY
from storage.database import DatabaseUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COMMON = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Headers of every answer; one that says otherwise, as scripts and styles do of the cache, is left as it is."""

HTTPS_ONLY = {"Strict-Transport-Security": f"max-age={365 * 24 * 3600}"}
"""Besides, where PUBLIC_URL is https: browsers come back with https for a year. Of this host alone, as the subdomains
are not ours, and without `preload`, which takes months to be taken back. Source: RFC 6797."""


def create_app() -> web.Application:
    """Build the application with its middleware; the caller sets the shared keys (`app_keys`, `metrics`)."""
    # The size limits aiohttp's own readers, which no page uses: all read bodies by `read_body`.
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_refuse_encoded_bodies, _database_errors_as_503])
    app.add_routes(health.routes)
    app.add_routes(metrics.routes)
    app.on_response_prepare.append(_complete)
    return app


def complete(answer: web.StreamResponse, public_url: str) -> None:
    """Add the headers of every answer."""
    url = urlsplit(public_url)
    is_public = url.scheme == "https" and not is_loopback(url.hostname or "")
    for name, value in {**COMMON, **(HTTPS_ONLY if is_public else {})}.items():
        answer.headers.setdefault(name, value)


async def _complete(request: web.Request, answer: web.StreamResponse) -> None:
    complete(answer, _public_url(request.config_dict))


def _public_url(keys: Mapping[str | web.AppKey[Any], Any]) -> str:
    return keys[INSTALLATION].public_url if INSTALLATION in keys else ""


def runner(app: web.Application, shutdown_seconds: float) -> web.AppRunner:
    """Prepare to serve the application; open requests get `shutdown_seconds` to end, slow connections are ended.

    Bodies are not decompressed: aiohttp would do that to the end, even for a request that was refused, and a megabyte
    of zeros in gzip kept the event loop busy for seconds.
    """
    return connections.Runner(
        app,
        lambda answer: complete(answer, _public_url(app)),  # of what is no HTTP, which no application sees
        keepalive_timeout=connections.IDLE,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=shutdown_seconds,
        auto_decompress=False,
    )


@web.middleware
async def _refuse_encoded_bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 415 to a compressed body: neither browsers nor the platforms send one. Source: RFC 9110, 15.5.16."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType(headers={"Accept-Encoding": "identity"})
    return await handler(request)


@web.middleware
async def _database_errors_as_503(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 503 with Retry-After while the database is unavailable, so that the caller retries."""
    try:
        return await handler(request)
    except DatabaseUnavailable:
        raise web.HTTPServiceUnavailable(
            text="The database is unavailable; please retry.\n", headers={"Retry-After": "5"}
        ) from None
