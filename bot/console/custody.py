"""Custodians of the recovery key and holders of the unit's key: the officers' page, and the page of who is invited."""

import json
from typing import Annotated, Any

from aiohttp import web
from pydantic import StringConstraints

from bot.console import site
from bot.console.refusals import answered
from bot.web.app_keys import DATABASE, INSTALLATION
from bot.web.requests import work_context
from handlers.casework import custody, trust

routes = web.RouteTableDef()

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{22}$")]
Token = Annotated[str, StringConstraints(max_length=64)]
Protocol = dict[str, Any]
"""An object of the protocol, whose format the protocol checks."""


class Name(site.PostedModel):
    """Who is invited to be a custodian."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class OneId(site.PostedModel):
    """A custodian."""

    id: Id


class Proposal(site.PostedModel):
    """A new recovery key: its join statement with the own proof, and the custody of its keys."""

    join: Protocol
    proof: Protocol
    custody: Protocol


class PostedProof(site.PostedModel):
    """An officer's proof over the join statement of a proposed recovery key."""

    id: Id
    proof: Protocol


class SharedKey(site.PostedModel):
    """The unit's key, sealed to an officer."""

    id: Id
    unit_key: Annotated[str, StringConstraints(max_length=600)]


class Invitation(site.PostedModel):
    """The one-time token of a custodian's link."""

    token: Token


class Registration(site.PostedModel):
    """What a custodian's browser has made."""

    token: Token
    custodian: Protocol
    box: Protocol


# ---------------------------------------------------------------- the officers' page


@routes.get("/custody")
async def page(request: web.Request) -> web.Response:
    """Show who keeps the recovery key and the unit's key; the browser verifies all of it."""
    officer = site.require_reader(request)
    async with request.config_dict[DATABASE].read() as tx:
        shown = await custody.view(site.officer_context(request, tx, officer))
    is_adopted = bool(request.config_dict[INSTALLATION].unit.has_unit)
    return site.page(request, "custody.html", custody=json.dumps(shown, ensure_ascii=False), adopted=is_adopted)


@routes.post("/custodians")
@answered
async def invite(request: web.Request) -> web.Response:
    """Respond with a one-time link for a custodian."""
    officer, posted = site.require_reader(request), site.posted_json(request, Name)
    installation = request.config_dict[INSTALLATION]
    async with request.config_dict[DATABASE].write() as tx:
        custodian_id, token = await custody.invite(site.officer_context(request, tx, officer), posted.name)
    link = f"{installation.public_url}{site.PATH}/custodian#{token}&u={installation.unit.pin()}"
    return web.json_response({"id": custodian_id, "link": link}, status=201)


@routes.post("/custodians/remove")
@answered
async def remove(request: web.Request) -> web.Response:
    """Forget a custodian whom no recovery key in force needs."""
    officer, posted = site.require_reader(request), site.posted_json(request, OneId)
    async with request.config_dict[DATABASE].write() as tx:
        await custody.remove(site.officer_context(request, tx, officer), posted.id)
    return web.json_response({}, status=201)


@routes.post("/recovery-proposal")
@answered
async def propose(request: web.Request) -> web.Response:
    """Store a new recovery key, for which officers vouch before a list names it."""
    officer, posted = site.require_reader(request), site.posted_json(request, Proposal)
    async with request.config_dict[DATABASE].write() as tx:
        context = site.officer_context(request, tx, officer)
        await custody.propose(context, posted.join, posted.proof, posted.custody)
    return web.json_response({}, status=201)


@routes.post("/recovery-proofs")
@answered
async def vouch(request: web.Request) -> web.Response:
    """Store that the officer has compared the fingerprint of a proposed recovery key."""
    officer, posted = site.require_reader(request), site.posted_json(request, PostedProof)
    async with request.config_dict[DATABASE].write() as tx:
        await custody.vouch(site.officer_context(request, tx, officer), posted.id, posted.proof)
    return web.json_response({}, status=201)


@routes.post("/unit-key")
@answered
async def share(request: web.Request) -> web.Response:
    """Let another active officer hold the unit's key."""
    officer, posted = site.require_reader(request), site.posted_json(request, SharedKey)
    async with request.config_dict[DATABASE].write() as tx:
        await custody.share_unit_key(site.officer_context(request, tx, officer), posted.id, posted.unit_key)
    return web.json_response({}, status=201)


# ---------------------------------------------------------------- who is invited


@routes.get("/custodian")
async def custodian_page(request: web.Request) -> web.Response:
    """Show the page on which a custodian makes a key; the token stays in the URL's fragment."""
    return site.page(request, "custodian.html")


@routes.post("/custodian/begin")
@answered
async def begin(request: web.Request) -> web.Response:
    """Respond with who is invited and the unit's lists; does not spend the link."""
    posted = site.posted_json(request, Invitation)
    async with request.config_dict[DATABASE].read() as tx:
        work = work_context(request, tx)
        found = await custody.invited(work, posted.token)
        known = await trust.verified(tx, work.installation.unit)
    body = {"id": found.id, "name": found.name, "unit": known.chain.newest["unit"], "lists": [*known.lists]}
    return web.json_response({**body, "today": work.today.isoformat()})


@routes.post("/custodian")
@answered
async def register(request: web.Request) -> web.Response:
    """Spend the link and store the keys that the browser has made."""
    posted = site.posted_json(request, Registration)
    async with request.config_dict[DATABASE].write() as tx:
        await custody.register(work_context(request, tx), posted.token, posted.custodian, posted.box)
    return web.json_response({}, status=201)
