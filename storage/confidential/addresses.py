"""Chat addresses that wait to be notified, encrypted with the server's route key; it opens no query."""

import json
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.confidential.protocol.canonical import canonical, decode, encode
from storage.confidential.protocol.errors import Altered, Malformed

PADDED = 512  # bytes, so that the length of an address shows nothing
IV = 12  # bytes


def seal_address(route_key: bytes, address: Mapping[str, str], row: str) -> str:
    """Encrypt an address for the row of this name."""
    iv, plain = os.urandom(IV), canonical(dict(address)).encode().ljust(PADDED)
    return encode(iv + AESGCM(route_key).encrypt(iv, plain, _bound(row)))


def open_address(route_key: bytes, sealed: str, row: str) -> dict[str, str]:
    """Decrypt an address. Raises Altered."""
    try:
        raw = decode(sealed)
        return dict(json.loads(AESGCM(route_key).decrypt(raw[:IV], raw[IV:], _bound(row))))
    except (Malformed, InvalidTag, ValueError) as fault:
        raise Altered("address") from fault


def _bound(row: str) -> bytes:
    return f"integra/2/route\n{row}".encode()
