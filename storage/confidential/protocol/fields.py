"""Formats of fields: each check takes a value and the path of its field, and raises Malformed with that path."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric import ec

from storage.confidential.protocol.canonical import decode
from storage.confidential.protocol.errors import Malformed

Check = Callable[[object, str], None]

ASKER: Final = "asker"
SERIALS: Final = 1_000_000  # lists of one unit
LETTERS: Final = 30_000  # letters of one case
CURVE: Final = ec.SECP256R1()
ZONE: Final = ZoneInfo("America/Mexico_City")

_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs"}  # two names that print alike would be two for exclusions
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def local_day(moment: datetime) -> date:
    """The day of a moment on the clock of those who write."""
    return moment.astimezone(ZONE).date()


# ---------------------------------------------------------------- single values


def exactly(expected: object) -> Check:
    def check(value: object, where: str) -> None:
        if value != expected or type(value) is not type(expected):
            raise Malformed(where)

    return check


def one_of(*expected: str) -> Check:
    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or value not in expected:
            raise Malformed(where)

    return check


def number(least: int, most: int) -> Check:
    def check(value: object, where: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Malformed(where)

    return check


def text(least: int, most: int) -> Check:
    """A string of so many bytes in UTF-8."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or not least <= len(value.encode(errors="replace")) <= most:
            raise Malformed(where)

    return check


def coded(least: int, most: int | None = None) -> Check:
    """Base64url of so many bytes."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or not least <= len(decode(value, where)) <= (most or least):
            raise Malformed(where)

    return check


def point(value: object, where: str) -> None:
    """A public key: 65 bytes, uncompressed, on the curve P-256."""
    coded(65)(value, where)
    try:
        public_key(str(value))
    except ValueError:
        raise Malformed(where) from None


@lru_cache(maxsize=1024)
def public_key(encoded: str) -> ec.EllipticCurvePublicKey:
    """The key of a checked point; ValueError if it is not on the curve."""
    return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decode(encoded))


def day(value: object, where: str) -> None:
    """A day of this century, YYYY-MM-DD."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise Malformed(where)
    try:
        date.fromisoformat(value)
    except ValueError:
        raise Malformed(where) from None


def name(value: object, where: str) -> None:
    """What people read: 1 to 200 bytes without characters that are not seen."""
    text(1, 200)(value, where)
    if any(unicodedata.category(one) in _UNSEEN and one != " " for one in str(value)):
        raise Malformed(where)


identifier: Final = coded(16)
hashed: Final = coded(32)
signature: Final = coded(64)
private_key: Final = coded(60, 300)  # PKCS #8


# ---------------------------------------------------------------- compositions


def either(expected: str, other: Check) -> Check:
    """One fixed string, or what the other check accepts."""

    def check(value: object, where: str) -> None:
        if value != expected:
            other(value, where)

    return check


def nullable(other: Check) -> Check:
    def check(value: object, where: str) -> None:
        if value is not None:
            other(value, where)

    return check


def record(**checks: Check) -> Check:
    """An object with exactly these fields, which are checked in this order."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise Malformed(where)
        for key, field in checks.items():
            if key not in value:
                raise Malformed(f"{where}.{key}")
            field(value[key], f"{where}.{key}")
        if len(value) != len(checks):
            raise Malformed(where)

    return check


def array(item: Check, least: int, most: int, by: Callable[[Any], Any] | None = None) -> Check:
    """A list of so many items; with `by` strictly ascending, so that one set has one form."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise Malformed(where)
        for one in value:
            item(one, where)
        keys = [by(one) for one in value] if by else []
        if any(left >= right for left, right in pairwise(keys)):
            raise Malformed(where)

    return check


def itself(value: Any) -> Any:
    return value


def texts(value: object, where: str) -> None:
    """An object of at most 64 named strings."""
    if not isinstance(value, dict) or len(value) > 64:
        raise Malformed(where)
    for key, item in value.items():
        if not _FIELD_NAME.fullmatch(key) or not isinstance(item, str):
            raise Malformed(where)


PIN: Final = record(serial=number(1, SERIALS), hash=hashed)
"""The newest list that was seen."""

BOX: Final = record(iv=coded(12), body=coded(17, 1_000_000))
"""What AES-GCM encrypted."""
