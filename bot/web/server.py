"""The HTTP application: body limit, common middleware, health and metrics; pages and webhooks attach themselves."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.web import health, metrics
from bot.web.requests import MAX_BODY
from storage.database import DatabaseUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_app() -> web.Application:
    """Build the application with its middleware; the caller sets the shared keys (`app_keys`, `metrics`)."""
    # The size limits aiohttp's own readers, which no page uses: all read bodies by `read_body`.
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_database_errors_as_503])
    app.add_routes(health.routes)
    app.add_routes(metrics.routes)
    return app


@web.middleware
async def _database_errors_as_503(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 503 with Retry-After while the database is unavailable, so that the caller retries."""
    try:
        return await handler(request)
    except DatabaseUnavailable:
        raise web.HTTPServiceUnavailable(
            text="The database is unavailable; please retry.\n", headers={"Retry-After": "5"}
        ) from None
