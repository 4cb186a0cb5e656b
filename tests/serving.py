"""Serves an application on a free port of this machine, as the product does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bot.web import server


@asynccontextmanager
async def served(site: web.Application) -> AsyncIterator[str]:
    """Yield the address, without a slash at its end."""
    runner = server.runner(site, shutdown_seconds=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
