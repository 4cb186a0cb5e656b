"""The signed lists of readers and who waits to be on the next: officers vouch, the holder of the unit's key signs."""

import json
from typing import Any

from aiohttp import web

from bot.console import site
from bot.console.refusals import answered
from bot.web.app_keys import DATABASE, INSTALLATION
from handlers.casework import account, cases, joining
from storage.confidential.officers import Officer

routes = web.RouteTableDef()


class PostedList(site.PostedModel):
    """The next list with the unit's signature, and the successions that led to this unit.

    `suspended` of those whom it ends did not leave for good.
    """

    list: dict[str, Any]
    signature: str
    succ: tuple[dict[str, Any], ...]
    suspended: tuple[str, ...] = ()


class PostedProof(site.PostedModel):
    """An officer's proof over the join statement of one who waits."""

    id: str
    proof: dict[str, Any]


@routes.get("/keys")
async def keys(request: web.Request) -> web.Response:
    """Show the page on which a browser verifies the lists, vouches and signs the next one."""
    officer = site.require_reader(request)
    async with request.config_dict[DATABASE].read() as tx:
        waiting = await joining.waiting_officers(site.officer_context(request, tx, officer))
    return site.page(
        request,
        "keys.html",
        waiting=json.dumps([_candidate(one) for one in waiting], ensure_ascii=False),
        adopted=joining.is_adopted(request.config_dict[INSTALLATION].unit),
    )


@routes.get("/trust")
async def trust(request: web.Request) -> web.Response:
    """Respond with the lists from a serial on and the newest letters of this officer's cases, to be compared."""
    officer = site.require_reader(request)
    since = request.query.get("from", "")
    if not since.isdecimal() or len(since) > 7:
        raise web.HTTPUnprocessableEntity
    async with request.config_dict[DATABASE].read() as tx:
        context = site.officer_context(request, tx, officer)
        known, heads = await joining.known_lists(context), await cases.heads(context)
    lists = [signed for signed in known.lists if signed["list"]["serial"] >= int(since)] if known else []
    return web.json_response({"lists": lists, "heads": heads, "today": context.today.isoformat()})


@routes.post("/proofs")
@answered
async def vouch(request: web.Request) -> web.Response:
    """Store that the officer has compared the fingerprint of one who waits."""
    officer, posted = site.require_reader(request), site.posted_json(request, PostedProof)
    async with request.config_dict[DATABASE].write() as tx:
        await joining.vouch(site.officer_context(request, tx, officer), posted.id, posted.proof)
    return web.json_response({}, status=201)


@routes.post("/keys")
@answered
async def sign(request: web.Request) -> web.Response:
    """Put a list in force that the unit's key signed."""
    officer, posted = site.require_reader(request), site.posted_json(request, PostedList)
    async with request.config_dict[DATABASE].write() as tx:
        context = site.officer_context(request, tx, officer)
        chain = await joining.sign_list(context, posted.model_dump(mode="json", exclude={"suspended"}))
        await account.suspend(context, chain, posted.suspended)
    return web.json_response({}, status=201)


def _candidate(officer: Officer) -> dict[str, Any]:
    joined = officer.joining
    return {
        "join": joined["join"] if joined else None,
        "proofs": joined["proofs"] if joined else [],
        "email": officer.email,
        "role": officer.role.value,
    }
