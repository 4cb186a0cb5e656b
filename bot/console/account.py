"""The page of an officer's own account, and the public page for lost words; browsers make the secrets."""

from typing import Any, cast

from aiohttp import web

from bot.console import auth_keys, devices, factor_forms, site, throttle
from bot.console.factor_forms import PostedEnrolment
from bot.console.signin import Auth, Mail, Salt
from bot.web.app_keys import DATABASE
from handlers.casework import account as changes
from handlers.casework import factors as second
from handlers.casework.account import AccountChanged
from handlers.casework.factors import FactorRefused, FactorWanted
from storage.confidential import accounts, factors, officers
from storage.confidential.accounts import Account, Code, Words
from storage.confidential.ledger import Verb
from storage.confidential.protocol import fields
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.errors import Malformed

routes = web.RouteTableDef()


class PostedAuth(site.PostedModel):
    """The auth key of the present words."""

    auth: Auth


class PostedWords(site.PostedModel):
    """New words, with the auth key of the present ones; `bundle` comes from readers."""

    auth: Auth
    salt: Salt
    new_auth: Auth
    bundle: dict[str, Any] | None


class PostedCode(site.PostedModel):
    """A new recovery code; `replaces` is the hash of the box that it takes the place of."""

    auth: Auth
    replaces: str
    code_auth: Auth
    recovery_bundle: dict[str, Any]


class PostedLost(site.PostedModel):
    """An address and the auth key of its recovery code."""

    email: Mail
    code_auth: Auth


class PostedRecovery(site.PostedModel):
    """New words, a new code and a new second factor, with the auth key of the code that is spent."""

    email: Mail
    code_auth: Auth
    salt: Salt
    auth: Auth
    bundle: dict[str, Any]
    new_code_auth: Auth
    recovery_bundle: dict[str, Any]
    enrolment: PostedEnrolment | None = None


# ---------------------------------------------------------------- the own account


@routes.get("/account")
async def account_page(request: web.Request) -> web.Response:
    """Show what an officer can do for the own account, and what to do when something was lost or seen."""
    officer = site.require_officer(request)
    async with request.config_dict[DATABASE].read() as tx:
        own = await factors.of_officer(tx, officer.id)
    return site.page(request, "account.html", has_keys=officer.role in officers.READER_ROLES, factors=own)


@routes.post("/account/open")
async def open_account(request: web.Request) -> web.Response:
    """Respond with the boxes of who types the present words."""
    account = await with_words(request, site.posted_json(request, PostedAuth).auth)
    if account is None:
        return refused("words")
    return web.json_response({"bundle": account.bundle, "recovery_bundle": account.recovery_bundle})


@routes.post("/account/words")
async def replace_words(request: web.Request) -> web.Response:
    """Replace the words, sign out all other devices, and go on with a new session."""
    posted = site.posted_json(request, PostedWords)
    account = await with_words(request, posted.auth)
    if account is None:
        return refused("words")
    if (posted.bundle is None) != (account.bundle is None):
        raise web.HTTPUnprocessableEntity
    bundle = None if posted.bundle is None else _box(posted.bundle)
    words = Words(posted.salt, await auth_keys.slow_hash(posted.new_auth), bundle)
    try:
        async with request.config_dict[DATABASE].write() as tx:
            context = site.officer_context(request, tx, site.require_officer(request))
            await changes.replace_words(context, account, words)
            token = await site.begin_session(request, tx, account.id, site.require_session(request).factor)
    except AccountChanged:
        return refused("words")
    return site.with_session(request, token)


@routes.post("/account/code")
async def replace_code(request: web.Request) -> web.Response:
    """Replace the recovery code."""
    posted = site.posted_json(request, PostedCode)
    account = await with_words(request, posted.auth)
    if account is None:
        return refused("words")
    code = Code(await auth_keys.slow_hash(posted.code_auth), _box(posted.recovery_bundle))
    try:
        async with request.config_dict[DATABASE].write() as tx:
            context = site.officer_context(request, tx, site.require_officer(request))
            await changes.replace_code(context, account, code, posted.replaces)
    except AccountChanged:
        return site.conflict("code")
    return web.json_response({}, status=201)


@routes.post("/account/signout")
async def sign_out_everywhere(request: web.Request) -> web.Response:
    """End the sessions of all devices and delete this one's cookie."""
    officer = site.require_officer(request)
    async with request.config_dict[DATABASE].write() as tx:
        await changes.sign_out_everywhere(site.officer_context(request, tx, officer))
    response = web.Response(status=204)
    site.set_cookie(request, response, site.SESSION_COOKIE, "")
    return response


async def with_words(request: web.Request, auth: str) -> Account | None:
    """The signed-in officer's account, if the auth key is that of the present words."""
    officer = site.require_officer(request)
    attempt = throttle.enter(request, officer.email)
    async with throttle.turn(request, attempt):
        async with request.config_dict[DATABASE].read() as tx:
            account = await accounts.by_id(tx, officer.id)
        is_right = await auth_keys.matches(auth, account.auth_hash if account else None)
    if is_right:
        attempt.passed()
    else:
        throttle.failed(request, officer.id, "words")
    return account if is_right else None


# ---------------------------------------------------------------- lost words


@routes.get("/lost")
async def lost_page(request: web.Request) -> web.Response:
    """Show the page for who has lost the words."""
    return site.page(request, "lost.html")


@routes.post("/lost/begin")
async def begin_lost(request: web.Request) -> web.Response:
    """Respond with the box that the recovery code opens; nothing is spent.

    An unknown address, an officer who is gone and one without a code take the same path and time as a wrong code.
    """
    posted = site.posted_json(request, PostedLost)
    account = await _with_code(request, posted.email, posted.code_auth)
    if account is None:
        return refused("lost")
    async with request.config_dict[DATABASE].read() as tx:
        officer = await officers.by_id(tx, account.id)
        if officer is None:
            return refused("lost")
        offer = factor_forms.first_offer(request, site.officer_context(request, tx, officer))
    return web.json_response({"id": account.id, "recovery_bundle": account.recovery_bundle, "offer": offer})


@routes.post("/lost")
async def recover(request: web.Request) -> web.Response:
    """Replace words, code and second factors, and sign out all devices: the code is spent."""
    posted = site.posted_json(request, PostedRecovery)
    account = await _with_code(request, posted.email, posted.code_auth)
    if account is None:
        return refused("lost")
    words = Words(posted.salt, await auth_keys.slow_hash(posted.auth), _box(posted.bundle))
    code = Code(await auth_keys.slow_hash(posted.new_code_auth), _box(posted.recovery_bundle))
    enrolment = factor_forms.enrolment_of(posted.enrolment)
    try:
        async with request.config_dict[DATABASE].write() as tx:
            officer = await officers.by_id(tx, account.id)
            if officer is None:
                raise AccountChanged
            context = site.officer_context(request, tx, officer)
            await changes.recover(context, account, words, code)
            await second.make_first(context, factor_forms.key_of(request), enrolment, Verb.LOST_FACTOR)
    except AccountChanged:
        return refused("lost")
    except FactorRefused as error:
        return factor_forms.refused(error)
    except FactorWanted:
        raise web.HTTPUnprocessableEntity from None
    response = web.json_response({}, status=201)
    site.set_cookie(request, response, *devices.cookie(request, officer.email))
    return response


async def _with_code(request: web.Request, email: str, code_auth: str) -> Account | None:
    """The account of this address, if the auth key is that of its recovery code."""
    attempt = throttle.enter(request, email)
    async with throttle.turn(request, attempt):
        async with request.config_dict[DATABASE].read() as tx:
            account = await accounts.by_email(tx, email)
        is_right = await auth_keys.matches(code_auth, account.code_hash if account else None)
    if is_right:
        attempt.passed()
    else:
        throttle.failed(request, account.id if account else "", "code")
    return account if is_right else None


# ---------------------------------------------------------------- what is posted


def _box(value: dict[str, Any]) -> Box:
    """Raise 422 unless this has the format of a box."""
    try:
        fields.BOX(value, "box")
    except Malformed:
        raise web.HTTPUnprocessableEntity from None
    return cast(Box, value)


def refused(error: str) -> web.Response:
    """Return 403: words or code are not, or no longer, those of the account."""
    return web.json_response({"error": error}, status=403)
