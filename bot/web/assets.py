"""Static files of the public pages and of the browser chat, which share one folder, and those of libraries."""

import hashlib
from functools import cache
from pathlib import Path

from aiohttp import web

from bot.web.compressed import REVALIDATED, Compressed
from bot.web.templating import STATIC

VERSION = web.AppKey("assets_version", str)
"""A short hash over the files; pages append it to their addresses, so that browsers never use an outdated copy."""

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Content types by suffix; files of other kinds, such as licences, are not served."""


def add_assets(app: web.Application) -> None:
    """Serve `/static/public`, which the landing page needs even without the chat. Idempotent."""
    if VERSION not in app:
        files = sorted((STATIC / "public").iterdir())
        app[VERSION] = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:10]
        add_folder(app, "public")


def add_folder(app: web.Application, name: str) -> None:
    """Serve the files of a folder below `bot/static`, from memory."""
    files = {file.relative_to(STATIC / name).as_posix(): file for file in (STATIC / name).rglob("*")}

    async def asset(request: web.Request) -> web.Response:
        file = files.get(request.match_info["path"])
        if file is None or file.suffix not in TYPES:
            raise web.HTTPNotFound
        return _of_file(file).response(request, REVALIDATED)

    app.router.add_get(f"/static/{name}/{{path:.+}}", asset)


@cache
def _of_file(file: Path) -> Compressed:
    return Compressed(file.read_bytes(), TYPES[file.suffix])
