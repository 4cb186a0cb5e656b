"""The page on which the holder of the unit's key makes another one."""

import json
from typing import Any

from aiohttp import web

from bot.console import site
from bot.console.refusals import answered
from bot.web.app_keys import DATABASE
from handlers.casework import joining, succession
from storage.confidential.protocol import keys as protocol_keys

routes = web.RouteTableDef()


class PostedSuccession(site.PostedModel):
    """The first list of the next key, and that key as the holder's browser has sealed it."""

    list: dict[str, Any]
    signature: str
    succ: tuple[dict[str, Any], ...]
    unit_key: str


@routes.get("/succession")
async def show(request: web.Request) -> web.Response:
    """Show the page, with the lists of a key that the server does not believe yet."""
    officer = site.require_reader(request)
    async with request.config_dict[DATABASE].read() as tx:
        context = site.officer_context(request, tx, officer)
        later, waiting = await succession.waiting_lists(context), await joining.waiting_officers(context)
        adopted = joining.is_adopted(context.unit)
    names = [one.name for one in waiting]
    return site.page(
        request,
        "succession.html",
        next=json.dumps(later, ensure_ascii=False),
        waiting=names,
        adopted=adopted,
    )


@routes.post("/succession")
@answered
async def succeed(request: web.Request) -> web.Response:
    """Store the first list of the unit's next key."""
    officer, posted = site.require_reader(request), site.posted_json(request, PostedSuccession)
    signed, unit_key = posted.model_dump(mode="json", exclude={"unit_key"}), posted.unit_key
    protocol_keys.UNIT_KEY(unit_key, "unit_key")
    async with request.config_dict[DATABASE].write() as tx:
        await succession.succeed(site.officer_context(request, tx, officer), signed, unit_key)
    return web.json_response({}, status=201)
