"""The wire format of suite 1: base64url, canonical JSON, identifiers, days, keys; all input is validated here first."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

TAG: Final = 16  # bytes that AES-GCM adds
CURVE: Final = ec.SECP256R1()

_ID = re.compile(r"[A-Za-z0-9_-]{22}")


class Malformed(ValueError):
    """A field does not have the format of suite 1; the message names the field and never shows its content."""


# ---------------------------------------------------------------- text and bytes


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes encoded by `encode`; any other encoding of the same bytes is refused. Raises Malformed."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("not base64url") from None
    if encode(raw) != text:
        raise Malformed("not base64url")
    return raw


def canonical(value: object) -> str:
    """The canonical form of a JSON value, which is signed, hashed and bound."""
    return json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


# ---------------------------------------------------------------- validation


def fields(value: object, names: str, where: str) -> Mapping[str, Any]:
    """`value` as a record with exactly these fields. Raises Malformed."""
    if not isinstance(value, dict) or value.keys() != set(names.split()):
        raise Malformed(where)
    return value


def string(value: object, where: str, *, longest: int = 200) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise Malformed(where)
    return value


def number(value: object, where: str, *, least: int = 1, most: int = 30_000) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Malformed(where)
    return value


def identifier(value: object, where: str) -> str:
    """A random identifier: 16 bytes."""
    text = string(value, where, longest=22)
    if not _ID.fullmatch(text) or len(coded(text, where)) != 16:
        raise Malformed(where)
    return text


def coded(value: object, where: str, *, size: int | None = None, longest: int = 65_536) -> bytes:
    """The bytes of a base64url field, of exactly `size` if that is given."""
    try:
        raw = decode(string(value, where, longest=longest))
    except Malformed:
        raise Malformed(where) from None
    if size is not None and len(raw) != size:
        raise Malformed(where)
    return raw


def calendar_day(value: object, where: str) -> date:
    text = string(value, where)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Malformed(where) from None
    if day.isoformat() != text:
        raise Malformed(where)
    return day


def public_key(value: object, where: str) -> ec.EllipticCurvePublicKey:
    """A valid P-256 point, uncompressed."""
    raw = coded(value, where, size=65)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, raw)
    except ValueError:
        raise Malformed(where) from None


def bundle(value: object, where: str, *, largest: int = 4096) -> str:
    """A wrapped private key, {"iv","body"}, in its canonical form."""
    record = fields(value, "iv body", where)
    coded(record["iv"], where, size=12)
    if not TAG < len(coded(record["body"], where)) <= largest:
        raise Malformed(where)
    return canonical(record)


def sealed_key(value: object, where: str) -> str:
    """A case key sealed to one reader: point, 32 bytes, tag."""
    coded(value, where, size=65 + 32 + TAG, longest=200)
    return str(value)
