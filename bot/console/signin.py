"""Sign-up with an invite, sign-in with words that never reach the server and a second factor, and the start page."""

import hashlib
import hmac
import json
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import StringConstraints

from bot.console import auth_keys, devices, factor_forms, site, throttle
from bot.console.factor_forms import AppCode, PostedEnrolment
from bot.web.app_keys import DATABASE, SECRETS
from handlers.casework import account, factors, joining, succession
from handlers.casework.factors import FactorRefused, FactorWanted, Shown
from handlers.casework.office import OfficerContext
from storage.confidential import accounts, officers, sessions
from storage.confidential.ledger import Verb
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
    enrolment: PostedEnrolment | None = None

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
    """An address and the auth key that the browser derived from the words, with what shows the second factor.

    `code_auth`, of the recovery code, stands for a lost one; `enrolment` makes the first, or the one after that.
    """

    email: Mail
    auth: Auth
    totp: AppCode | None = None
    code_auth: Auth | None = None
    enrolment: PostedEnrolment | None = None

    def shown(self, session_factor: str) -> Shown:
        """What is shown besides the words; the recovery code is checked before."""
        return Shown(
            session_factor, self.totp or "", factor_forms.enrolment_of(self.enrolment), self.code_auth is not None
        )


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
        offer = factor_forms.first_offer(request, context)
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
            "offer": offer,
        }
    )


@routes.post("/signup")
async def sign_up(request: web.Request) -> web.Response:
    """Spend the invite and store keys and second factor; a refused sign-up spends nothing."""
    posted = site.posted_json(request, SignUp)
    enrolment = factor_forms.enrolment_of(posted.enrolment)
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
            await factors.make_first(context, factor_forms.key_of(request), enrolment, Verb.ADD_FACTOR)
    except (Malformed, FactorWanted):
        raise web.HTTPUnprocessableEntity from None
    except FactorRefused as error:
        return factor_forms.refused(error)
    except InviteRefused:
        return site.conflict("token")
    except joining.KeysRefused:
        return site.conflict("keys")
    response = web.json_response({"state": state.value}, status=201)
    site.set_cookie(request, response, *devices.cookie(request, officer.email))
    return response


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
    """Verify words and second factor and open a session; an unknown address takes the path and time of wrong words."""
    posted = site.posted_json(request, SignIn)
    attempt = throttle.enter(request, posted.email)
    async with throttle.turn(request, attempt):
        async with request.config_dict[DATABASE].read() as tx:
            known = await officers.credentials(tx, posted.email)
        is_right = await auth_keys.matches(posted.auth, known.auth_hash if known else None)
    if known is None or not is_right:
        throttle.failed(request, known.officer.id if known else "", "words")
        return web.json_response({"error": "signin"}, status=403)
    code_hash = None
    if posted.code_auth is not None:
        code_hash = await _recovery_code(request, attempt, known.officer.id, posted.code_auth)
        if code_hash is None:
            throttle.failed(request, known.officer.id, "code")
            return web.json_response({"error": "code"}, status=403)
    elif posted.totp is not None:
        throttle.enter_code(request, attempt, known.officer.id)
    response = await _with_factor(request, known, posted, code_hash)
    if response.status != 403 or posted.totp is None:  # right, only asked for, or a mistyped first code of a new app
        attempt.passed()
    return response


async def _recovery_code(request: web.Request, attempt: throttle.Entry, officer_id: str, code_auth: str) -> str | None:
    """The stored hash of the recovery code, if this is it."""
    async with throttle.turn(request, attempt):
        async with request.config_dict[DATABASE].read() as tx:
            own = await accounts.by_id(tx, officer_id)
        stored = own.code_hash if own else None
        return stored if await auth_keys.matches(code_auth, stored) else None


async def _with_factor(
    request: web.Request, known: officers.Credentials, posted: SignIn, code_hash: str | None
) -> web.Response:
    """Let in who shows the second factor too; otherwise say what is missing or wrong, and change nothing."""
    context = None
    try:
        async with request.config_dict[DATABASE].write() as tx:
            context = site.officer_context(request, tx, known.officer)
            if not await accounts.is_current(tx, known.officer.id, known.auth_hash, code_hash):
                return web.json_response({"error": "signin"}, status=403)  # others were made meanwhile
            return await _open_session(request, context, known, posted)
    except FactorWanted as error:
        assert context is not None
        return factor_forms.wanted(request, context, error)
    except FactorRefused as error:
        if posted.totp is not None:
            throttle.failed(request, known.officer.id, "factor")
        return factor_forms.refused(error)


async def _open_session(
    request: web.Request, context: OfficerContext, credentials: officers.Credentials, posted: SignIn
) -> web.Response:
    """Let an officer in whose words are right. Raises FactorWanted, FactorRefused.

    A session of the same officer goes on, for the sake of other tabs; that of another one ends.
    """
    previous, officer, token, tx = request[site.SESSION], credentials.officer, "", context.tx
    own = previous if previous and previous.officer.id == officer.id else None
    factor = await factors.at_sign_in(context, factor_forms.key_of(request), posted.shown(own.factor if own else ""))
    if own is None or own.factor != factor or posted.enrolment:
        if previous is not None:
            await sessions.end(tx, previous.key)
        token = await site.begin_session(request, tx, officer.id, factor)
    failures, notebook = await account.note_sign_in(context, is_new=bool(token)), credentials.notebook
    response = web.json_response(
        {
            "id": officer.id,
            "state": officer.state.value,
            "reads": officer.role in officers.READER_ROLES,
            "bundle": credentials.bundle,
            "unit_key": credentials.unit_key,
            "key_of": await succession.unit_of_held_key(context) if credentials.unit_key else "",
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
    """Keep the session from becoming idle while the officer works in the tab."""
    site.require_officer(request)
    return web.Response(status=204)
