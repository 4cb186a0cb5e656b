"""Codes of authenticator apps (RFC 6238): their secrets, sealed to one officer, and the codes of a moment."""

import hmac
import os
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from storage.confidential.protocol.canonical import decode, encode
from storage.confidential.protocol.errors import Altered, Malformed

STEP = 30  # seconds that a code is shown; with SHA-1 and six digits the only values that all apps know
DIGITS = 6
TOLERANCE = 1  # steps that a phone's clock may be off
SECRET = 20  # bytes, as RFC 4226 recommends
IV = 12  # bytes
ISSUER = "Integra"


def new_secret() -> bytes:
    """A secret for one app."""
    return os.urandom(SECRET)


def step_at(now: datetime) -> int:
    """The number of the step in which a moment lies."""
    return int(now.timestamp()) // STEP


def code_of(secret: bytes, step: int) -> str:
    """What the app shows in a step."""
    return _totp(secret).generate(step * STEP).decode()


def matching_step(secret: bytes, code: str, now: datetime) -> int | None:
    """The step around this moment whose code this is; None: it is of none."""
    present = step_at(now)
    near = range(present - TOLERANCE, present + TOLERANCE + 1)
    fitting = [step for step in near if hmac.compare_digest(code_of(secret, step).encode(), code.encode())]
    return max(fitting, default=None)


def address(secret: bytes, account: str) -> str:
    """What an app reads from the picture: the secret, with the name under which it is listed."""
    return _totp(secret).get_provisioning_uri(account, ISSUER)


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP)  # noqa: S303 - what all apps know; as HMAC it holds


# ---------------------------------------------------------------- at rest


def seal(key: bytes, secret: bytes, officer_id: str) -> str:
    """Encrypt a secret with the installation's key; it opens for this officer only."""
    iv = os.urandom(IV)
    return encode(iv + AESGCM(key).encrypt(iv, secret, _bound(officer_id)))


def unseal(key: bytes, sealed: str, officer_id: str) -> bytes:
    """Decrypt a secret. Raises Altered."""
    try:
        raw = decode(sealed)
        return AESGCM(key).decrypt(raw[:IV], raw[IV:], _bound(officer_id))
    except (Malformed, InvalidTag, ValueError) as fault:
        raise Altered("factor") from fault


def _bound(officer_id: str) -> bytes:
    return f"integra/2/totp\n{officer_id}".encode()
