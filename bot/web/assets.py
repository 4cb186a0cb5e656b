"""Static files of the plain public pages (style, logo) and of the browser chat, which share one folder."""

import hashlib

from aiohttp import web

from bot.web.templating import STATIC

VERSION = web.AppKey("assets_version", str)
"""A short hash over the files; pages append it to their addresses, so that browsers never use an outdated copy."""


def add_assets(app: web.Application) -> None:
    """Serve `/static/public`, which the landing page needs even without the chat. Idempotent."""
    if VERSION not in app:
        files = sorted((STATIC / "public").iterdir())
        app[VERSION] = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:10]
        app.router.add_static("/static/public", STATIC / "public")
