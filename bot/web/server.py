"""The HTTP application: how it runs, common middleware, health and metrics; pages and webhooks attach themselves."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.web import health, metrics
from bot.web.requests import MAX_BODY
from storage.database import DatabaseUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_app() -> web.Application:
    """Build the application with its middleware; the caller sets the shared keys (`app_keys`, `metrics`)."""
    # The size limits aiohttp's own readers, which no page uses: all read bodies by `read_body`.
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_refuse_encoded_bodies, _database_errors_as_503])
    app.add_routes(health.routes)
    app.add_routes(metrics.routes)
    return app


def runner(app: web.Application, shutdown_seconds: float) -> web.AppRunner:
    """Prepare to serve the application; open requests get `shutdown_seconds` to end.

    Bodies are not decompressed: aiohttp would do that to the end, even for a request that was refused, and a megabyte
    of zeros in gzip kept the event loop busy for seconds.
    """
    return web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=shutdown_seconds, auto_decompress=False
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
