"""Devices that have signed in to an account before: each keeps a signed cookie, and no row says which they are.

Where an officer has signed up, or made new words with the recovery code, counts too. The cookie lets no one in. It
gives its device attempts of its own, so that a flood of strangers on an account keeps no officer out who signs in where
they have signed in before.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta

from aiohttp import web

from bot.web.app_keys import CLOCK, SECRETS
from storage.confidential import officers

COOKIE = "device-"  # then a name of the account: officers who share a browser have a cookie each
DAYS = 365
LABEL = b"integra/2/device\n"


def known(request: web.Request, email: str) -> str:
    """The name of the device, if it has signed in to the account of this address; else empty."""
    name, _, rest = request.cookies.get(name_of(email), "").partition(".")
    day, _, given = rest.partition(".")
    is_ours = hmac.compare_digest(given.encode(errors="replace"), _mac(request, email, name, day).encode())
    return name if is_ours and int(day) >= _day(request) else ""


def cookie(request: web.Request, email: str) -> tuple[str, str, int]:
    """Name, value and seconds of the cookie of a device that has just signed in."""
    name = known(request, email) or secrets.token_urlsafe(16)
    day = str(_day(request) + DAYS)
    value = f"{name}.{day}.{_mac(request, email, name, day)}"
    return name_of(email), value, int(timedelta(days=DAYS).total_seconds())


def name_of(email: str) -> str:
    """The name of the cookie of an account."""
    account = officers.normalize_email(email).encode(errors="replace")
    return COOKIE + hashlib.sha256(LABEL + account).hexdigest()[:16]


def _mac(request: web.Request, email: str, name: str, day: str) -> str:
    bound = "\n".join((officers.normalize_email(email), name, day)).encode(errors="replace")
    return hmac.new(request.config_dict[SECRETS].session, LABEL + bound, hashlib.sha256).hexdigest()


def _day(request: web.Request) -> int:
    """The number of today's date."""
    return request.config_dict[CLOCK]().toordinal()
