"""Joining with an invite, signing in with a passphrase that never gets here, signing out, and the way home."""

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

MEMORY_KIB = 19456  # with two rounds about 50 ms a try

_tries = asyncio.Semaphore(2)  # at most so many at a time: guessing cannot take the machine's memory

Token = Annotated[str, StringConstraints(max_length=64)]
Mail = Annotated[str, StringConstraints(max_length=200)]
Salt = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{22}$")]
Auth = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
PublicKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{87}$")]
Signature = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{86}$")]


class Posted(BaseModel):
    """Something a page of the console posts: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wrapped(Posted):
    """Private keys as the browser wrapped them."""

    iv: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16}$")]
    body: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{40,4000}$")]

    @property
    def text(self) -> str:
        return canonical(self.model_dump())


class SignedKeys(Posted):
    """A list of readers with the unit's signature."""

    body: Annotated[str, StringConstraints(max_length=48 * 1024)]
    signature: Signature


class SignUpBegun(Posted):
    token: Token


class SignUp(Posted):
    token: Token
    salt: Salt
    auth: Auth
    reading_key: PublicKey
    signing_key: PublicKey
    bundle: Wrapped
    recovery_bundle: Wrapped
    unit_bundle: Wrapped | None = None
    keys: SignedKeys | None = None


class SignInBegun(Posted):
    email: Mail


class SignIn(Posted):
    email: Mail
    auth: Auth


# ---------------------------------------------------------------- the way home


@routes.get("/")
async def home(request: web.Request) -> web.StreamResponse:
    """Queries for whoever reads them, numbers for the others, patience for whoever waits for the unit."""
    officer = site.officer_of(request)
    if officer.state is OfficerState.PENDING:
        return site.page(request, "waiting.html")
    raise web.HTTPSeeOther(f"{site.PATH}/{'cases' if officer.reads_cases else 'monitor'}")


# ---------------------------------------------------------------- sign-up


@routes.get("/signup")
async def signup_page(request: web.Request) -> web.Response:
    """The same page for every invite: the token stays in the address's fragment."""
    return site.page(request, "signup.html")


@routes.post("/signup/begin")
async def begin_signup(request: web.Request) -> web.Response:
    """Whom the invite is for; spends nothing."""
    wish = await site.posted(request, SignUpBegun)
    async with request.config_dict[DATABASE].read() as tx:
        try:
            officer = await officers.invited(tx, wish.token, site.now_of(request))
        except InviteRefused:
            return site.conflict("token")
        is_first = officer.role in officers.READERS and await officers.newest_keys(tx) is None
        today = site.desk(request, tx, officer).today
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
    """Spend the invite and keep the keys; a refused sign-up spends nothing."""
    wish = await site.posted(request, SignUp)
    keys = Keys(
        reading_key=wish.reading_key,
        signing_key=wish.signing_key,
        salt=wish.salt,
        auth_hash=await _hashed(wish.auth),
        bundle=wish.bundle.text,
        recovery_bundle=wish.recovery_bundle.text,
        unit_bundle=wish.unit_bundle.text if wish.unit_bundle else None,
    )
    signed = (wish.keys.body, wish.keys.signature) if wish.keys else None
    async with request.config_dict[DATABASE].write() as tx:
        try:
            officer = await officers.invited(tx, wish.token, site.now_of(request))
            state = await cases.accept_invite(site.desk(request, tx, officer), wish.token, keys, signed)
        except InviteRefused:
            return site.conflict("token")
        except cases.KeysRefused:
            return site.conflict("keys")
    return web.json_response({"state": state.value}, status=201)


# ---------------------------------------------------------------- sign-in


@routes.get("/signin")
async def signin_page(request: web.Request) -> web.Response:
    return site.page(request, "signin.html")


@routes.post("/signin/begin")
async def begin_signin(request: web.Request) -> web.Response:
    """The salt of a passphrase: a stable invented one for an address that nobody here has."""
    wish = await site.posted(request, SignInBegun)
    email = officers.same_mail(wish.email)
    async with request.config_dict[DATABASE].read() as tx:
        known = await officers.credentials(tx, email)
    invented = hmac.new(request.config_dict[SECRETS].csrf, b"salt|" + email.encode(), hashlib.sha256).digest()[:16]
    return web.json_response({"salt": known.salt if known else _b64(invented)})


@routes.post("/signin")
async def sign_in(request: web.Request) -> web.Response:
    """Check the auth key; an unknown address takes the same path and time as a wrong key."""
    wish = await site.posted(request, SignIn)
    async with request.config_dict[DATABASE].read() as tx:
        known = await officers.credentials(tx, wish.email)
    is_right = await _fits(wish.auth, known.auth_hash if known else await _nobody())
    if known is None or not is_right:
        return web.json_response({"error": "signin"}, status=403)
    return await _admit(request, known)


async def _admit(request: web.Request, known: officers.Credentials) -> web.Response:
    """Open the session of somebody whose passphrase was right; a second factor has its place before this."""
    before = request[site.SESSION]
    async with request.config_dict[DATABASE].write() as tx:
        if before is not None:
            await officers.end_session(tx, before.key)
        token = await officers.open_session(tx, known.officer_id, site.now_of(request))
    response = web.json_response(
        {
            "id": known.officer_id,
            "bundle": known.bundle,
            "unit_bundle": known.unit_bundle,
            "csrf": site.csrf(request, officers.session_key(token)),
        }
    )
    site.set_cookie(request, response, site.COOKIE, token)
    return response


@routes.post("/signout")
async def sign_out(request: web.Request) -> web.Response:
    session = request[site.SESSION]
    if session is not None:
        async with request.config_dict[DATABASE].write() as tx:
            await officers.end_session(tx, session.key)
    response = web.Response(status=204)
    site.set_cookie(request, response, site.COOKIE, "")
    return response


@routes.get("/pulse")
async def pulse(request: web.Request) -> web.Response:
    """Somebody is at work in the tab: asking keeps the session from going idle."""
    site.officer_of(request)
    return web.Response(status=204)


# ---------------------------------------------------------------- the auth key


async def _hashed(auth: str) -> str:
    def derive() -> str:
        kdf = Argon2id(salt=os.urandom(16), length=32, iterations=2, lanes=1, memory_cost=MEMORY_KIB)
        return kdf.derive_phc_encoded(auth.encode())

    async with _tries:
        return await asyncio.to_thread(derive)


async def _fits(auth: str, auth_hash: str) -> bool:
    def verify() -> bool:
        try:
            Argon2id.verify_phc_encoded(auth.encode(), auth_hash)
        except InvalidKey:
            return False
        return True

    async with _tries:
        return await asyncio.to_thread(verify)


_nobodys_hash: list[str] = []


async def _nobody() -> str:
    """A hash that no auth key fits, made once: comparing with it takes as long as with a real one."""
    if not _nobodys_hash:
        _nobodys_hash.append(await _hashed(_b64(os.urandom(32))))
    return _nobodys_hash[0]


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
