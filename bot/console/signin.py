"""Sign-up with an invite, sign-in with a passphrase that never reaches the server, sign-out, and the start page."""

import asyncio
import base64
import hashlib
import hmac
import os
from typing import Annotated

from aiohttp import web
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from pydantic import BaseModel, ConfigDict, StringConstraints

from bot.console import site
from bot.web.app_keys import DATABASE, SECRETS
from handlers.casework import cases
from storage.confidential import officers
from storage.confidential.officers import InviteRefused, Keys, OfficerState
from storage.confidential.wire_format import canonical

routes = web.RouteTableDef()

MEMORY_KIB = 19456  # of Argon2id; with two iterations about 50 ms per hash

_hash_slots = asyncio.Semaphore(2)  # concurrent hashes: guessing passphrases cannot exhaust the memory

Token = Annotated[str, StringConstraints(max_length=64)]
Mail = Annotated[str, StringConstraints(max_length=200)]
Salt = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{22}$")]
Auth = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
PublicKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{87}$")]
Signature = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{86}$")]


class PostedModel(BaseModel):
    """A JSON body that a page of the console posts; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WrappedKeys(PostedModel):
    """Private keys, encrypted by the browser."""

    iv: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16}$")]
    body: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{40,4000}$")]

    @property
    def canonical_text(self) -> str:
        return canonical(self.model_dump())


class SignedKeys(PostedModel):
    """A list of readers with the unit's signature."""

    body: Annotated[str, StringConstraints(max_length=48 * 1024)]
    signature: Signature


class SignUpStart(PostedModel):
    """The invite whose details the sign-up page asks for."""

    token: Token


class SignUp(PostedModel):
    """An accepted invite with the new officer's keys; `unit_bundle` and `keys` come from the first officer only."""

    token: Token
    salt: Salt
    auth: Auth
    reading_key: PublicKey
    signing_key: PublicKey
    bundle: WrappedKeys
    recovery_bundle: WrappedKeys
    unit_bundle: WrappedKeys | None = None
    keys: SignedKeys | None = None


class SignInStart(PostedModel):
    """The address whose salt the sign-in page asks for."""

    email: Mail


class SignIn(PostedModel):
    """An address and the auth key that the browser derived from the passphrase."""

    email: Mail
    auth: Auth


# ---------------------------------------------------------------- the start page


@routes.get("/")
async def home(request: web.Request) -> web.StreamResponse:
    """Redirect readers of queries to the cases and others to the monitor; show pending officers the waiting page."""
    officer = site.require_officer(request)
    if officer.state is OfficerState.PENDING:
        return site.page(request, "waiting.html")
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
        is_first = officer.role in officers.READER_ROLES and await officers.newest_key_list(tx) is None
        today = site.officer_context(request, tx, officer).today
    return web.json_response(
        {
            "id": officer.id,
            "name": officer.name,
            "email": officer.email,
            "role": officer.role.value,
            "is_first": is_first,
            "today": today.isoformat(),
        }
    )


@routes.post("/signup")
async def sign_up(request: web.Request) -> web.Response:
    """Spend the invite and store the keys; a refused sign-up spends nothing."""
    posted = site.posted_json(request, SignUp)
    keys = Keys(
        reading_key=posted.reading_key,
        signing_key=posted.signing_key,
        salt=posted.salt,
        auth_hash=await _hash_auth_key(posted.auth),
        bundle=posted.bundle.canonical_text,
        recovery_bundle=posted.recovery_bundle.canonical_text,
        unit_bundle=posted.unit_bundle.canonical_text if posted.unit_bundle else None,
    )
    signed = (posted.keys.body, posted.keys.signature) if posted.keys else None
    async with request.config_dict[DATABASE].write() as tx:
        try:
            officer = await officers.by_invite(tx, posted.token, site.current_time(request))
            state = await cases.accept_invite(site.officer_context(request, tx, officer), posted.token, keys, signed)
        except InviteRefused:
            return site.conflict("token")
        except cases.KeysRefused:
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
    return web.json_response({"salt": known.salt if known else _b64(made_up)})


@routes.post("/signin")
async def sign_in(request: web.Request) -> web.Response:
    """Verify the auth key and open a session; an unknown address takes the same path and time as a wrong key."""
    posted = site.posted_json(request, SignIn)
    async with request.config_dict[DATABASE].read() as tx:
        known = await officers.credentials(tx, posted.email)
    is_right = await _matches(posted.auth, known.auth_hash if known else await _dummy_hash())
    if known is None or not is_right:
        return web.json_response({"error": "signin"}, status=403)
    return await _open_session(request, known)


async def _open_session(request: web.Request, credentials: officers.Credentials) -> web.Response:
    """Replace the request's session by a new one after a correct passphrase; a second factor would go before this."""
    previous = request[site.SESSION]
    async with request.config_dict[DATABASE].write() as tx:
        if previous is not None:
            await officers.end_session(tx, previous.key)
        token = await officers.open_session(tx, credentials.officer_id, site.current_time(request))
    response = web.json_response(
        {
            "id": credentials.officer_id,
            "bundle": credentials.bundle,
            "unit_bundle": credentials.unit_bundle,
            "csrf": site.csrf_token(request, officers.session_key(token)),
        }
    )
    site.set_cookie(request, response, site.SESSION_COOKIE, token)
    return response


@routes.post("/signout")
async def sign_out(request: web.Request) -> web.Response:
    """End the session and delete its cookie."""
    session = request[site.SESSION]
    if session is not None:
        async with request.config_dict[DATABASE].write() as tx:
            await officers.end_session(tx, session.key)
    response = web.Response(status=204)
    site.set_cookie(request, response, site.SESSION_COOKIE, "")
    return response


@routes.get("/pulse")
async def pulse(request: web.Request) -> web.Response:
    """Keep the session from becoming idle while the officer works in the tab; the middleware records the visit."""
    site.require_officer(request)
    return web.Response(status=204)


# ---------------------------------------------------------------- the auth key


async def _hash_auth_key(auth: str) -> str:
    def derive() -> str:
        kdf = Argon2id(salt=os.urandom(16), length=32, iterations=2, lanes=1, memory_cost=MEMORY_KIB)
        return kdf.derive_phc_encoded(auth.encode())

    async with _hash_slots:
        return await asyncio.to_thread(derive)


async def _matches(auth: str, auth_hash: str) -> bool:
    def verify() -> bool:
        try:
            Argon2id.verify_phc_encoded(auth.encode(), auth_hash)
        except InvalidKey:
            return False
        return True

    async with _hash_slots:
        return await asyncio.to_thread(verify)


_dummy_hashes: list[str] = []


async def _dummy_hash() -> str:
    """Return a hash that no auth key matches, made once: verifying against it takes as long as against a real one."""
    if not _dummy_hashes:
        _dummy_hashes.append(await _hash_auth_key(_b64(os.urandom(32))))
    return _dummy_hashes[0]


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
