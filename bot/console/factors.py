"""The second factors of an officer's own account: another one is added, one is removed, never the last."""

from typing import Annotated

from aiohttp import web
from pydantic import StringConstraints

from bot.console import account, factor_forms, site
from bot.console.factor_forms import PostedEnrolment
from bot.web.app_keys import DATABASE
from handlers.casework import factors as changes
from handlers.casework.factors import FactorRefused
from storage.confidential import accounts

routes = web.RouteTableDef()

FactorId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{22}$")]


class PostedFactor(account.PostedAuth):
    """A new factor, with the auth key of the present words."""

    enrolment: PostedEnrolment


class PostedRemoval(account.PostedAuth):
    """The factor to remove, with the auth key of the present words."""

    id: FactorId


@routes.post("/account/factors/begin")
async def begin_factor(request: web.Request) -> web.Response:
    """Respond with the secret of another app to who types the present words."""
    own = await account.with_words(request, site.posted_json(request, account.PostedAuth).auth)
    if own is None:
        return account.refused("words")
    async with request.config_dict[DATABASE].read() as tx:
        context = site.officer_context(request, tx, site.require_officer(request))
        return web.json_response({"offer": factor_forms.offer(request, context)})


@routes.post("/account/factors")
async def add_factor(request: web.Request) -> web.Response:
    """Add another factor."""
    posted = site.posted_json(request, PostedFactor)
    own = await account.with_words(request, posted.auth)
    if own is None:
        return account.refused("words")
    try:
        async with request.config_dict[DATABASE].write() as tx:
            if not await accounts.is_current(tx, own.id, own.auth_hash):
                return account.refused("words")
            context = site.officer_context(request, tx, site.require_officer(request))
            await changes.add(context, factor_forms.key_of(request), posted.enrolment.enrolment)
    except FactorRefused as error:
        return factor_forms.refused(error)
    return web.json_response({}, status=201)


@routes.post("/account/factors/remove")
async def remove_factor(request: web.Request) -> web.Response:
    """Remove a factor, sign out all other devices, and go on with a new session."""
    posted, session = site.posted_json(request, PostedRemoval), site.require_session(request)
    own = await account.with_words(request, posted.auth)
    if own is None:
        return account.refused("words")
    try:
        async with request.config_dict[DATABASE].write() as tx:
            if not await accounts.is_current(tx, own.id, own.auth_hash):
                return account.refused("words")
            await changes.remove(site.officer_context(request, tx, session.officer), posted.id)
            token = await site.begin_session(request, tx, own.id, session.factor)
    except FactorRefused as error:
        return factor_forms.refused(error)
    return site.with_session(request, token)
