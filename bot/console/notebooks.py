"""An officer's notebook: stored encrypted, one version after the other, so that two tabs never overwrite each other."""

from typing import Any

from aiohttp import web

from bot.console import site
from bot.console.refusals import answered
from bot.web.app_keys import DATABASE
from storage.confidential import notebooks
from storage.confidential.protocol import boxes, fields

routes = web.RouteTableDef()


class PostedNotebook(site.PostedModel):
    """The next version of a notebook."""

    version: int
    box: dict[str, Any]


@routes.post("/notebook")
@answered
async def store(request: web.Request) -> web.Response:
    """Store the version that follows the stored one; otherwise respond with that one, to be merged."""
    officer, posted = site.require_reader(request), site.posted_json(request, PostedNotebook)
    box: Any = posted.box
    fields.BOX(box, "box")
    boxes.VERSION(posted.version, "version")
    async with request.config_dict[DATABASE].write() as tx:
        if await notebooks.replace(tx, officer.id, posted.version, box):
            return web.json_response({}, status=201)
        stored = await notebooks.newest(tx, officer.id)
    body = {"version": stored.version, "box": stored.box} if stored else {"version": 0, "box": None}
    return web.json_response({"error": "version", **body}, status=409)
