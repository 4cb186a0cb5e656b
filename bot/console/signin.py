"""Sign-up with an invite, sign-in with a passphrase that never reaches the server, sign-out, and the start page."""

import hashlib
import hmac
import json
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import StringConstraints

from bot.console import auth_keys, devices, site, throttle
from bot.web.app_keys import DATABASE, SECRETS
from handlers.casework import account, joining, succession
from storage.confidential import accounts, officers, sessions
from storage.confidential.officers import InviteRefused, Joining, OfficerState, ReaderKeys
from storage.confidential.protocol import fields, readers
from storage.confidential.protocol import keys as protocol_keys
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.errors import Malformed

routes = web.RouteTableDef()

_JOINING: Final = fields.record(join=readers.JOIN, proof=readers.PROOF)

Token = Annotated[str, StringConstraints(max_length=64)]
Mail = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Salt = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{22}$")]
Auth = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
Protocol = dict[str, Any]
"""An object of the protocol, whose format the protocol checks."""


class SignUpStart(site.PostedModel):
    """The invite whose details the sign-up page asks for."""

    token: Token


class SignUp(site.PostedModel):
    """An accepted invite; the keys come from readers only, `unit_key` and `list` from the first one only."""

    token: Token
    salt: Salt
    auth: Auth
    code_auth: Auth | None = None
    joining: Protocol | None = None
    bundle: Protocol | None = None
    recovery_bundle: Protocol | None = None
    notebook: Protocol | None = None
    unit_key: str | None = None
    list: Protocol | None = None

    def keys(self) -> ReaderKeys | None:
        """The keys of a reader; None for the other roles. Raises Malformed."""
        if self.joining is None:
            return None
        if self.code_auth is None:
            raise Malformed("code_auth")
        _JOINING(self.joining, "joining")
        for name in ("bundle", "recovery_bundle", "notebook"):
            fields.BOX(getattr(self, name), name)
        fields.nullable(protocol_keys.UNIT_KEY)(self.unit_key, "unit_key")
        joining: Joining = {"join": self.joining["join"], "proofs": [self.joining["proof"]]}
        boxes: Any = (self.bundle, self.recovery_bundle, self.notebook, self.unit_key)
        return ReaderKeys(joining, *boxes)


class SignInStart(site.PostedModel):
    """The address whose salt the sign-in page asks for."""

    email: Mail


class SignIn(site.PostedModel):
    """An address and the auth key that the browser derived from the passphrase."""

    email: Mail
    auth: Auth


# ---------------------------------------------------------------- the start page


@routes.get("/")
async def home(request: web.Request) -> web.StreamResponse:
    """Redirect readers of queries to the cases and others to the monitor; show pending officers the waiting page."""
    officer = site.require_officer(request)
    if officer.state is OfficerState.PENDING:
        join = json.dumps(officer.joining["join"], ensure_ascii=False) if officer.joining else ""
        return site.page(request, "waiting.html", join=join)
    raise web.HTTPSeeOther(f"{site.PATH}/{'cases' if officer.reads_cases else 'monitor'}")


# ---------------------------------------------------------------- sign-up


@routes.get("/signup")
async def signup_page(request: web.Request) -> web.Response:
    """Show the sign-up page, the same for every invite: the token stays in the URL's fragment."""
    return site.page(request, "signup.html")


@routes.post("/signup/begin")
async def begin_signup(request: web.Request) -> web.Response:
    """Respond with the invited officer's details; does not spend the invite."""
    posted = site.posted_json(request, SignUpStart)
    async with request.config_dict[DATABASE].read() as tx:
        try:
            officer = await officers.by_invite(tx, posted.token, site.current_time(request))
        except InviteRefused:
            return site.conflict("token")
        context = site.officer_context(request, tx, officer)
        reads = officer.role in officers.READER_ROLES
        is_first = reads and await joining.makes_the_unit(context)
        known = await joining.known_lists(context) if reads else None
    return web.json_response(
        {
            "id": officer.id,
            "name": officer.name,
            "email": officer.email,
            "role": officer.role.value,
            "reads": reads,
            "is_first": is_first,
            "is_trial": context.unit.adopts_itself,
            "today": context.today.isoformat(),
            "lists": known.lists if known else [],
        }
    )


@routes.post("/signup")
async def sign_up(request: web.Request) -> web.Response:
    """Spend the invite and store the keys; a refused sign-up spends nothing."""
    posted = site.posted_json(request, SignUp)
    try:
        keys = posted.keys()
        async with request.config_dict[DATABASE].read() as tx:  # a stranger is given no slow work
            await officers.by_invite(tx, posted.token, site.current_time(request))
        credentials = (posted.salt, await auth_keys.slow_hash(posted.auth))
        code_hash = await auth_keys.slow_hash(posted.code_auth) if posted.code_auth else ""
        async with request.config_dict[DATABASE].write() as tx:
            officer = await officers.by_invite(tx, posted.token, site.current_time(request))
            context = site.officer_context(request, tx, officer)
            state = await joining.accept_invite(context, posted.token, credentials, keys, posted.list)
            if keys is not None:
                await accounts.keep_code(tx, officer.id, code_hash)
    except Malformed:
        raise web.HTTPUnprocessableEntity from None
    except InviteRefused:
        return site.conflict("token")
    except joining.KeysRefused:
        return site.conflict("keys")
    return web.json_response({"state": state.value}, status=201)


# ---------------------------------------------------------------- sign-in


@routes.get("/signin")
async def signin_page(request: web.Request) -> web.Response:
    """Show the sign-in page."""
    return site.page(request, "signin.html")


@routes.post("/signin/begin")
async def begin_signin(request: web.Request) -> web.Response:
    """Respond with the salt of the officer's passphrase; an unknown address gets a made-up, constant salt."""
    posted = site.posted_json(request, SignInStart)
    email = officers.normalize_email(posted.email)
    async with request.config_dict[DATABASE].read() as tx:
        known = await officers.credentials(tx, email)
    made_up = hmac.new(request.config_dict[SECRETS].csrf, b"salt|" + email.encode(), hashlib.sha256).digest()[:16]
    return web.json_response({"salt": known.salt if known else encode(made_up)})


@routes.post("/signin")
async def sign_in(request: web.Request) -> web.Response:
    """Verify the auth key and open a session; an unknown address takes the same path and time as a wrong key."""
    posted = site.posted_json(request, SignIn)
    attempt = throttle.enter(request, posted.email)
    async with auth_keys.turn(is_known=attempt.is_known):
        async with request.config_dict[DATABASE].read() as tx:
            known = await officers.credentials(tx, posted.email)
        is_right = await auth_keys.matches(posted.auth, known.auth_hash if known else None)
    if known is None or not is_right:
        throttle.failed(request, known.officer.id if known else "", "words")
        return web.json_response({"error": "signin"}, status=403)
    attempt.passed()
    return await _open_session(request, known)


async def _open_session(request: web.Request, credentials: officers.Credentials) -> web.Response:
    """Let an officer in after a correct passphrase; a second factor would go before this.

    A session of the same officer goes on, for the sake of other tabs; that of another one ends.
    """
    previous, officer, token = request[site.SESSION], credentials.officer, ""
    async with request.config_dict[DATABASE].write() as tx:
        if not await accounts.is_current(tx, officer.id, credentials.auth_hash):  # other words were made meanwhile
            return web.json_response({"error": "signin"}, status=403)
        if previous is None or previous.officer.id != officer.id:
            if previous is not None:
                await sessions.end(tx, previous.key)
            token = await site.begin_session(request, tx, officer.id)
        context = site.officer_context(request, tx, officer)
        failures = await account.note_sign_in(context, is_new=bool(token))
        key_of = await succession.unit_of_held_key(context) if credentials.unit_key else ""
    notebook = credentials.notebook
    response = web.json_response(
        {
            "id": officer.id,
            "state": officer.state.value,
            "reads": officer.role in officers.READER_ROLES,
            "bundle": credentials.bundle,
            "unit_key": credentials.unit_key,
            "key_of": key_of,
            "notebook": {"version": notebook.version, "box": notebook.box} if notebook else None,
            "failures": [{"day": one.day.isoformat(), "count": one.count} for one in failures],
        }
    )
    if token:
        site.set_cookie(request, response, site.SESSION_COOKIE, token)
    site.set_cookie(request, response, *devices.cookie(request, officer.email))
    return response


@routes.post("/signout")
async def sign_out(request: web.Request) -> web.Response:
    """End the session and delete its cookie."""
    session = request[site.SESSION]
    if session is not None:
        async with request.config_dict[DATABASE].write() as tx:
            await sessions.end(tx, session.key)
    response = web.Response(status=204)
    site.set_cookie(request, response, site.SESSION_COOKIE, "")
    return response


@routes.get("/pulse")
async def pulse(request: web.Request) -> web.Response:
    """Keep the session from becoming idle while the officer works in the tab; the middleware records the visit."""
    site.require_officer(request)
    return web.Response(status=204)
