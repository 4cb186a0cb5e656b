"""Canonical JSON, the bytes that are signed, hashed and bound, and base64url with one spelling."""

import base64
import binascii
import hashlib
import json
from typing import Any, Final, NoReturn

from storage.confidential.protocol.errors import Malformed

LARGEST: Final = 2**53 - 1  # the greatest integer that every JSON parser keeps exact
DEEPEST: Final = 16  # arrays and objects inside each other
_PREFIX: Final = "integra/2/"


def encode(raw: bytes) -> str:
    """B: base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str, where: str = "base64url") -> bytes:
    """The bytes encoded by `encode`; another spelling of the same bytes raises Malformed(where)."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(where) from None
    if encode(raw) != text:
        raise Malformed(where)
    return raw


def canonical(value: object) -> str:
    """C: sorted ASCII keys, no spaces, integers below 2^53, no lone surrogates. Raises Malformed("json")."""
    _check(value, DEEPEST)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read(text: str) -> Any:
    """The value of a canonical text; a text that its value would not be written as raises Malformed("json")."""
    try:
        value = json.loads(text, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Malformed("json") from None
    if canonical(value) != text:
        raise Malformed("json")
    return value


def read_bytes(raw: bytes) -> Any:
    """The value of a canonical text in UTF-8. Raises Malformed("json")."""
    try:
        return read(raw.decode())
    except UnicodeDecodeError:
        raise Malformed("json") from None


def bound(label: str, value: object) -> bytes:
    """T: the bytes of a value under a label, which keeps objects of one kind from passing as another kind."""
    return f"{_PREFIX}{label}\n{canonical(value)}".encode()


def digest(label: str, value: object) -> str:
    """hash: SHA-256 of T, encoded."""
    return encode(hashlib.sha256(bound(label, value)).digest())


def prefixed(label: str) -> bytes:
    """The start of bytes that are not JSON: a label and a line break."""
    return f"{_PREFIX}{label}\n".encode()


def _refuse(text: str) -> NoReturn:
    raise ValueError("no integer")


def _check(value: object, depth: int) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int) and abs(value) <= LARGEST:
        return
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Malformed("json") from None
        return
    if depth and isinstance(value, list | tuple):
        for item in value:
            _check(item, depth - 1)
        return
    if depth and isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise Malformed("json")
            _check(item, depth - 1)
        return
    raise Malformed("json")
